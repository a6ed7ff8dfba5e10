"""The interfaces and addresses that the kernel has, kept up to date by its events."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Interface
from itertools import islice
from typing import assert_never

from structlog.typing import FilteringBoundLogger

from vrrpd.linux.options import set_receive_buffer
from vrrpd.linux.rtnetlink import (
    BUFFER_SIZE,
    EVENT_GROUPS,
    AddressGone,
    AddressSeen,
    Change,
    LinkGone,
    LinkSeen,
    decode,
    dump,
    messages,
    open_socket,
)
from vrrpd.model import Interface, IPInterface

_MESSAGES_PER_TURN = 16
"""A link takes about 140 microseconds to decode: 2 ms in one turn of the loop."""
_RETRY_S = 1.0


@dataclass(slots=True)
class _Link:
    seen: LinkSeen
    addresses: dict[IPInterface, AddressSeen] = field(default_factory=dict)
    """In the kernel's order, which says what the primary address is."""

    def interface(self) -> Interface:
        seen = self.seen
        return Interface(seen.name, seen.index, seen.up, seen.mac, tuple(self.addresses))

    def insert(self, new: AddressSeen) -> None:
        """Put it where the kernel puts it."""
        known = self.addresses.get(new.interface)
        if known is not None and (known.scope, known.secondary) == (new.scope, new.secondary):
            return
        self.remove(new.interface)  # a secondary one that was promoted moves
        order = list(self.addresses.values())
        place = _place(order, new)
        if place == len(order):
            self.addresses[new.interface] = new
        else:
            order.insert(place, new)
            self.addresses = {address.interface: address for address in order}

    def remove(self, interface: IPInterface) -> None:
        self.addresses.pop(interface, None)


def _place(order: list[AddressSeen], new: AddressSeen) -> int:
    """A primary IPv4 address goes behind the last one whose scope is as narrow, the rest to the end.

    So does the kernel's inet_insert_ifa().
    """
    if new.secondary or not isinstance(new.interface, IPv4Interface):
        return len(order)
    place = 0
    for position, other in enumerate(order, start=1):
        if not other.secondary and new.scope <= other.scope and isinstance(other.interface, IPv4Interface):
            place = position
    return place


class _Inventory:
    """What the kernel has, as far as its messages have told."""

    def __init__(self) -> None:
        self.links: dict[int, _Link] = {}

    def load(self, change: Change | None) -> None:
        """From a dump: everything comes once and in order."""
        if isinstance(change, LinkSeen):
            self.links[change.index] = _Link(change)
        elif isinstance(change, AddressSeen) and (link := self.links.get(change.index)):
            link.addresses[change.interface] = change

    def take(self, change: Change) -> None:
        """From an event, which may be older than the dump."""
        link = self.links.get(change.index)
        match change:
            case LinkSeen():
                if link is None:
                    self.links[change.index] = _Link(change)
                else:
                    link.seen = change
            case LinkGone():
                self.links.pop(change.index, None)
            case AddressSeen():
                if link is not None:
                    link.insert(change)
            case AddressGone():
                if link is not None:
                    link.remove(change.interface)
            case _:
                assert_never(change)


class Monitor:
    """Keeps an inventory by the kernel's events; events lost are made good by reading everything again."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_interface: Callable[[str, Interface | None], None],
        log: FilteringBoundLogger,
        event_buffer: int,
    ) -> None:
        self._loop = loop
        self._on_interface = on_interface
        self._log = log
        self._event_buffer = event_buffer
        self._inventory = _Inventory()
        self._told: dict[str, Interface] = {}
        self._socket: socket.socket | None = None
        self._warned_at = -_RETRY_S
        self._closed = False

    def start(self) -> None:
        events = self._open_events()
        for kind, message in dump():
            self._inventory.load(decode(kind, message))
        self._loop.add_reader(events, self._read, events)
        self._tell(self._inventory.links)

    def close(self) -> None:
        self._closed = True
        self._close_events()

    def _open_events(self) -> socket.socket:
        self._socket = open_socket(EVENT_GROUPS)
        self._socket.setblocking(False)
        set_receive_buffer(self._socket, self._event_buffer)
        return self._socket

    def _close_events(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _read(self, events: socket.socket) -> None:
        touched: set[int] = set()
        try:
            for _ in range(_MESSAGES_PER_TURN):
                for kind, _, _, message in messages(events.recv(BUFFER_SIZE)):
                    if change := decode(kind, message):
                        self._inventory.take(change)
                        touched.add(change.index)
        except BlockingIOError:
            pass
        except OSError as error:
            self._warn("kernel events were lost, reading everything again", error)
            self._read_everything()
        self._tell(touched)

    def _read_everything(self) -> None:
        """The old socket's events are older than the dump, so they go with it."""
        self._close_events()
        if self._closed:
            return
        try:
            events = self._open_events()
        except OSError as error:
            self._read_everything_later(error)
            return
        dumping = self._loop.run_in_executor(None, dump)  # the kernel may keep it waiting
        dumping.add_done_callback(lambda done: self._dumped(events, done))

    def _read_everything_later(self, error: BaseException) -> None:
        self._warn("cannot read interfaces and addresses, trying again", error)
        self._loop.call_later(_RETRY_S, self._read_everything)

    def _dumped(self, events: socket.socket, dumping: asyncio.Future[list[tuple[int, bytes]]]) -> None:
        if dumping.cancelled() or self._closed:
            return
        if error := dumping.exception():
            self._read_everything_later(error)
        else:
            self._load(events, iter(dumping.result()), _Inventory())

    def _load(self, events: socket.socket, remaining: Iterator[tuple[int, bytes]], inventory: _Inventory) -> None:
        """A few messages per turn; then this inventory is the one, and the events since bring it up to date."""
        if self._closed:
            return
        part = list(islice(remaining, _MESSAGES_PER_TURN))
        for kind, message in part:
            inventory.load(decode(kind, message))
        if part:
            self._loop.call_soon(self._load, events, remaining, inventory)
            return
        touched = self._inventory.links.keys() | inventory.links.keys()
        self._inventory = inventory
        self._loop.add_reader(events, self._read, events)
        self._tell(touched)

    def _tell(self, touched: Collection[int]) -> None:
        """Report those of these links that are not as they were last reported."""
        links: Iterable[_Link | None] = (self._inventory.links.get(index) for index in touched)
        now = {link.seen.name: link.interface() for link in links if link is not None}
        gone = [name for name, told in self._told.items() if told.index in touched and name not in now]
        for name in gone:
            del self._told[name]
            self._on_interface(name, None)
        for name, interface in now.items():
            if self._told.get(name) != interface:
                self._told[name] = interface
                self._on_interface(name, interface)

    def _warn(self, event: str, error: BaseException) -> None:
        """At most one line a second: a storm of events loses some again and again."""
        if self._loop.time() - self._warned_at >= _RETRY_S:
            self._warned_at = self._loop.time()
            self._log.warning(event, problem=str(error))
