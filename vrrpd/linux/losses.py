"""Routes and rules of ours that somebody else removes, by the kernel's events."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_network

from pyroute2.netlink.rtnl import RTM_DELROUTE, RTM_DELRULE, RTMGRP_IPV4_ROUTE, RTMGRP_IPV4_RULE, RTMGRP_IPV6_ROUTE
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg
from structlog.typing import FilteringBoundLogger

from vrrpd.linux.options import FilterInstruction, attach_filter, set_receive_buffer
from vrrpd.linux.rtnetlink import BUFFER_SIZE, messages, open_socket
from vrrpd.model import Family, Held, Route, Rule

_RTMGRP_IPV6_RULE = 1 << 18
_GROUPS = RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE | _RTMGRP_IPV6_RULE
_TYPE_AT, _PROTOCOL_AT = 4, 21
"""In a message: the header's nlmsg_type, and struct rtmsg's rtm_protocol behind the header."""
_DATAGRAMS_PER_TURN = 16
_FAMILIES = {socket.AF_INET: Family.IPV4, socket.AF_INET6: Family.IPV6}


class LossMonitor:
    """Tells `on_lost` which of the watched things may be gone; when events were lost, all of them.

    What is told too often does no harm: to add a thing that is there is nothing.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_lost: Callable[[Sequence[Held]], None],
        log: FilteringBoundLogger,
        event_buffer: int,
    ) -> None:
        self._loop = loop
        self._on_lost = on_lost
        self._log = log
        self._event_buffer = event_buffer
        self._routes: tuple[Route, ...] = ()
        self._rules: tuple[Rule, ...] = ()
        self._socket: socket.socket | None = None

    def watch(self, things: Iterable[Held]) -> None:
        """From now on these. Raises OSError when the kernel gives no socket."""
        things = tuple(things)
        self._routes = tuple(thing for thing in things if isinstance(thing, Route))
        self._rules = tuple(thing for thing in things if isinstance(thing, Rule))
        if not (self._routes or self._rules):
            self.close()
            return
        if self._socket is None:
            self._socket = open_socket(_GROUPS)
            self._socket.setblocking(False)
            set_receive_buffer(self._socket, self._event_buffer)
            self._loop.add_reader(self._socket, self._read, self._socket)
        # A routing daemon's events are not ours to read: there may be hundreds of thousands.
        attach_filter(self._socket, _filter({route.protocol for route in self._routes}))

    def close(self) -> None:
        """Watch nothing any more."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _read(self, events: socket.socket) -> None:
        lost: dict[Held, None] = {}
        try:
            for _ in range(_DATAGRAMS_PER_TURN):
                for kind, _, _, message in messages(events.recv(BUFFER_SIZE)):
                    lost.update(dict.fromkeys(self._matching(kind, message)))
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                self._log.warning("routes and rules are not watched any more", problem=error.strerror)
                self.close()
            lost.update(dict.fromkeys((*self._routes, *self._rules)))
        if lost:
            self._on_lost(tuple(lost))

    def _matching(self, kind: int, message: bytes) -> Iterator[Held]:
        if kind == RTM_DELROUTE:
            yield from self._matching_routes(message)
        elif kind == RTM_DELRULE:
            yield from self._matching_rules(message)

    def _matching_routes(self, message: bytes) -> Iterator[Held]:
        seen = rtmsg(message)
        seen.decode()
        family = _FAMILIES.get(seen["family"])
        nowhere = "0.0.0.0" if family is Family.IPV4 else "::"
        destination = ip_network(f"{seen.get_attr('RTA_DST') or nowhere}/{seen['dst_len']}")
        table = seen.get_attr("RTA_TABLE") or seen["table"]
        for route in self._routes:
            same_place = (route.family, route.destination, route.table) == (family, destination, table)
            if same_place and route.tos == seen["tos"] and route.metric in {None, seen.get_attr("RTA_PRIORITY")}:
                yield route

    def _matching_rules(self, message: bytes) -> Iterator[Held]:
        seen = fibmsg(message)
        seen.decode()
        family = _FAMILIES.get(seen["family"])
        for rule in self._rules:
            if rule.family is family and rule.preference in {None, seen.get_attr("FRA_PRIORITY")}:
                yield rule


def _filter(protocols: set[int]) -> list[FilterInstruction]:
    """Let through: deletions of rules, and of routes that have one of these protocols."""
    count = len(protocols)
    return [
        (0x28, 0, 0, _TYPE_AT),
        (0x15, count + 2, 0, _as_loaded(RTM_DELRULE)),
        (0x15, 0, count + 2, _as_loaded(RTM_DELROUTE)),
        (0x30, 0, 0, _PROTOCOL_AT),
        *((0x15, count - 1 - n, 0 if n < count - 1 else 1, protocol) for n, protocol in enumerate(sorted(protocols))),
        (0x06, 0, 0, BUFFER_SIZE),
        (0x06, 0, 0, 0),
    ]


def _as_loaded(kind: int) -> int:
    """BPF loads two bytes as the network would send them; netlink's are the machine's."""
    return int.from_bytes(kind.to_bytes(2, sys.byteorder), "big")
