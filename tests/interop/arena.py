"""Two nodes of different making and a client on a LAN, and what their wire says of who is Master."""

from __future__ import annotations

import json
import re
import select
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import count, groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from worlds import KEEPALIVED

from vrrpd import client
from vrrpd.lab.daemons import VRRPD, Daemon
from vrrpd.lab.host import Process
from vrrpd.lab.node import Node
from vrrpd.lab.tap import AdvertisementSeen
from vrrpd.lab.world import World

PATIENCE_S = 30.0
VRID = 50
_numbers = count()


@dataclass(frozen=True, slots=True)
class Row:
    """What both nodes are configured with, in keepalived.conf's words, and what FRR calls the same."""

    name: str
    block: str
    """The lines of the vrrp_instance beside interface, VRID, priority and addresses. {own} and {peer} are addresses."""
    addresses: tuple[str, ...]
    """The first one is what the client uses."""
    interval_s: float = 1.0
    preempts: bool = True
    priorities: tuple[int, int] = (150, 100)
    """Of lb1 and of lb2."""
    globals: str = ""
    frr: str = ""
    """Lines of an `interface` block after "vrrp 50 "; empty: FRR has nothing of the kind."""
    first_only: str = ""
    """Further lines of the block, on lb1 alone."""

    def configuration(self, priority: int, own: str, peer: str) -> str:
        """For vrrpd and keepalived alike."""
        addresses = "\n".join(f"        {address} dev eth0" for address in self.addresses)
        lines = [*self.block.format(own=own, peer=peer).splitlines()]
        lines += self.first_only.splitlines() if priority == self.priorities[0] else []
        block = "\n".join(f"    {line}" for line in lines)
        return (
            f"global_defs {{\n    router_id test\n    {self.globals}\n}}\n"
            f"vrrp_instance R1 {{\n    interface eth0\n    state BACKUP\n    virtual_router_id {VRID}\n"
            f"    priority {priority}\n    advert_int {self.interval_s:g}\n{block}\n"
            f"    virtual_ipaddress {{\n{addresses}\n    }}\n}}\n"
        )

    @property
    def is_ipv6(self) -> bool:
        """The family of the addresses."""
        return ip_address(self.addresses[0].partition("/")[0]).version == 6


class Speaker(ABC):
    """A daemon as a party to a row: how it starts, and what it complains of."""

    name: str

    @abstractmethod
    def start(self, node: Node, row: Row, priority: int, own: str, peer: str) -> Process:
        """Start it on a node."""

    @abstractmethod
    def is_backup(self, node: Node) -> bool:
        """It runs, and knows that another one is Master."""

    @abstractmethod
    def complaints(self, arena: Arena, node: Node) -> list[str]:
        """What it says of packets that it did not like."""


class _Configured(Speaker):
    """It reads keepalived.conf."""

    daemon: Daemon

    def start(self, node: Node, row: Row, priority: int, own: str, peer: str) -> Process:
        return node.start_daemon(self.daemon, row.configuration(priority, own, peer))


class Vrrpd(_Configured):
    """Ours."""

    name, daemon = "vrrpd", VRRPD
    _GOOD = frozenset(
        {"received", "received_priority_0", "received_plain_checksum", "sent", "send_failed", "addresses_lost"}
    )

    def is_backup(self, node: Node) -> bool:
        (router,) = self.status(node).get("virtual_routers", [{}])
        return router.get("state") == "BACKUP" and bool(router.get("master"))

    def complaints(self, arena: Arena, node: Node) -> list[str]:
        del arena
        status = self.status(node)
        if not status:
            return []
        counters = {
            f"{name}: {count}"
            for router in status["virtual_routers"]
            for name, count in router["counters"].items()
            if count and name not in self._GOOD and name != "not_running"
        }
        # FRR's macvlan announces itself before FRR takes it down: that is no advertisement.
        conflicts = [
            str(conflict)
            for router in status["virtual_routers"]
            for conflict in router["conflicts"]
            if conflict["field"] != "announcement"
        ]
        traceback = ["Traceback"] if "Traceback" in node.log.read_text(encoding="utf-8") else []
        return [*counters, *conflicts, *map(str, status["strays"]), *traceback]

    @staticmethod
    def status(node: Node) -> dict[str, Any]:
        """Empty while no daemon answers."""
        try:
            return client.ask(str(node.directory / "vrrpd" / "control.sock"), {"command": "status"})
        except client.NoDaemonError:
            return {}


