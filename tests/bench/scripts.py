"""Five hundred check scripts a second on one core: how late advertisements are, and how long the checks take."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from vrrpd.lab.daemons import Daemon
from vrrpd.lab.world import World
from vrrpd.model import SECOND, Duration

from .figures import Figure, Target
from .pair import DAEMONS, MASTER_PRIORITY, Pair, configuration, milliseconds, processes, start

_SCRIPTS = 500
_LATE_MS = 20


def measure(world: World, *, quick: bool) -> list[Figure]:
    """Of each round the latest advertisement, against the grid of one second that the first one began."""
    pair = Pair(world)
    rounds, span = (1, 10 * SECOND) if quick else (3, 20 * SECOND)
    vrrpd, keepalived = ([_latest(pair, daemon, span) for _ in range(rounds)] for daemon in DAEMONS)
    what = f"{_SCRIPTS} check scripts a second on one core: the latest advertisement"
    return [Figure(what, "ms late", vrrpd, keepalived, Target(_LATE_MS))]


def _latest(pair: Pair, daemon: Daemon, span: Duration) -> float:
    try:
        with pair.recording(pair.one) as recording:
            start(pair.one, daemon, _checked(configuration(1, MASTER_PRIORITY)))
            recording.settle(1, on_tapped_node=True)
            _pin(pair.one.daemon.pid)
            recording.seen.clear()
            recording.during(span)
            sent = [seen.at for seen in recording.advertisements(sent=True)]
    finally:
        pair.end(pair.one, daemon)
    return max(milliseconds(abs(later - earlier - SECOND)) for earlier, later in pairwise(sent))


def _checked(routers: str) -> str:
    names = [f"check{n}" for n in range(_SCRIPTS)]
    blocks = [f'vrrp_script {name} {{\n    script "/bin/true"\n    interval 1\n    weight -1\n}}\n' for name in names]
    lines = "\n        ".join(names)
    tracked = f"    track_script {{\n        {lines}\n    }}\n}}\n"
    return "".join(blocks) + routers.rstrip().removesuffix("}") + tracked


def _pin(pid: int) -> None:
    """To one core, with all that it starts from now on."""
    for one in processes(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # a check that has ended meanwhile
            for task in Path(f"/proc/{one}/task").iterdir():
                os.sched_setaffinity(int(task.name), {0})
