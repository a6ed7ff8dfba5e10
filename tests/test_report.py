"""`vrrpd status` for people, from the engine's own snapshot and from JSON by hand."""

from __future__ import annotations

import json
from ipaddress import ip_interface, ip_network
from typing import Any

import pytest
from driver import Node, guide_node
from sample import BAD, GOOD, MS, OURS, VIP, S, guide, interface, message, password_message, router

from vrrpd import snapshot
from vrrpd.actions import AddressesApplied, CheckFinished, InterfaceChanged
from vrrpd.model import Family, Route, Rule, VirtualAddress
from vrrpd.report import is_degraded, problems, render

WALL = 1_700_000_000 * S  # 2023-11-14T22:13:20Z


def status(node: Node) -> dict[str, Any]:
    wall = snapshot.wall_clock(node.now, WALL)
    told = {
        "version": "1.0",
        "pid": 42,
        "now": wall(node.now),
        "started": wall(0),
        "config": "/etc/vrrpd/vrrpd.conf",
        "virtual_routers": [snapshot.router(node.engine, r, node.now, wall) for r in node.engine.records.values()],
        "sync_groups": snapshot.sync_groups(node.engine, wall),
        "strays": snapshot.strays(node.engine, wall),
    }
    decoded: dict[str, Any] = json.loads(json.dumps(told))
    return decoded


def holding(node: Node) -> Node:
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", str(VIP.interface))))
    return node


def master(priority: int = 100) -> Node:
    node = guide_node(priority)
    node.run(10 * S)
    return holding(node)


def test_the_clock_is_rfc_3339_in_utc() -> None:
    wall = snapshot.wall_clock(100 * S, WALL)
    assert wall(100 * S) == "2023-11-14T22:13:20.000Z"
    assert wall(98_750 * MS) == "2023-11-14T22:13:18.750Z"


def test_a_master_with_all_it_needs_is_well() -> None:
    told = status(master())
    (one,) = told["virtual_routers"]
    assert (one["state"], one["priority"], one["base_priority"], one["vrid"]) == ("MASTER", 100, 100, 50)
    assert one["reason"] == "nobody advertised for 3.61 s"
    assert one["master"] == {
        "address": "10.230.137.1",
        "priority": 100,
        "advertised_ms_ago": 0,
        "checksum": None,
    }
    assert one["addresses"] == [{"address": "10.230.137.100/32", "device": "eth0", "present": True}]
    assert [(t["to"], t["reason"]) for t in one["transitions"]] == [
        ("BACKUP", "started"),
        ("MASTER", "nobody advertised for 3.61 s"),
    ]
    assert (one["takeover_in_ms"], one["preempt_in_ms"], one["blocked_by"]) == (None, None, [])
    assert not is_degraded(told)


def test_a_backup_tells_who_is_master_and_when_it_would_take_over() -> None:
    node = Node(router())
    node.now = S
    node.hear(200)
    node.now = 1_400 * MS
    (one,) = status(node)["virtual_routers"]
    assert (one["state"], one["takeover_in_ms"]) == ("BACKUP", 3209)
    assert (one["master"]["address"], one["master"]["priority"], one["master"]["advertised_ms_ago"]) == (
        "10.230.137.2",
        200,
        400,
    )
    assert not is_degraded(status(node))


def test_a_backup_that_was_just_told_0_knows_no_master() -> None:
    node = Node(router())
    node.hear(0)
    (one,) = status(node)["virtual_routers"]
    assert one["master"] is None


def test_the_counters_are_all_there_from_the_start() -> None:
    (one,) = status(Node(router()))["virtual_routers"]
    for name in ("received", "received_priority_0", "sent", "send_failed", "addresses_lost", "ttl", "checksum"):
        assert one["counters"][name] == 0


def test_no_password_is_told() -> None:
    node = Node(guide(100, trackers=()))
    node.hear(message(auth_type=1, auth_data=b"secret99"))
    text = json.dumps(status(node)) + render(status(node))
    assert "passwd" not in text
    assert "secret" not in text


def failing() -> dict[str, Any]:
    node = guide_node()
    node.check = lambda _: None
    node.tell(CheckFinished(node.poll().asked, GOOD))
    node.run(10 * S)
    holding(node)
    for _ in range(3):
        node.tell(CheckFinished(node.poll().asked, BAD))
    node.now += 1_500 * MS
    return status(node)


def test_a_failing_check_is_a_problem_and_the_priority_a_sum() -> None:
    told = failing()
    assert is_degraded(told)
    text = render(told)
    assert "R1 RESIGNING since" in text
    assert "chk_haproxy failed 3 times (exit 1)" in text
    assert "priority 98 = 100 - 2 chk_haproxy" in text
    assert "problem: chk_haproxy failed 3 times (exit 1)" in text


