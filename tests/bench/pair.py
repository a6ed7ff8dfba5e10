"""Two nodes that run one daemon or the other, and what the wire shows of them."""

from __future__ import annotations

import json
import select
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vrrpd.lab.daemons import KEEPALIVED, VRRPD, Daemon
from vrrpd.lab.host import LabError, children, wait_until
from vrrpd.lab.node import Node, web_server
from vrrpd.lab.tap import AdvertisementSeen, ArpSeen, Sighting, Tap
from vrrpd.lab.world import World
from vrrpd.model import MILLISECOND, SECOND, Duration, Instant

MASTER_PRIORITY = 150
BACKUP_PRIORITY = 100

_PATIENCE: Duration = 30 * SECOND
_IN_A_ROW = 3
"""Advertisements of one router: then it is Master for good."""


DAEMONS = (VRRPD, KEEPALIVED)


def skew_time(priority: int) -> Duration:
    """RFC 3768 section 6.2."""
    return (256 - priority) * SECOND // 256


def master_down_interval(priority: int) -> Duration:
    """RFC 3768 section 6.2, at an interval of one second: 3.609375 s for priority 100."""
    return 3 * SECOND + skew_time(priority)


def address(vrid: int) -> str:
    """The virtual router's only address."""
    return f"10.77.1.{vrid}"


def configuration(routers: int, priority: int, preamble: str = "") -> str:
    """A keepalived.conf with virtual routers 1 to `routers`, at one second."""
    blocks = (
        f"vrrp_instance R{vrid} {{\n"
        "    state BACKUP\n"
        "    interface eth0\n"
        f"    virtual_router_id {vrid}\n"
        f"    priority {priority}\n"
        "    advert_int 1\n"
        f"    virtual_ipaddress {{\n        {address(vrid)}\n    }}\n"
        "}\n"
        for vrid in range(1, routers + 1)
    )
    return preamble + "".join(blocks)


def start(node: Node, daemon: Daemon, conf: str) -> Instant:
    """Start a daemon and return when, on the wall clock."""
    at = time.time_ns()
    node.start_daemon(daemon, conf)
    return at


def clear(node: Node, daemon: Daemon) -> None:
    """Remove what a daemon that was killed has left."""
    if daemon.releases:
        node.release()
    node.run("ip", "address", "flush", "dev", "eth0", "to", "10.77.1.0/24")


def processes(pid: int) -> list[int]:
    """A process and all that descend from it."""
    return [pid, *(descendant for child in children(pid) for descendant in processes(child))]


class Recording:
    """All that a tap has seen since the recording began."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self.seen: list[Sighting] = []

    def until(self, condition: Callable[[Sequence[Sighting]], bool], within: Duration, what: str) -> None:
        """Record until the condition, which is asked after each batch with that batch, holds. LabError: it does not."""
        deadline = time.monotonic_ns() + within
        while (left := deadline - time.monotonic_ns()) > 0:
            select.select([self._tap], [], [], left / SECOND)
            batch = self._tap.sightings()
            self.seen += batch
            if condition(batch):
                return
        raise LabError(f"{what}: not within {within / SECOND:g} s")

    def during(self, time_span: Duration) -> None:
        """Record for so long."""
        deadline = time.monotonic_ns() + time_span
        while (left := deadline - time.monotonic_ns()) > 0:
            select.select([self._tap], [], [], left / SECOND)
            self.seen += self._tap.sightings()

    def advertisements(self, *, sent: bool) -> Iterator[AdvertisementSeen]:
        """Those that claim to be Master, sent by the tap's host or delivered to it."""
        return (s for s in self.seen if isinstance(s, AdvertisementSeen) and s.sent is sent and s.priority)

    def announcements(self) -> Iterator[ArpSeen]:
        """The gratuitous ARPs that the tap's host sent."""
        return (s for s in self.seen if isinstance(s, ArpSeen) and s.sent and s.gratuitous)

    def settle(self, routers: int, *, on_tapped_node: bool) -> None:
        """Record until all virtual routers 1 to `routers` have one Master, the tapped node or the other."""
        in_a_row: Counter[int] = Counter()

        def settled(batch: Sequence[Sighting]) -> bool:
            for seen in batch:
                if isinstance(seen, AdvertisementSeen):
                    in_a_row[seen.vrid] = in_a_row[seen.vrid] + 1 if seen.sent is on_tapped_node else 0
            return all(in_a_row[vrid] >= _IN_A_ROW for vrid in range(1, routers + 1))

        self.until(settled, _PATIENCE, "every virtual router has its Master")


class Pair:
    """Node `one` shall be Master and node `two` its Backup; there is a client beside them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.one = world.add_node("one", "10.77.0.1/16")
        self.two = world.add_node("two", "10.77.0.2/16")
        self.client = world.add_host("client", "10.77.0.9/16")

    @contextmanager
    def recording(self, node: Node) -> Iterator[Recording]:
        """Listen on the bridge's port of that node."""
        with Tap(self._world.port(node), node.name) as tap:
            yield Recording(tap)

    @contextmanager
    def running(self, one: Daemon, two: Daemon, routers: int = 1, preamble_of_two: str = "") -> Iterator[None]:
        """Both daemons run, `one` is Master of all; in the end both are gone."""
        try:
            with self.recording(self.two) as recording:
                start(self.two, two, configuration(routers, BACKUP_PRIORITY, preamble_of_two))
                start(self.one, one, configuration(routers, MASTER_PRIORITY))
                recording.settle(routers, on_tapped_node=False)
            yield
        finally:
            self.end(self.one, one)
            self.end(self.two, two)

    def end(self, node: Node, daemon: Daemon) -> None:
        """Kill the node's daemon, if it still runs, and remove what it leaves."""
        node.kill_daemon()
        clear(node, daemon)

    def silence(self, node: Node) -> None:
        """A crash: from now on nothing comes from this node, and nothing reaches it."""
        self._world.cut_carrier(node)
        node.kill_daemon()

    def revive(self, node: Node, daemon: Daemon) -> None:
        """After `silence`: cleared and plugged in again."""
        clear(node, daemon)
        self._world.restore_carrier(node)
        wait_until(lambda: _has_carrier(node), _PATIENCE, f"{node.name} has its link again")

    def serve_web(self) -> None:
        """A small web server on both nodes, on every address they have or get."""
        for node in (self.one, self.two):
            node.start(*web_server("0.0.0.0", node.name), log="web.log")
            log = Path(node.directory / "web.log")
            wait_until(lambda log=log: "listening" in log.read_text(), _PATIENCE, f"{node.name}'s web server is up")  # type: ignore[misc]


def _has_carrier(node: Node) -> bool:
    (link,) = json.loads(node.run("ip", "-json", "link", "show", "eth0"))
    return bool(link["operstate"] == "UP")


def milliseconds(duration: Duration) -> float:
    """For a table."""
    return duration / MILLISECOND
