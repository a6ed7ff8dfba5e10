"""The body of `ports.Kernel`: addresses in, links and addresses out.

An address takes about 80 microseconds to encode, so it is encoded before it is needed; only the index of its
interface and a sequence number are put in when it is sent.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence

from structlog.typing import FilteringBoundLogger

from vrrpd.linux.monitor import Monitor
from vrrpd.linux.options import NETLINK_CAP_ACK, RECEIVE_BUFFER, SOL_NETLINK
from vrrpd.linux.rtnetlink import (
    BUFFER_SIZE,
    AddressRequests,
    acknowledgements,
    addressed,
    encode_requests,
    open_socket,
)
from vrrpd.model import Interface, VirtualAddress
from vrrpd.ports import AddressChange

_CHANGES_PER_SEND = 64
"""Their acknowledgements fit the smallest receive buffer."""


class NetlinkKernel:
    """`start` and all callbacks belong to the loop's thread, `apply` to a worker thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_interface: Callable[[str, Interface | None], None],
        log: FilteringBoundLogger,
        *,
        event_buffer: int = RECEIVE_BUFFER,
    ) -> None:
        self._monitor = Monitor(loop, on_interface, log, event_buffer)
        self._encoded: dict[VirtualAddress, AddressRequests] = {}
        self._socket = open_socket()
        self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self._sequence = 0

    def start(self) -> None:
        """Tell `on_interface` about every interface there is, before the loop runs, and then about every change."""
        self._monitor.start()

    def close(self) -> None:
        """Watch and change nothing any more."""
        self._monitor.close()
        self._socket.close()

    def prepare(self, addresses: Sequence[VirtualAddress]) -> None:
        """Encode these and forget others."""
        self._encoded = {address: self._requests(address) for address in addresses}

    def deletion(self, address: VirtualAddress) -> bytes:
        """A complete request that asks for an ACK, sequence number 0. OSError ENODEV: there is no such device."""
        index = _interface_index(address.device)
        if not index:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), address.device)
        return addressed(self._requests(address).delete, index)

    def apply(self, changes: Sequence[AddressChange]) -> list[int]:
        """An errno for each change, 0 where it is now as wanted."""
        results: list[int] = []
        for start in range(0, len(changes), _CHANGES_PER_SEND):
            results += self._apply_together(changes[start : start + _CHANGES_PER_SEND])
        return results

    def _apply_together(self, changes: Sequence[AddressChange]) -> list[int]:
        indexes = {device: _interface_index(device) for device in {c.address.device for c in changes}}
        results = [errno.ENODEV] * len(changes)
        waiting: dict[int, int] = {}
        batch = bytearray()
        for position, change in enumerate(changes):
            if index := indexes[change.address.device]:
                requests = self._requests(change.address)
                self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
                batch += addressed(requests.add if change.present else requests.delete, index, self._sequence)
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

    def _requests(self, address: VirtualAddress) -> AddressRequests:
        return self._encoded.get(address) or encode_requests(address)


def _interface_index(device: str) -> int:
    """0 when there is no such interface."""
    try:
        return socket.if_nametoindex(device)
    except OSError:
        return 0


def _judge(change: AddressChange, code: int) -> int:
    """0 for an errno which says that it was as wanted before."""
    if change.present:
        return 0 if code == errno.EEXIST else code
    return 0 if code in {errno.EADDRNOTAVAIL, errno.ENODEV} else code
