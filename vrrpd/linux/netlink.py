"""The body of `ports.Kernel`: addresses, routes and rules in, links and addresses out.

A thing takes about 80 microseconds to encode, so it is encoded before it is needed. Interfaces may have got other
indexes since: then it is encoded again.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from structlog.typing import FilteringBoundLogger

from vrrpd.linux.losses import LossMonitor
from vrrpd.linux.monitor import Monitor
from vrrpd.linux.options import NETLINK_CAP_ACK, RECEIVE_BUFFER, SOL_NETLINK
from vrrpd.linux.requests import Requests, devices, numbered, requests
from vrrpd.linux.rtnetlink import BUFFER_SIZE, acknowledgements, open_socket
from vrrpd.model import Held, Interface
from vrrpd.ports import Change

_CHANGES_PER_SEND = 64
"""Their acknowledgements fit the smallest receive buffer."""
_GONE = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV, errno.ESRCH, errno.ENOENT})
"""Of an address, a device, a route, a rule."""


class NetlinkKernel:
    """`start` and all callbacks belong to the loop's thread, `apply` to a worker thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_interface: Callable[[str, Interface | None], None],
        on_lost: Callable[[Sequence[Held]], None],
        log: FilteringBoundLogger,
        *,
        event_buffer: int = RECEIVE_BUFFER,
    ) -> None:
        self._monitor = Monitor(loop, on_interface, log, event_buffer)
        self._losses = LossMonitor(loop, on_lost, log, event_buffer)
        self._encoded: dict[Held, _Encoded] = {}
        self._socket = open_socket()
        self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self._sequence = 0

    def start(self) -> None:
        """Tell `on_interface` about every interface there is, before the loop runs, and then about every change."""
        self._monitor.start()

    def close(self) -> None:
        """Watch and change nothing any more."""
        self._monitor.close()
        self._losses.close()
        self._socket.close()

    def prepare(self, things: Sequence[Held]) -> None:
        """Encode these, watch what can be removed without an interface telling, and forget others."""
        indexes = _Indexes()
        self._encoded = {}
        for thing in things:
            with suppress(OSError):  # its device is not there yet
                self._encoded[thing] = _encode(thing, indexes)
        self._losses.watch(things)

    def deletion(self, thing: Held) -> bytes:
        """A complete request that asks for an ACK, sequence number 0. OSError ENODEV: there is no such device."""
        return self._requests(thing, _Indexes()).delete

    def apply(self, changes: Sequence[Change]) -> list[int]:
        """An errno for each change, 0 where it is now as wanted."""
        results: list[int] = []
        for start in range(0, len(changes), _CHANGES_PER_SEND):
            results += self._apply_together(changes[start : start + _CHANGES_PER_SEND])
        return results

    def _apply_together(self, changes: Sequence[Change]) -> list[int]:
        indexes = _Indexes()
        results = [0] * len(changes)
        waiting: dict[int, int] = {}
        batch = bytearray()
        for position, change in enumerate(changes):
            try:
                found = self._requests(change.thing, indexes)
            except OSError as error:
                results[position] = error.errno or errno.EINVAL
                continue
            self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
            batch += numbered(found.add if change.present else found.delete, self._sequence)
            waiting[self._sequence] = position
        if batch:
            self._exchange(batch, waiting, results)
        return [_judge(change, code) for change, code in zip(changes, results, strict=True)]

    def _exchange(self, batch: bytes | bytearray, waiting: dict[int, int], results: list[int]) -> None:
        """Send it, and put each answer where its sequence number waits for it."""
        try:
            self._socket.send(batch)
            while waiting:
                for sequence, code in acknowledgements(self._socket.recv(BUFFER_SIZE)):
                    if (position := waiting.pop(sequence, None)) is not None:
                        results[position] = code
        except OSError as error:
            for position in waiting.values():
                results[position] = error.errno or errno.ETIMEDOUT  # a timeout has no number

    def _requests(self, thing: Held, indexes: _Indexes) -> Requests:
        known = self._encoded.get(thing)
        if known is None or any(indexes(device) != index for device, index in known.indexes):
            known = _encode(thing, indexes)
        return known.requests


class _Encoded(NamedTuple):
    requests: Requests
    indexes: tuple[tuple[str, int], ...]
    """Of the devices that stand in them."""


def _encode(thing: Held, indexes: _Indexes) -> _Encoded:
    return _Encoded(requests(thing, indexes), tuple((device, indexes(device)) for device in devices(thing)))


class _Indexes:
    """The interfaces' indexes as they are now, each looked up once."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def __call__(self, device: str) -> int:
        """OSError ENODEV: there is no such interface."""
        index = self._known.get(device)
        if index is None:
            index = self._known[device] = _interface_index(device)
        if not index:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), device)
        return index


def _interface_index(device: str) -> int:
    """0 when there is no such interface."""
    try:
        return socket.if_nametoindex(device)
    except OSError:
        return 0


def _judge(change: Change, code: int) -> int:
    """0 for an errno which says that it was as wanted before."""
    if change.present:
        return 0 if code == errno.EEXIST else code
    return 0 if code in _GONE else code
