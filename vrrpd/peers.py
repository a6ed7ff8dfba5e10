"""Other people's routers, as small models of their own: RFC 5798 to the letter, and keepalived.

They know nothing of our machine: what they do is written down from RFC 5798 section 6.4 (RFC 3768 for version 2) and
from keepalived's behaviour, so that our routers can be tried against them. Only the codec is shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Literal, TypeAlias

from vrrpd import ah, packet
from vrrpd.frames import gratuitous_arp, strip_ipv4
from vrrpd.model import SECOND, Duration, InitialState, Instant, IPAddress, Version, VirtualRouter
from vrrpd.packet import Advertisement, PacketError

_PROTOCOL_AT = 9

PeerState: TypeAlias = Literal["Initialize", "Backup", "Master"]


@dataclass(frozen=True, slots=True)
class Send:
    """Multicast this message."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Hold:
    """Put the addresses on their devices."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """Take them off."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Broadcast these frames, so many times each."""

    frames: tuple[tuple[str, bytes], ...]
    repeat: int


Output: TypeAlias = Send | Hold | LetGo | Announce
Outputs: TypeAlias = list[Output]


class PeerRouter:
    """What all routers have in common: two timers of which one runs, and RFC 5798 section 6.1's arithmetic."""

    def __init__(self, router: VirtualRouter, address: IPv4Address, macs: dict[str, bytes]) -> None:
        self.router = router
        self.address = address
        self.state: PeerState = "Initialize"
        self.timer_at: Instant | None = None
        self.learned: Duration = router.advertisement_interval
        self.sequence = 0
        """The last of an Authentication Header, heard or said."""
        self.company: tuple[KeepalivedRouter, ...] = ()
        """The others of its sync group."""
        self._macs = macs

    def deadline(self) -> Instant | None:
        """When `tick` is wanted."""
        return self.timer_at

    def receive(self, content: bytes, now: Instant) -> Outputs:
        """An IPv4 packet of protocol 112, header included."""
        datagram = strip_ipv4(content)
        if datagram is not None and content[_PROTOCOL_AT] == ah.PROTOCOL:
            datagram = ah.unseal(datagram, content)
        if datagram is None or self.state == "Initialize" or datagram.source == self.address:
            return []
        if len(datagram.payload) < 2 or datagram.payload[1] != self.router.vrid:  # noqa: PLR2004  type and VRID
            return []
        try:
            advertisement = packet.decode(self.router, datagram)
        except PacketError:
            return []
        if datagram.seal is not None:
            if datagram.seal.sequence <= self.sequence:
                return []
            self.sequence = datagram.seal.sequence
        if self.state == "Backup":
            return self._backup_hears(advertisement, now)
        return self._master_hears(advertisement, datagram.source, now)

    def start(self, now: Instant) -> Outputs:
        """Startup (section 6.4.1)."""
        if self.router.is_owner and self.router.initial_state is InitialState.MASTER:
            return self._become_master(now)
        self.state, self.learned = "Backup", self.router.advertisement_interval
        self.timer_at = now + self.down_interval()
        return []

    def stop(self) -> Outputs:
        """Shutdown: priority 0, then the addresses go."""
        was, self.state, self.timer_at = self.state, "Initialize", None
        return [self._send(0), LetGo()] if was == "Master" else []

    def tick(self, now: Instant) -> Outputs:
        """A timer fires, if one is due."""
        if self.timer_at is None or now < self.timer_at:
            return []
        if self.state == "Backup":
            return self._become_master(now)
        self.timer_at = now + self.router.advertisement_interval
        return [self._send(self.router.priority)]

    def skew(self) -> Duration:
        """Version 2: (256 - priority) / 256 seconds; version 3: of the learned interval."""
        unit = self.learned if self.router.version == Version.V3 else SECOND
        return unit * (256 - self.router.priority) // 256

    def down_interval(self) -> Duration:
        """Three intervals and the skew."""
        return 3 * self.learned + self.skew()

    def _become_master(self, now: Instant) -> Outputs:
        self.state, self.timer_at = "Master", now + self.router.advertisement_interval
        return [self._send(self.router.priority), Hold(), self._announce(1)]

    def _become_backup(self, advertisement: Advertisement, now: Instant) -> Outputs:
        self.state = "Backup"
        self._accept(advertisement, now)
        return [LetGo()]

    def _accept(self, advertisement: Advertisement, now: Instant) -> None:
        if self.router.version == Version.V3:
            self.learned = advertisement.advertisement_interval
        self.timer_at = now + self.down_interval()

    def _outranked_by(self, advertisement: Advertisement, source: IPAddress) -> bool:
        if advertisement.priority != self.router.priority:
            return advertisement.priority > self.router.priority
        return source.packed > self.address.packed

    def _backup_hears(self, advertisement: Advertisement, now: Instant) -> Outputs:
        raise NotImplementedError

    def _master_hears(self, advertisement: Advertisement, source: IPAddress, now: Instant) -> Outputs:
        raise NotImplementedError

    def _send(self, priority: int) -> Send:
        return Send(packet.encode(self.router, priority, self.address))

    def _announce(self, repeat: int) -> Announce:
        frames = tuple(
            (address.device, gratuitous_arp(self._macs[address.device], address.ip))
            for address in self.router.addresses
            if isinstance(address.ip, IPv4Address)
        )
        return Announce(frames, repeat)