def test_failures_before_the_third_are_told_and_are_no_problem() -> None:
    node = guide_node()
    node.check = lambda _: None
    node.tell(CheckFinished(node.poll().asked, GOOD))
    node.tell(CheckFinished(node.poll().asked, BAD))
    assert "chk_haproxy failing 1 of 3 (exit 1)" in render(status(node))
    assert not is_degraded(status(node))


def test_a_fault_says_what_is_missing() -> None:
    node = Node(router())
    node.tell(InterfaceChanged("eth0", interface(up=False)))
    told = status(node)
    (one,) = told["virtual_routers"]
    assert (one["state"], one["reason"], one["blocked_by"]) == ("FAULT", "eth0 is down", ["eth0 is down"])
    assert is_degraded(told)
    assert "R1 FAULT since" in render(told)


@pytest.mark.parametrize(
    ("addresses", "heard", "words"),
    [
        (("10.230.137.1/24",), None, "10.230.137.100/32 is missing"),
        (("10.230.137.1/24", "10.230.137.100/32"), 200, "10.230.137.100/32 is here, and should not be"),
    ],
)
def test_an_address_that_is_not_where_it_is_due_is_a_problem(
    addresses: tuple[str, ...], heard: int | None, words: str
) -> None:
    node = master()
    if heard is not None:
        node.hear(password_message(heard))
    node.tell(InterfaceChanged("eth0", interface(*addresses)))
    told = status(node)
    assert words in problems(told["virtual_routers"][0], told["now"])


def test_a_conflict_is_a_problem_for_a_minute_and_stays_on_record() -> None:
    node = master()
    node.hear(message(200))
    told = status(node)
    assert is_degraded(told)
    assert "conflict: 10.230.137.2: authentication none, we: PASS (1 times, last" in render(told)
    node.run(node.now + 61 * S)
    assert not is_degraded(status(node))
    assert "conflict: 10.230.137.2" in render(status(node))


def test_strays_are_told() -> None:
    node = master()
    node.hear(message(vrid=77))
    node.hear_packet(b"garbage")
    text = render(status(node))
    assert "eth0: 1 advertisements for VRID 77, which is not configured here, last from 10.230.137.2" in text
    assert "eth0: 1 advertisements not understood" in text


def test_a_backup_that_does_not_preempt_says_so() -> None:
    node = guide_node(99)
    node.hear(password_message(50), OURS)
    text = render(status(node))
    assert "does not preempt a living Master" in text
    assert "Master is 10.230.137.1, priority 50, heard 0.0 s ago" in text


def test_nothing_configured_is_said() -> None:
    assert "no virtual router is configured" in render(status(Node()))


def test_another_day_is_shown_with_its_date() -> None:
    node = master()
    node.now += 86_400 * S
    assert "MASTER since 2023-11-1" in render(status(node))


def test_a_sync_group_is_told_with_whom_it_waits_for() -> None:
    told = status(master())
    told["sync_groups"] = [
        {"name": "G", "state": "BACKUP", "since": told["now"], "members": ["R1", "R2"], "waits_for": ["R2"]}
    ]
    (line, waits) = render(told).splitlines()[-2:]
    assert line.startswith("sync group G BACKUP since ")
    assert line.endswith(": R1, R2")
    assert waits == "  waits for R2"


def test_what_moves_beside_the_addresses_is_shown_and_a_refused_route_is_named() -> None:
    excluded = VirtualAddress(ip_interface("10.230.137.7/24"), "eth0")
    route = Route(Family.IPV4, ip_network("10.50.0.0/16"), text="10.50.0.0/16 via 10.230.138.1")
    rule = Rule(Family.IPV4, source=ip_network("10.50.0.0/16"), table=100, preference=77)
    node = Node(router(excluded=(excluded,), routes=(route,), rules=(rule,)))
    node.run(10 * S)
    addresses = ("10.230.137.1/24", "10.230.137.100/32", "10.230.137.7/24")
    node.tell(InterfaceChanged("eth0", interface(*addresses)))
    node.tell(AddressesApplied(((route, True, 101),)))
    told = status(node)
    (one,) = told["virtual_routers"]
    assert one["excluded_addresses"] == [{"address": "10.230.137.7/24", "device": "eth0", "present": True}]
    assert one["routes"] == [
        {"what": "10.50.0.0/16 via 10.230.138.1", "present": False, "problem": "Network is unreachable"}
    ]
    assert one["rules"] == [{"what": "rule 77 from 10.50.0.0/16 lookup 100", "present": True, "problem": ""}]
    assert problems(one, told["now"]) == ["10.50.0.0/16 via 10.230.138.1 is missing: Network is unreachable"]
    text = render(told)
    assert "  not advertised: 10.230.137.7/24 dev eth0: present\n" in text
    assert "  10.50.0.0/16 via 10.230.138.1: not here\n" in text
