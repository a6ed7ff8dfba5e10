"""vrrpd in keepalived's place: its options, its signals, and its dumps beside those of the real one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

from worlds import KEEPALIVED, VIP, Site, site

from vrrpd.lab.daemons import Daemon
from vrrpd.lab.node import Node

ENTRY = [sys.executable, "-m", "vrrpd.keepalived"]
OPTIONS = ["-P", "-n", "-l", "-D", "-p", "/run/keepalived.pid", "-r", "/run/keepalived-vrrp.pid"]
IN_ITS_PLACE = Daemon(
    "vrrpd", lambda file: ["env", "TMPDIR=/run", *ENTRY, *OPTIONS, "-f", file], lambda _: None, releases=True
)
JSON_SIGNAL = signal.Signals.SIGRTMIN + 2

FILE = """
vrrp_instance R1 {
    state BACKUP
    interface eth0
    virtual_router_id 50
    priority 100
    nopreempt
    authentication {
        auth_type PASS
        auth_pass passwd
    }
    virtual_ipaddress {
        10.230.137.100
    }
}
"""
NOT_OURS = {"auth_data", "last_transition"}
"""keepalived tells the password, and we do not; moments differ."""


def asked(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ENTRY, *arguments], capture_output=True, text=True, check=False)


def dump(here: Site, node: Node, number: int, name: str) -> str:
    """What the daemon writes when it is asked by a signal to the process that its pid file names."""
    pid = node.run("cat", "/run/keepalived.pid").strip()
    node.run("kill", f"-{number}", pid)
    file = node.directory / name
    here.until(f"{name} is written", lambda: file.exists() and file.read_text().strip() != "")
    return file.read_text()


def serving(here: Site, daemon: Daemon) -> Node:
    here.start(here.lb1, FILE, daemon=daemon)
    here.until("it serves", lambda: here.lb1.holds_address(VIP))
    return here.lb1


def dumped(daemon: Daemon) -> tuple[list[dict[str, Any]], str, str]:
    with site() as here:
        node = serving(here, daemon)
        as_json = json.loads(dump(here, node, JSON_SIGNAL, "keepalived.json"))
        return (
            as_json,
            dump(here, node, signal.SIGUSR2, "keepalived.stats"),
            dump(here, node, signal.SIGUSR1, "keepalived.data"),
        )


def shape(text: str) -> list[str]:
    """The words of a dump without the numbers."""
    return [line.partition(":")[0] for line in text.splitlines()]


def test_its_dumps_have_the_fields_that_exporters_read_in_keepaliveds() -> None:
    (ours,), stats, data = dumped(IN_ITS_PLACE)
    (theirs,), their_stats, their_data = dumped(KEEPALIVED)
    assert ours["data"].keys() == theirs["data"].keys()
    assert ours["stats"].keys() == theirs["stats"].keys()
    same = ours["data"].keys() - NOT_OURS
    assert {key: ours["data"][key] for key in same} == {key: theirs["data"][key] for key in same}
    assert ours["stats"]["become_master"] == theirs["stats"]["become_master"] == 1
    assert shape(stats) == shape(their_stats)
    told = [line for line in data.splitlines() if " = " in line]
    assert {line.partition(" = ")[0] for line in told} <= {line.partition(" = ")[0] for line in their_data.splitlines()}
    assert "passwd" not in json.dumps(ours) + data


def test_a_symbolic_link_in_place_of_a_dump_is_not_followed() -> None:
    with site() as here:
        node = serving(here, IN_ITS_PLACE)
        precious = node.directory / "precious"
        precious.write_text("kept")
        (node.directory / "keepalived.stats").symlink_to(precious)
        node.run("kill", "-USR2", node.run("cat", "/run/keepalived.pid").strip())
        here.until("it is told", lambda: "dump not written" in node.log.read_text())
        assert precious.read_text() == "kept"


def test_the_pid_file_is_there_while_it_runs_and_a_stop_hands_over() -> None:
    with site() as here:
        node = serving(here, IN_ITS_PLACE)
        assert node.stop_daemon() == 0
        assert not (node.directory / "keepalived.pid").exists()
        assert not node.holds_address(VIP)


def test_signals_have_keepaliveds_numbers() -> None:
    numbers = {name: asked(f"--signum={name}").stdout.strip() for name in ("RELOAD", "DATA", "STATS", "JSON")}
    theirs = {
        name: subprocess.run(
            ["keepalived", f"--signum={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in numbers
    }
    assert numbers == theirs == {"RELOAD": "1", "DATA": "10", "STATS": "12", "JSON": "36"}


def test_an_option_that_keepalived_does_not_have_is_refused() -> None:
    done = asked("--no-such-option")
    assert (done.returncode, done.stderr) == (1, "keepalived (vrrpd): unrecognized arguments: --no-such-option\n")
