"""A broadcast domain: ports, what passes between them, and hosts whose neighbour caches decide who serves them."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import TypeAlias

from vrrpd.frames import Datagram, internet_checksum
from vrrpd.model import SECOND, Duration, IPAddress, IPInterface
from vrrpd.simulate.plan import LanPlan, Noise
from vrrpd.simulate.timeline import Timeline

_ASK_AGAIN: Duration = SECOND
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_VRRP = 112
_TTL = 255
_TOS_INTERNETWORK_CONTROL = 0xC0
_ARP, _IPV6 = b"\x08\x06", b"\x86\xdd"
_NEIGHBOUR_ADVERTISEMENT = 136

Content: TypeAlias = bytes | Datagram
"""What arrives: a frame, an IPv4 packet as a raw socket delivers it, or what it tells of an IPv6 datagram."""
Receive: TypeAlias = Callable[[Content], None]


def ipv4_packet(source: IPv4Address, destination: IPv4Address, identification: int, payload: bytes) -> bytes:
    """What a raw socket delivers of a VRRP message: RFC 791's header around it."""
    fields = (0x45, _TOS_INTERNETWORK_CONTROL, 20 + len(payload), identification, 0, _TTL, _VRRP)
    ends = (source.packed, destination.packed)
    return _IPV4.pack(*fields, internet_checksum(_IPV4.pack(*fields, 0, *ends)), *ends) + payload


def as_received(packet: bytes, identification: int) -> Content:
    """What a raw socket delivers of a packet that was sent: the kernel fills in the one, and drops the other header."""
    if packet[0] >> 4 == 4:  # noqa: PLR2004
        return packet if any(packet[4:6]) else packet[:4] + identification.to_bytes(2, "big") + packet[6:]
    return Datagram(IPv6Address(packet[8:24]), IPv6Address(packet[24:40]), packet[7], packet[40:])


def announced(frame: Content) -> tuple[bytes, IPAddress] | None:
    """(MAC, address) of a gratuitous ARP or unsolicited Neighbour Advertisement; None for another frame."""
    if isinstance(frame, Datagram):
        return None
    if frame[12:14] == _ARP and frame[28:32] == frame[38:42]:
        return frame[22:28], IPv4Address(frame[28:32])
    if frame[12:14] == _IPV6 and frame[54] == _NEIGHBOUR_ADVERTISEMENT:
        return frame[80:86], IPv6Address(frame[62:78])
    return None


@dataclass(eq=False, slots=True)
class Port:
    """Where something is plugged in. It is `up` with a carrier and a machine that runs."""

    owner: str
    device: str
    mac: bytes
    on_packet: Receive | None = None
    on_frame: Receive | None = None
    up: bool = True
    addresses: dict[IPAddress, IPInterface] = field(default_factory=dict)
    """Virtual ones that stand on it now."""
    others: list[tuple[Port, Duration]] = field(default_factory=list)
    """Whom a broadcast reaches, and how long that takes."""


class Lan:
    """Ports and hosts. `on_service(host, address, reached)` is called when a host's luck changes."""

    def __init__(
        self,
        plan: LanPlan,
        timeline: Timeline,
        random: Random,
        on_service: Callable[[Host, IPAddress, bool], None],
    ) -> None:
        self.name = plan.name
        self.timeline = timeline
        self.random = random
        self.ports: list[Port] = []
        self.by_mac: dict[bytes, Port] = {}
        self.hosts: list[Host] = []
        self.cuts: Counter[tuple[str, str]] = Counter()
        self.noises: list[Noise] = []
        self.on_service = on_service
        self._latency = plan.latency
        for name in plan.hosts:
            self.hosts.append(Host(name, self, plan.asks_every))

    def plug(self, port: Port) -> None:
        """A broadcast reaches it from now on, and its own all others."""
        for other in self.ports:
            latency = self.random.randint(*self._latency)
            other.others.append((port, latency))
            port.others.append((other, latency))
        self.ports.append(port)
        self.by_mac[port.mac] = port

    def connects(self, sender: Port, receiver: Port) -> bool:
        """A frame passes, noise apart."""
        return sender.up and receiver.up and (sender.owner, receiver.owner) not in self.cuts

    def send_packet(self, sender: Port, packet: Content) -> None:
        """Multicast an IP packet to all that listen."""
        for port, latency in sender.others:
            if port.on_packet is not None and self.connects(sender, port):
                self._carry(latency, port.on_packet, packet)

    def send_frames(self, sender: Port, frame: bytes, repeat: int) -> None:
        """Broadcast a frame, so many times."""
        copies = repeat if self.noises else min(repeat, 1)
        for port, latency in sender.others:
            if port.on_frame is not None and self.connects(sender, port):
                for _ in range(copies):
                    self._carry(latency, port.on_frame, frame)

    def _carry(self, latency: Duration, receive: Receive, content: Content) -> None:
        copies = 1
        for noise in self.noises:
            if noise.delay:
                latency += self.random.randrange(noise.delay)
            if self.random.random() < noise.loss:
                return
            copies += self.random.random() < noise.duplicates
        for _ in range(copies):
            self.timeline.at(self.timeline.now + latency, receive, content)

    def review(self) -> None:
        """Something has changed: whom do the hosts reach now?"""
        for host in self.hosts:
            host.review()


class Host:
    """A client of the virtual addresses. Only announcements and answers to its own questions teach it a MAC."""

    def __init__(self, name: str, lan: Lan, asks_every: Duration) -> None:
        self.name = name
        self.lan = lan
        self.port = Port(name, "", name.encode(), on_frame=self._hears)
        self.cache: dict[IPAddress, bytes | None] = {}
        self.reached: dict[IPAddress, bool] = {}
        self._asks_every = asks_every

    def watch(self, address: IPAddress) -> None:
        """From now on it uses the address."""
        if address not in self.cache:
            self.cache[address], self.reached[address] = None, False
            self.lan.timeline.at(self.lan.timeline.now + self.lan.random.randrange(_ASK_AGAIN), self._ask, address)

    def review(self) -> None:
        """Whom does it reach now?"""
        for address in self.cache:
            self._review(address)

    def _review(self, address: IPAddress) -> None:
        reached = self._reaches(address)
        if reached is not self.reached[address]:
            self.reached[address] = reached
            self.lan.on_service(self, address, reached)

    def _reaches(self, address: IPAddress) -> bool:
        mac = self.cache[address]
        port = None if mac is None else self.lan.by_mac.get(mac)
        return port is not None and address in port.addresses and self._talks_to(port)

    def _talks_to(self, port: Port) -> bool:
        return self.lan.connects(self.port, port) and self.lan.connects(port, self.port)

    def _hears(self, frame: Content) -> None:
        announcement = announced(frame)
        if announcement is not None and announcement[1] in self.cache:
            self._learn(announcement[1], announcement[0])

    def _learn(self, address: IPAddress, mac: bytes) -> None:
        self.cache[address] = mac
        self._review(address)

    def _ask(self, address: IPAddress) -> None:
        """Who has it? The first answer is taken."""
        timeline, random = self.lan.timeline, self.lan.random
        lost = any(random.random() < noise.loss for noise in self.lan.noises)
        answers = [
            (latency, port)
            for port, latency in self.port.others
            if address in port.addresses and self._talks_to(port) and not lost
        ]
        if not answers:
            timeline.at(timeline.now + _ASK_AGAIN, self._ask, address)
            return
        latency, port = min(answers, key=lambda answer: answer[0])
        timeline.at(timeline.now + 2 * latency, self._learn, address, port.mac)
        timeline.at(timeline.now + self._asks_every, self._ask, address)
