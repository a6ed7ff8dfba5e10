"""Sync groups: two routers of one node that are Master together or not at all."""

from __future__ import annotations

from typing import Any

from driver import Node, added, priorities, removed
from sample import BAD, GONE, GOOD, HAPROXY, MS, THEIRS, VIP, VIP2, S, interface, message, router

from vrrpd import snapshot
from vrrpd.actions import (
    Action,
    AddressAnnounced,
    CheckFinished,
    ConfigChanged,
    Drain,
    Failover,
    GroupChanged,
    InterfaceChanged,
    Undrain,
)
from vrrpd.model import Config, Family, Identity, InitialState, SyncGroup, Tracker, VirtualAddress, VirtualRouter
from vrrpd.records import Fault, FaultKind
from vrrpd.states import Backup, Resigning

R1 = Identity("eth0", Family.IPV4, 50)
THEIR_MAC = bytes.fromhex("020000000002")
DOWN = 3_609_375_000
SKEW = 609_375_000
ASKING = 4_250_000_000
PLACE = 2 * MS
"""Two routers of one interface do not speak at once: the second one's place on the grid."""
ASKING_OF_TWO = 4_270_000_000
G = SyncGroup("G", ("R1", "R2"))
VIP_ETH1 = VirtualAddress(VIP2.interface, "eth1")


def first(**changes: Any) -> VirtualRouter:
    return router(**changes)


def second(**changes: Any) -> VirtualRouter:
    return router(**({"name": "R2", "vrid": 51, "addresses": (VIP2,)} | changes))


def grouped(*routers: VirtualRouter, group: SyncGroup = G, scripts: tuple[Any, ...] = ()) -> Node:
    node = Node()
    node.tell(ConfigChanged(Config(routers or (first(), second()), scripts, (group,)), GONE))
    return node


def split(**changes: Any) -> Node:
    """The second one is on eth1."""
    node = Node()
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3)))
    other = second(interface="eth1", addresses=(VIP_ETH1,), **changes)
    node.tell(ConfigChanged(Config((first(**changes), other), groups=(G,)), GONE))
    return node


def serving(node: Node, until: int = 10 * S) -> Node:
    node.run(until)
    assert states(node) == ["Master", "Master"]
    return node


def states(node: Node) -> list[str]:
    return [type(record.state).__name__ for record in node.engine.records.values()]


def hear1(node: Node, priority: int) -> list[Action]:
    return node.hear(message(priority))


def hear2(node: Node, priority: int, name: str = "eth0") -> list[Action]:
    return node.hear(message(priority, vrid=51, addresses=("10.230.137.101",)), name=name)


def told(node: Node) -> list[tuple[int, str]]:
    return [(at, action.new.value) for at, action in node.done if isinstance(action, GroupChanged)]


# --- Master together ---


def test_members_become_master_in_one_turn_when_the_last_of_them_is_ready() -> None:
    node = grouped(first(), second(priority=90))
    node.run(DOWN)
    assert states(node) == ["Backup", "Backup"], "the first one's timer has fired, the second one's not yet"
    node.run(3_648_437_499)
    assert node.sent() == []
    node.run(3_648_437_500)
    assert states(node) == ["Master", "Master"]
    assert node.sent() == [(3_648_437_500, 100), (3_648_437_500, 90)]
    assert told(node) == [(0, "BACKUP"), (3_648_437_500, "MASTER")]


def test_a_member_that_hears_a_master_holds_the_other_whose_timer_begins_again() -> None:
    node = grouped()
    for second_ in range(1, 40):
        node.run(second_ * S)
        hear2(node, 200)
    assert states(node) == ["Backup", "Backup"]
    held = node.record(50).state
    assert isinstance(held, Backup)
    assert held.ready
    assert held.master_down_at == 11 * DOWN, "at the tenth 3.609 s it began for the eleventh time"
    node.run(39 * S + DOWN)
    assert states(node) == ["Master", "Master"]
    assert node.story(39 * S) == [
        (42_609_375_000, "Master", "nobody advertised for 42.61 s"),
        (42_609_375_000, "Master", "no advertisement from 10.230.137.2 for 3.61 s"),
    ]


