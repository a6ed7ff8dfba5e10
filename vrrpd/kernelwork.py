"""Addresses, routes and rules on their way into the kernel.

A turn never waits for the kernel. One batch at a time is applied in a worker thread, because a netlink write works
inside `send`, under a lock of the kernel; the ledger says so before the kernel does.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

from structlog.typing import FilteringBoundLogger

from vrrpd.ledger import Ledger, MasterHere
from vrrpd.model import Held, Identity
from vrrpd.ports import Change, Kernel
from vrrpd.wanted import Followup, Results, Wanted


class KernelQueue:
    """What routers want of the kernel.

    `on_results(results)` is called for each batch, then `on_followup(router, followup)` for what may be said now,
    and `on_idle()` when nothing is left.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        executor: Executor,
        kernel: Kernel,
        ledger: Ledger,
        log: FilteringBoundLogger,
        on_results: Callable[[Results], None],
        on_followup: Callable[[Identity, Followup], None],
        on_idle: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._executor = executor
        self._kernel = kernel
        self._ledger = ledger
        self._log = log
        self._on_results = on_results
        self._on_followup = on_followup
        self._on_idle = on_idle
        self._wanted = Wanted()
        self._ledger_changed = False
        self._worker: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Nothing waits, and nothing is under way."""
        return self._worker is None

    def want(self, router: Identity, things: Iterable[Held], *, present: bool) -> None:
        """The router wants these to be there, or to be gone."""
        self._wanted.want(router, things, present=present)
        self._wake()

    def follow(self, router: Identity, followup: Followup) -> None:
        """To be said once what the router wants is true; now if it is."""
        if not self._wanted.postpone(router, followup):
            self._on_followup(router, followup)

    def note_masters(self) -> None:
        """The ledger is to be written: who is Master has changed."""
        self._ledger_changed = True
        self._wake()

    def _wake(self) -> None:
        if self._worker is None:
            self._worker = self._loop.create_task(self._work())

    async def _work(self) -> None:
        while self._wanted.is_waiting or self._ledger_changed:
            self._ledger_changed = False
            changes = [Change(thing, present) for thing, present in self._wanted.take()]
            masters = self._ledger.masters()
            errors = await self._loop.run_in_executor(self._executor, self._commit, changes, masters)
            results = tuple((c.thing, c.present, error) for c, error in zip(changes, errors, strict=True))
            # First what the results make routers want: it takes back what they were going to say.
            self._on_results(results)
            for router, followup in self._wanted.settle(results):
                self._on_followup(router, followup)
        self._worker = None
        self._on_idle()

    def _commit(self, changes: list[Change], masters: tuple[MasterHere, ...]) -> list[int]:
        """In the worker thread: the ledger, the kernel, the ledger."""
        try:
            self._ledger.expect([c.thing for c in changes if c.present], self._kernel.deletion, masters)
        except OSError as error:
            # An address that serves without a ledger beats one that does not serve.
            self._log.error("ledger not written", error=error.strerror)
        try:
            errors = self._kernel.apply(changes)
        except OSError as error:
            errors = [error.errno or errno.EIO] * len(changes)
        gone = [c.thing for c, error in zip(changes, errors, strict=True) if not c.present and not error]
        with contextlib.suppress(OSError):
            self._ledger.forget(gone, masters)
        return errors
