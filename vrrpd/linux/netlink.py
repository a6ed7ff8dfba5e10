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
from typing import NamedTuple, assert_never

from structlog.typing import FilteringBoundLogger

from vrrpd.linux import nft, settings
from vrrpd.linux.losses import LossMonitor
from vrrpd.linux.monitor import Monitor
from vrrpd.linux.options import NETLINK_CAP_ACK, RECEIVE_BUFFER, SOL_NETLINK
from vrrpd.linux.release import undo
from vrrpd.linux.requests import ByRequest, Requests, devices, numbered, requests
from vrrpd.linux.rtnetlink import BUFFER_SIZE, acknowledgements, open_socket
from vrrpd.model import (
    DeviceSetting,
    Firewall,
    Held,
    Interface,
    Macvlan,
    NodeSetting,
    Silence,
    Undo,
    VirtualAddress,
    Way,
)
from vrrpd.ports import Change

_REQUESTS_PER_SEND = 64
"""Their acknowledgements fit the smallest receive buffer."""
_THERE = frozenset({errno.EEXIST, errno.EAFNOSUPPORT})
"""Or a kernel without IPv6 has nothing of it to set on a macvlan; an IPv6 address it refuses otherwise."""
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
        self._settings = settings.Settings()
        self._log = log

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
            if not isinstance(thing, Firewall | NodeSetting):
                with suppress(OSError):  # its device is not there yet
                    self._encoded[thing] = self._encode(thing, indexes)
        try:
            self._losses.watch(things)
        except OSError as error:
            self._log.warning("routes and rules are not watched", problem=error.strerror)

    def deletion(self, thing: Held) -> Undo:
        """OSError ENODEV: there is no such device."""
        if isinstance(thing, Firewall):
            return Undo(Way.NETFILTER, nft.deletion())
        if isinstance(thing, NodeSetting):
            return self._settings.undo(thing)
        return Undo(Way.ROUTE, self._requests(thing, _Indexes()).delete)

    def apply(self, changes: Sequence[Change]) -> list[int]:
        """An errno for each change, 0 where it is now as wanted."""
        work = _Work(len(changes))
        indexes = _Indexes()
        for position, change in enumerate(changes):
            thing = change.thing
            if isinstance(thing, Firewall | NodeSetting):
                self._flush(work)
                work.results[position] = self._by_other_means(thing, present=change.present)
                continue
            try:
                found = self._requests(thing, indexes)
            except OSError as error:
                work.refused(position, change, error.errno or errno.EINVAL)
                continue
            work.queue(position, change, found)
            if isinstance(thing, Macvlan):  # what follows may stand on it
                self._flush(work)
                indexes = _Indexes()
        work.end_silence()
        self._flush(work)
        for change, code in zip(changes, work.results, strict=True):
            if isinstance(change.thing, DeviceSetting | NodeSetting) and not change.present and not code:
                self._settings.forget(change.thing)
                self._encoded.pop(change.thing, None)
        return work.results

    def _by_other_means(self, thing: Firewall | NodeSetting, *, present: bool) -> int:
        try:
            match thing:
                case Firewall() if present:
                    nft.load(thing.rules)
                case Firewall():
                    nft.delete(nft.deletion())
                case NodeSetting():
                    before = self._settings.undo(thing)
                    if present:
                        settings.write(thing.name, thing.value)
                    else:
                        undo(before)
                case _:
                    assert_never(thing)
        except OSError as error:
            self._log.error("cannot be set", what=str(thing), problem=error.strerror or str(error))
            return error.errno or errno.EIO
        return 0

    def _flush(self, work: _Work) -> None:
        for start in range(0, len(work.steps), _REQUESTS_PER_SEND):
            waiting: dict[int, _Step] = {}
            batch = bytearray()
            for step in work.steps[start : start + _REQUESTS_PER_SEND]:
                self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
                batch += numbered(step.request, self._sequence)
                waiting[self._sequence] = step
            self._exchange(batch, waiting, work)
        work.steps.clear()

    def _exchange(self, batch: bytes | bytearray, waiting: dict[int, _Step], work: _Work) -> None:
        """Send it, and take each answer for the step whose sequence number it has."""
        try:
            self._socket.send(batch)
            while waiting:
                for sequence, code in acknowledgements(self._socket.recv(BUFFER_SIZE)):
                    if (step := waiting.pop(sequence, None)) is not None:
                        work.refused(step.position, step.change, code)
        except OSError as error:
            for step in waiting.values():
                work.refused(step.position, step.change, error.errno or errno.ETIMEDOUT)  # a timeout has no number

    def _requests(self, thing: ByRequest, indexes: _Indexes) -> Requests:
        known = self._encoded.get(thing)
        if known is None or any(indexes(device) != index for device, index in known.indexes):
            known = self._encode(thing, indexes)
        return known.requests

    def _encode(self, thing: ByRequest, indexes: _Indexes) -> _Encoded:
        found = requests(thing, indexes, self._settings)
        return _Encoded(found, tuple((device, indexes(device)) for device in devices(thing)))


class _Encoded(NamedTuple):
    requests: Requests
    indexes: tuple[tuple[str, int], ...]
    """Of the devices that stand in them."""


class _Step(NamedTuple):
    """One request on its way, and what it is for."""

    request: bytes
    position: int
    change: Change


class _Work:
    """The requests that changes come down to, and what became of each change."""

    def __init__(self, count: int) -> None:
        self.results = [0] * count
        self.steps: list[_Step] = []
        self._silent: dict[str, _Step] = {}

    def queue(self, position: int, change: Change, found: Requests) -> None:
        """A device that was silenced speaks again when something is put on it."""
        thing = change.thing
        if change.present:
            if isinstance(thing, VirtualAddress) and thing.device in self._silent:
                self.steps.append(self._silent.pop(thing.device))
            self.steps += (_Step(request, position, change) for request in found.add)
            return
        if isinstance(thing, Silence):
            self._silent[thing.device] = _Step(found.add[0], position, change)
        self.steps.append(_Step(found.delete, position, change))

    def end_silence(self) -> None:
        """Nothing of a virtual MAC is left: its device listens again."""
        self.steps += self._silent.values()
        self._silent.clear()

    def refused(self, position: int, change: Change, code: int) -> None:
        """The first errno counts, unless it says that all was as wanted before."""
        as_wanted = _THERE if change.present else _GONE
        if code not in as_wanted and not self.results[position]:
            self.results[position] = code


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
