"""Who needs what in the kernel, and what the kernel has confirmed. An address belongs to (address, device)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from vrrpd.model import Held, Identity, IPAddress

Key: TypeAlias = tuple[IPAddress, str] | Held
H = TypeVar("H", bound=Held)


@dataclass(slots=True)
class _Due:
    needed_by: set[Identity] = field(default_factory=set)
    confirmed: bool = False
    error: int = 0


class AddressBook:
    """The addresses, routes and rules that are due now, over all routers. Two routers may need the same one."""

    def __init__(self) -> None:
        self._due: dict[Key, _Due] = {}

    def need(self, router: Identity, things: Iterable[Held]) -> None:
        """The router is to hold these."""
        for thing in things:
            self._due.setdefault(thing.key, _Due()).needed_by.add(router)

    def drop(self, router: Identity, things: Iterable[H]) -> tuple[H, ...]:
        """The router needs these no longer; return those that no other router of ours needs."""
        return tuple(thing for thing in things if self._drop(router, thing.key))

    def _drop(self, router: Identity, key: Key) -> bool:
        due = self._due.get(key)
        if due is not None:
            due.needed_by.discard(router)
            if due.needed_by:
                return False
            del self._due[key]
        return True

    def report(self, thing: Held, *, present: bool, error: int) -> None:
        """The kernel has answered. What it says of a thing that is not due any more is of no interest."""
        due = self._due.get(thing.key)
        if due is not None:
            due.confirmed = present and not error
            due.error = error

    def lost(self, key: Key) -> bool:
        """It is gone from the kernel; True when it was due and had been there."""
        due = self._due.get(key)
        if due is None or not due.confirmed:
            return False
        due.confirmed = False
        return True

    def unconfirmed(self, things: Iterable[H]) -> tuple[H, ...]:
        """Those that are due and that the kernel has not confirmed."""
        return tuple(t for t in things if (due := self._due.get(t.key)) is not None and not due.confirmed)

    def is_needed(self, router: Identity, things: Iterable[Held]) -> bool:
        """The router holds any of these, or is to."""
        return any((due := self._due.get(thing.key)) is not None and router in due.needed_by for thing in things)

    def is_confirmed(self, key: Key) -> bool:
        """It is due, and the kernel has it."""
        due = self._due.get(key)
        return due is not None and due.confirmed

    def is_refused(self, key: Key) -> bool:
        """The kernel has said no."""
        due = self._due.get(key)
        return due is not None and due.error != 0

    def error(self, things: Iterable[Held]) -> int:
        """The first errno among them; 0 when there is none."""
        return next((due.error for t in things if (due := self._due.get(t.key)) is not None and due.error), 0)
