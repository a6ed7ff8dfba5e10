"""What passes through a bridge port, with the kernel's time stamps, and what it means.

The decoding here is the lab's own: tests hold it against `vrrpd.packet` and `vrrpd.frames`, never the other way.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from types import TracebackType
from typing import Self, TypeAlias

from vrrpd.model import SECOND, Instant, IPAddress

_SO_ATTACH_FILTER = 26
_SO_TIMESTAMPNS = 35
_ETH_P_ALL = 3
_RECEIVE_BUFFER = 4 << 20
_LONGEST_FRAME = 65_536

_ARP = 0x0806
_IPV4 = 0x0800
_IPV6 = 0x86DD
_VRRP = 112
_AH = 51
_AH_HEADER = 24
_TCP = 6
_HTTP = 80
_SYN_ACK = 0x12

# Classic BPF, (code, jump if true, jump if false, operand): ARP, VRRP in every form and TCP from port 80 pass.
_FILTER = (
    (0x28, 0, 0, 12),  # EtherType
    (0x15, 12, 0, _ARP),
    (0x15, 8, 0, _IPV6),
    (0x15, 0, 9, _IPV4),
    (0x30, 0, 0, 23),  # protocol
    (0x15, 8, 0, _VRRP),
    (0x15, 7, 0, _AH),
    (0x15, 0, 5, _TCP),
    (0xB1, 0, 0, 14),  # X: length of the IPv4 header
    (0x48, 0, 0, 14),  # source port
    (0x15, 3, 2, _HTTP),
    (0x30, 0, 0, 20),  # next header
    (0x15, 1, 0, _VRRP),
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, _LONGEST_FRAME),  # pass
)


@dataclass(frozen=True, slots=True)
class Frame:
    """An Ethernet frame as it passed."""

    at: Instant
    """The kernel's receive time stamp, on the wall clock: comparable among all taps of one machine."""
    host: str
    sent: bool
    """True: the host put it on the wire. False: it was delivered to the host."""
    data: bytes


@dataclass(frozen=True, slots=True)
class AdvertisementSeen:
    """A VRRP advertisement, version 2 or 3, over IPv4 or IPv6, in an Authentication Header or not."""

    at: Instant
    host: str
    sent: bool
    source: IPAddress
    version: int
    vrid: int
    priority: int


@dataclass(frozen=True, slots=True)
class ArpSeen:
    """An ARP frame."""

    at: Instant
    host: str
    sent: bool
    operation: int
    """1 request, 2 reply."""
    sender_mac: bytes
    sender: IPv4Address
    target: IPv4Address

    @property
    def gratuitous(self) -> bool:
        """It speaks of its own sender's address: RFC 5227 section 3."""
        return self.sender == self.target


@dataclass(frozen=True, slots=True)
class ConnectionAccepted:
    """A SYN-ACK from port 80: who answers a client's connection."""

    at: Instant
    host: str
    sent: bool
    server: IPv4Address
    client: IPv4Address
    client_port: int


Sighting: TypeAlias = AdvertisementSeen | ArpSeen | ConnectionAccepted


def decode(frame: Frame) -> Sighting | None:
    """What the frame is; None for what the lab does not look at, and for what is too short to be it."""
    try:
        (ether_type,) = struct.unpack_from("!H", frame.data, 12)
        if ether_type == _ARP:
            return _arp(frame)
        if ether_type == _IPV4:
            return _ipv4(frame)
        if ether_type == _IPV6 and frame.data[20] == _VRRP:
            return _advertisement(frame, IPv6Address(frame.data[22:38]), 54)
    except (struct.error, IndexError, AddressValueError):
        pass
    return None


def _arp(frame: Frame) -> ArpSeen:
    operation, mac, sender, target = struct.unpack_from("!H6s4s6x4s", frame.data, 20)
    return ArpSeen(frame.at, frame.host, frame.sent, operation, mac, IPv4Address(sender), IPv4Address(target))


def _ipv4(frame: Frame) -> Sighting | None:
    first, protocol, source, destination = struct.unpack_from("!B8xB2x4s4s", frame.data, 14)
    payload = 14 + (first & 0x0F) * 4
    if protocol in {_VRRP, _AH}:
        return _advertisement(frame, IPv4Address(source), payload + (_AH_HEADER if protocol == _AH else 0))
    if protocol == _TCP:
        server_port, client_port, flags = struct.unpack_from("!HH9xB", frame.data, payload)
        if server_port == _HTTP and flags & _SYN_ACK == _SYN_ACK:
            return ConnectionAccepted(
                frame.at, frame.host, frame.sent, IPv4Address(source), IPv4Address(destination), client_port
            )
    return None


def _advertisement(frame: Frame, source: IPAddress, start: int) -> AdvertisementSeen:
    kind, vrid, priority = struct.unpack_from("!BBB", frame.data, start)
    return AdvertisementSeen(frame.at, frame.host, frame.sent, source, kind >> 4, vrid, priority)


class Tap:
    """A packet socket on the bridge's port of one host. Built by `World.tap`; readable by a selector."""

    def __init__(self, port: str, host: str) -> None:
        self._host = host
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _FILTER))
        self._socket.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_FILTER), ctypes.addressof(program))
        )
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._socket.bind((port, _ETH_P_ALL))  # only now does it hear anything

    def fileno(self) -> int:
        return self._socket.fileno()

    def frames(self) -> list[Frame]:
        """All frames that are waiting, in the kernel's order; does not wait."""
        frames: list[Frame] = []
        while True:
            try:
                data, ancillary, _, address = self._socket.recvmsg(_LONGEST_FRAME, 64)
            except BlockingIOError:
                return frames
            seconds, nanoseconds = struct.unpack("@ll", ancillary[0][2])
            sent = address[2] != socket.PACKET_OUTGOING
            frames.append(Frame(seconds * SECOND + nanoseconds, self._host, sent, data))

    def sightings(self) -> list[Sighting]:
        """As `frames`, decoded."""
        return [sighting for frame in self.frames() if (sighting := decode(frame))]

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
