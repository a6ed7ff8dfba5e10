"""A LAN for a test: a switch and nodes in namespaces, a tap on each of the switch's ports."""

from __future__ import annotations

import asyncio
import ctypes
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
from structlog.testing import LogCapture
from structlog.typing import EventDict, FilteringBoundLogger

from vrrpd.linux.loop import new_loop

PATIENCE_S = 10.0
_CLONE_NEWNET = 0x40000000
_ETH_P_ALL = 3
_SO_TIMESTAMPNS = 35
_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """On the daemon's own kind of loop, with a deadline."""

    async def in_time() -> T:
        async with asyncio.timeout(PATIENCE_S):
            return await main

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(in_time())


def capturing_log() -> tuple[FilteringBoundLogger, list[EventDict]]:
    """A logger, and what it is told."""
    capture = LogCapture()
    log: FilteringBoundLogger = structlog.wrap_logger(
        None, processors=[capture], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    return log, capture.entries


@dataclass(frozen=True, slots=True)
class Frame:
    at: int
    """The kernel's time stamp in nanoseconds since 1970."""
    data: bytes


class Tap:
    """What the node behind a port sends."""

    def __init__(self, port: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.bind((port, _ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def next(self, wanted: Callable[[bytes], bool]) -> Frame:
        """The next frame that is wanted; AssertionError when it does not come."""
        deadline = time.monotonic() + PATIENCE_S
        while select.select([self._socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
            data, ancillary, _, address = self._socket.recvmsg(65536, 64)
            if address[2] != socket.PACKET_OUTGOING and wanted(data):
                seconds, nanoseconds = struct.unpack("@ll", ancillary[0][2])
                return Frame(seconds * 1_000_000_000 + nanoseconds, data)
        raise AssertionError("the frame did not come")

    def close(self) -> None:
        self._socket.close()


class Lan:
    """Nodes have one interface, eth0; the switch's port to a node has the node's name."""

    def __init__(self) -> None:
        self._namespaces: list[str] = []
        self._taps: list[Tap] = []

    def __enter__(self) -> Self:
        self._add("switch")
        self.run("switch", "ip link add bridge type bridge mcast_snooping 0")
        self.run("switch", "ip link set bridge up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for tap in self._taps:
            tap.close()
        for namespace in self._namespaces:
            subprocess.run(["ip", "netns", "delete", namespace], check=True)

    def node(self, name: str, address: str) -> None:
        """A node on the LAN; its address with the prefix."""
        self._add(name)
        self.plug(name, address)

    def plug(self, name: str, address: str) -> None:
        """Give it a new eth0."""
        self.run("switch", f"ip link add name {name} type veth peer name eth0 netns {name}")
        self.run("switch", f"ip link set dev {name} master bridge up")
        self.run(name, "ip link set eth0 up")
        self.run(name, f"ip address add {address} dev eth0")

    def run(self, name: str, command: str) -> str:
        """Run a command there; its output."""
        argv = ["ip", "netns", "exec", name, *command.split()]
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout

    def tap(self, name: str) -> Tap:
        """On the switch's port to this node."""
        with self.inside("switch"):
            tap = Tap(name)
        self._taps.append(tap)
        return tap

    def index(self, name: str) -> int:
        """The index of the node's eth0 now."""
        with self.inside(name):
            return socket.if_nametoindex("eth0")

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """This thread, and what it starts and opens, is on that node."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(Path("/run/netns", name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _set_namespace(there)
            try:
                yield
            finally:
                _set_namespace(here)
        finally:
            os.close(there)
            os.close(here)

    def _add(self, name: str) -> None:
        subprocess.run(["ip", "netns", "add", name], check=True)
        self._namespaces.append(name)
        self.run(name, "ip link set lo up")


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns failed")
