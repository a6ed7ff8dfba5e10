"""The story that `vrrpd lab` tells: five faults, what the nodes and the client say, and a table at the end.

Runs as PID 1 of namespaces of its own (`entry` makes them): when it ends, everything ends.
"""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vrrpd.lab import guide
from vrrpd.lab.client import Client, longest_gap
from vrrpd.lab.daemons import KEEPALIVED, VRRPD, Daemon
from vrrpd.lab.entry import EXIT_CANNOT_RUN, parse
from vrrpd.lab.host import LabError, Lines, run, wait_until
from vrrpd.lab.node import Node, haproxy_is_installed, web_server
from vrrpd.lab.watch import NOBODY, Timeline, Watch
from vrrpd.lab.world import World
from vrrpd.model import MILLISECOND, SECOND, Duration

_WEB_ADDRESSES = ("10.230.137.11", "10.230.137.12")
_CLIENT_ADDRESS = "10.230.137.50"

_PATIENCE: Duration = 15 * SECOND
"""How long a fault is given until the address is where the files say."""
_START_PATIENCE: Duration = 30 * SECOND

_WHY = re.compile(r"\w+ [A-Z]+ since ")
"""The line of `vrrpd status` that says what a virtual router is, since when and why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is done to a node, and who the files say should serve after it."""

    name: str
    act: Callable[[], object]
    heir: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the table."""

    fault: str
    gap_ms: float
    """The client's longest time between two answered requests; to the end of the wait when not `served`."""
    before: str
    after: str
    served: bool
    address_on: tuple[str, ...]


class Story:
    """The world of the guide, and what befalls it."""

    def __init__(self, world: World, daemon: Daemon, timeline: Timeline) -> None:
        self._daemon = daemon
        self._timeline = timeline
        self._haproxy_cfg = guide.HAPROXY_CFG if _is_root() else guide.haproxy_cfg_without_users()
        self._first = world.add_node("lb1", "10.230.137.1/24")
        self._second = world.add_node("lb2", "10.230.137.2/24")
        self._nodes = (self._first, self._second)
        self._configurations = {
            self._first.name: guide.KEEPALIVED_CONF,
            self._second.name: guide.keepalived_conf_of_the_second_node(),
        }
        self._web = world.add_host("web", *(f"{address}/24" for address in _WEB_ADDRESSES))
        client = world.add_host("client", f"{_CLIENT_ADDRESS}/24")
        taps = [world.tap(node) for node in self._nodes]
        self._watch = Watch(timeline, taps, Client(client, guide.ADDRESS))

    def tell(self) -> list[Outcome]:
        """Everything up, then one fault after the other."""
        self._introduce()
        self._bring_up()
        return [self._befall(fault) for fault in self._faults()]

    def _introduce(self) -> None:
        say = self._timeline.say
        say("lab", f"two nodes with the guide's keepalived.conf under {self._daemon.name}, and its haproxy.cfg")
        if not haproxy_is_installed():
            say("lab", "HAProxy is not installed: a stand-in called haproxy answers (apt-get install haproxy)")
        elif not _is_root():
            say("lab", "without root HAProxy cannot change its user: `user` and `group` left out of haproxy.cfg")

    def _bring_up(self) -> None:
        for address, name in zip(_WEB_ADDRESSES, ("web1", "web2"), strict=True):
            self._web.start(*web_server(address, name), log=f"{name}.log")
            log = Lines(self._web.directory / f"{name}.log")
            wait_until(lambda log=log: bool(log.read()), 10 * SECOND, f"{name} listens")  # type: ignore[misc]
        for node in self._nodes:
            node.start_haproxy(self._haproxy_cfg)
            self._start(node)
            self._watch.follow(node, self._daemon)
        self._watch.until(lambda: self._is_up() or not self._daemons_run(), _START_PATIENCE)
        if not self._is_up():
            raise LabError(f"{self._first.name} does not serve {guide.ADDRESS}; see what the nodes say above")

    def _is_up(self) -> bool:
        return self._watch.settled_on(self._first.name)

    def _daemons_run(self) -> bool:
        return all(node.daemon.running for node in self._nodes)

    def _start(self, node: Node) -> None:
        node.start_daemon(self._daemon, self._configurations[node.name])
        self._timeline.say("lab", f"{self._daemon.name} started on {node.name}")

    def _kill(self, node: Node) -> None:
        node.kill_daemon()
        if self._daemon.releases:
            node.release()

    def _faults(self) -> list[Fault]:
        first, second, daemon = self._first, self._second, self._daemon.name
        then = "then `vrrpd release`" if self._daemon.releases else "nothing cleans up"
        return [
            Fault(f"HAProxy killed on {first.name}", first.kill_haproxy, second.name),
            Fault(
                f"HAProxy started again on {first.name}",
                lambda: first.start_haproxy(self._haproxy_cfg),
                first.name,
            ),
            Fault(f"{daemon} stopped on {first.name}", lambda: first.daemon.signal(signal.SIGTERM), second.name),
            Fault(f"{daemon} started again on {first.name}", lambda: self._start(first), first.name),
            Fault(f"kill -9 {daemon} on {first.name}, {then}", lambda: self._kill(first), second.name),
        ]

    def _befall(self, fault: Fault) -> Outcome:
        watch, before, since = self._watch, self._watch.serving, time.monotonic_ns()
        self._timeline.say("lab", f"--- {fault.name}")
        fault.act()
        moved = watch.until(lambda: watch.settled_on(fault.heir), _PATIENCE)
        until = time.monotonic_ns()
        watch.finish_requests_before(until)
        if not moved:
            self._timeline.say("lab", f"{fault.heir} should serve; given up after {_PATIENCE // SECOND} s")
        self._ask_why()
        requests = watch.requests if before != NOBODY else [r for r in watch.requests if r.started >= since]
        return Outcome(
            fault=fault.name,
            gap_ms=longest_gap(requests, since, until) / MILLISECOND,
            before=before,
            after=watch.serving,
            served=watch.serving != NOBODY,
            address_on=tuple(node.name for node in self._nodes if node.holds_address(guide.ADDRESS)),
        )

    def _ask_why(self) -> None:
        for node in self._nodes:
            if self._daemon.releases and node.daemon.running:
                for line in filter(_WHY.match, node.status().splitlines()):
                    self._timeline.say(node.name, f"`vrrpd status`: {line}")


