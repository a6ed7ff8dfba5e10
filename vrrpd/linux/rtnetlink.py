"""rtnetlink messages as typed values. pyroute2 is the codec and this is its only importer.

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
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
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
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_NODAD, IFA_F_SECONDARY, ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import IFF_LOWER_UP, IFF_UP, ifinfmsg

from vrrpd.model import IPInterface, VirtualAddress

ADDRESS_PROTOCOL = 112
"""Our mark on an address (IFA_PROTO, from Linux 5.18 on; iproute2 6.3 shows it). keepalived's is 18."""

EVENT_GROUPS = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR
BUFFER_SIZE = 65536
"""For one `recv`: the kernel fills at most half of it."""

_HEADER = struct.Struct("=IHHII")
_UINT32 = struct.Struct("=I")
_ERROR = struct.Struct("=i")
_SEQUENCE_AT = 8
_INDEX_AT = 20
_DUMP_ATTEMPTS = 5
_ANSWER_TIMEOUT_S = 5.0
_ETHERNET_LIKE = frozenset({1, 772})
"""ARPHRD_ETHER and ARPHRD_LOOPBACK: what has a MAC of six bytes."""


@dataclass(frozen=True, slots=True)
class AddressRequests:
    """What adds and what deletes one address; interface index and sequence number still 0."""

    add: bytes
    delete: bytes


def encode_requests(address: VirtualAddress) -> AddressRequests:
    ip = str(address.ip)
    place: list[tuple[str, object]] = [("IFA_LOCAL", ip), ("IFA_ADDRESS", ip)]
    more: list[tuple[str, object]] = [("IFA_PROTO", ADDRESS_PROTOCOL)]
    if address.label is not None:
        more.append(("IFA_LABEL", address.label))
    if address.broadcast is not None:
        more.append(("IFA_BROADCAST", str(address.broadcast)))
    if address.ip.version == 6:  # noqa: PLR2004
        # Duplicate address detection would fail while the old Master still has it.
        more.append(("IFA_FLAGS", IFA_F_NODAD))
    return AddressRequests(
        add=_encode_address(address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, place + more),
        delete=_encode_address(address, RTM_DELADDR, 0, place),
    )


def _encode_address(address: VirtualAddress, kind: int, flags: int, attributes: list[tuple[str, object]]) -> bytes:
    message = ifaddrmsg()
    message["family"] = socket.AF_INET if address.ip.version == 4 else socket.AF_INET6  # noqa: PLR2004
    message["prefixlen"] = address.interface.network.prefixlen
    message["scope"] = address.scope
    message["attrs"] = attributes
    return _encode(message, kind, flags | NLM_F_ACK)


def _encode(message: ifaddrmsg | ifinfmsg, kind: int, flags: int) -> bytes:
    message["header"]["type"] = kind
    message["header"]["flags"] = flags | NLM_F_REQUEST
    message.encode()
    return bytes(message.data)


def addressed(request: bytes, index: int, sequence: int = 0) -> bytes:
    """An address request with the two things in it that differ from one use to the next."""
    copy = bytearray(request)
    _UINT32.pack_into(copy, _INDEX_AT, index)
    _UINT32.pack_into(copy, _SEQUENCE_AT, sequence)
    return bytes(copy)


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
    mac = link.get_attr("IFLA_ADDRESS") if link["ifi_type"] in _ETHERNET_LIKE else None
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
        links = _dump_kind(sock, _encode(ifinfmsg(), RTM_GETLINK, NLM_F_DUMP))
        return links + _dump_kind(sock, _encode(ifaddrmsg(), RTM_GETADDR, NLM_F_DUMP))


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
