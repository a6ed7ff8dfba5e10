"""What is wanted in the kernel: newest wins, so it is bounded by what there is in the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from vrrpd.addresses import Key
from vrrpd.model import Held, Identity
from vrrpd.states import AnnounceAddresses, BidFarewell

Results: TypeAlias = tuple[tuple[Held, bool, int], ...]
"""The kernel's answers: the thing, whether it was to be present, errno (0: as wanted)."""
Followup: TypeAlias = AnnounceAddresses | BidFarewell
"""What may only be said once the kernel has done what was wanted before."""


@dataclass(slots=True)
class _Work:
    touched: set[Held] = field(default_factory=set)
    followups: list[Followup] = field(default_factory=list)


class Wanted:
    """Of all routers together: two may want the same thing, one after the other.

    One batch at a time: `take` it, have the kernel do it, `settle` it.
    """

    def __init__(self) -> None:
        self._wanted: dict[Held, bool] = {}
        """In the order of the newest request."""
        self._waiting: dict[Identity, _Work] = {}
        self._under_way: dict[Identity, _Work] = {}

    @property
    def is_waiting(self) -> bool:
        """There is something to take."""
        return bool(self._waiting)

    def want(self, router: Identity, things: Iterable[Held], *, present: bool) -> None:
        """The router wants these to be there, or to be gone. What it was going to say of them is taken back."""
        things = tuple(things)
        for thing in things:
            self._wanted.pop(thing, None)
            self._wanted[thing] = present
        gone: set[Key] = set() if present else _keys(things)
        self._waiting.setdefault(router, _Work()).touched.update(things)
        for work in (self._waiting[router], self._under_way.get(router)):
            if work is not None:
                kept = (f for f in work.followups if not isinstance(f, BidFarewell))
                work.followups = [_without(followup, gone) for followup in kept]

    def postpone(self, router: Identity, followup: Followup) -> bool:
        """False: nothing stands before it, say it now. True: `settle` gives it back."""
        work = self._waiting.get(router) or self._under_way.get(router)
        if work is None:
            return False
        work.followups = [f for f in work.followups if type(f) is not type(followup)] + [followup]
        return True

    def take(self) -> list[tuple[Held, bool]]:
        """All that is wanted and not yet under way, in the order of the requests."""
        self._under_way, self._waiting = self._waiting, {}
        changes, self._wanted = list(self._wanted.items()), {}
        return changes

    def settle(self, results: Results) -> list[tuple[Identity, Followup]]:
        """The batch is done; what may be said now. An address that could not be added is not announced."""
        failed = {thing for thing, _, error in results if error}
        done, self._under_way = self._under_way, {}
        return [
            (router, _without(followup, _keys(work.touched & failed)))
            for router, work in done.items()
            for followup in work.followups
        ]


def _keys(things: Iterable[Held]) -> set[Key]:
    return {thing.key for thing in things}


def _without(followup: Followup, keys: set[Key]) -> Followup:
    if not keys or not isinstance(followup, AnnounceAddresses):
        return followup
    frames = tuple(frame for frame in followup.frames if (frame.address, frame.device) not in keys)
    return AnnounceAddresses(frames, followup.repeat)
