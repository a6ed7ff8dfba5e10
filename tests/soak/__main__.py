"""`python -m tests.soak [--reloads N]`: reload a serving Master N times while scripts run, and say what it cost.

Exit status 1 when a virtual router changed its state, or an advertisement came later than 1.5 intervals after the one
before. Needs root; everything happens in namespaces of its own.
"""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import argparse
import os
import sys
import time
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does

from worlds import Site, site

from vrrpd import client
from vrrpd.lab.host import environment, run

_ISOLATED = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--")
_LATEST_MS = 1_500
_LOOK_EVERY = 5
_ROUTER = """
vrrp_instance R{n} {{
    interface eth0
    virtual_router_id {n}
    priority {priority}
    track_script {{
        chk{n}
    }}
    virtual_ipaddress {{
        10.230.137.{n}
        {other}
    }}
}}
vrrp_script chk{n} {{
    script "/bin/true"
    interval 1
    weight 2
}}
"""
_ROUTERS = range(100, 110)


def _file(turn: int) -> str:
    """Addresses come and go, priorities rise and fall; who is who stays."""
    return "".join(
        _ROUTER.format(n=n, priority=100 + (turn + n) % 20, other=f"10.230.138.{n}" if (turn + n) % 2 else "")
        for n in _ROUTERS
    )


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--reloads", type=int, default=10_000, metavar="N")
    options = parser.parse_args()
    if os.getpid() != 1:
        again = [*_ISOLATED, sys.executable, "-m", "tests.soak", *sys.argv[1:]]
        os.execvpe(again[0], again, environment())  # noqa: S606 - no shell is wanted
    run(["sh", "-c", "mount -t tmpfs tmpfs /run && mkdir /run/netns"])
    with site() as here:
        return _reload(here, options.reloads)


def _reload(here: Site, reloads: int) -> int:
    here.start(here.lb1, _file(0))
    here.until("all serve", lambda: _states(here) == {"MASTER"})
    since, begun = time.time_ns(), time.monotonic()
    moves = _transitions(here)
    socket = str(here.lb1.directory / "vrrpd" / "control.sock")
    for turn in range(1, reloads + 1):
        here.lb1.write("keepalived.conf", _file(turn))
        answer = client.ask(socket, {"command": "reload"}, 60.0)
        assert answer["reloaded"], answer
        if turn % _LOOK_EVERY == 0:
            here.look()
    lasted = time.monotonic() - begun
    here.look()
    moved = _transitions(here) - moves
    gaps = [_longest_gap_ms(here, vrid, since) for vrid in _ROUTERS]
    took = here.status(here.lb1)["reload_ms"]
    print(
        f"{reloads} reloads of {len(_ROUTERS)} virtual routers in {lasted:.0f} s, the last took {took:.1f} ms; "
        f"transitions {moved}, longest gap between two advertisements {max(gaps):.0f} ms"
    )
    return int(moved > 0 or max(gaps) > _LATEST_MS)


def _states(here: Site) -> set[str]:
    return {router["state"] for router in here.status(here.lb1).get("virtual_routers", ())}


def _transitions(here: Site) -> int:
    return sum(move["count"] for router in here.status(here.lb1)["virtual_routers"] for move in router["moves"])


def _longest_gap_ms(here: Site, vrid: int, since: int) -> float:
    times = [seen.at for seen in here.advertisements(here.lb1, since=since) if seen.vrid == vrid]
    return max(after - before for before, after in pairwise(times)) / 1e6


if __name__ == "__main__":
    sys.exit(main())
