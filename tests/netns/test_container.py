"""vrrpd as the first process of a container: no systemd, no journal, and nobody else to reap what scripts leave."""

from __future__ import annotations

import json
from dataclasses import replace

from worlds import VIP, Site, site

from vrrpd.lab.daemons import VRRPD

CONTAINED = replace(
    VRRPD, run=lambda file: ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *VRRPD.run(file)]
)
FILE = """
vrrp_instance R1 {
    interface eth0
    virtual_router_id 50
    track_script {
        chk
    }
    virtual_ipaddress {
        10.230.137.100
    }
}
vrrp_script chk {
    script "/run/orphans.sh"
    interval 1
}
"""
ORPHANS = "#!/bin/sh\n(setsid sh -c 'exit 0' &)\nexit 0\n"
"""Its grandchild ends when nobody who started it is there any more."""


def processes(here: Site) -> list[dict[str, str]]:
    """Of the container: name and state of each."""
    listed = here.lb1.run("ps", "-e", "-o", "pid=,ppid=,stat=,args=")
    rows = [line.split(None, 3) for line in listed.splitlines()]
    return [
        {"pid": pid, "parent": parent, "state": state, "command": rest[0] if rest else ""}
        for pid, parent, state, *rest in rows
    ]


def serving(here: Site) -> None:
    script = here.lb1.directory / "orphans.sh"
    script.write_text(ORPHANS)
    script.chmod(0o755)
    here.start(here.lb1, FILE, daemon=CONTAINED)
    here.until("it serves", lambda: here.lb1.holds_address(VIP))


def test_the_daemon_is_a_child_of_process_1_and_nothing_stays_a_zombie() -> None:
    with site() as here:
        serving(here)
        assert here.status(here.lb1)["pid"] != 1
        here.until("checks have run", lambda: here.tracker(here.lb1)["state"] == "ok")
        assert [one for one in processes(here) if one["state"].startswith("Z")] == []


def test_a_signal_to_process_1_hands_over_and_its_exit_code_is_the_daemons() -> None:
    with site() as here:
        serving(here)
        daemons = [
            one for one in processes(here) if "vrrpd" in one.get("command", "") and "unshare" not in one["command"]
        ]
        first = min(daemons, key=lambda one: int(one["pid"]))
        here.lb1.run("kill", "-TERM", first["pid"])
        assert here.lb1.daemon.wait() == 0
        assert not here.lb1.holds_address(VIP)
        lines = [json.loads(line) for line in here.lb1.log.read_text().splitlines() if line.startswith("{")]
        assert lines[-1]["event"] == "stopped"
