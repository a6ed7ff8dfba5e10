"""Addresses on their way into a simulated kernel: `kernelwork.KernelQueue` in virtual time, without its thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from vrrpd.addresses import Key
from vrrpd.model import Identity, VirtualAddress
from vrrpd.states import AnnounceAddresses, BidFarewell

Followup: TypeAlias = AnnounceAddresses | BidFarewell
Results: TypeAlias = tuple[tuple[VirtualAddress, bool, int], ...]
Changes: TypeAlias = list[tuple[VirtualAddress, bool]]


@dataclass(slots=True)
class _Work:
    wanted: dict[VirtualAddress, bool] = field(default_factory=dict)
    followups: list[Followup] = field(default_factory=list)


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
    """The wanted set, newest wins; one batch at a time; what follows is said once it is true."""

    def __init__(self, owner: Owner) -> None:
        self.idle = True
        self._owner = owner
        self._wanted: dict[VirtualAddress, bool] = {}
        """In the order of the newest request."""
        self._waiting: dict[Identity, _Work] = {}
        self._under_way: dict[Identity, _Work] = {}

    def want(self, router: Identity, addresses: Iterable[VirtualAddress], *, present: bool) -> None:
        """The router wants these to be there, or to be gone."""
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
        if self.idle:
            self.idle = False
            self._owner.soon(self._begin)

    def follow(self, router: Identity, followup: Followup) -> None:
        """To be said once what the router wants is true; now if it is."""
        work = self._waiting.get(router) or self._under_way.get(router)
        if work is None:
            self._owner.on_followup(router, followup)
        else:
            work.followups = [f for f in work.followups if type(f) is not type(followup)] + [followup]

    def _begin(self) -> None:
        self._under_way, self._waiting = self._waiting, {}
        changes, self._wanted = list(self._wanted.items()), {}
        self._owner.submit(changes, self._finish)

    def _finish(self, results: Results) -> None:
        self._owner.on_results(results)
        outcome = {address: error for address, _, error in results}
        done, self._under_way = self._under_way, {}
        for router, work in done.items():
            failed = {address.key for address in work.wanted if outcome[address]}
            for followup in work.followups:
                self._owner.on_followup(router, _without(followup, failed))
        if self._waiting:
            self._begin()
        else:
            self.idle = True
            self._owner.on_idle()


def _without(followup: Followup, failed: set[Key]) -> Followup:
    """What is not there is not announced."""
    if not failed or not isinstance(followup, AnnounceAddresses):
        return followup
    frames = tuple(frame for frame in followup.frames if (frame.address, frame.device) not in failed)
    return AnnounceAddresses(frames, followup.repeat)
