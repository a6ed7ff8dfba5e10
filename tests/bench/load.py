"""What the daemons cost while nothing happens: processor time, memory; and how fast `vrrpd status` answers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vrrpd.lab.daemons import VRRPD
from vrrpd.lab.host import environment
from vrrpd.lab.node import Node
from vrrpd.lab.world import World
from vrrpd.model import SECOND, Duration

from .figures import Figure, Target
from .pair import DAEMONS, Pair, milliseconds, processes

_SIZES = (1, 255)
_SETTLING_S = 8.0
"""The second round of gratuitous ARP comes five seconds after a takeover."""
_MEMORY_MB = 45
_STATUS_TIMES = 6
_STATUS_CALLS = 20


@dataclass(slots=True)
class _Samples:
    """Of one daemon with one number of routers."""

    master_cpu: list[float] = field(default_factory=list)
    backup_cpu: list[float] = field(default_factory=list)
    proportional: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)


def measure(world: World, *, quick: bool) -> list[Figure]:
    """Both daemons in turn, with one virtual router and with 255."""
    pair = Pair(world)
    rounds = 1 if quick else 3
    span = (10 if quick else 15) * SECOND
    return [figure for routers in _SIZES for figure in _cost(pair, routers, rounds, span)]


def _cost(pair: Pair, routers: int, rounds: int, span: Duration) -> list[Figure]:
    vrrpd, keepalived = samples = _Samples(), _Samples()
    for _ in range(rounds):
        for daemon, of_daemon in zip(DAEMONS, samples, strict=True):
            with pair.running(daemon, daemon, routers):
                time.sleep(_SETTLING_S)
                _watch(pair, of_daemon, span)
    who = _words(routers)
    unit = "‰ of a core"
    once = Target(1, times=True)
    return [
        Figure(f"{who}: CPU of the Master", unit, vrrpd.master_cpu, keepalived.master_cpu, once, decimals=2),
        Figure(f"{who}: CPU of the Backup", unit, vrrpd.backup_cpu, keepalived.backup_cpu, once, decimals=2),
        Figure(f"{who}: memory, PSS", "MB", vrrpd.proportional, keepalived.proportional, Target(_MEMORY_MB)),
        Figure(f"{who}: memory, RSS", "MB", vrrpd.resident, keepalived.resident),
    ]


def _words(routers: int) -> str:
    return "1 router" if routers == 1 else f"{routers} routers"


def _watch(pair: Pair, samples: _Samples, span: Duration) -> None:
    nodes = (pair.one, samples.master_cpu), (pair.two, samples.backup_cpu)
    before = [(time.monotonic_ns(), cpu_time(node)) for node, _ in nodes]
    time.sleep(span / SECOND)
    for (node, cpu), (since, used) in zip(nodes, before, strict=True):
        cpu.append(1000 * (cpu_time(node) - used) / (time.monotonic_ns() - since))
    samples.proportional.append(memory_mb(pair.one, "Pss:"))
    samples.resident.append(memory_mb(pair.one, "Rss:"))


def cpu_time(node: Node) -> Duration:
    """User and system time that all processes of the node's daemon have used, exact to the nanosecond.

    The clock of a process (clock_getcpuclockid(3)) counts all its threads, also those that have ended.
    """
    return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in processes(node.daemon.pid))


def memory_mb(node: Node, kind: str) -> float:
    """A line of smaps_rollup, of all processes of the node's daemon."""
    rollups = (Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii") for pid in processes(node.daemon.pid))
    return sum(int(line.split()[1]) for text in rollups for line in text.splitlines() if line.startswith(kind)) / 1024


def measure_status(world: World, *, quick: bool) -> list[Figure]:
    """`vrrpd status` as a whole process, against an interpreter that does nothing."""
    del quick
    pair = Pair(world)
    return [_status(pair, routers) for routers in _SIZES]


def _status(pair: Pair, routers: int) -> Figure:
    """Here the second column is `python -c pass`, not keepalived."""
    nothing = [sys.executable, "-c", "pass"]
    # A socket in the file system is reached from any network namespace: no nsenter is measured.
    directory = str(pair.one.directory / "vrrpd")
    status = [str(Path(sys.executable).with_name("vrrpd")), "status", "--runtime-dir", directory]
    with pair.running(VRRPD, VRRPD, routers):
        calls = [(_duration(status), _duration(nothing)) for _ in range(_STATUS_CALLS)]
    what = f"{_words(routers)}: `vrrpd status`, against `python -c pass`"
    return Figure(what, "ms", [ask for ask, _ in calls], [idle for _, idle in calls], Target(_STATUS_TIMES, times=True))


def _duration(argv: Sequence[str]) -> float:
    before = time.perf_counter_ns()
    subprocess.run(argv, stdout=subprocess.DEVNULL, env=environment(), check=True)
    return milliseconds(time.perf_counter_ns() - before)