def _is_root() -> bool:
    """Whether other users exist here; in a plain user's namespace there is only one."""
    _, _, users = Path("/proc/self/uid_map").read_text(encoding="ascii").split()[:3]
    return int(users) > 1


def table(outcomes: Sequence[Outcome]) -> str:
    """The table for people."""
    head = ("fault", "no answer for", "served before", "after", "address on")
    rows = [
        (
            outcome.fault,
            f"{'' if outcome.served else 'over '}{outcome.gap_ms / 1000:.2f} s",
            outcome.before,
            outcome.after,
            " and ".join(outcome.address_on) or NOBODY,
        )
        for outcome in outcomes
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    notes = ["The client asks every 20 ms: 0.02 s is no outage at all."]
    if any(len(outcome.address_on) > 1 for outcome in outcomes):
        notes.append("An address on two nodes is not safe: who reaches which is decided by the latest ARP.")
    return "\n".join([*(line.rstrip() for line in lines), *notes])


def main(arguments: Sequence[str]) -> int:
    """Tell the story in the namespaces that `entry` made."""
    options = parse(arguments)
    if os.getpid() != 1:
        print("vrrpd.lab.story: not in namespaces of its own; run `vrrpd lab`", file=sys.stderr)
        return EXIT_CANNOT_RUN
    daemon = next(daemon for daemon in (VRRPD, KEEPALIVED) if daemon.name == options.daemon)
    timeline = Timeline(sys.stderr if options.json else sys.stdout)
    names = dict(zip(guide.WEB_HOSTS, _WEB_ADDRESSES, strict=True))
    try:
        run(["mount", "-t", "tmpfs", "tmpfs", "/run"])
        with World(Path("/run/lab"), names) as world:
            outcomes = Story(world, daemon, timeline).tell()
    except LabError as error:
        print(f"vrrpd lab: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: an end like any other
        return EXIT_CANNOT_RUN
    print(json.dumps([asdict(outcome) for outcome in outcomes], indent=2) if options.json else f"\n{table(outcomes)}")
    return 0 if all(outcome.served for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
