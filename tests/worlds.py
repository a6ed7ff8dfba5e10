"""The guide's pair in a world of its own, and what its wire and its kernels say while a test looks on."""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from vrrpd import client
from vrrpd.lab import guide
from vrrpd.lab.daemons import KEEPALIVED as LAB_KEEPALIVED
from vrrpd.lab.daemons import RUNTIME_DIRECTORY, VRRPD, Daemon, vrrpd
from vrrpd.lab.host import Host, Process, run
from vrrpd.lab.node import Node, web_server
from vrrpd.lab.tap import AdvertisementSeen, ArpSeen, Sighting
from vrrpd.lab.world import World

PATIENCE_S = 20.0
VIP = guide.ADDRESS
LB1, LB2 = "10.230.137.1", "10.230.137.2"
WEB_SERVERS = {"host1": "10.230.137.11", "host2": "10.230.137.12"}
"""What the guide's haproxy.cfg calls the servers behind it."""
GUIDE = Path(__file__).with_name("data").joinpath("guide.conf").read_text(encoding="utf-8")
SECOND_GUIDE = GUIDE.replace("state  MASTER", "state  BACKUP").replace("priority  100", "priority  99")
KEEPALIVED = replace(LAB_KEEPALIVED, run=lambda file: ["env", "TMPDIR=/run", *LAB_KEEPALIVED.run(file)])
"""Its dumps go to the node's own /run."""
RUNS = re.compile(r'"new": "BACKUP"|Entering BACKUP STATE')

Status: TypeAlias = dict[str, Any]

_numbers = count()
"""The kernel takes its time to remove the ports of a world that has ended, so each world has names of its own."""
_SOL_NETLINK = 270
_NETLINK_LISTEN_ALL_NSID = 8
_RTMGRP_IPV4_IFADDR = 0x10
_SO_RCVBUFFORCE = 33
_RTM_NEWADDR = 20
_IFA_LOCAL = 2


@dataclass(frozen=True, slots=True)
class AddressEvent:
    """An IPv4 address that came or went on a host."""

    host: str
    present: bool
    address: str


class AddressMonitor:
    """The kernel's address events of all hosts through one socket: the order of its queue is theirs."""

    def __init__(self, hosts: Mapping[int, str]) -> None:
        """`hosts`: by the number that this network namespace has for theirs."""
        self._hosts = hosts
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_LISTEN_ALL_NSID, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 24)
        self._socket.bind((0, _RTMGRP_IPV4_IFADDR))

    def fileno(self) -> int:
        return self._socket.fileno()

    def events(self) -> Iterator[AddressEvent]:
        """Those that are waiting."""
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(65536, 64)
            except BlockingIOError:
                return
            numbers = [int.from_bytes(content, sys.byteorder) for _, _, content in ancillary]
            for host in (self._hosts[number] for number in numbers if number in self._hosts):
                kind = int.from_bytes(data[4:6], sys.byteorder)
                yield AddressEvent(host, kind == _RTM_NEWADDR, _local_address(data[24:]))

    def close(self) -> None:
        self._socket.close()


def _local_address(attributes: bytes) -> str:
    while attributes:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind == _IFA_LOCAL:
            return str(IPv4Address(attributes[4:8]))
        attributes = attributes[length + 3 & ~3 :]
    raise AssertionError("an address event without an address")


