"""What else a node can watch, with HAProxy, a file and a link that are real: who serves, and what `status` says."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import pytest
from worlds import GUIDE, KEEPALIVED, LB2, SECOND_GUIDE, Site, site

from vrrpd.lab import guide
from vrrpd.lab.node import Node

BLOCK = """
vrrp_track_haproxy haproxy {
    socket /run/admin.sock
    backend nginx
    interval 0.5
    timeout 0.5
    weight -2
}
"""
PROCESS = """
vrrp_track_process haproxy {
    process haproxy
    weight -2
}
"""
FILE = """
track_file maintenance {
    file /run/maintenance
    weight -2
    init_file 0
}
"""
TRACK_SCRIPT = "track_script {\n        chk_haproxy\n    }"
HAPROXY_CFG = guide.HAPROXY_CFG.replace(
    "    daemon\n", "    daemon\n    stats socket /run/admin.sock mode 600 level admin\n    hard-stop-after 1s\n"
)


def files(block: str, track: str) -> tuple[str, str]:
    """The guide's two files, with another check in place of its script."""
    first, second = (
        content[: content.index("vrrp_script")].replace(TRACK_SCRIPT, track) + block
        for content in (GUIDE, SECOND_GUIDE)
    )
    assert track in first
    return first, second


def pair(here: Site, first: str, second: str) -> None:
    """Both nodes run, with HAProxy, and the first one serves."""
    here.start_web_servers()
    for node in here.nodes:
        node.start_haproxy(HAPROXY_CFG)
    here.start(here.lb1, first)
    here.until("lb1 watches", lambda: here.tracker(here.lb1)["state"] == "ok")
    here.start(here.lb2, second)
    here.until_served_by(here.lb1)


def stats(node: Node, command: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(node.directory / "admin.sock"))
        connection.sendall(f"{command}\n".encode())
        while connection.recv(4096):
            pass


def to_haproxy(node: Node, number: signal.Signals) -> None:
    node.run("killall", f"-{number.value}", "haproxy")


def reload_haproxy(node: Node) -> None:
    old = node.run("pidof", "haproxy").split()
    node.run("haproxy", "-f", "/run/haproxy.cfg", "-sf", *old)


def moves(here: Site, words: str, disturb: Callable[[], object], mend: Callable[[], object]) -> None:
    """Disturbed, lb1 hands over and says why; mended, it serves again."""
    disturb()
    here.until_served_by(here.lb2)
    assert here.tracker(here.lb1)["words"] == words
    assert here.status_line(here.lb1).endswith(f": {words}, handed over to {LB2}")
    assert here.router(here.lb1)["priority"] == 98
    mend()
    here.until_served_by(here.lb1)


def drain(node: Node, state: str) -> None:
    for server in ("web1", "web2"):
        stats(node, f"set server nginx/{server} state {state}")


@pytest.mark.parametrize(
    ("words", "disturb", "mend"),
    [
        (
            "haproxy failed (/run/admin.sock: Connection refused)",
            Node.kill_haproxy,
            lambda node: node.start_haproxy(HAPROXY_CFG),
        ),
        (
            "haproxy failed (it does not answer within 0.5 s)",
            lambda node: to_haproxy(node, signal.SIGSTOP),
            lambda node: to_haproxy(node, signal.SIGCONT),
        ),
        (
            "haproxy failed (backend nginx has 0 of 2 servers up)",
            lambda node: drain(node, "maint"),
            lambda node: drain(node, "ready"),
        ),
    ],
    ids=["killed", "hung", "without servers"],
)
def test_the_address_leaves_a_haproxy_that_does_not_serve(
    words: str, disturb: Callable[[Node], None], mend: Callable[[Node], None]
) -> None:
    with site() as here:
        pair(here, *files(BLOCK, TRACK_SCRIPT.replace("chk_haproxy", "haproxy")))
        moves(here, words, lambda: disturb(here.lb1), lambda: mend(here.lb1))


@pytest.mark.parametrize(
    ("block", "track"),
    [
        (BLOCK.replace("interval 0.5", "interval 0.1"), TRACK_SCRIPT.replace("chk_haproxy", "haproxy")),
        (PROCESS, "track_process {\n        haproxy\n    }"),
        (
            'vrrp_script check { script "/usr/bin/killall -0 haproxy"\n interval 0.1\n timeout 2\n weight -2\n }\n',
            TRACK_SCRIPT.replace("chk_haproxy", "check"),
        ),
    ],
    ids=["haproxy", "process", "script"],
)
def test_a_reload_of_haproxy_moves_nothing_and_its_death_does(block: str, track: str) -> None:
    with site() as here:
        pair(here, *files(block, track))
        transitions = here.router(here.lb1)["transitions"]
        for _ in range(3):
            reload_haproxy(here.lb1)
        here.until("it is still well", lambda: here.tracker(here.lb1)["state"] == "ok")
        assert here.router(here.lb1)["transitions"] == transitions
        here.lb1.kill_haproxy()
        here.until_served_by(here.lb2)
        assert here.tracker(here.lb1)["state"] == "failing"


def test_an_operator_moves_the_address_by_a_file() -> None:
    with site() as here:
        pair(here, *files(FILE, "track_file {\n        maintenance\n    }"))
        assert (here.lb1.directory / "maintenance").read_text() == "0\n"
        moves(
            here,
            "file maintenance is 1",
            lambda: here.lb1.write("maintenance", "1\n"),
            lambda: here.lb1.write("maintenance", "0\n"),
        )


def test_the_address_leaves_with_another_link_and_each_cause_is_named() -> None:
    with site() as here:
        track = "track_interface {\n        eth1\n    }\n    track_file {\n        maintenance weight 0\n    }"
        for node in here.nodes:
            node.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "far")
            node.run("ip", "link", "set", "eth1", "up")
            node.run("ip", "link", "set", "far", "up")
        here.start_haproxy(*here.nodes)
        first, second = files(FILE, track)
        here.start(here.lb1, first)
        here.until("lb1 runs", lambda: here.router(here.lb1).get("state") == "MASTER")
        here.start(here.lb2, second)
        here.until_served_by(here.lb1)
        here.lb1.write("maintenance", "1\n")
        here.lb1.run("ip", "link", "set", "far", "down")  # eth1 loses its carrier
        here.until_served_by(here.lb2)
        here.until("both are named", lambda: len(here.router(here.lb1)["blocked_by"]) == 2)
        assert here.router(here.lb1)["blocked_by"] == ["file maintenance is 1", "eth1 is down"]
        assert here.router(here.lb1)["state"] == "FAULT"
        here.lb1.run("ip", "link", "set", "far", "up")
        here.until("one is left", lambda: here.router(here.lb1)["blocked_by"] == ["file maintenance is 1"])
        here.lb1.write("maintenance", "0\n")
        here.until_served_by(here.lb1)


def test_keepalived_runs_the_same_file_without_the_block_that_it_does_not_know() -> None:
    with site() as here:
        first, second = files(BLOCK, TRACK_SCRIPT.replace("chk_haproxy", "haproxy"))
        here.start_web_servers()
        for node in here.nodes:
            node.start_haproxy(HAPROXY_CFG)
        here.start(here.lb1, first)
        here.until("lb1 watches", lambda: here.tracker(here.lb1)["state"] == "ok")
        here.start(here.lb2, second, KEEPALIVED)
        here.until_served_by(here.lb1)
        here.lb1.kill_haproxy()
        here.until_served_by(here.lb2)