def test_a_member_that_was_ready_is_not_once_it_hears_a_master_again() -> None:
    node = grouped()
    node.run(3 * S)
    hear2(node, 200)
    node.run(4 * S)
    hear1(node, 200)
    node.run(3 * S + DOWN)
    assert states(node) == ["Backup", "Backup"]
    node.run(4 * S + DOWN)
    assert states(node) == ["Master", "Master"]


def test_after_a_priority_0_every_member_waits_its_skew_time_anew() -> None:
    node = grouped()
    node.run(3 * S)
    hear2(node, 101)
    node.run(4 * S)
    hear1(node, 0)
    hear2(node, 0)
    node.run(4 * S + SKEW - 1)
    assert states(node) == ["Backup", "Backup"]
    node.run(4 * S + SKEW)
    assert states(node) == ["Master", "Master"]


def test_a_priority_0_of_one_member_alone_moves_nobody() -> None:
    node = grouped()
    for second_ in range(1, 10):
        node.run(second_ * S)
        hear1(node, 0 if second_ == 5 else 90)
        hear2(node, 200)
    assert states(node) == ["Backup", "Backup"]


def test_a_member_that_is_missing_keeps_the_others_from_being_master() -> None:
    group = SyncGroup("G", ("R1", "R2", "R3"))
    third = router(name="R3", vrid=52, interface="eth9", addresses=())
    node = grouped(first(), second(), third, group=group)
    node.run(60 * S)
    assert states(node) == ["Initialize", "Initialize", "Initialize"]
    words = "R3 of sync group G: there is no interface eth9"
    assert node.record(50).faults == {Fault(FaultKind.SYNC_GROUP, "G", words)}
    assert [fault.words for fault in node.record(50).faults] == [words]
    assert told(node) == [(0, "FAULT")]


def test_an_owner_waits_for_its_group_too() -> None:
    node = grouped(first(priority=255, initial_state=InitialState.MASTER), second())
    node.run(DOWN - 1)
    assert states(node) == ["Backup", "Backup"]
    node.run(DOWN)
    assert states(node) == ["Master", "Master"]


def test_a_group_of_one_is_a_router() -> None:
    node = grouped(first(), group=SyncGroup("G", ("R1",)))
    node.run(DOWN)
    assert states(node) == ["Master"]
    assert told(node) == [(0, "BACKUP"), (DOWN, "MASTER")]


def test_preempting_waits_for_the_whole_group() -> None:
    node = grouped(first(), second(priority=90))
    for second_ in range(1, 20):
        node.run(second_ * S)
        hear1(node, 95)
        hear2(node, 95)
    assert states(node) == ["Backup", "Backup"], "the first one would preempt, the second one may not"
    for second_ in range(20, 23):
        node.run(second_ * S)
        hear1(node, 95)
    node.run(19 * S + 3_648_437_500)
    assert states(node) == ["Master", "Master"]


# --- early takeover (departure) ---


def test_a_group_takes_over_early_only_when_every_member_qualifies() -> None:
    node = grouped()
    for second_ in range(1, 6):
        node.run(second_ * S)
        hear1(node, 101 if second_ < 5 else 99)
        hear2(node, 101)
    node.run(6 * S - 1)
    assert states(node) == ["Backup", "Backup"], "only one Master fell below ours"
    node.run(6 * S)
    hear1(node, 99)
    hear2(node, 99)
    node.run(6 * S + SKEW)
    assert states(node) == ["Master", "Master"]
    assert [words for _, _, words in node.story(6 * S)] == [
        "10.230.137.2 fell to priority 99, below our 100",
        "10.230.137.2 fell to priority 99, below our 100",
    ]


def test_a_glitch_of_one_members_master_is_forgotten() -> None:
    node = grouped()
    for second_ in range(1, 10):
        node.run(second_ * S)
        hear1(node, 99 if second_ == 5 else 101)
        hear2(node, 99 if second_ == 7 else 101)
    assert states(node) == ["Backup", "Backup"]


# --- Backup together ---


