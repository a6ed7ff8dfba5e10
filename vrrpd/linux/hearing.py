"""Receiving sockets: raw ones for advertisements, packet sockets for who claims an address."""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv6Address

from vrrpd.frames import Datagram
from vrrpd.linux.claims import CLAIM_SIZE, ETHER_TYPES, FILTERS, parse_claim
from vrrpd.linux.options import (
    DROP_ALL,
    IP_MULTICAST_ALL,
    IPV6_MULTICAST_ALL,
    RECEIVE_BUFFER,
    SO_BINDTOIFINDEX,
    SO_TIMESTAMPNS,
    attach_filter,
    detach_filter,
    opening,
    set_receive_buffer,
)
from vrrpd.model import SECOND, Duration, Family
from vrrpd.ports import Announcement, Ear, Packet

_DATAGRAM_SIZE = 4096
"""An advertisement of 255 addresses has 1096 bytes with every IPv4 option, 4088 over IPv6; what is cut off is malformed
anyway."""
_DATAGRAMS_PER_TURN = 16384
"""More than a full receive buffer holds, so what is left after a stall came later, yet a flood has an end."""
_CLAIMS_PER_TURN = 512
_TIMESTAMP = struct.Struct("@ll")
_HOP_LIMIT = struct.Struct("@i")
_PACKET_INFO = struct.Struct("=16si")
_IPV6_ANCILLARY = socket.CMSG_SPACE(_HOP_LIMIT.size) + socket.CMSG_SPACE(_PACKET_INFO.size)

_ipv6_address = lru_cache(256)(IPv6Address)
"""A LAN has few of them, and to build one takes longer than to receive it."""


class Advertisements:
    """A raw socket. `read` gives what waits, all of it, and the error that ended it if it is one to stop at."""

    def __init__(self, ear: Ear, protocol: int) -> None:
        self.device = ear.device
        self.socket = _open_ipv4(ear, protocol) if ear.family is Family.IPV4 else _open_ipv6(ear, protocol)
        self._receive = self._receive_ipv4 if ear.family is Family.IPV4 else self._receive_ipv6

    def read(self) -> tuple[list[Packet], OSError | None]:
        """Drain the socket: before a timer has its say nothing may wait in it."""
        packets: list[Packet] = []
        receive = self._receive
        try:
            for _ in range(_DATAGRAMS_PER_TURN):
                packets.append(receive())  # noqa: PERF401  keeps what came before the error
        except BlockingIOError:
            pass
        except OSError as error:
            return packets, error
        return packets, None

    def _receive_ipv4(self) -> bytes:
        return self.socket.recv(_DATAGRAM_SIZE)

    def _receive_ipv6(self) -> Datagram:
        payload, ancillary, _, address = self.socket.recvmsg(_DATAGRAM_SIZE, _IPV6_ANCILLARY)
        hop_limit, destination = 0, b"\0" * 16
        for _, kind, data in ancillary:
            if kind == socket.IPV6_HOPLIMIT:
                (hop_limit,) = _HOP_LIMIT.unpack(data)
            elif kind == socket.IPV6_PKTINFO:
                destination, _ = _PACKET_INFO.unpack(data)
        return Datagram(_ipv6_address(address[0]), _ipv6_address(destination), hop_limit, payload)


class Announcements:
    """A packet socket that hears gratuitous ARP, or unsolicited Neighbor Advertisements."""

    def __init__(self, ear: Ear) -> None:
        self.device = ear.device
        self._family = ear.family
        with opening(socket.AF_PACKET, 0) as sock:
            attach_filter(sock, FILTERS[ear.family])
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.bind((ear.device, ETHER_TYPES[ear.family]))
            self.socket = sock

    def read(self) -> Iterator[Announcement | OSError]:
        """What waits; an error is the last of it."""
        for _ in range(_CLAIMS_PER_TURN):
            try:
                frame, ancillary, _, address = self.socket.recvmsg(CLAIM_SIZE, socket.CMSG_SPACE(_TIMESTAMP.size))
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENETDOWN:  # said once when the link goes down; the socket lives on
                    continue
                yield error
                return
            if address[2] == socket.PACKET_OUTGOING:
                continue
            claim = parse_claim(self._family, frame)
            if claim is not None and claim[1] != self.socket.getsockname()[4]:
                yield Announcement(self.device, *claim, _age(ancillary))


def _age(ancillary: Sequence[tuple[int, int, bytes]]) -> Duration:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS) and len(data) == _TIMESTAMP.size:
            seconds, nanoseconds = _TIMESTAMP.unpack(data)
            received_at = int(seconds) * SECOND + int(nanoseconds)
            return max(0, time.time_ns() - received_at)
    return 0


def _open_ipv4(ear: Ear, protocol: int) -> socket.socket:
    with opening(socket.AF_INET, protocol) as sock:
        sock.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
        _bind(sock, ear.index)
        for group in sorted(ear.groups, key=int):
            membership = struct.pack("=4s4xi", group.packed, ear.index)  # a struct ip_mreqn
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        return sock


def _open_ipv6(ear: Ear, protocol: int) -> socket.socket:
    """Without IPV6_CHECKSUM: the kernel would drop what is wrong, and nobody could count it."""
    with opening(socket.AF_INET6, protocol) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        _bind(sock, ear.index)
        for group in sorted(ear.groups, key=int):
            membership = struct.pack("=16si", group.packed, ear.index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
        return sock


def _bind(sock: socket.socket, index: int) -> None:
    """Until it is bound it hears every interface: shut it first, then throw away what was faster."""
    attach_filter(sock, DROP_ALL)
    sock.setsockopt(socket.SOL_SOCKET, SO_BINDTOIFINDEX, index)
    set_receive_buffer(sock, RECEIVE_BUFFER)
    with suppress(BlockingIOError):
        while True:
            sock.recv(1)
    detach_filter(sock)
