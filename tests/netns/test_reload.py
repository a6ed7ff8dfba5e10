"""A reload: what changes, what stays, and what a bad file does (nothing)."""

from __future__ import annotations

import signal
import time
from itertools import pairwise

import pytest
from worlds import Site, cli, site

MS = 1_000_000

FILE = """
vrrp_instance R1 {
    interface eth0
    virtual_router_id 50
    priority 100
    virtual_ipaddress {
        10.230.137.100
        10.230.137.101
    }
}
vrrp_instance R2 {
    interface eth0
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        10.230.137.200
    }
}
"""
OTHER_ADDRESSES = FILE.replace("10.230.137.101", "10.230.137.102")
BROKEN = OTHER_ADDRESSES.replace("virtual_router_id 51", "virtual_router_id 51\n    interface eth7")


def serving(here: Site) -> None:
    here.start(here.lb1, FILE)
    here.until("it serves", lambda: held(here) == {"10.230.137.100", "10.230.137.101", "10.230.137.200"})


def held(here: Site) -> set[str]:
    last = {event.address: event.present for event in here.address_events}
    return {address for address, present in last.items() if present}


def transitions(here: Site) -> list[int]:
    return [len(here.router(here.lb1, name)["transitions"]) for name in ("R1", "R2")]


def advertised(here: Site, vrid: int, since: int) -> list[int]:
    return [seen.at for seen in here.advertisements(here.lb1, since=since) if seen.vrid == vrid]


def until_it_advertised(here: Site, since: int, times: int) -> None:
    for vrid in (50, 51):
        here.until("it advertises on", lambda vrid=vrid: len(advertised(here, vrid, since)) >= times)  # type: ignore[misc]


def test_a_bad_file_changes_nothing_and_reload_says_why() -> None:
    with site() as here:
        serving(here)
        before, was = len(here.address_events), transitions(here)
        here.lb1.write("keepalived.conf", BROKEN)
        reload = here.lb1.call(*cli("reload"))
        assert reload.returncode == 1
        assert "/run/keepalived.conf:14:15: error: this node has no interface" in reload.stderr
        assert "not reloaded; the daemon runs on with what it had" in reload.stderr
        here.lb1.daemon.signal(signal.SIGHUP)
        here.until("both are in the log", lambda: here.lb1.log.read_text().count('"event": "not reloaded"') == 2)
        until_it_advertised(here, time.time_ns(), 2)
        assert here.address_events[before:] == []
        assert transitions(here) == was


def test_a_missing_file_changes_nothing() -> None:
    with site() as here:
        serving(here)
        before, was = len(here.address_events), transitions(here)
        (here.lb1.directory / "keepalived.conf").unlink()
        reload = here.lb1.call(*cli("reload"))
        assert reload.returncode == 1
        assert "/run/keepalived.conf: error: cannot be read: No such file or directory" in reload.stderr
        until_it_advertised(here, time.time_ns(), 2)
        assert here.address_events[before:] == []
        assert transitions(here) == was


@pytest.mark.parametrize("how", ["reload", "SIGHUP"])
def test_an_added_address_comes_a_removed_one_goes_and_nobody_changes_state(how: str) -> None:
    with site() as here:
        serving(here)
        before, was = len(here.address_events), transitions(here)
        here.lb1.write("keepalived.conf", OTHER_ADDRESSES)
        reloaded_at = time.time_ns()
        if how == "reload":
            assert here.lb1.call(*cli("reload")).returncode == 0
        else:
            here.lb1.daemon.signal(signal.SIGHUP)
        here.until(
            "the addresses are as in the file",
            lambda: held(here) == {"10.230.137.100", "10.230.137.102", "10.230.137.200"},
        )
        here.until("it is announced", lambda: bool(here.announcements(here.lb1, "10.230.137.102", since=reloaded_at)))
        moved = {event.address for event in here.address_events[before:]}
        assert moved == {"10.230.137.101", "10.230.137.102"}
        assert transitions(here) == was


def test_routers_advertise_on_through_reloads_within_one_and_a_half_intervals() -> None:
    with site() as here:
        serving(here)
        since = time.time_ns()
        for turn, text in enumerate((OTHER_ADDRESSES, FILE, BROKEN, FILE), start=1):
            here.lb1.write("keepalived.conf", text)
            here.lb1.call(*cli("reload"))
            until_it_advertised(here, since, turn + 1)
        for vrid in (50, 51):
            times = advertised(here, vrid, since)
            gaps = [after - before for before, after in pairwise(times)]
            assert max(gaps) <= 1_500 * MS
        # R2 was never changed: it keeps its interval, and says nothing beside
        assert min(after - before for before, after in pairwise(advertised(here, 51, since))) >= 900 * MS


def test_a_router_that_is_taken_out_resigns_and_its_sibling_does_not_notice() -> None:
    with site() as here:
        serving(here)
        was = here.router(here.lb1, "R1")["transitions"]
        here.lb1.write("keepalived.conf", FILE[: FILE.index("vrrp_instance R2")])
        since = time.time_ns()
        assert here.lb1.call(*cli("reload")).returncode == 0
        here.until("R2's address is gone", lambda: held(here) == {"10.230.137.100", "10.230.137.101"})
        said = [seen.priority for seen in here.advertisements(here.lb1, since=since) if seen.vrid == 51]
        assert set(said[said.index(0) :]) == {0}
        assert here.router(here.lb1, "R2") == {}
        assert here.router(here.lb1, "R1")["transitions"] == was
