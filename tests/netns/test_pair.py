"""The guide's two nodes with real HAProxy: who serves when it dies and comes back, and what `status` says."""

from __future__ import annotations

import time

from worlds import GUIDE, SECOND_GUIDE, VIP, Site, cli, site

from vrrpd.lab.client import Client, Request, longest_gap
from vrrpd.lab.daemons import vrrpd
from vrrpd.lab.node import Node

SECOND = 1_000_000_000
FAILED = "chk_haproxy failed 3 times (exit 1)"


def until_haproxy_is_known_dead(here: Site, node: Node) -> None:
    here.until(f"{node.name} knows that HAProxy is dead", lambda: here.tracker(node)["state"] == "failing")


def times_resigned(here: Site, node: Node) -> int:
    return len([change for change in here.router(node)["transitions"] if change["to"] == "RESIGNING"])


def test_the_guides_two_files_are_accepted_as_they_are() -> None:
    with site() as here:
        for node, content in ((here.lb1, GUIDE), (here.lb2, SECOND_GUIDE)):
            done = node.call(*vrrpd("check", "-f", node.write("keepalived.conf", content)))
            assert done.returncode == 0, done.stdout + done.stderr


def test_the_address_leaves_the_node_whose_haproxy_dies_and_returns_with_it_and_status_says_why() -> None:
    with site() as here:
        here.start_web_servers()
        here.start_pair()
        client, requests = Client(here.client, VIP), list[Request]()

        def answered_since(moment: int) -> bool:
            requests.extend(client.requests())
            return any(request.answered and request.started > moment for request in requests)

        here.until("clients are answered", lambda: answered_since(0))
        events = len(here.address_events)
        killed_at = time.monotonic_ns()
        here.lb1.kill_haproxy()
        here.until_served_by(here.lb2)
        moved_at = time.monotonic_ns()
        here.until("clients are answered again", lambda: answered_since(moved_at))
        assert longest_gap(requests, killed_at, time.monotonic_ns()) <= 8 * SECOND
        assert here.status_line(here.lb1).endswith(f": {FAILED}, handed over to 10.230.137.2")
        assert here.status_line(here.lb1).startswith("R1 BACKUP since ")
        assert here.status_line(here.lb2).endswith(": 10.230.137.1 gave up (priority 0)")
        assert here.status_line(here.lb2).startswith("R1 MASTER since ")

        here.start_haproxy(here.lb1)
        here.until_served_by(here.lb1)
        assert here.status_line(here.lb1).endswith(": our priority 100 is above 10.230.137.2's 99")
        assert here.status_line(here.lb1).startswith("R1 MASTER since ")
        assert here.status_line(here.lb2).endswith(": 10.230.137.1 advertises priority 100, above our 99")
        assert here.status_line(here.lb2).startswith("R1 BACKUP since ")
        assert here.someone_always_held_it(events)
        client.stop()


def test_a_second_node_that_comes_back_gets_the_address_from_the_one_whose_haproxy_is_dead() -> None:
    with site() as here:
        here.start_pair()
        assert here.lb2.stop_daemon() == 0
        here.lb2.kill_haproxy()
        here.lb1.kill_haproxy()
        here.until("lb1 asked in vain", lambda: "nobody took over" in here.router(here.lb1)["reason"])
        here.start_haproxy(here.lb2)
        here.start(here.lb2)
        here.until_served_by(here.lb2, within_s=30)
        assert here.status_line(here.lb1).endswith(f": {FAILED}, handed over to 10.230.137.2")


def test_with_haproxy_dead_on_both_the_address_moves_at_most_once_and_then_never() -> None:
    with site() as here:
        here.start_pair()
        events = len(here.address_events)
        here.lb1.kill_haproxy()
        here.until_served_by(here.lb2)
        here.lb2.kill_haproxy()
        until_haproxy_is_known_dead(here, here.lb2)
        # long enough for it to have asked, in vain, twice
        here.until("lb2 has asked twice", lambda: times_resigned(here, here.lb2) == 2, within_s=40)
        here.until("lb2 is Master again", lambda: here.router(here.lb2)["state"] == "MASTER")
        moves = [(event.host, event.present) for event in here.address_events[events:]]
        assert moves == [("lb2", True), ("lb1", False)]
        assert here.someone_always_held_it(events)
        assert "nobody took over" in here.status_line(here.lb2)
        assert here.status_line(here.lb1).startswith("R1 BACKUP since ")


def test_with_haproxy_dying_on_both_at_once_the_address_moves_at_most_once() -> None:
    with site() as here:
        here.start_pair()
        events = len(here.address_events)
        for node in here.nodes:
            node.kill_haproxy()
        for node in here.nodes:
            until_haproxy_is_known_dead(here, node)
        here.until(
            "the Master has asked twice",
            lambda: any(times_resigned(here, node) == 2 for node in here.nodes),
            within_s=40,
        )
        here.until("one serves", lambda: len(here.holders()) == 1)
        assert len(here.address_events[events:]) in {0, 2}
        assert here.someone_always_held_it(events)


def test_a_node_that_is_alone_keeps_the_address_without_haproxy_and_status_says_why() -> None:
    with site() as here:
        here.start_haproxy(here.lb1)
        here.start(here.lb1)
        here.until_served_by(here.lb1)
        events = len(here.address_events)
        here.lb1.kill_haproxy()
        here.until("it counts", lambda: "chk_haproxy failing 2 of 3" in here.lb1.status())
        here.until("lb1 asked in vain", lambda: "nobody took over" in here.router(here.lb1)["reason"])
        line = here.status_line(here.lb1)
        assert line.startswith("R1 MASTER since ")
        assert line.endswith(f": {FAILED}; nobody took over, so it stays Master")
        assert here.address_events[events:] == []
        degraded = here.lb1.call(*cli("status"))
        assert degraded.returncode == 1
        assert "problem: chk_haproxy failed 3 times (exit 1)" in degraded.stdout
