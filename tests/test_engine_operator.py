"""Drain, failover and undrain: an operator moves the address, over IPv4 and IPv6, and nothing is lost on the way."""

from __future__ import annotations

import pytest
from driver import Node, added, announced, priorities, removed
from sample import BAD, GONE, GOOD, HAPROXY, MS, THEIRS, THIRD, TRACKED, VIP, VIP2, S, guide, interface, message, router
from sample3 import GLOBAL6, VIP6, Node6, message3, router6

from vrrpd.actions import (
    AddressAnnounced,
    CheckFinished,
    ConfigChanged,
    Drain,
    Failover,
    Halt,
    InterfaceChanged,
    SendFailed,
    Undrain,
)
from vrrpd.model import Config, Family, Identity, InitialState, Version
from vrrpd.states import Backup, Reason, Resigning, Why

R1 = Identity("eth0", Family.IPV4, 50)
R6 = Identity("eth0", Family.IPV6, 50)
THEIR_MAC = bytes.fromhex("020000000002")
ASKING = 4_250_000_000
DOWN_1 = 3_996_093_750
T = 10 * S


def master(**changes: object) -> Node:
    node = Node(router(**changes))
    node.run(T - 500 * MS)
    node.now = T - 500 * MS
    assert node.state() == "Master"
    return node


def drained(node: Node, **how: bool) -> Node:
    """Its Master is asked to go, half a second after it advertised."""
    node.tell(Drain(R1, **how))
    return node


def relieved(node: Node, priority: int = 90) -> Node:
    """An heir has come, and said so by ARP."""
    node.run(node.now + S)
    node.hear(priority)
    node.tell(AddressAnnounced("eth0", VIP.ip, THEIR_MAC, node.now))
    return node


# --- drain ---


def test_a_drained_master_says_priority_0_and_keeps_the_addresses_until_the_heir_is_there() -> None:
    node = master()
    actions = node.tell(Drain(R1))
    assert priorities(actions) == [0], "and nothing of the priority that it has from now on"
    assert removed(actions) == []
    state = node.record().state
    assert isinstance(state, Resigning)
    assert (state.until, type(state.until)) == (T - 500 * MS + ASKING, int)
    assert state.why == Why(Reason.DRAINED, "drained by an operator")
    node.run(T + 500 * MS)
    node.hear(90)
    actions = node.tell(AddressAnnounced("eth0", VIP.ip, THEIR_MAC, node.now))
    assert removed(actions) == [VIP]
    assert node.story()[-1] == (T + 500 * MS, "Backup", "drained by an operator, handed over to 10.230.137.2")
    assert node.record().drained


def test_a_drained_backup_lets_a_lower_master_live_and_takes_over_only_from_silence() -> None:
    node = relieved(drained(master()))
    node.run_hearing(T + 60 * S, 2)
    assert node.state() == "Backup"
    last = node.now
    node.run(last + DOWN_1 - 1)
    assert node.state() == "Backup"
    node.run(last + DOWN_1)
    assert node.state() == "Master"
    assert node.sent(last) == [(last + DOWN_1, 1)]
    assert node.record().drained, "it serves because nobody else does, and is still to be relieved"


def test_a_drained_master_that_serves_for_want_of_others_gives_way_to_any_other() -> None:
    node = relieved(drained(master()))
    node.run(node.now + 10 * S)
    assert node.state() == "Master"
    assert removed(node.hear(2)) == [VIP]
    assert node.state() == "Backup"


def test_a_drained_backup_waits_for_a_better_heir_after_a_priority_0() -> None:
    node = relieved(drained(master()))
    at = node.now
    node.hear(0)
    node.run(at + 996_093_750 + ASKING - 1)
    assert node.state() == "Backup"
    node.run(at + 996_093_750 + ASKING)
    assert node.state() == "Master"


def test_drain_with_nobody_there_ends_as_it_began_and_says_so() -> None:
    node = drained(master())
    start = T - 500 * MS
    node.run(start + ASKING + 5 * S)
    words = "drained by an operator; nobody took over, so it stays Master"
    assert node.story(start) == [
        (start, "Resigning", "drained by an operator"),
        (start + ASKING, "Master", words),
    ]
    assert not node.record().drained
    assert node.sent(start + ASKING + S)[0][1] == 100
    assert node.effects(type(removed), start) == []
    assert [p for at, p in node.sent(start + 6 * MS) if at < start + ASKING] == [], "silence while it waits"


