"""Owners of their addresses (priority 255) on a node: starts, faults, a second owner, and what is the node's own."""

from __future__ import annotations

from typing import Any

import pytest
from driver import Node, added, priorities, removed
from sample import MS, OURS, THEIRS, VIP, S, interface, router
from sample3 import GLOBAL6, OURS6, THEIRS6, VIP6, Node6, interface6, message3, router6

from vrrpd.actions import InterfaceChanged
from vrrpd.fsm import deadline
from vrrpd.model import InitialState, Version
from vrrpd.states import Backup, Reason

T = 10 * S


def owner(**changes: Any) -> Node:
    return Node(router(**({"priority": 255, "initial_state": InitialState.MASTER} | changes)))


def owner6(**changes: Any) -> Node6:
    return Node6(router6(priority=255, initial_state=InitialState.MASTER, **changes))


@pytest.mark.parametrize("version", Version)
def test_an_owner_is_master_with_the_first_turn(version: Version) -> None:
    node = owner(version=version)
    assert node.story() == [(0, "Master", "it owns the addresses (priority 255)")]
    assert node.sent() == [(0, 255)]
    node.run(3 * S)
    assert node.sent() == [(at, 255) for at in (0, S, 2 * S, 3 * S)]


def test_an_owner_over_ipv6_too() -> None:
    node = owner6()
    assert node.sent() == [(0, 255)]
    assert [vip for _, action in node.done for vip in added([action])] == [VIP6, GLOBAL6]


@pytest.mark.parametrize(("centiseconds", "wait"), [(1, 10_039_062), (100, 1_003_906_250), (4095, 41_109_960_937)])
def test_after_a_fault_an_owner_waits_an_interval_and_its_skew_and_preempts(centiseconds: int, wait: int) -> None:
    node = owner(version=Version.V3, advertisement_interval=centiseconds * 10 * MS, preempt=False)
    node.run(T)
    assert priorities(node.tell(InterfaceChanged("eth0", interface(up=False)))) == [0]
    node.now = 20 * S
    node.tell(InterfaceChanged("eth0", interface()))
    assert (node.state(), deadline(node.record().state)) == ("Backup", 20 * S + wait)
    node.run(20 * S + wait - 1)
    node.hear(message3(254, THEIRS, centiseconds=centiseconds))
    assert node.state() == "Backup"
    node.run(20 * S + wait)
    assert node.state() == "Master"
    assert node.sent(20 * S) == [(20 * S + wait, 255)]


def test_of_two_owners_the_one_with_the_higher_address_stays_and_the_other_takes_over_when_it_is_gone() -> None:
    lower, higher = owner(), Node(router(priority=255, initial_state=InitialState.MASTER), host=THEIRS)
    for node in (lower, higher):
        node.run(T + 500 * MS)
    higher.hear(255, OURS)
    assert higher.state() == "Master"
    actions = lower.hear(255, THEIRS)
    assert (lower.state(), removed(actions)) == ("Backup", [VIP])
    assert lower.record().why.reason is Reason.TIE_LOST
    lower.run_hearing(60 * S, 255)
    assert lower.state() == "Backup"
    heard_last = lower.now
    lower.run(heard_last + 3_003_906_250)
    assert lower.state() == "Master"


def test_of_two_owners_over_ipv6_too() -> None:
    node = owner6()
    node.run(T + 500 * MS)
    node.hear6(message3(255, OURS6), OURS6)
    assert node.state() == "Master"
    node.hear6(message3(255, THEIRS6), THEIRS6)
    state = node.record().state
    assert isinstance(state, Backup)
    assert state.master_down_at == T + 500 * MS + 3_003_906_250


def test_an_owner_that_hears_a_better_address_at_its_start_gives_way() -> None:
    node = owner(initial_state=InitialState.BACKUP)
    node.run(500 * MS)
    node.hear(255)
    node.run_hearing(30 * S, 255)
    assert (node.state(), node.sent()) == ("Backup", [])


def test_a_new_priority_makes_an_owner_of_a_master_and_the_other_way_round_without_a_move() -> None:
    node = owner()
    node.run(T + 500 * MS)
    assert priorities(node.configure(router(priority=100))) == [100]
    node.run(T + 700 * MS)
    assert priorities(node.configure(router(priority=255))) == [255]
    assert [new for _, new, _ in node.story()] == ["Master"]


def test_what_stands_on_the_node_with_its_own_prefix_is_not_taken_away_from_an_owner() -> None:
    """keepalived 2.2.7 removes what the file says, /32, and leaves the node's own /24 alone."""
    node = owner()
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", "10.230.137.100/24")))
    node.run(T)
    node.configure()
    node.run(20 * S)
    assert node.engine.idle
    assert [vip for at, action in node.done if at >= T for vip in removed([action])] == [VIP]


@pytest.mark.parametrize("found", [("10.230.137.100/24",), ("10.230.137.100/24", "10.230.137.1/24")])
def test_an_owner_may_speak_from_the_address_that_it_owns(found: tuple[str, ...]) -> None:
    node = Node()
    node.tell(InterfaceChanged("eth0", interface(*found)))
    node.configure(router(priority=255, initial_state=InitialState.MASTER))
    p = node.record().parameters
    assert p is not None
    assert (node.state(), p.primary_address) == ("Master", VIP.ip)


def test_an_owners_addresses_move_over_ipv6_with_the_fault_and_back() -> None:
    node = owner6()
    node.run(T)
    actions = node.tell(InterfaceChanged("eth0", interface6(up=False)))
    assert (priorities(actions), removed(actions)) == ([0], [VIP6, GLOBAL6])
    node.tell(InterfaceChanged("eth0", interface6()))
    node.run(T + 1_003_906_250)
    assert node.state() == "Master"
