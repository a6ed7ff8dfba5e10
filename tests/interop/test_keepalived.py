"""Debian's keepalived as the other node of the guide's pair, in either role."""

from __future__ import annotations

import re
import signal
from collections import Counter

import pytest
from worlds import KEEPALIVED, Site, site

from vrrpd.lab.daemons import VRRPD, Daemon
from vrrpd.lab.node import Node

NO_ERRORS = {
    "Packet Errors": {"Length": 0, "TTL": 0, "Invalid Type": 0, "Advertisement Interval": 0, "Address List": 0},
    "Authentication Errors": {"Invalid Type": 0, "Type Mismatch": 0, "Failure": 0},
}
COMPLAINTS = re.compile(
    r"bogus|invalid|mismatch|wrong|expected|received|incorrect|discard|drop|bad |unknown", re.IGNORECASE
)
NO_COMPLAINTS = re.compile(r"higher prio|lower prio|priority 0|track script|Reply|Cant find|unsafe", re.IGNORECASE)
GOOD = {"received", "received_priority_0", "received_plain_checksum", "sent", "send_failed", "addresses_lost"}


def keepalived_errors(here: Site, node: Node) -> dict[str, dict[str, int]]:
    """The error counters of keepalived's statistics, by block."""
    dump = node.directory / "keepalived.stats"
    dump.unlink(missing_ok=True)
    node.daemon.signal(signal.SIGUSR2)
    here.until("keepalived tells its statistics", lambda: dump.exists() and "Priority Zero" in dump.read_text())
    found: dict[str, dict[str, int]] = {}
    block = ""
    for line in dump.read_text().splitlines():
        name, _, value = line.strip().partition(":")
        if not value.strip():
            block = name
        elif block in NO_ERRORS:
            found.setdefault(block, {})[name] = int(value)
    return found


def complaints(node: Node) -> list[str]:
    lines = node.log.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if COMPLAINTS.search(line) and not NO_COMPLAINTS.search(line)]


def vrrpd_drops(here: Site, node: Node) -> Counter[str]:
    counters = here.router(node)["counters"]
    assert here.status(node)["strays"] == []
    return Counter({name: count for name, count in counters.items() if name not in GOOD and count})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(VRRPD, KEEPALIVED, id="keepalived-is-the-backup"),
        pytest.param(KEEPALIVED, VRRPD, id="keepalived-is-the-master"),
    ],
)
def test_they_elect_fail_over_preempt_and_hand_back_without_one_bad_packet(first: Daemon, second: Daemon) -> None:
    with site() as here:
        here.start_pair(first, second)
        drops: Counter[str] = Counter()

        def count() -> None:
            for node, daemon in ((here.lb1, first), (here.lb2, second)):
                if daemon is VRRPD:
                    drops.update(vrrpd_drops(here, node))
                else:
                    assert keepalived_errors(here, node) == NO_ERRORS

        # fails over, and is preempted by the better one that is back
        here.world.set_link_down(here.lb1)
        here.until_served_by(here.lb2)
        here.world.set_link_up(here.lb1)
        here.until_served_by(here.lb1)
        count()
        # is handed over at a planned stop, and handed back
        assert here.lb1.stop_daemon() == 0
        here.until_served_by(here.lb2)
        here.start(here.lb1, daemon=first)
        here.until_served_by(here.lb1)
        count()
        # the Backup comes and goes without disturbing anybody
        moves = len(here.address_events)
        assert here.lb2.stop_daemon() == 0
        here.start(here.lb2, daemon=second)
        here.until("it is heard again", lambda: peer_is_back(here, second))
        count()
        here.look()
        assert [event for event in here.address_events[moves:] if event.host == "lb1"] == []
        assert drops == Counter()
        for node in here.nodes:
            assert complaints(node) == []


def peer_is_back(here: Site, daemon: Daemon) -> bool:
    if daemon is VRRPD:
        return bool(here.router(here.lb2).get("master"))
    return here.lb2.log.read_text(encoding="utf-8").count("Entering BACKUP STATE (init)") == 2
