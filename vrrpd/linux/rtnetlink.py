"""rtnetlink messages as typed values. pyroute2 is the codec; only this and `requests` import it.

It drops keyword arguments that it does not know without a word, and one ENOBUFS ends its sockets for good, so only
its encoder and decoder are used, with sockets of our own.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import TypeAlias

from pyroute2.netlink import (
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    nlmsg,
)
from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTMGRP_IPV4_IFADDR,
    RTMGRP_IPV6_IFADDR,
    RTMGRP_LINK,
)
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_SECONDARY, ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import IFF_LOWER_UP, IFF_NOARP, IFF_UP, ifinfmsg

from vrrpd.model import IPInterface

EVENT_GROUPS = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR
BUFFER_SIZE = 65536
"""For one `recv`: the kernel fills at most half of it."""

_HEADER = struct.Struct("=IHHII")
_ERROR = struct.Struct("=i")
_DUMP_ATTEMPTS = 5
_ANSWER_TIMEOUT_S = 5.0
_ETHERNET_LIKE = frozenset({1, 772})
"""ARPHRD_ETHER and ARPHRD_LOOPBACK: what has a MAC of six bytes."""


def encode(message: nlmsg, kind: int, flags: int) -> bytes:
    """A request, sequence number 0."""
    message["header"]["type"] = kind
    message["header"]["flags"] = flags | NLM_F_REQUEST
    message.encode()
    return bytes(message.data)


def messages(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, sequence number and the whole of each message."""
    offset = 0
    while offset + _HEADER.size <= len(datagram):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(datagram, offset)
        yield kind, flags, sequence, datagram[offset : offset + length]
        offset += max(_HEADER.size, (length + 3) & ~3)


def acknowledgements(datagram: bytes) -> Iterator[tuple[int, int]]:
    """Sequence number and errno: by hand, 255 of them decoded by pyroute2 would hold the GIL for 10 ms."""
    for kind, _, sequence, message in messages(datagram):
        if kind == NLMSG_ERROR:
            yield sequence, -_ERROR.unpack_from(message, _HEADER.size)[0]


def open_socket(groups: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    sock.bind((0, groups))
    sock.settimeout(_ANSWER_TIMEOUT_S)
    return sock


@dataclass(frozen=True, slots=True)
class LinkSeen:
    index: int
    name: str
    up: bool
    mac: bytes


@dataclass(frozen=True, slots=True)
class LinkGone:
    index: int


@dataclass(frozen=True, slots=True)
class AddressSeen:
    index: int
    interface: IPInterface
    scope: int
    secondary: bool


@dataclass(frozen=True, slots=True)
class AddressGone:
    index: int
    interface: IPInterface


Change: TypeAlias = LinkSeen | LinkGone | AddressSeen | AddressGone


def decode(kind: int, message: bytes) -> Change | None:
    """What it says, None when it is nothing to us."""
    if kind in {RTM_NEWLINK, RTM_DELLINK}:
        return _decode_link(kind, message)
    if kind in {RTM_NEWADDR, RTM_DELADDR}:
        return _decode_address(kind, message)
    return None


def _decode_link(kind: int, message: bytes) -> Change | None:
    link = ifinfmsg(message)
    link.decode()
    if link["family"] != socket.AF_UNSPEC:  # a bridge speaks of its ports with the same message
        return None
    index = int(link["index"])
    if kind == RTM_DELLINK:
        return LinkGone(index)
    running = IFF_UP | IFF_LOWER_UP
    resolves = link["ifi_type"] in _ETHERNET_LIKE and not link["flags"] & IFF_NOARP
    mac = link.get_attr("IFLA_ADDRESS") if resolves else None
    return LinkSeen(
        index=index,
        name=os.fsdecode(link.get_attr("IFLA_IFNAME")),
        up=link["flags"] & running == running,
        mac=bytes.fromhex(mac.replace(":", "")) if mac else b"",
    )


def _decode_address(kind: int, message: bytes) -> Change:
    address = ifaddrmsg(message)
    address.decode()
    index = int(address["index"])
    # IFA_ADDRESS is the peer of a point-to-point link; IPv6 has IFA_LOCAL only there.
    ip = address.get_attr("IFA_LOCAL") or address.get_attr("IFA_ADDRESS")
    interface = ip_interface(f"{ip}/{address['prefixlen']}")
    if kind == RTM_DELADDR:
        return AddressGone(index, interface)
    return AddressSeen(index, interface, int(address["scope"]), bool(address["flags"] & IFA_F_SECONDARY))


def dump() -> list[tuple[int, bytes]]:
    """Type and message of every link, then of every address, each as one consistent list."""
    with open_socket() as sock:
        links = _dump_kind(sock, encode(ifinfmsg(), RTM_GETLINK, NLM_F_DUMP))
        return links + _dump_kind(sock, encode(ifaddrmsg(), RTM_GETADDR, NLM_F_DUMP))


def _dump_kind(sock: socket.socket, request: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    for _ in range(_DUMP_ATTEMPTS):
        found, consistent = _dump_once(sock, request)
        if consistent:
            break
    return found


def _dump_once(sock: socket.socket, request: bytes) -> tuple[list[tuple[int, bytes]], bool]:
    """What came, and whether nothing changed in between."""
    sock.send(request)
    found: list[tuple[int, bytes]] = []
    consistent = True
    while True:
        for kind, flags, _, message in messages(sock.recv(BUFFER_SIZE)):
            consistent = consistent and not flags & NLM_F_DUMP_INTR
            if kind == NLMSG_DONE:
                return found, consistent
            if kind == NLMSG_ERROR:
                code = -_ERROR.unpack_from(message, _HEADER.size)[0]
                raise OSError(code, os.strerror(code))
            found.append((kind, message))