def test_drain_with_force_gives_the_address_up_although_nobody_takes_it() -> None:
    node = drained(master(), force=True)
    start = node.now
    assert node.state() == "Resigning"
    node.run(start + ASKING)
    assert [vip for at, e in node.done if at == start + ASKING for vip in removed([e])][:1] == [VIP]
    assert node.state() == "Backup"
    node.run(start + ASKING + DOWN_1 - 1)
    assert node.state() == "Backup", "silence has to last a whole Master_Down_Interval of priority 1"


def test_force_sharpens_a_drain_that_is_under_way() -> None:
    node = drained(master())
    start = node.now
    node.run(start + S)
    assert node.tell(Drain(R1, force=True)) == [], "and sends nothing"
    node.run(start + ASKING)
    assert node.state() == "Backup"


def test_a_hard_drain_never_takes_the_address_back() -> None:
    node = drained(master(), hard=True)
    assert node.state() == "Resigning"
    relieved(node)
    assert node.state() == "Initialize"
    assert [fault.words for fault in node.record().faults] == ["drained by an operator"]
    node.run(node.now + 100 * S)
    assert node.state() == "Initialize"
    assert node.sent(T + 2 * S) == []


def test_a_hard_drain_gives_up_even_if_nobody_comes() -> None:
    node = drained(master(), hard=True)
    node.run(T + 100 * S)
    assert node.state() == "Initialize"


def test_a_hard_drain_of_a_backup_sends_nothing() -> None:
    node = Node(router())
    node.hear(200)
    node.tell(Drain(R1, hard=True))
    assert (node.state(), node.sent()) == ("Initialize", [])
    node.run(100 * S)
    assert node.sent() == []


def test_a_hard_drain_softened_serves_again_for_want_of_others() -> None:
    node = drained(relieved(drained(master(), hard=True)))
    at = node.now
    assert node.state() == "Backup"
    node.run(at + DOWN_1)
    assert node.state() == "Master"


def test_a_drained_backup_that_resumes_takes_back_by_its_own_rules() -> None:
    node = relieved(drained(master()))
    node.run_hearing(T + 20 * S, 90)
    at = node.now
    node.tell(Undrain(R1))
    assert not node.record().drained
    node.run_hearing(at + 10 * S, 90)
    assert node.state() == "Master"
    nopreempt = relieved(drained(master(preempt=False)))
    nopreempt.tell(Undrain(R1))
    nopreempt.run_hearing(T + 60 * S, 90)
    assert nopreempt.state() == "Backup"


@pytest.mark.parametrize("how", [{}, {"force": True}, {"hard": True}])
def test_a_drain_that_is_taken_back_in_time_leaves_it_master_with_a_new_word(how: dict[str, bool]) -> None:
    node = drained(master(), **how)
    node.run(T)
    actions = node.tell(Undrain(R1))
    assert node.state() == "Master"
    assert priorities(actions)[-1] == 100
    assert (added(actions), announced(actions)) == ([VIP], 1)
    node.run(T + 20 * S)
    assert node.state() == "Master"


@pytest.mark.parametrize("how", [{}, {"force": True}, {"hard": True}])
def test_a_check_or_an_interface_that_changes_meanwhile_does_not_end_a_drain(how: dict[str, bool]) -> None:
    node = Node(guide(100), scripts=(HAPROXY,))
    node.run(T)
    assert node.state() == "Master"
    node.tell(Drain(R1, **how))
    node.run(T + 100 * MS)
    for result in (BAD, BAD, BAD, GOOD):
        node.tell(CheckFinished(HAPROXY, result))
        assert node.state() == "Resigning"
    node.tell(InterfaceChanged("eth0", interface("10.230.137.9/24")))
    assert node.state() == "Resigning"
    assert [p for at, p in node.sent(T + 6 * MS)] == []


def test_drained_survives_a_reload_of_any_kind() -> None:
    node = relieved(drained(master()))
    node.configure(router(priority=200, addresses=(VIP, VIP2)))
    assert node.record().drained
    node.run_hearing(T + 30 * S, 50)
    assert node.state() == "Backup"
    node.tell(Undrain(R1))
    node.run_hearing(T + 40 * S, 50)
    assert node.state() == "Master"


