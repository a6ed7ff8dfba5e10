"""What checkers know by themselves: RFC 5798's arithmetic written down anew, and who takes part in what.

Nothing here asks the code under test what it should have done; of a node only its configuration, its checks' states
and the names of its routers' states are read.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from vrrpd.frames import Datagram
from vrrpd.model import MILLISECOND, SECOND, Duration, Family, Identity, Instant, Version, VirtualRouter
from vrrpd.records import Record
from vrrpd.simulate.daemons import PeerDaemon, VrrpdDaemon
from vrrpd.simulate.lan import Content
from vrrpd.simulate.node import Node
from vrrpd.tracking import CheckState

MemberKey: TypeAlias = tuple[str, str, int]
"""(node, device, VRID)."""
PartyKey: TypeAlias = tuple[str, int, frozenset[str]]
"""(LAN, VRID, nodes)."""


# --- arithmetic, written down anew (RFC 5798 section 6.1, RFC 3768 section 6.2) ---


def skew(router: VirtualRouter, priority: int, interval: Duration) -> Duration:
    """(256 - priority) / 256 seconds in version 2, of the Master's interval in version 3."""
    unit = SECOND if router.version == Version.V2 else interval
    return unit * (256 - priority) // 256


def down(router: VirtualRouter, priority: int, interval: Duration) -> Duration:
    """Master_Down_Interval."""
    return router.down_timer_adverts * interval + skew(router, priority, interval)


def asking(router: VirtualRouter, interval: Duration) -> Duration:
    """How long an asking Master keeps its addresses at most; with IPv6 no longer than one that leaves."""
    largest_skew = SECOND if router.version == Version.V2 else interval
    leaving = min(largest_skew + 250 * MILLISECOND, 10 * SECOND)
    return leaving if router.family == Family.IPV6 else router.down_timer_adverts * interval + leaving


def sound(message: bytes) -> bool:
    """RFC 1071, word by word."""
    total: int = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


def message_of(content: Content) -> bytes:
    """The VRRP message in what was delivered."""
    if isinstance(content, Datagram):
        return content.payload
    return content[44:] if content[9] == 51 else content[20:]


def interval_in(message: bytes) -> Duration:
    """Seconds in version 2, twelve bits of centiseconds in version 3."""
    if message[0] >> 4 == Version.V2:
        return message[5] * SECOND
    return ((message[4] & 0x0F) << 8 | message[5]) * 10 * MILLISECOND


# --- who takes part ---


@dataclass(slots=True)
class Member:
    """One router on one node, as it is now."""

    node: Node
    router: VirtualRouter
    state: str
    priority: int
    worse: bool
    handed_over: bool = False
    drained: bool = False

    @property
    def key(self) -> MemberKey:
        """Which one."""
        return (self.node.name, self.router.interface, self.router.vrid)

    @property
    def serves(self) -> bool:
        """It holds the addresses by right."""
        return self.state in {"Master", "Resigning"}

    def preempts(self) -> bool:
        """It takes over from a lower Master."""
        return (self.router.preempt or self.router.priority == 255) and not self.worse and not self.handed_over


@dataclass(slots=True)
class Party:
    """Routers of one VRID that hear and accept one another, and since when what is true of them."""

    members: tuple[Member, ...]
    interval: Duration
    """The longest that any of them has, or may have learned."""
    since: dict[str, tuple[Instant, object]] = field(default_factory=dict)

    def masters(self) -> list[Member]:
        """Those in Master."""
        return [m for m in self.members if m.state == "Master"]

    def names(self) -> str:
        """For people."""
        return ", ".join(f"{m.node.name} {m.state} {m.priority}" for m in self.members)


@dataclass(frozen=True, slots=True)
class Mark:
    """What the advertisements that a router accepts have in common."""

    version_type: int
    timing: bytes
    trailer: bytes
    interval: Duration
    key: bytes | None = None
    """Of the Authentication Header that it has to be in; None: in none."""

    @classmethod
    def of(cls, router: VirtualRouter) -> Mark:
        """Version 2 compares authentication and interval, version 3 neither."""
        if router.version == Version.V3:
            return cls(0x31, b"", b"", router.advertisement_interval)
        key = router.authentication.password if router.authentication.type == 2 else None
        timing = bytes((router.authentication.type, router.advertisement_interval // SECOND))
        password = router.authentication.password if router.authentication.type == 1 else b""
        trailer = password.ljust(8, b"\0")
        return cls(0x21, timing, trailer, router.advertisement_interval, key)

    def accepts(self, message: bytes) -> bool:
        """It is such a one."""
        return message[0] == self.version_type and message.startswith(self.timing, 4) and message.endswith(self.trailer)

    def opens(self, content: Content) -> bool:
        """It is sealed as it should be: RFC 2402 section 3.3.3, with all but the TTL that routers may change."""
        if self.key is None or isinstance(content, Datagram):
            return self.key is None
        covered = bytearray(content)
        for start, end in ((1, 2), (6, 8), (10, 12), (32, 44)):
            covered[start:end] = bytes(end - start)
        return hmac.new(self.key, covered, hashlib.md5).digest()[:12] == content[32:44]


def record_of(node: Node, identity: Identity) -> Record | None:
    return node.daemon.engine.records.get(identity) if isinstance(node.daemon, VrrpdDaemon) else None


def patience(member: Member, interval: Duration) -> Duration:
    """How long a Backup waits for a Master at most; one that holds back waits out an asking one first."""
    router = member.router
    wait = down(router, member.priority, interval)
    if member.worse:
        return max(wait, asking(router, interval) + skew(router, member.priority, interval))
    return wait


def expected_priority(node: Node, router: VirtualRouter) -> int:
    """Base, plus weights by what the checks say: +w while good, -w while bad; 1 to 254, and an owner's 255."""
    record = record_of(node, router.identity)
    if record is not None and record.drained:
        return 1
    if router.priority == 255 or not isinstance(node.daemon, VrrpdDaemon):
        return router.priority
    total = router.priority
    for tracker in router.trackers:
        state = node.daemon.engine.checks[tracker.subject].state
        if tracker.weight > 0 and state is CheckState.OK:
            total += tracker.weight
        if tracker.weight < 0 and state is CheckState.FAILING:
            total += tracker.weight
    return min(254, max(1, total))


def members(node: Node) -> Iterator[Member]:
    """The routers of a node that run."""
    daemon = node.daemon
    if isinstance(daemon, PeerDaemon):
        for peer in daemon.routers:
            yield Member(node, peer.router, peer.state, peer.router.priority, worse=False)
    elif isinstance(daemon, VrrpdDaemon):
        for record in daemon.engine.records.values():
            router = record.router
            checks = daemon.engine.checks
            says = router.resigns_when_worse and not router.strict and router.priority != 255
            failing = any(t.weight and checks[t.subject].state is CheckState.FAILING for t in router.trackers)
            state = type(record.state).__name__
            worse = (says and failing) or record.drained
            yield Member(
                node, router, state, expected_priority(node, router), worse, record.handed_over, record.drained
            )


def accept(x: VirtualRouter, y: VirtualRouter) -> bool:
    """They take each other's advertisements."""
    if x.version != y.version or x.authentication != y.authentication:
        return False
    return x.version == Version.V3 or x.advertisement_interval == y.advertisement_interval