def test_when_one_member_is_preempted_the_others_resign_and_keep_their_addresses_for_their_heirs() -> None:
    node = serving(grouped())
    actions = hear1(node, 200)
    assert states(node) == ["Backup", "Resigning"]
    assert removed(actions) == [VIP]
    node.run(10 * S + PLACE)
    assert node.sent(10 * S)[-1] == (10 * S + PLACE, 0)
    assert told(node)[-1] == (DOWN, "MASTER"), "the second address is still here"
    actions = hear2(node, 200)
    assert removed(actions) == []
    actions = node.tell(AddressAnnounced("eth0", VIP2.ip, THEIR_MAC, node.now))
    assert removed(actions) == [VIP2]
    assert states(node) == ["Backup", "Backup"]
    assert told(node)[-1] == (10_002_000_000, "BACKUP")
    assert node.story(10 * S)[1:] == [
        (10 * S, "Resigning", "R1 of sync group G is Backup"),
        (10_002_000_000, "Backup", "R1 of sync group G is Backup, handed over to 10.230.137.2"),
    ]


def test_a_member_whose_heir_never_comes_leaves_all_the_same() -> None:
    node = serving(grouped())
    for second_ in range(10, 20):
        node.run(second_ * S)
        hear1(node, 200)
    assert states(node) == ["Backup", "Backup"]
    assert node.story(11 * S) == [(14_272_000_000, "Backup", "R1 of sync group G is Backup")]


def test_members_with_crossed_priorities_say_little_and_never_serve_apart_for_long() -> None:
    node = grouped(first(priority=100), second(priority=90))
    for second_ in range(1, 61):
        node.run(second_ * S)
        hear1(node, 95)
        hear2(node, 95)
    assert states(node) == ["Backup", "Backup"]
    assert node.sent() == []


# --- FAULT together ---


def test_a_fault_of_one_member_is_one_of_all_and_who_can_be_heard_hands_over() -> None:
    node = serving(split())
    actions = node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3, up=False)))
    assert states(node) == ["Resigning", "Initialize"]
    assert removed(actions) == [VIP_ETH1]
    resigning = node.record(50).state
    assert isinstance(resigning, Resigning)
    assert resigning.until == 10 * S + ASKING, "the heir's group waits out a Master_Down_Interval on eth1"
    assert resigning.why.words == "R2 of sync group G: eth1 is down"
    node.run(13_700_000_000)
    hear1(node, 90)
    actions = node.tell(AddressAnnounced("eth0", VIP.ip, THEIR_MAC, node.now))
    assert removed(actions) == [VIP]
    assert states(node) == ["Initialize", "Initialize"]
    assert told(node)[-1] == (13_700_000_000, "FAULT")


def test_the_end_of_the_fault_lets_all_begin_again_as_backup() -> None:
    node = serving(split())
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3, up=False)))
    node.run(20 * S)
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3)))
    assert states(node) == ["Backup", "Backup"]
    node.run(20 * S + DOWN)
    assert states(node) == ["Master", "Master"]
    assert told(node)[2:] == [(14_250_000_000, "FAULT"), (20 * S, "BACKUP"), (23_609_375_000, "MASTER")]


def test_a_link_that_flaps_does_not_make_half_a_group_master() -> None:
    node = serving(split())
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3, up=False)))
    node.run(10_300_000_000)
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3)))
    assert states(node) == ["Resigning", "Backup"], "the second one has let go, so the first one cannot be Master again"
    node.run(10 * S + ASKING)
    assert states(node) == ["Backup", "Backup"]
    node.run(10 * S + ASKING + DOWN)
    assert states(node) == ["Master", "Master"]


def test_a_check_that_has_no_result_yet_holds_all_members() -> None:
    weightless = (Tracker(HAPROXY.name, 0),)
    node = Node()
    node.check = lambda _: None
    node.tell(ConfigChanged(Config((first(), second(trackers=weightless)), (HAPROXY,), (G,)), GONE))
    node.run(10 * S)
    assert states(node) == ["Initialize", "Initialize"]
    assert {fault.kind for fault in node.record(50).faults} == {FaultKind.CHECK_PENDING}
    assert told(node) == [], "nobody is told of a fault before there is one"
    node.tell(CheckFinished(HAPROXY, BAD))
    assert {fault.kind for fault in node.record(50).faults} == {FaultKind.SYNC_GROUP}
    assert told(node) == [(10 * S, "FAULT")]
    node.tell(CheckFinished(HAPROXY, GOOD))
    assert states(node) == ["Backup", "Backup"]