class StrictRouter(PeerRouter):
    """RFC 5798 section 6.4, and nothing that it does not say."""

    def _backup_hears(self, advertisement: Advertisement, now: Instant) -> Outputs:
        if advertisement.priority == 0:
            self.timer_at = now + self.skew()
        elif not self.router.preempt or advertisement.priority >= self.router.priority:
            self._accept(advertisement, now)
        return []

    def _master_hears(self, advertisement: Advertisement, source: IPAddress, now: Instant) -> Outputs:
        if advertisement.priority == 0:
            self.timer_at = now + self.router.advertisement_interval
            return [self._send(self.router.priority)]
        if self._outranked_by(advertisement, source):
            return self._become_backup(advertisement, now)
        return []


class KeepalivedRouter(PeerRouter):
    """keepalived 2.2.7: answers a lower Master, announces twice, and may delay its preemption."""

    def __init__(self, router: VirtualRouter, address: IPv4Address, macs: dict[str, bytes]) -> None:
        super().__init__(router, address, macs)
        self.wants = False
        """Its timer has fired, and its group holds it."""
        self._announce_at: Instant | None = None
        self._preempt_at: Instant | None = None

    def follow(self, now: Instant) -> Outputs:
        """Another of its group has changed: be what the group is."""
        if self.state == "Backup" and self.wants and any(other.state == "Master" for other in self.company):
            return self._take_over(now)
        if self.state == "Master" and any(other.state == "Backup" and not other.wants for other in self.company):
            self.state, self.timer_at, self._announce_at = "Backup", now + self.down_interval(), None
            return [LetGo()]
        if self.state != "Initialize" and any(other.state == "Initialize" for other in self.company):
            return self.stop()
        return []

    def deadline(self) -> Instant | None:
        """The timer's, or the second burst's."""
        return min((at for at in (self.timer_at, self._announce_at) if at is not None), default=None)

    def tick(self, now: Instant) -> Outputs:
        """An advertisement, a takeover, or the second burst."""
        outputs = super().tick(now)
        if self._announce_at is not None and now >= self._announce_at:
            self._announce_at = None
            if self.state == "Master":
                outputs.append(self._announce(self.router.announcing.master_repeat))
        return outputs

    def stop(self) -> Outputs:
        """Stop."""
        self.wants = False
        self._announce_at = self._preempt_at = None
        return super().stop()

    def _become_master(self, now: Instant) -> Outputs:
        """When all of its group want it; its timer begins again meanwhile."""
        if all(other.wants or other.state == "Master" for other in self.company):
            return self._take_over(now)
        self.wants, self.timer_at = True, now + self.down_interval()
        return []

    def _take_over(self, now: Instant) -> Outputs:
        self.wants = False
        delay = self.router.announcing.master_delay
        self._announce_at = now + delay if delay else None
        *first, _ = super()._become_master(now)
        return [*first, self._announce(self.router.announcing.master_repeat)]

    def _become_backup(self, advertisement: Advertisement, now: Instant) -> Outputs:
        self._announce_at = self._preempt_at = None
        return super()._become_backup(advertisement, now)

    def _accept(self, advertisement: Advertisement, now: Instant) -> None:
        self.wants = False
        super()._accept(advertisement, now)

    def _backup_hears(self, advertisement: Advertisement, now: Instant) -> Outputs:
        if advertisement.priority == 0:
            self.timer_at = now + self.skew()
        elif advertisement.priority >= self.router.priority:
            self._preempt_at = None
            self._accept(advertisement, now)
        elif not self.router.preempt or self._is_patient(now):
            self._accept(advertisement, now)
        return []

    def _is_patient(self, now: Instant) -> bool:
        """preempt_delay runs from the first lower advertisement."""
        if not self.router.preempt_delay:
            return False
        if self._preempt_at is None:
            self._preempt_at = now + self.router.preempt_delay
        return now < self._preempt_at

    def _master_hears(self, advertisement: Advertisement, source: IPAddress, now: Instant) -> Outputs:
        if advertisement.priority == 0:
            self.timer_at = now + self.router.advertisement_interval
            return [self._send(self.router.priority)]
        if self._outranked_by(advertisement, source):
            return self._become_backup(advertisement, now)
        if advertisement.priority == self.router.priority:
            return []
        self.timer_at = now + self.router.advertisement_interval
        announcing = self.router.announcing
        if announcing.lower_priority_delay:
            self._announce_at = now + announcing.lower_priority_delay
        return [self._send(self.router.priority), self._announce(announcing.lower_priority_repeat)]