class Keepalived(_Configured):
    """Debian's."""

    name, daemon = "keepalived", KEEPALIVED
    _ERRORS = ("Packet Errors:", "Authentication Errors:")
    _COMPLAINT = re.compile(
        r"bogus|invalid|mismatch|wrong|expected|received|incorrect|discard|drop|bad |unknown|already|replay",
        re.IGNORECASE,
    )
    _NO_COMPLAINT = re.compile(
        r"higher prio|lower prio|priority 0|track script|Reply|Cant find|unsafe|Syncing seq_num|advert.*lower priority",
        re.IGNORECASE,
    )

    def is_backup(self, node: Node) -> bool:
        return _last(r"Entering (\w+) STATE", _since_start(node, "Starting Keepalived")) == "BACKUP"

    def complaints(self, arena: Arena, node: Node) -> list[str]:
        lines = node.log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line for line in lines if self._COMPLAINT.search(line) and not self._NO_COMPLAINT.search(line)]
        return [*said, *(self._statistics(arena, node) if node.daemon.running else [])]

    def _statistics(self, arena: Arena, node: Node) -> list[str]:
        dump = node.directory / "keepalived.stats"
        dump.unlink(missing_ok=True)
        node.daemon.signal(signal.SIGUSR2)
        arena.until("keepalived tells its statistics", lambda: dump.exists() and "Priority Zero" in dump.read_text())
        found, block = [], ""
        for line in dump.read_text().splitlines():
            name, _, value = line.strip().partition(":")
            if not value.strip():
                block = line.strip()
            elif block in self._ERRORS and value.strip() != "0":
                found.append(f"{block} {name}: {value.strip()}")
        return found


class Frr(Speaker):
    """FRR's vrrpd, behind its zebra. It wants the device of the virtual MAC to be there, with the addresses."""

    name = "frr"
    _COMPLAINT, _BEGIN = "Datagram invalid", "FRR begins"
    _START = """
mkdir -p /run/frr && chown frr:frr /run/frr
kill -0 "$(cat /run/frr/zebra.pid)" 2>/dev/null || rm -f /run/frr/zserv.api
/usr/lib/frr/zebra -f /run/zebra.conf -z /run/frr/zserv.api -i /run/frr/zebra.pid -P 0 -A 127.0.0.1 &
while [ ! -S /run/frr/zserv.api ]; do :; done
echo FRR begins
exec /usr/lib/frr/vrrpd -f /run/frr.conf -z /run/frr/zserv.api -i /run/frr/vrrpd.pid -P 0 -A 127.0.0.1
"""

    def start(self, node: Node, row: Row, priority: int, own: str, peer: str) -> Process:
        del own, peer
        family = 6 if row.is_ipv6 else 4
        device = f"vrrp{family}-{VRID}"
        if device not in node.run("ip", "-brief", "link", "show"):
            mac = f"00:00:5e:00:0{1 if family == 4 else 2}:{VRID:02x}"
            node.run("ip", "link", "add", device, "link", "eth0", "address", mac, "type", "macvlan", "mode", "bridge")
            node.run("sh", "-c", f"echo 0 >/proc/sys/net/ipv6/conf/{device}/accept_dad")
            for address in row.addresses:
                node.run("ip", "address", "add", address, "dev", device)
            node.run("ip", "link", "set", device, "up")
        wanted = (*row.frr.splitlines(), f"priority {priority}")
        lines = "".join(f"vrrp {VRID} {line}\n".replace(f"vrrp {VRID} no", f"no vrrp {VRID}") for line in wanted)
        node.write("zebra.conf", "")
        node.write("frr.conf", f"log stdout debugging\ndebug vrrp\ninterface eth0\n{lines}")
        node.write("frr.sh", self._START)
        return node.run_as_daemon("sh", "/run/frr.sh")

    def is_backup(self, node: Node) -> bool:
        return _last(r"-> (\w+)|(Received) VRRP", _since_start(node, self._BEGIN)) == "Received"

    def complaints(self, arena: Arena, node: Node) -> list[str]:
        del arena
        lines = node.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if self._COMPLAINT in line]


