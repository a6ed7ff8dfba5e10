"""What it costs to read a large keepalived.conf: time and memory, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from vrrpd.lab.world import World

from .figures import Figure, Target

_ROUTERS_OF_AN_INTERFACE = 255
_READ = """
import json, resource, sys, time
from vrrpd.config.load import load
from vrrpd.config.node import Offline
start = time.perf_counter_ns()
routers = len(load(sys.argv[1], Offline()).config.routers)
took = time.perf_counter_ns() - start
print(json.dumps([routers, took / 1e6, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def measure(world: World, *, quick: bool) -> list[Figure]:
    """Four interfaces full of routers, and forty."""
    del world
    rounds = 3 if quick else 9
    return [*_figures(4, rounds, Target(500), Target(100)), *_figures(40, 1 if quick else 3, Target(5_000), None)]


def _figures(interfaces: int, rounds: int, time: Target, memory: Target | None) -> list[Figure]:
    routers = interfaces * _ROUTERS_OF_AN_INTERFACE
    file = Path("/run") / f"{routers}.conf"
    file.write_text("".join(_router(number) for number in range(routers)), encoding="utf-8")
    samples = [_read(file, routers) for _ in range(rounds)]
    return [
        Figure(f"{routers} routers read", "ms", [took for took, _ in samples], target=time, decimals=0),
        Figure(f"{routers} routers read: memory at most", "MB", [most for _, most in samples], target=memory),
    ]


def _read(file: Path, routers: int) -> tuple[float, float]:
    command = [sys.executable, "-c", _READ, str(file)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    found, took, most = json.loads(done.stdout)
    if found != routers:
        raise ValueError(f"{found} of {routers} routers were read")
    return took, most


def _router(number: int) -> str:
    """A router and its check, as people write them: 24 lines."""
    interface, vrid = divmod(number, _ROUTERS_OF_AN_INTERFACE)
    return f"""
vrrp_script chk_{number} {{
    script "/usr/bin/true -x {number}"  # nothing
    interval 2
    weight -20
    fall 3
    rise 2
}}
vrrp_instance VI_{number} {{
    state BACKUP
    interface eth{interface}
    virtual_router_id {vrid + 1}
    priority 100
    advert_int 1
    authentication {{
        auth_type PASS
        auth_pass s{number}
    }}
    virtual_ipaddress {{
        10.{interface}.{vrid}.1/24 dev eth{interface} label eth{interface}:1
    }}
    track_script {{
        chk_{number}
    }}
}}
"""
