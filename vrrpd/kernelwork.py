"""Addresses on their way into the kernel: the wanted set, newest wins, and what follows once it is true.

A turn never waits for the kernel. What is wanted is bounded by the addresses there are, however slow the kernel is;
one batch at a time is applied in a worker thread, and the ledger says so before the kernel does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeAlias

from structlog.typing import FilteringBoundLogger

from vrrpd.addresses import Key
from vrrpd.ledger import Ledger, MasterHere
from vrrpd.model import Identity, VirtualAddress
from vrrpd.ports import AddressChange, Kernel
from vrrpd.states import AnnounceAddresses, BidFarewell

Results: TypeAlias = tuple[tuple[VirtualAddress, bool, int], ...]
Followup: TypeAlias = AnnounceAddresses | BidFarewell


@dataclass(slots=True)
class _Work:
    wanted: dict[VirtualAddress, bool] = field(default_factory=dict)
    followups: list[Followup] = field(default_factory=list)


class KernelQueue:
    """What each router wants of the kernel.

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
        self._wanted: dict[VirtualAddress, bool] = {}
        """In the order of the newest request: two routers may want the same address, one after the other."""
        self._waiting: dict[Identity, _Work] = {}
        self._under_way: dict[Identity, _Work] = {}
        self._ledger_changed = False
        self._worker: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Nothing waits, and nothing is under way."""
        return self._worker is None

    def add(self, router: Identity, addresses: Iterable[VirtualAddress]) -> None:
        """The router wants these to be there."""
        self._want(router, addresses, present=True)

    def remove(self, router: Identity, addresses: Iterable[VirtualAddress]) -> None:
        """The router wants these to be gone."""
        self._want(router, addresses, present=False)

    def follow(self, router: Identity, followup: Followup) -> None:
        """To be said once what the router wants is true; now if it is."""
        work = self._waiting.get(router) or self._under_way.get(router)
        if work is None:
            self._on_followup(router, followup)
        else:
            work.followups = [f for f in work.followups if type(f) is not type(followup)] + [followup]

    def note_masters(self) -> None:
        """The ledger is to be written: who is Master has changed."""
        self._ledger_changed = True
        self._wake()

    def _want(self, router: Identity, addresses: Iterable[VirtualAddress], *, present: bool) -> None:
        addresses = tuple(addresses)
        for address in addresses:
            self._wanted.pop(address, None)
            self._wanted[address] = present
        gone = set() if present else {address.key for address in addresses}
        self._waiting.setdefault(router, _Work()).wanted.update(dict.fromkeys(addresses, present))
        for work in (self._waiting[router], self._under_way.get(router)):
            if work is not None:
                kept = (f for f in work.followups if not isinstance(f, BidFarewell))
                work.followups = [_without(followup, gone) for followup in kept]
        self._wake()

    def _wake(self) -> None:
        if self._worker is None:
            self._worker = self._loop.create_task(self._work())

    async def _work(self) -> None:
        while self._waiting or self._ledger_changed:
            self._under_way, self._waiting, self._ledger_changed = self._waiting, {}, False
            changes = [AddressChange(address, present) for address, present in self._wanted.items()]
            self._wanted = {}
            masters = self._ledger.masters()
            errors = await self._loop.run_in_executor(self._executor, self._commit, changes, masters)
            self._tell(changes, errors)
        self._worker = None
        self._on_idle()

    def _commit(self, changes: list[AddressChange], masters: tuple[MasterHere, ...]) -> list[int]:
        """In the worker thread: the ledger, the kernel, the ledger."""
        try:
            self._ledger.expect([c.address for c in changes if c.present], self._kernel.deletion, masters)
        except OSError as error:
            # An address that serves without a ledger beats one that does not serve.
            self._log.error("ledger not written", error=error.strerror)
        errors = self._kernel.apply(changes)
        gone = [c.address for c, error in zip(changes, errors, strict=True) if not c.present and not error]
        with contextlib.suppress(OSError):
            self._ledger.forget(gone, masters)
        return errors

    def _tell(self, changes: list[AddressChange], errors: list[int]) -> None:
        outcome = {change.address: error for change, error in zip(changes, errors, strict=True)}
        self._on_results(tuple((c.address, c.present, outcome[c.address]) for c in changes))
        # What the results made a router want has by now taken back what it was going to say.
        done, self._under_way = self._under_way, {}
        for router, work in done.items():
            failed = {address.key for address in work.wanted if outcome[address]}
            for followup in work.followups:
                self._on_followup(router, _without(followup, failed))


def _without(followup: Followup, failed: set[Key]) -> Followup:
    """An address that could not be added is not announced."""
    if not failed or not isinstance(followup, AnnounceAddresses):
        return followup
    frames = tuple(frame for frame in followup.frames if (frame.address, frame.device) not in failed)
    return AnnounceAddresses(frames, followup.repeat)