def _since_start(node: Node, mark: str) -> str:
    return node.log.read_text(encoding="utf-8", errors="replace").rpartition(mark)[2]


def _last(pattern: str, text: str) -> str | None:
    """What the pattern has caught last."""
    found = [next(filter(None, match.groups())) for match in re.finditer(pattern, text)]
    return found[-1] if found else None


@dataclass(slots=True)
class Party:
    """A node with its daemon."""

    node: Node
    speaker: Speaker
    priority: int
    own: str
    peer: str


class Arena:
    """A LAN with lb1, lb2 and a client."""

    def __init__(self, world: World, row: Row, first: Speaker, second: Speaker) -> None:
        self.world, self.row = world, row
        addresses = {"lb1": ("10.230.137.1/24", "2001:db8::1/64"), "lb2": ("10.230.137.2/24", "2001:db8::2/64")}
        nodes = [world.add_node(name, ipv4) for name, (ipv4, _) in addresses.items()]
        self.client = world.add_host("client", "10.230.137.50/24")
        for host, address in (*zip(nodes, ("2001:db8::1", "2001:db8::2"), strict=True), (self.client, "2001:db8::50")):
            host.run("ip", "address", "add", f"{address}/64", "dev", "eth0", "nodad")
        self._taps = [world.tap(node) for node in nodes]
        own = [self._own(nodes[0], 0), self._own(nodes[1], 1)]
        self.lb1 = Party(nodes[0], first, row.priorities[0], own[0], own[1])
        self.lb2 = Party(nodes[1], second, row.priorities[1], own[1], own[0])
        self.parties = (self.lb1, self.lb2)
        self.wire: list[AdvertisementSeen] = []

    def _own(self, node: Node, number: int) -> str:
        """Where it speaks from: over IPv6 its link-local address, once that is not tentative any more."""
        if not self.row.is_ipv6:
            return ("10.230.137.1", "10.230.137.2")[number]
        found: list[str] = []

        def ready() -> bool:
            (eth0,) = json.loads(node.run("ip", "-json", "-6", "address", "show", "dev", "eth0", "scope", "link"))
            found[:] = [a["local"] for a in eth0.get("addr_info", ()) if "local" in a and not a.get("tentative")]
            return bool(found)

        wait(f"{node.name} has a link-local address", ready)
        return found[0]

    # --- what a test does ---

    def start(self, party: Party) -> None:
        """Start its daemon."""
        party.speaker.start(party.node, self.row, party.priority, party.own, party.peer)

    def stop(self, party: Party) -> None:
        """As an administrator does it."""
        party.node.stop_daemon()

    def crash(self, party: Party) -> None:
        """The machine loses its power: nothing more is said, and what it held is gone."""
        self.world.cut_carrier(party.node)
        party.node.kill_daemon()
        kept = {party.own, "10.230.137.1", "10.230.137.2", "2001:db8::1", "2001:db8::2"}
        for interface in json.loads(party.node.run("ip", "-json", "address", "show")):
            name = interface["ifname"]
            if name.startswith("vrrp"):
                party.node.run("ip", "link", "delete", name)
            elif name == "eth0":
                for address in interface["addr_info"]:
                    if address["local"] not in kept and not address["local"].startswith("fe80::ff"):
                        prefix = f"{address['local']}/{address['prefixlen']}"
                        party.node.run("ip", "address", "delete", prefix, "dev", name)

    def boot(self, party: Party) -> None:
        """Its power is back."""
        self.world.restore_carrier(party.node)
        self.start(party)

    # --- what a test sees ---

    def look(self) -> None:
        """Take in what has been on the wire."""
        for tap in self._taps:
            with suppress(OSError):
                self.wire += [s for s in tap.sightings() if isinstance(s, AdvertisementSeen) and s.sent]

    def until(self, what: str, condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Look until the condition holds; AssertionError when it does not in time."""
        deadline = time.monotonic() + within_s
        self.look()
        while not condition():
            assert time.monotonic() < deadline, f"{self.row.name}: {what}: not within {within_s} s"
            select.select([tap.fileno() for tap in self._taps], [], [], 0.02)
            self.look()

    def until_master(self, party: Party) -> None:
        """It alone advertises, three times in a row, and the client reaches the first address there."""
        what = f"{party.node.name} ({party.speaker.name}) is the one Master"
        self.until(what, lambda: self._last_speakers(3) == [party.node.name] * 3)
        self.until(f"the client is answered by {party.node.name}", lambda: self._answers(party))

    def _last_speakers(self, number: int) -> list[str]:
        return [seen.host for seen in self.wire if seen.priority > 1][-number:]

    def _answers(self, party: Party) -> bool:
        address = self.row.addresses[0].partition("/")[0]
        scoped = f"{address}%eth0" if address.startswith("fe80") else address
        if self.client.call("ping", "-c", "1", "-W", "1", "-n", scoped).returncode:
            return False
        (neighbour, *_) = json.loads(self.client.run("ip", "-json", "neighbour", "show", address))
        macs = re.findall(r"link/ether (\S+)", party.node.run("ip", "link", "show"))
        return neighbour.get("lladdr") in macs

    def until_backup(self, party: Party, master: Party) -> None:
        """It runs and hears the Master: that goes on alone for several intervals, as it would not if it were deaf."""
        self.until(f"{party.speaker.name} is a Backup", lambda: party.speaker.is_backup(party.node))
        begin = time.time_ns()
        wanted = 5

        def said() -> list[str]:
            return [seen.host for seen in self.wire if seen.at >= begin and seen.priority > 0]

        self.until(f"{master.node.name} goes on", lambda: len(said()) >= wanted)
        assert set(said()) == {master.node.name}, f"{party.speaker.name} is a second Master"

    def reigns(self) -> list[str]:
        """Who was Master one after the other, by who advertised. Two Masters at a time take turns in it."""
        self.look()
        return [host for host, _ in groupby(seen.host for seen in self.wire if seen.priority > 1)]

    def complaints(self) -> dict[str, list[str]]:
        """Of both, of packets."""
        found = {party.node.name: party.speaker.complaints(self, party.node) for party in self.parties}
        return {name: said for name, said in found.items() if said}

    def logs(self) -> str:
        return "\n".join(
            f"{party.node.name}: {line}"
            for party in self.parties
            for line in party.node.log.read_text(encoding="utf-8", errors="replace").splitlines()
        )


def wait(what: str, condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    """For what no socket tells of."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {within_s} s"
        time.sleep(0.05)


@contextmanager
def arena(row: Row, first: Speaker, second: Speaker) -> Iterator[Arena]:
    """An arena of one's own; when the test fails, with what the daemons said."""
    with (
        TemporaryDirectory(prefix="vrrpd-") as directory,
        World(Path(directory, "hosts"), {}, f"m{next(_numbers)}") as world,
    ):
        here = Arena(world, row, first, second)
        try:
            yield here
        except BaseException:
            here.look()
            print(here.logs())  # noqa: T201  pytest shows it with the failure
            print(*(f"{s.at} {s.host} {s.source} {s.priority}" for s in here.wire[-60:]), sep="\n")  # noqa: T201
            raise
