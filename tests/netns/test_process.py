"""How the daemon's own process runs, and in which network namespace."""

from __future__ import annotations

import json
import os
from pathlib import Path

from worlds import VIP, Site, cli, site

FILE = """
vrrp_instance R1 {
    interface eth0
    virtual_router_id 50
    virtual_ipaddress {
        10.230.137.100
    }
}
"""
PROCESS = """
global_defs {
    vrrp_priority -7
    vrrp_rt_priority 33
    vrrp_rlimit_rttime 2000000
    vrrp_no_swap
    vrrp_cpu_affinity 0
}
"""


def pid_of(here: Site) -> int:
    """As this namespace of processes has it."""
    here.until("it runs", lambda: here.status(here.lb1) != {})
    inside = here.status(here.lb1)["pid"]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except (FileNotFoundError, ProcessLookupError):
            continue
        pids = lines.get("NSpid", "").split()
        is_ours = str(here.lb1.directory).encode() in _mounts(status)
        if pids and pids[-1] == str(inside) and lines["Name"].strip().startswith("python") and is_ours:
            return int(pids[0])
    raise AssertionError("no such process")


def _mounts(status: Path) -> bytes:
    try:
        return (status.parent / "mountinfo").read_bytes()
    except OSError:
        return b""


def in_inner(here: Site, *command: str) -> str:
    return here.lb1.run("ip", "netns", "exec", "inner", *command)


def holds(here: Site) -> bool:
    interfaces = json.loads(in_inner(here, "ip", "-json", "-4", "address", "show", "eth0"))
    return any(address["local"] == VIP for interface in interfaces for address in interface["addr_info"])


def in_a_namespace(here: Site) -> None:
    """The node's LAN is in a namespace of its own."""
    here.lb1.run("sh", "-c", "mkdir -p /run/netns && ip netns add inner && ip link set eth0 netns inner")
    in_inner(here, "ip", "address", "add", "10.230.137.1/24", "dev", "eth0")
    in_inner(here, "ip", "link", "set", "eth0", "up")
    here.start(here.lb1, "net_namespace inner\n" + FILE)
    here.until("it serves there", lambda: holds(here))


def test_priority_processors_limits_and_memory_are_as_the_file_asks() -> None:
    with site() as here:
        here.start(here.lb1, PROCESS + FILE)
        pid = pid_of(here)
        assert os.getpriority(os.PRIO_PROCESS, pid) == -7
        assert os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR
        assert os.sched_getparam(pid).sched_priority == 33
        assert os.sched_getaffinity(pid) == {0}
        limits = Path(f"/proc/{pid}/limits").read_text()
        (line,) = [line for line in limits.splitlines() if line.startswith("Max realtime timeout")]
        assert line.split()[3] == "2000000"
        locked = next(li for li in Path(f"/proc/{pid}/status").read_text().splitlines() if li.startswith("VmLck"))
        assert int(locked.split()[1]) > 10_000


def test_it_serves_in_the_namespace_that_the_file_names() -> None:
    with site() as here:
        in_a_namespace(here)
        assert here.lb1.stop_daemon() == 0
        assert not holds(here)


def test_release_after_a_kill_finds_what_was_held_in_that_namespace() -> None:
    with site() as here:
        in_a_namespace(here)
        here.lb1.kill_daemon()
        assert holds(here)
        done = here.lb1.call(*cli("release"))
        assert (done.returncode, done.stderr) == (0, "")
        assert not holds(here)


def test_a_namespace_that_is_not_there_is_one_line_and_exit_2() -> None:
    with site() as here:
        file = here.lb1.write("keepalived.conf", "net_namespace nowhere\n" + FILE)
        done = here.lb1.call(*cli("run"), "-f", file)
        assert done.returncode == 2
        assert done.stderr == ("vrrpd: there is no network namespace nowhere (net_namespace): ip netns add nowhere\n")
