"""Datagrams that are no advertisement for a router of ours: the checks, and who sent them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from vrrpd.frames import Datagram
from vrrpd.model import SECOND, Instant, IPAddress, VirtualRouter
from vrrpd.packet import Advertisement, DropReason, PacketError, decode

STRAYS_MAX = 255


def accept(router: VirtualRouter, datagram: Datagram, own: IPAddress) -> Advertisement:
    """The advertisement in a datagram. Raises `PacketError` with the first check that fails, in keepalived's order."""
    advertisement = decode(router, datagram)
    if datagram.destination != router.group:
        raise PacketError(DropReason.DESTINATION, f"sent to {datagram.destination}", f"{router.group}")
    if datagram.source == own:
        raise PacketError(DropReason.OWN_SOURCE, "our own address as source", "another one")
    return advertisement


class Difference(NamedTuple):
    """In what an advertisement that counts differs from ours, in words."""

    field: str
    theirs: str
    ours: str


def differences(router: VirtualRouter, advertisement: Advertisement) -> list[Difference]:
    """What is told and does not make an advertisement count less (RFC 9568 section 7.1)."""
    found = []
    theirs, ours = set(advertisement.addresses), {address.ip for address in router.addresses}
    if theirs != ours:
        found.append(Difference("addresses", _list(theirs), _list(ours)))
    interval = advertisement.advertisement_interval
    if interval != router.advertisement_interval:
        words = f"advertises every {interval / SECOND:g} s", f"every {router.advertisement_interval / SECOND:g} s"
        found.append(Difference("interval", *words))
    return found


def _list(addresses: set[IPAddress]) -> str:
    return ", ".join(map(str, sorted(addresses, key=int))) or "no address"


@dataclass(slots=True)
class Stray:
    """Advertisements of a virtual router that is not configured here, or of none."""

    interface: str
    vrid: int | None
    peer: str
    count: int
    last: Instant


class Strays:
    """What belongs to no router. Bounded, whatever a LAN sends: what does not fit is counted by reason alone."""

    def __init__(self) -> None:
        self.drops: Counter[DropReason] = Counter()
        self._known: dict[tuple[str, int | None], Stray] = {}

    def __iter__(self) -> Iterator[Stray]:
        return iter(self._known.values())

    def note(self, interface: str, vrid: int | None, peer: str, reason: DropReason, now: Instant) -> None:
        """One more."""
        self.drops[reason] += 1
        known = self._known.get((interface, vrid))
        if known is not None:
            known.peer, known.last = peer, now
            known.count += 1
        elif len(self._known) < STRAYS_MAX:
            self._known[interface, vrid] = Stray(interface, vrid, peer, 1, now)
