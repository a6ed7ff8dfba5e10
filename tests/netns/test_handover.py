"""A planned stop, a crash, a lost link: who has the address when, by kernel order and kernel time stamps."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from worlds import KEEPALIVED, LB1, VIP, Site, site

from vrrpd.lab.daemons import VRRPD, Daemon
from vrrpd.lab.host import Host
from vrrpd.lab.node import Node
from vrrpd.lab.world import World

MS = 1_000_000

PEERS = pytest.mark.parametrize("peer", [VRRPD, KEEPALIVED], ids=["vrrpd", "keepalived"])
LINK_FAULTS = pytest.mark.parametrize(
    ("fault", "repair"),
    [
        pytest.param(World.set_link_down, World.set_link_up, id="ip-link-set-down"),
        pytest.param(World.cut_carrier, World.restore_carrier, id="carrier-lost"),
    ],
)


# The nodes share one clock, and with it the grid of their advertisements: a time namespace sets one apart.
_LATE = """
import ctypes, os, sys
CLONE_NEWTIME = 0x80
assert not ctypes.CDLL(None).unshare(CLONE_NEWTIME)
with open("/proc/self/timens_offsets", "w") as offsets:
    offsets.write(f"monotonic 0 {sys.argv[1]}")
os.execvp(sys.argv[2], sys.argv[2:])
"""


def late(ms: int) -> Daemon:
    """A vrrpd that advertises that much later in the second than others."""
    return replace(
        VRRPD, run=lambda file: [sys.executable, "-c", _LATE, str((1_000 - ms) % 1_000 * MS), *VRRPD.run(file)]
    )


def states(here: Site) -> list[str]:
    return [here.router(node)["state"] for node in here.nodes]


def first_sent(here: Site, node: Node, since: int) -> int:
    here.until(f"{node.name} advertises", lambda: bool(here.advertisements(node, since=since)))
    return here.advertisements(node, since=since)[0].at


@PEERS
def test_at_a_planned_stop_there_is_no_instant_at_which_nobody_holds_the_address(peer: Daemon) -> None:
    with site() as here:
        here.start_pair(second=peer)
        events = len(here.address_events)
        stopped_at = time.time_ns()
        assert here.lb1.stop_daemon() == 0
        here.until_served_by(here.lb2)

        assert here.someone_always_held_it(events)
        moves = [(event.host, event.present) for event in here.address_events[events:] if event.address == VIP]
        assert moves == [("lb2", True), ("lb1", False)]
        # hosts learn the heir's MAC before the old one goes silent, and hear no other after it
        assert here.announcements(here.lb2, since=stopped_at)
        assert not here.announcements(here.lb1, since=stopped_at)
        said = [seen.priority for seen in here.advertisements(here.lb1, since=stopped_at)]
        assert [priority for priority in said if priority not in {1, 100}] == [0, 0]
        assert 100 not in said[said.index(0) :]
        assert not here.lb1.holds_address(VIP)
        assert not (here.lb1.directory / "vrrpd" / "ledger.json").exists()
        assert not (here.lb1.directory / "vrrpd" / "control.sock").exists()


@PEERS
def test_after_sigkill_and_release_no_address_is_left_and_the_peer_serves_within_its_skew_time(peer: Daemon) -> None:
    with site() as here:
        here.start_pair(second=peer)
        here.lb1.kill_daemon()
        assert here.lb1.holds_address(VIP)
        released_at = time.time_ns()
        said = here.lb1.release()

        assert f"removed {VIP}/32 dev eth0" in said
        assert "R1: told the others on eth0 (priority 0)" in said
        assert not here.lb1.holds_address(VIP)
        heir_at = first_sent(here, here.lb2, released_at)
        (gave_up,) = here.advertisements(here.lb1, since=released_at)
        assert gave_up.priority == 0
        # (256 - 99) / 256 s
        assert 613 * MS <= heir_at - gave_up.at <= 713 * MS
        here.until_served_by(here.lb2)
        assert not (here.lb1.directory / "vrrpd" / "ledger.json").exists()


@LINK_FAULTS
def test_when_the_masters_link_goes_the_heir_waits_its_master_down_interval_and_no_longer(
    fault: Callable[[World, Host], None], repair: Callable[[World, Host], None]
) -> None:
    with site() as here:
        here.start_pair()
        here.until("the heir has heard it", lambda: bool(here.router(here.lb2).get("master")))
        cut_at = time.time_ns()
        fault(here.world, here.lb1)
        heir_at = first_sent(here, here.lb2, cut_at)
        last_heard = here.advertisements(here.lb2, sent=False)[-1]
        assert str(last_heard.source) == LB1
        # 3 + (256 - 99) / 256 s
        assert 3_608 * MS <= heir_at - last_heard.at <= 3_713 * MS
        here.until_served_by(here.lb2)
        assert states(here) == ["FAULT", "MASTER"]
        assert "eth0 is down" in here.status_line(here.lb1)
        assert "no advertisement from 10.230.137.1 for 3.6" in here.status_line(here.lb2)

        repair(here.world, here.lb1)
        here.until_served_by(here.lb1)
        assert states(here) == ["MASTER", "BACKUP"]
        here.until_served_by(here.lb1)


@pytest.mark.parametrize("late_ms", [0, 700], ids=["both-advertise-at-once", "the-survivor-is-heard-first"])
def test_after_a_split_that_is_healed_exactly_one_master_is_left_and_hosts_reach_it(late_ms: int) -> None:
    with site() as here:
        here.start_pair(second=late(late_ms))
        here.world.partition(*here.nodes)
        here.until("both are Master", lambda: states(here) == ["MASTER", "MASTER"])
        # so that no announcement that was due anyway mends it
        here.until("all is announced twice", lambda: all(len(here.announcements(n)) >= 10 for n in here.nodes))
        here.until("the client reaches the wrong one", lambda: here.client_reaches(here.lb2))
        said = len(here.advertisements(here.lb2))
        here.until("lb2 has just advertised", lambda: len(here.advertisements(here.lb2)) > said)
        healed_at = time.time_ns()
        here.world.heal(*here.nodes)
        here.until("one is left", lambda: states(here) == ["MASTER", "BACKUP"])
        here.until("it says where it is", lambda: bool(here.announcements(here.lb1, since=healed_at)), within_s=3)
        here.until_served_by(here.lb1)
