"""Processes that begin, as the kernel tells them (its process connector): in the initial network namespace only."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Self

from vrrpd.linux.options import FilterInstruction, attach_filter, set_receive_buffer

_NETLINK_CONNECTOR, _CN_IDX_PROC = 11, 1
_LISTEN = struct.Struct("=IHHII IIIIHH I")
_NLMSG_DONE, _MCAST_LISTEN = 3, 1
_FORK, _EXEC, _COMM = 0x1, 0x2, 0x200
_WHAT, _FIRST, _SECOND, _THIRD, _FOURTH = 36, 52, 56, 60, 64
"""Where in a datagram the event and its numbers stand: netlink's header has 16 bytes, the connector's 20."""
_NUMBER = struct.Struct("=I")
_LONGEST = 256
_EVENTS_PER_TURN = 64


class ProcessEvents:
    """`on_process(pid, parent)` for each that may be another one now; `on_lost()` when there were too many to tell.

    The parent is None for one that has executed another program, or has another name.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        on_process: Callable[[int, int | None], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._socket = sock
        self._on_process = on_process
        self._on_lost = on_lost
        attach_filter(sock, _BEGINNINGS)
        loop.add_reader(sock.fileno(), self._on_readable)

    @classmethod
    def open(
        cls,
        loop: asyncio.AbstractEventLoop,
        on_process: Callable[[int, int | None], None],
        on_lost: Callable[[], None],
    ) -> Self:
        """OSError where the kernel does not tell: in another network namespace, without CAP_NET_ADMIN."""
        sock = socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, _NETLINK_CONNECTOR
        )
        try:
            set_receive_buffer(sock, 1024 * 1024)
            sock.bind((0, _CN_IDX_PROC))
            head = (_LISTEN.size, _NLMSG_DONE, 0, 0, os.getpid())
            sock.send(_LISTEN.pack(*head, _CN_IDX_PROC, 1, 0, 0, 4, 0, _MCAST_LISTEN))
            return cls(loop, sock, on_process, on_lost)
        except OSError:
            sock.close()
            raise

    def close(self) -> None:
        """Listen no more."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _on_readable(self) -> None:
        for _ in range(_EVENTS_PER_TURN):
            try:
                datagram = self._socket.recv(_LONGEST)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._on_lost()
                continue
            self._take(datagram)

    def _take(self, datagram: bytes) -> None:
        if len(datagram) < _FOURTH + _NUMBER.size:
            return
        what, first, second, _, fourth = (
            _NUMBER.unpack_from(datagram, at)[0] for at in (_WHAT, _FIRST, _SECOND, _THIRD, _FOURTH)
        )
        if what == _FORK:
            self._on_process(fourth, second)
        elif first == second:  # else a thread of it
            self._on_process(second, None)


def _beginnings() -> tuple[FilterInstruction, ...]:
    """A filter: forks that are no new threads, programs executed, names changed. It loads numbers in network order."""

    def number(value: int) -> int:
        return int.from_bytes(value.to_bytes(4, sys.byteorder), "big")

    load, load_x, jump, jump_x, give = 0x20, 0x07, 0x15, 0x1D, 0x06
    return (
        (load, 0, 0, _WHAT),
        (jump, 6, 0, number(_EXEC)),
        (jump, 5, 0, number(_COMM)),
        (jump, 0, 5, number(_FORK)),
        (load, 0, 0, _THIRD),
        (load_x, 0, 0, 0),
        (load, 0, 0, _FOURTH),
        (jump_x, 0, 1, 0),
        (give, 0, 0, 0xFFFF),
        (give, 0, 0, 0),
    )


_BEGINNINGS = _beginnings()
