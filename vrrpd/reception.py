"""Datagrams that are no advertisement for a router of ours: the checks, and who sent them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from vrrpd.frames import Datagram, Seal
from vrrpd.model import SECOND, Instant, IPAddress, Unicast, VirtualRouter
from vrrpd.packet import TTL, Advertisement, DropReason, PacketError, decode

STRAYS_MAX = 255


def accept(router: VirtualRouter, datagram: Datagram, own: IPAddress, sequence: int = 0) -> Advertisement:
    """The advertisement in a datagram. Raises `PacketError` with the first check that fails, in keepalived's order.

    `own` is where we advertise from, `sequence` the last number that an Authentication Header had.
    """
    advertisement = decode(router, datagram)
    if datagram.seal is not None:
        _check_sequence(datagram.source, datagram.seal, sequence)
    wanted = router.group if router.unicast is None else own
    if datagram.destination != wanted:
        raise PacketError(DropReason.DESTINATION, f"sent to {datagram.destination}", f"{wanted}")
    if datagram.source == own:
        raise PacketError(DropReason.OWN_SOURCE, "our own address as source", "another one")
    if router.ignores_as_owner and router.is_owner:
        raise PacketError(DropReason.OWNER, "an advertisement", "none, we own the addresses")
    if router.unicast is not None:
        _check_peer(router.unicast, datagram)
    return advertisement


def _check_sequence(source: IPAddress, seal: Seal, sequence: int) -> None:
    """RFC 2402 section 3.4.3; one SPI, the sender's own address."""
    if seal.spi != source.packed:
        raise PacketError(DropReason.AUTHENTICATION, f"SPI {seal.spi.hex()}", f"{source.packed.hex()}, its address")
    if seal.sequence <= sequence:
        raise PacketError(DropReason.REPLAY, f"sequence number {seal.sequence}", f"above {sequence}")


def _check_peer(unicast: Unicast, datagram: Datagram) -> None:
    """Where that is asked for: it comes from a peer, and from as far as that one is."""
    if not unicast.checks_source:
        return
    peer = next((peer for peer in unicast.peers if peer.address == datagram.source), None)
    if peer is None:
        raise PacketError(DropReason.SOURCE, f"{datagram.source}", "one of unicast_peer")
    least, most = peer.min_ttl or 0, TTL if peer.max_ttl is None else peer.max_ttl
    if not least <= datagram.ttl <= most:
        raise PacketError(DropReason.TTL, f"TTL {datagram.ttl}", f"{least} to {most}")


class Difference(NamedTuple):
    """In what an advertisement that counts differs from ours, in words."""

    field: str
    theirs: str
    ours: str


def differences(router: VirtualRouter, advertisement: Advertisement, *, is_known: bool = False) -> list[Difference]:
    """What is told and does not make an advertisement count less (RFC 9568 section 7.1).

    `is_known`: its sender's one before was looked at, which may be enough (keepalived's skip_check_adv_addr).
    """
    found = []
    theirs, ours = set(advertisement.addresses), {address.ip for address in router.addresses}
    if theirs != ours and not (is_known and router.accepts_known_lists):
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