def test_drained_survives_a_fault() -> None:
    node = relieved(drained(master()))
    node.tell(InterfaceChanged("eth0", interface(up=False)))
    node.tell(InterfaceChanged("eth0", interface()))
    node.run_hearing(T + 30 * S, 50)
    assert node.state() == "Backup"
    assert node.record().drained


def test_a_drain_during_a_reload_that_removes_the_router_does_not_disturb_its_leaving() -> None:
    node = master()
    node.configure()
    assert node.tell(Drain(R1, force=True)) == []
    node.run(T + 5 * S)
    assert node.engine.idle


@pytest.mark.parametrize("event", [Drain(R6), Failover(R6), Undrain(R6), SendFailed(R6, was_retry=False)])
def test_an_order_for_a_router_that_is_not_there_is_none(event: Drain | Failover | Undrain | SendFailed) -> None:
    node = master()
    assert node.tell(event) == []
    assert node.state() == "Master"


def test_drain_twice_says_priority_0_no_more_often_than_once() -> None:
    node = drained(drained(drained(master())))
    node.run(T + S)
    assert [p for _, p in node.sent(T - 500 * MS)] == [0, 0], "once more 5 ms later, as ever"


def test_a_stop_ends_a_drain_as_a_leave() -> None:
    node = drained(master())
    node.configure()
    node.run(T + 5 * S)
    assert node.engine.idle
    assert [p for _, p in node.sent(T - 500 * MS)] == [0, 0]
    halted = drained(master())
    halted.tell(Halt(GONE))
    assert halted.engine.idle


def test_an_owner_can_be_drained_and_comes_back_when_resumed() -> None:
    node = Node(router(priority=255, initial_state=InitialState.MASTER))
    node.run(T)
    assert node.state() == "Master"
    node.tell(Drain(R1))
    relieved(node)
    node.run_hearing(T + 30 * S, 90)
    assert node.state() == "Backup"
    node.tell(Undrain(R1))
    node.run_hearing(T + 40 * S, 90)
    assert (node.state(), node.sent()[-1][1]) == ("Master", 255)


# --- failover ---


def test_failover_makes_the_heir_master_and_does_not_take_back_while_it_lives() -> None:
    node = master()
    actions = node.tell(Failover(R1))
    assert priorities(actions) == [0]
    relieved(node)
    assert node.story()[-1][2] == "handed over by an operator, handed over to 10.230.137.2"
    node.run_hearing(T + 60 * S, 90)
    assert node.state() == "Backup"
    assert node.sent(T + S) == []


@pytest.mark.parametrize("priority", [0, None])
def test_failover_is_over_when_the_heir_is_gone(priority: int | None) -> None:
    node = master()
    node.tell(Failover(R1))
    relieved(node)
    node.run_hearing(T + 20 * S, 90)
    at = node.now
    if priority is not None:
        node.hear(priority)
    node.run(at + (609_375_000 if priority == 0 else 3_609_375_000))
    assert node.state() == "Master"
    node.hear(90)
    assert node.state() == "Master"
    assert not node.record().handed_over
    assert not (p := node.record().parameters) or not p.handed_over


def test_after_the_heir_has_gone_once_the_router_preempts_as_before() -> None:
    node = master()
    node.tell(Failover(R1))
    relieved(node)
    node.run(node.now + 5 * S)
    node.hear(150)
    assert node.state() == "Backup"
    node.run_hearing(node.now + 10 * S, 90)
    assert node.state() == "Master"


def test_failover_with_nobody_there_stays_master_and_preempts_later() -> None:
    node = master()
    start = node.now
    node.tell(Failover(R1))
    node.run(start + ASKING + 5 * S)
    assert node.story()[-1] == (
        start + ASKING,
        "Master",
        "handed over by an operator; nobody took over, so it stays Master",
    )
    assert not node.record().handed_over


def test_failover_of_a_backup_is_nothing() -> None:
    node = Node(router())
    node.hear(200)
    assert node.tell(Failover(R1)) == []
    assert not node.record().handed_over
    node.run_hearing(20 * S, 50)
    assert node.state() == "Master"


def test_resume_takes_back_after_a_failover() -> None:
    node = master()
    node.tell(Failover(R1))
    relieved(node)
    node.run_hearing(T + 20 * S, 90)
    node.tell(Undrain(R1))
    node.run_hearing(T + 30 * S, 90)
    assert node.state() == "Master"


