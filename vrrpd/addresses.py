"""Who needs which address, and what the kernel has confirmed. An address belongs to (address, device)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from vrrpd.model import Identity, IPAddress, VirtualAddress

Key: TypeAlias = tuple[IPAddress, str]


@dataclass(slots=True)
class _Due:
    needed_by: set[Identity] = field(default_factory=set)
    confirmed: bool = False
    error: int = 0


class AddressBook:
    """The addresses that are due now, over all routers. Two routers may need the same one."""

    def __init__(self) -> None:
        self._due: dict[Key, _Due] = {}

    def need(self, router: Identity, addresses: Iterable[VirtualAddress]) -> None:
        """The router is to hold these."""
        for address in addresses:
            self._due.setdefault(address.key, _Due()).needed_by.add(router)

    def drop(self, router: Identity, addresses: Iterable[VirtualAddress]) -> tuple[VirtualAddress, ...]:
        """The router needs these no longer; return those that no other router of ours needs."""
        return tuple(address for address in addresses if self._drop(router, address.key))

    def _drop(self, router: Identity, key: Key) -> bool:
        due = self._due.get(key)
        if due is not None:
            due.needed_by.discard(router)
            if due.needed_by:
                return False
            del self._due[key]
        return True

    def report(self, address: VirtualAddress, *, present: bool, error: int) -> None:
        """The kernel has answered. What it says of an address that is not due any more is of no interest."""
        due = self._due.get(address.key)
        if due is not None:
            due.confirmed = present and not error
            due.error = error

    def lost(self, key: Key) -> bool:
        """The address is gone from its device; True when it was due and had been there."""
        due = self._due.get(key)
        if due is None or not due.confirmed:
            return False
        due.confirmed = False
        return True

    def unconfirmed(self, addresses: Iterable[VirtualAddress]) -> tuple[VirtualAddress, ...]:
        """Those that are due and that the kernel has not confirmed."""
        return tuple(a for a in addresses if (due := self._due.get(a.key)) is not None and not due.confirmed)

    def is_refused(self, key: Key) -> bool:
        """The kernel has said no."""
        due = self._due.get(key)
        return due is not None and due.error != 0

    def error(self, addresses: Iterable[VirtualAddress]) -> int:
        """The first errno among them; 0 when there is none."""
        return next((due.error for a in addresses if (due := self._due.get(a.key)) is not None and due.error), 0)
