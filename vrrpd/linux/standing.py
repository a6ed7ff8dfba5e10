"""The addresses that stand on this machine, asked for by hand: a check is done before pyroute2 would be imported."""

from __future__ import annotations

import socket
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Interface, IPv6Interface

from vrrpd.model import IPInterface

_GET_ADDRESSES, _NEW_ADDRESS, _DONE, _ERROR = 22, 20, 3, 2
"""RTM_GETADDR, RTM_NEWADDR, NLMSG_DONE, NLMSG_ERROR (rtnetlink(7), netlink(7))."""
_REQUEST_DUMP = 0x301
_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_BUFFER_BYTES = 1 << 16
_TIMEOUT_S = 5.0


def read_addresses() -> Mapping[str, tuple[IPInterface, ...]]:
    """Each interface's addresses in the kernel's order; nothing when the kernel does not answer."""
    found: dict[int, list[IPInterface]] = defaultdict(list)
    try:
        for message in _dump():
            index, interface = _decoded(message)
            found[index].append(interface)
        return {name: tuple(found[index]) for index, name in socket.if_nameindex()}
    except OSError:  # netlink is closed to us
        return {}


def _dump() -> Iterator[bytes]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as sock:
        sock.settimeout(_TIMEOUT_S)
        length = _HEADER.size + _ADDRESS.size
        sock.send(_HEADER.pack(length, _GET_ADDRESSES, _REQUEST_DUMP, 1, 0) + _ADDRESS.pack(0, 0, 0, 0, 0))
        while True:
            datagram = sock.recv(_BUFFER_BYTES)
            at = 0
            while at < len(datagram):
                length, kind, *_ = _HEADER.unpack_from(datagram, at)
                if kind in {_DONE, _ERROR}:
                    return
                if kind == _NEW_ADDRESS:
                    yield datagram[at + _HEADER.size : at + length]
                at += (length + 3) & ~3


def _decoded(message: bytes) -> tuple[int, IPInterface]:
    family, prefix, _, _, index = _ADDRESS.unpack_from(message)
    values: dict[int, bytes] = {}
    at = _ADDRESS.size
    while at < len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        values[kind] = message[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    packed = values.get(_IFA_LOCAL) or values[_IFA_ADDRESS]  # IFA_ADDRESS is the other end of a point-to-point link
    if family == socket.AF_INET:
        return index, IPv4Interface((packed, prefix))
    return index, IPv6Interface((packed, prefix))
