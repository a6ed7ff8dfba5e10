"""Raw sockets, and their options that Python 3.11 has no names for, with the three lines each needs to be set."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SO_BINDTOIFINDEX = 62
IP_RECVERR = 11
IP_FREEBIND = 15
IP_MULTICAST_ALL = 49
IPV6_RECVERR = 25
IPV6_MULTICAST_ALL = 29
IPV6_FREEBIND = 78
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10

NON_BLOCKING = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
RECEIVE_BUFFER = 4 * 1024 * 1024
"""Bytes, which the kernel doubles: what a loop that stalls for seconds must not lose."""

FilterInstruction = tuple[int, int, int, int]
"""Classic BPF: code, jump if true, jump if false, operand."""

DROP_ALL: tuple[FilterInstruction, ...] = ((0x06, 0, 0, 0),)


@contextmanager
def opening(family: socket.AddressFamily, protocol: int) -> Iterator[socket.socket]:
    """A raw socket that is closed again when setting it up fails."""
    sock = socket.socket(family, socket.SOCK_RAW | NON_BLOCKING, protocol)
    try:
        yield sock
    except OSError:
        sock.close()
        raise


def set_receive_buffer(sock: socket.socket, size: int) -> None:
    """As large as asked where we may (CAP_NET_ADMIN), else up to net.core.rmem_max."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    with suppress(PermissionError):
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size)


def attach_filter(sock: socket.socket, program: Sequence[FilterInstruction]) -> None:
    """Let the kernel run this program on what arrives; it replaces the one before."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code)))


def detach_filter(sock: socket.socket) -> None:
    """Let everything in again."""
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
