"""Addresses on their way into a simulated kernel: what `kernelwork` does with a thread, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

from vrrpd.model import Held, Identity
from vrrpd.wanted import Followup, Results, Wanted

Changes: TypeAlias = list[tuple[Held, bool]]


class Owner(Protocol):
    """Whose addresses they are."""

    def submit(self, changes: Changes, done: Callable[[Results], None]) -> None:
        """Ask the kernel, which answers with an errno for each."""

    def on_results(self, results: Results) -> None:
        """The kernel has answered."""

    def on_followup(self, router: Identity, followup: Followup) -> None:
        """What waited for the kernel may be said."""

    def on_idle(self) -> None:
        """Nothing is left to do."""

    def soon(self, call: Callable[[], None]) -> None:
        """Call it in a turn of its own."""


class AddressQueue:
    """One batch at a time; what follows is said once it is true."""

    def __init__(self, owner: Owner) -> None:
        self.idle = True
        self._owner = owner
        self._wanted = Wanted()

    def want(self, router: Identity, things: Iterable[Held], *, present: bool) -> None:
        """The router wants these to be there, or to be gone."""
        self._wanted.want(router, things, present=present)
        if self.idle:
            self.idle = False
            self._owner.soon(self._begin)

    def follow(self, router: Identity, followup: Followup) -> None:
        """To be said once what the router wants is true; now if it is."""
        if not self._wanted.postpone(router, followup):
            self._owner.on_followup(router, followup)

    def _begin(self) -> None:
        self._owner.submit(self._wanted.take(), self._finish)

    def _finish(self, results: Results) -> None:
        self._owner.on_results(results)
        for router, followup in self._wanted.settle(results):
            self._owner.on_followup(router, followup)
        if self._wanted.is_waiting:
            self._begin()
        else:
            self.idle = True
            self._owner.on_idle()