def test_a_check_that_recovers_before_an_heir_is_there_makes_all_master_again() -> None:
    weightless = (Tracker(HAPROXY.name, 0),)
    node = grouped(first(), second(trackers=weightless), scripts=(HAPROXY,))
    node.run(9 * S)
    node.check = lambda _: None
    node.run(10 * S)
    for _ in range(3):
        node.tell(CheckFinished(HAPROXY, BAD))
    assert states(node) == ["Resigning", "Resigning"]
    actions = node.tell(CheckFinished(HAPROXY, GOOD))
    assert states(node) == ["Master", "Master"]
    assert priorities(actions) == [100, 100]


# --- trackers of the group ---


def test_a_groups_trackers_count_for_every_member() -> None:
    group = SyncGroup("G", ("R1", "R2"), trackers=(Tracker(HAPROXY.name, -20),))
    node = grouped(first(), second(priority=90), group=group, scripts=(HAPROXY,))
    node.run(9 * S)
    node.check = lambda _: None
    node.run(10_500 * MS)
    done = len(node.done)
    for _ in range(3):
        node.tell(CheckFinished(HAPROXY, BAD))
    assert priorities([action for _, action in node.done[done:]]) == [80, 70]


def test_a_worse_master_asks_with_its_whole_group() -> None:
    tracked = (Tracker(HAPROXY.name, -2),)
    node = grouped(first(trackers=tracked, resigns_when_worse=True), second(), scripts=(HAPROXY,))
    node.run(9 * S)
    node.check = lambda _: None
    node.run(10 * S)
    for _ in range(3):
        node.tell(CheckFinished(HAPROXY, BAD))
    assert states(node) == ["Resigning", "Resigning"]
    node.run(10 * S + ASKING_OF_TWO + PLACE)
    assert states(node) == ["Master", "Master"]


# --- an operator ---


def test_drain_moves_the_whole_group() -> None:
    node = serving(grouped())
    node.tell(Drain(R1))
    node.run(10 * S + PLACE)
    assert [p for _, p in node.sent(10 * S)] == [100, 0, 0]
    assert states(node) == ["Resigning", "Resigning"]
    node.run(10 * S + SKEW)
    hear1(node, 90)
    hear2(node, 90)
    node.tell(AddressAnnounced("eth0", VIP.ip, THEIR_MAC, node.now))
    node.tell(AddressAnnounced("eth0", VIP2.ip, THEIR_MAC, node.now))
    assert states(node) == ["Backup", "Backup"]
    assert [record.drained for record in node.engine.records.values()] == [True, True]
    for second_ in range(11, 20):
        node.run(second_ * S)
        hear1(node, 90)
        hear2(node, 90)
    node.tell(Undrain(R1))
    for second_ in range(20, 23):
        node.run(second_ * S)
        hear1(node, 90)
        hear2(node, 90)
    node.run(24 * S)
    assert states(node) == ["Master", "Master"]


def test_drain_with_nobody_there_leaves_the_group_as_it_was() -> None:
    node = serving(grouped())
    node.tell(Drain(R1))
    node.run(10 * S + ASKING_OF_TWO + PLACE)
    assert states(node) == ["Master", "Master"]
    assert [record.drained for record in node.engine.records.values()] == [False, False]
    assert removed([action for at, action in node.done if at >= 10 * S]) == []


def test_failover_with_an_heir_for_one_member_only_takes_both() -> None:
    """Hazard B8: each leaves by its own heir; at the end of the wait all leave if one was taken."""
    node = serving(grouped())
    node.tell(Failover(R1))
    node.run(10 * S + SKEW)
    hear1(node, 90)
    actions = node.tell(AddressAnnounced("eth0", VIP.ip, THEIR_MAC, node.now))
    assert removed(actions) == [VIP], "the second address stays for its own heir"
    assert states(node) == ["Backup", "Resigning"]
    node.run(10 * S + ASKING_OF_TWO + PLACE)
    assert states(node) == ["Backup", "Backup"]
    assert [words for _, _, words in node.story(10 * S)][-1] == "R1 of sync group G is Backup"


def test_a_stopped_group_resigns_whole() -> None:
    node = serving(grouped())
    node.tell(ConfigChanged(Config(), GONE))
    assert states(node) == ["Resigning", "Resigning"]
    node.run(10 * S + PLACE)
    assert [p for _, p in node.sent(10 * S)] == [100, 0, 0]