class Site:
    """The guide's network: a LAN with two load balancers and a client. What was seen is kept in order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lb1 = world.add_node("lb1", f"{LB1}/24")
        self.lb2 = world.add_node("lb2", f"{LB2}/24")
        self.client = world.add_host("client", "10.230.137.50/24")
        self.nodes = (self.lb1, self.lb2)
        self.wire: list[Sighting] = []
        """What the nodes sent and what was delivered to them, each node's own in the kernel's order."""
        self.address_events: list[AddressEvent] = []
        self._processes: list[Process] = []
        self._taps = [world.tap(node) for node in self.nodes]
        self._monitor = AddressMonitor({self._namespace_number(host): host.name for host in (*self.nodes, self.client)})

    def _namespace_number(self, host: Host) -> int:
        (port,) = json.loads(run(["ip", "-json", "link", "show", self.world.port(host)]))
        number: int = port["link_netnsid"]
        return number

    def close(self) -> None:
        self._monitor.close()
        for process in self._processes:
            process.kill()

    # --- what a test does ---

    def start(self, node: Node, configuration: str | None = None, daemon: Daemon = VRRPD) -> None:
        """Start a daemon, by default with the guide's file for that node."""
        configuration = configuration or (GUIDE if node is self.lb1 else SECOND_GUIDE)
        self._processes.append(node.start_daemon(daemon, configuration))

    def start_web_servers(self) -> None:
        """Those behind HAProxy, so that a client is answered."""
        web = self.world.add_host("web", *(f"{address}/24" for address in WEB_SERVERS.values()))
        for name, address in WEB_SERVERS.items():
            self._processes.append(web.start(*web_server(address, name), log=f"{name}.log"))

    def start_haproxy(self, *nodes: Node) -> None:
        for node in nodes:
            node.start_haproxy(guide.HAPROXY_CFG)

    def start_pair(self, first: Daemon = VRRPD, second: Daemon = VRRPD) -> None:
        """HAProxy and a daemon on both nodes, and the first one serves."""
        self.start_haproxy(*self.nodes)
        self.start(self.lb1, daemon=first)
        self.until_runs(self.lb1)
        self.start(self.lb2, daemon=second)
        self.until_runs(self.lb2)
        self.until_served_by(self.lb1)

    def until_runs(self, node: Node) -> None:
        """Its daemon says that it is Backup."""
        self.until(f"{node.name} runs", lambda: bool(RUNS.search(node.log.read_text(encoding="utf-8"))))

    # --- what a test sees ---

    def look(self) -> None:
        """Take in what has happened."""
        for tap in self._taps:
            with suppress(OSError):  # said once by a port that went down; nothing is lost
                self.wire += tap.sightings()
        self.address_events += self._monitor.events()

    def until(self, what: str, condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Look until the condition holds; AssertionError when it does not in time."""
        deadline = time.monotonic() + within_s
        self.look()
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {within_s} s"
            select.select([self._monitor.fileno(), *(tap.fileno() for tap in self._taps)], [], [], 0.02)
            self.look()

    def holders(self) -> set[str]:
        """Who has the virtual address now, by the kernels' events."""
        return self.holders_after(self.address_events)

    def holders_after(self, events: list[AddressEvent]) -> set[str]:
        last = {event.host: event.present for event in events if event.address == VIP}
        return {host for host, present in last.items() if present}

    def until_served_by(self, node: Node, within_s: float = PATIENCE_S) -> None:
        """It alone has the address, and clients reach it there."""
        self.until(f"{node.name} alone has {VIP}", lambda: self.holders() == {node.name}, within_s)
        self.until(f"the client reaches {VIP} on {node.name}", lambda: self.client_reaches(node), within_s)

    def client_reaches(self, node: Node) -> bool:
        """The client's kernel sends what is for the address to this node, and is answered."""
        connect = f"import socket; socket.create_connection(('{VIP}', 80), 1)"
        if self.client.call(sys.executable, "-c", connect).returncode:
            return False
        (neighbour,) = json.loads(self.client.run("ip", "-json", "neighbour", "show", VIP))
        return bool(neighbour["lladdr"] == mac_of(node))

    def someone_always_held_it(self, since: int) -> bool:
        """From this many events on there was no instant at which nobody had the address."""
        self.look()
        moments = range(since, len(self.address_events) + 1)
        return all(self.holders_after(self.address_events[:moment]) for moment in moments)

    def advertisements(self, node: Node, *, sent: bool = True, since: int = 0) -> list[AdvertisementSeen]:
        """Those that the node sent, or that were delivered to it, from that wall-clock time on."""
        return [
            seen
            for seen in self.wire
            if isinstance(seen, AdvertisementSeen) and (seen.host, seen.sent) == (node.name, sent) and seen.at >= since
        ]

    def announcements(self, node: Node, address: str = VIP, since: int = 0) -> list[ArpSeen]:
        """Gratuitous ARP that the node sent for that address from that wall-clock time on."""
        return [
            seen
            for seen in self.wire
            if isinstance(seen, ArpSeen)
            and (seen.host, seen.sent, seen.gratuitous, str(seen.sender)) == (node.name, True, True, address)
            and seen.at >= since
        ]

    def router(self, node: Node, name: str = "R1") -> Status:
        """One virtual router of `vrrpd status --json`; empty while no daemon answers."""
        status = self.status(node)
        return next((router for router in status.get("virtual_routers", ()) if router["name"] == name), {})

    def status(self, node: Node) -> Status:
        """What `vrrpd status --json` prints; empty while no daemon answers."""
        try:
            return client.ask(str(node.directory / "vrrpd" / "control.sock"), {"command": "status"})
        except client.NoDaemonError:
            return {}

    def tracker(self, node: Node) -> Status:
        """The router's one tracker; with the state None while no daemon answers."""
        (tracker,) = self.router(node).get("trackers", [{"state": None}])
        found: Status = tracker
        return found

    def status_line(self, node: Node) -> str:
        """The line of `vrrpd status` that says what R1 is and why."""
        (line,) = [line for line in node.status().splitlines() if line.startswith("R1 ")]
        return line

    def logs(self) -> str:
        return "\n".join(
            f"{path.parent.name}: {line}"
            for node in self.nodes
            for path in sorted(node.directory.glob("*.log"))
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        )


@contextmanager
def site() -> Iterator[Site]:
    """A site of one's own, gone at the end; when the test fails, with what the daemons said."""
    with (
        TemporaryDirectory(prefix="vrrpd-") as directory,
        World(Path(directory, "hosts"), WEB_SERVERS, f"w{next(_numbers)}") as world,
    ):
        here = Site(world)
        try:
            yield here
        except BaseException:
            here.look()
            print(here.logs())  # noqa: T201  pytest shows it with the failure
            print(*here.address_events, sep="\n")  # noqa: T201
            raise
        finally:
            here.close()


def mac_of(host: Host) -> str:
    (eth0,) = json.loads(host.run("ip", "-json", "link", "show", "eth0"))
    return str(eth0["address"])


def cli(*arguments: str) -> list[str]:
    """A vrrpd command that speaks to the node's own daemon."""
    return vrrpd(*arguments, "--runtime-dir", RUNTIME_DIRECTORY)