def test_a_failover_taken_back_in_time_leaves_it_master() -> None:
    node = master()
    node.tell(Failover(R1))
    node.run(T)
    node.tell(Undrain(R1))
    assert node.state() == "Master"
    assert node.sent()[-1] == (T, 100)


def test_failover_survives_a_reload_and_a_fault() -> None:
    node = master()
    node.tell(Failover(R1))
    relieved(node)
    node.configure(router(priority=200))
    node.tell(InterfaceChanged("eth0", interface(up=False)))
    node.tell(InterfaceChanged("eth0", interface()))
    node.run_hearing(T + 30 * S, 90)
    assert node.state() == "Backup"


def test_an_owner_that_an_operator_handed_over_does_not_take_back() -> None:
    node = Node(router(priority=255, initial_state=InitialState.MASTER))
    node.run(T)
    node.tell(Failover(R1))
    relieved(node, 200)
    node.run_hearing(T + 30 * S, 200)
    assert node.state() == "Backup"


# --- over IPv6 ---


def master6(**changes: object) -> Node6:
    node = Node6(router6(**changes))
    node.run(T)
    assert node.state() == "Master"
    return node


def test_over_ipv6_the_addresses_go_with_the_heirs_advertisement() -> None:
    node = master6()
    node.tell(Drain(R6))
    node.run(T + 700 * MS)
    actions = node.hear6(90)
    assert removed(actions) == [VIP6, GLOBAL6]
    assert node.state() == "Backup"
    assert node.story()[-1] == (T + 700 * MS, "Backup", "drained by an operator, handed over to fe80::2")


def test_over_ipv6_nobody_waits_longer_than_the_largest_skew() -> None:
    node = master6()
    node.tell(Drain(R6))
    node.run(T + 1_250 * MS - 1)
    assert node.state() == "Resigning"
    node.run(T + 1_250 * MS)
    assert node.state() == "Master"


def test_over_ipv6_a_slow_heir_is_waited_for_as_long_as_its_skew_may_be() -> None:
    """At an interval of 20 s an heir of priority 100 needs 12.1875 s."""
    node = Node6(router6(advertisement_interval=20 * S))
    node.run(100 * S)
    assert node.state() == "Master"
    node.tell(Failover(R6))
    node.run(100 * S + 12_187_500_000)
    assert node.state() == "Resigning"
    node.hear6(100, centiseconds=2000)
    assert node.state() == "Backup"


# --- the heir's interval (version 3) ---


@pytest.mark.parametrize("family", [4, 6])
def test_the_interval_of_an_heir_is_learned_from_its_first_advertisement(family: int) -> None:
    """RFC 5798 section 6.4.3: it is the Master now, and may advertise each ten seconds."""
    if family == 4:
        node = Node(router(version=Version.V3))
        node.run(T)
        node.tell(Failover(R1))
        node.run(T + 700 * MS)
        node.hear(message3(90, THEIRS, centiseconds=1000))
        node.tell(AddressAnnounced("eth0", VIP.ip, THEIR_MAC, node.now))
    else:
        node = master6()
        node.tell(Failover(R6))
        node.run(T + 700 * MS)
        assert isinstance(node, Node6)
        node.hear6(90, centiseconds=1000)
    state = node.record().state
    assert isinstance(state, Backup)
    assert state.master_adver_interval == 10 * S
    assert state.master_down_at == T + 700 * MS + 36_093_750_000


# --- what crosses a hand-over ---


def test_an_advertisement_that_lost_to_our_last_regular_one_is_not_the_heir_of_a_drain() -> None:
    """Its priority 1 fell into the pause after a regular advertisement and was never sent."""
    node = Node(router())
    node.run(T)
    node.hear(message(50), THIRD)
    node.tell(Drain(R1))
    assert 1 not in [p for _, p in node.sent(T)]
    node.run(T + MS)
    node.hear(message(50), THIRD)
    state = node.record().state
    assert isinstance(state, Resigning)
    assert state.heir is None


def test_tracked_routers_drain_too_and_recover() -> None:
    node = Node(guide(100, trackers=TRACKED, preempt=True), scripts=(HAPROXY,))
    node.run(T)
    node.tell(Drain(R1))
    node.run(T + 2 * S)
    node.tell(ConfigChanged(Config(routers=(guide(100),), scripts=(HAPROXY,)), GONE))
    assert node.state() == "Resigning"
