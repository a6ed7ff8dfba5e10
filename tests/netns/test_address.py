"""Whose address is whose: what is put back, swept, released and left alone."""

from __future__ import annotations

import json
import stat
import time

from worlds import GUIDE, VIP, AddressEvent, Site, cli, site

from vrrpd.lab.node import Node

STRANGER = "10.230.137.77"
DETAILED = GUIDE.replace(
    "        10.230.137.100\n",
    "        192.0.2.101/24 brd 192.0.2.255 dev eth0 scope link label eth0:vip\n        10.230.137.100\n",
)


def serving_alone(here: Site, configuration: str = GUIDE) -> Node:
    here.start_haproxy(here.lb1)
    here.start(here.lb1, configuration)
    here.until_served_by(here.lb1)
    return here.lb1


def addresses(node: Node) -> dict[str, dict[str, object]]:
    (eth0,) = json.loads(node.run("ip", "-json", "-4", "address", "show", "dev", "eth0"))
    return {address["local"]: address for address in eth0["addr_info"]}


def test_an_address_removed_by_hand_is_put_back_and_announced() -> None:
    with site() as here:
        node = serving_alone(here)
        before = len(here.address_events)
        removed_at = time.time_ns()
        node.run("ip", "address", "del", f"{VIP}/32", "dev", "eth0")
        here.until(
            "it is back",
            lambda: (
                here.address_events[before:]
                == [
                    AddressEvent("lb1", present=False, address=VIP),
                    AddressEvent("lb1", present=True, address=VIP),
                ]
            ),
        )
        here.until("it is announced", lambda: len(here.announcements(node, since=removed_at)) >= 5)
        assert here.router(node)["counters"]["addresses_lost"] == 1
        assert here.router(node)["state"] == "MASTER"
        here.until("status says so", lambda: here.router(node)["addresses"][0]["present"])


def test_a_predecessors_address_on_a_backup_is_swept_at_its_start() -> None:
    with site() as here:
        serving_alone(here)
        here.lb2.run("ip", "address", "add", f"{VIP}/32", "dev", "eth0")
        here.until("two have it", lambda: here.holders() == {"lb1", "lb2"})
        here.start(here.lb2)
        here.until_served_by(here.lb1)
        assert here.router(here.lb2)["state"] == "BACKUP"


def test_what_a_killed_daemon_left_is_swept_by_the_next_one() -> None:
    with site() as here:
        node = serving_alone(here)
        node.kill_daemon()
        assert node.holds_address(VIP)
        here.start(node)
        here.until("it is gone", lambda: here.holders() == set())
        here.until_served_by(node)


def test_release_removes_what_is_ours_and_leaves_a_strangers_address() -> None:
    with site() as here:
        node = serving_alone(here, DETAILED)
        node.run("ip", "address", "add", f"{STRANGER}/32", "dev", "eth0")
        node.kill_daemon()
        assert set(addresses(node)) == {"10.230.137.1", "192.0.2.101", VIP, STRANGER}
        node.release()
        assert set(addresses(node)) == {"10.230.137.1", STRANGER}


def test_release_beside_a_running_daemon_is_refused_and_takes_nothing() -> None:
    with site() as here:
        node = serving_alone(here)
        before = len(here.address_events)
        refused = node.call(*cli("release"))
        assert refused.returncode == 1
        assert "/run/vrrpd belongs to a running vrrpd (pid " in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        here.look()
        assert here.address_events[before:] == []


def test_an_address_is_put_on_as_the_file_says() -> None:
    with site() as here:
        found = addresses(serving_alone(here, DETAILED))
        assert (found[VIP]["prefixlen"], found[VIP]["scope"]) == (32, "global")
        detailed = found["192.0.2.101"]
        assert detailed["prefixlen"] == 24
        assert detailed["broadcast"] == "192.0.2.255"
        assert detailed["scope"] == "link"
        assert detailed["label"] == "eth0:vip"


def test_the_ledger_is_for_roots_eyes_alone() -> None:
    with site() as here:
        node = serving_alone(here)
        ledger = node.directory / "vrrpd" / "ledger.json"
        assert stat.S_IMODE(ledger.stat().st_mode) == 0o600
        assert stat.S_IMODE((node.directory / "vrrpd" / "control.sock").stat().st_mode) & 0o007 == 0