# --- reload ---


def test_a_reload_that_groups_a_master_with_a_backup_makes_the_master_give_way() -> None:
    node = Node(first(), second())
    for second_ in range(1, 10):
        node.run(second_ * S)
        hear2(node, 200)
    assert states(node) == ["Master", "Backup"]
    actions = node.tell(ConfigChanged(Config((first(), second()), groups=(G,)), GONE))
    assert priorities(actions) == [0]
    assert states(node) == ["Resigning", "Backup"]


def test_a_member_that_a_reload_adds_joins_a_group_that_stays_master() -> None:
    node = serving(grouped())
    third = router(name="R3", vrid=52, addresses=(VirtualAddress(VIP.interface + 2, "eth0"),))
    group = SyncGroup("G", ("R1", "R2", "R3"))
    actions = node.tell(ConfigChanged(Config((first(), second(), third), groups=(group,)), GONE))
    assert priorities(actions) == []
    assert states(node) == ["Master", "Master", "Backup"]
    node.run(10 * S + DOWN)
    assert states(node) == ["Master", "Master", "Master"]


def test_a_member_that_a_reload_removes_from_a_group_is_alone_again() -> None:
    node = grouped()
    for second_ in range(1, 10):
        node.run(second_ * S)
        hear2(node, 200)
    node.tell(ConfigChanged(Config((first(), second())), GONE))
    node.run(9 * S + DOWN)
    assert states(node) == ["Master", "Master"]
    assert node.story(9 * S)[0][:2] == (10_828_125_000, "Master")


def test_a_member_that_leaves_the_configuration_goes_alone() -> None:
    node = serving(grouped())
    node.tell(ConfigChanged(Config((first(),), groups=(SyncGroup("G", ("R1",)),)), GONE))
    assert states(node) == ["Master", "Resigning"]
    node.run(20 * S)
    assert states(node) == ["Master"]


def test_a_reload_that_changes_nothing_moves_nobody() -> None:
    node = serving(grouped())
    assert added(node.tell(ConfigChanged(Config((first(), second()), groups=(G,)), GONE))) == []
    assert states(node) == ["Master", "Master"]
    assert told(node) == [(0, "BACKUP"), (DOWN, "MASTER")]


def test_255_members_become_master_within_one_turn_and_leave_within_one() -> None:
    routers = tuple(
        router(name=f"R{n}", vrid=n, addresses=(VirtualAddress(VIP.interface + n, "eth0"),)) for n in range(1, 256)
    )
    node = grouped(*routers, group=SyncGroup("G", tuple(r.name for r in routers)))
    node.run(DOWN)
    assert set(states(node)) == {"Master"}
    node.hear(message(200, vrid=7, addresses=("10.230.137.107",)), THEIRS)
    assert states(node).count("Resigning") == 254


def test_status_names_a_group_its_state_and_whom_it_waits_for() -> None:
    node = grouped()
    for second_ in range(1, 6):
        node.run(second_ * S)
        hear2(node, 200)
    (told_group,) = snapshot.sync_groups(node.engine, snapshot.wall_clock(0, 0))
    assert told_group == {
        "name": "G",
        "state": "BACKUP",
        "since": "1970-01-01T00:00:00.000Z",
        "members": ["R1", "R2"],
        "waits_for": ["R2"],
    }


def test_members_that_are_master_again_say_their_priority_as_it_is_now() -> None:
    """Found by simulation: the second one, taken along by the first, spoke before it had looked at its own check."""
    tracked = (Tracker(HAPROXY.name, -2),)
    both = (first(trackers=tracked, resigns_when_worse=True), second(trackers=tracked, resigns_when_worse=True))
    node = grouped(*both, scripts=(HAPROXY,))
    node.run(9 * S)
    node.check = lambda _: None
    node.run(10 * S)
    for _ in range(3):
        node.tell(CheckFinished(HAPROXY, BAD))
    assert states(node) == ["Resigning", "Resigning"]
    actions = node.tell(CheckFinished(HAPROXY, GOOD))
    assert states(node) == ["Master", "Master"]
    assert priorities(actions) == [100, 100]
