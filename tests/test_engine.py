"""Routers on one node: start, stop, reload, faults, addresses (hazards A8, A9, A10, B, C)."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Interface

import pytest
from driver import Node, added, announced, priorities, removed
from sample import (
    MS,
    STOP,
    THEIRS,
    VIP,
    VIP2,
    S,
    guide,
    interface,
    message,
    router,
)

from vrrpd.actions import (
    AddressAnnounced,
    AddressesApplied,
    ConfigChanged,
    ConflictSeen,
    FaultsChanged,
    Halt,
    InterfaceChanged,
    SendFailed,
    TimePassed,
)
from vrrpd.fsm import deadline
from vrrpd.model import Config, Family, Identity, InitialState, Script, Tracker, VirtualAddress
from vrrpd.records import FaultKind
from vrrpd.states import AddAddresses, AnnounceAddresses, Master, RemoveAddresses

THEIR_MAC = bytes.fromhex("020000000002")
DOWN_100 = 3_609_375_000


def lone_master(**changes: object) -> Node:
    node = Node(router(**changes))
    node.run(10 * S)
    assert node.state() == "Master"
    return node


# --- start ---


def test_a_start_is_a_reload_from_the_empty_configuration() -> None:
    node = Node(router())
    assert node.story() == [(0, "Backup", "started")]
    assert node.engine.deadline() == DOWN_100
    node.run(10 * S)
    assert node.story()[1] == (DOWN_100, "Master", "nobody advertised for 3.61 s")
    assert [at for at, _ in node.sent()] == [DOWN_100, *range(4 * S, 11 * S, S)]


def test_a_start_takes_away_what_a_predecessor_left_with_any_prefix() -> None:
    """Hazard A9."""
    node = Node()
    left = "10.230.137.100/24"
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", left)))
    actions = node.configure(router())
    assert [str(a) for a in removed(actions)] == ["10.230.137.100/32 dev eth0", f"{left} dev eth0"]


def test_an_owners_own_address_is_not_swept() -> None:
    node = Node()
    node.tell(InterfaceChanged("eth0", interface("10.230.137.100/24")))
    actions = node.configure(router(priority=255, initial_state=InitialState.MASTER))
    assert (node.state(), removed(actions), priorities(actions)) == ("Master", [], [255])


@pytest.mark.parametrize(
    ("shown", "kind"),
    [
        (None, FaultKind.INTERFACE_MISSING),
        (interface(up=False), FaultKind.INTERFACE_DOWN),
        (interface("10.230.137.100/32"), FaultKind.NO_PRIMARY_ADDRESS),
        (interface("fe80::1/64"), FaultKind.NO_PRIMARY_ADDRESS),
    ],
)
def test_a_router_waits_for_its_interface_and_says_what_is_missing(shown: object, kind: FaultKind) -> None:
    node = Node()
    node.tell(InterfaceChanged("eth0", shown))  # type: ignore[arg-type]
    (told,) = [a for a in node.configure(router()) if isinstance(a, FaultsChanged)]
    assert [fault.kind for fault in told.faults] == [kind]
    assert node.state() == "Initialize"
    node.now = 5 * S
    node.tell(InterfaceChanged("eth0", interface()))
    assert deadline(node.record().state) == 5 * S + DOWN_100


def test_the_source_is_the_first_address_that_is_not_virtual() -> None:
    """Hazard C5."""
    node = Node()
    node.tell(InterfaceChanged("eth0", interface("10.230.137.100/32", "10.230.137.7/24", "10.230.137.8/24")))
    node.configure(router())
    p = node.record().parameters
    assert p is not None
    assert str(p.primary_address) == "10.230.137.7"


# --- stop ---


def test_a_stop_is_a_reload_to_the_empty_configuration() -> None:
    node = lone_master()
    actions = node.tell(ConfigChanged(Config(), STOP))
    assert (priorities(actions), removed(actions), node.state()) == ([0], [], "Resigning")
    node.run(11 * S)
    assert [p for _, p in node.sent(10 * S + 1)] == [0], "the second one, 5 ms later, and no other"
    node.hear(99)
    node.tell(AddressAnnounced("eth0", VIP.ip, THEIR_MAC, node.now))
    assert node.engine.idle
    assert node.engine.deadline() is None
    assert node.story()[-1][2] == "vrrpd was stopped, handed over to 10.230.137.2"


def test_a_stop_without_an_heir_ends_after_a_second_and_a_quarter() -> None:
    node = lone_master()
    node.tell(ConfigChanged(Config(), STOP))
    node.run(60 * S)
    assert node.engine.idle
    assert node.story()[-1][:2] == (11_250 * MS, "Initialize")


def test_a_backup_stops_without_a_word() -> None:
    node = Node(router())
    node.tell(ConfigChanged(Config(), STOP))
    assert (node.engine.idle, node.sent()) == (True, [])


def test_a_router_that_never_ran_stops_too() -> None:
    node = Node(router(interface="eth9"))
    node.tell(ConfigChanged(Config(), STOP))
    assert node.engine.idle


def test_two_stops_send_no_more_than_one() -> None:
    """Hazard B2: each priority 0 restarts the heir's Skew_Time."""
    node = lone_master()
    for _ in range(5):
        node.tell(ConfigChanged(Config(), STOP))
        node.run(node.now + 100 * MS)
    assert [p for _, p in node.sent(10 * S)] == [100, 0, 0]
    node.run(20 * S)
    assert node.story()[-1][:2] == (11_250 * MS, "Initialize"), "nor is the end put off"


# --- handing over ---


def test_a_gratuitous_arp_on_another_interface_or_for_another_address_is_not_the_heirs() -> None:
    node = lone_master()
    node.tell(ConfigChanged(Config(), STOP))
    node.tell(AddressAnnounced("eth1", VIP.ip, THEIR_MAC, node.now))
    node.tell(AddressAnnounced("eth0", VIP2.ip, THEIR_MAC, node.now))
    assert node.state() == "Resigning"


def test_somebody_who_announces_a_masters_address_is_named() -> None:
    node = lone_master()
    (seen,) = node.tell(AddressAnnounced("eth0", VIP.ip, THEIR_MAC, node.now))
    assert isinstance(seen, ConflictSeen)
    assert (seen.conflict.peer, seen.conflict.theirs) == (
        "02:00:00:00:00:02",
        "announces 10.230.137.100 as its own",
    )
    assert node.state() == "Master"


# --- interfaces ---


@pytest.mark.parametrize("shown", [None, interface(up=False), interface("10.230.137.100/32")])
def test_who_cannot_be_heard_does_not_resign_but_goes(shown: object) -> None:
    """Hazard B7."""
    node = lone_master()
    actions = node.tell(InterfaceChanged("eth0", shown))  # type: ignore[arg-type]
    assert (node.state(), removed(actions), priorities(actions)) == ("Initialize", [VIP], [0])


def test_a_link_that_goes_down_while_resigning_ends_it() -> None:
    node = lone_master()
    node.tell(ConfigChanged(Config(), STOP))
    actions = node.tell(InterfaceChanged("eth0", interface(up=False)))
    assert removed(actions) in ([VIP], [])
    node.run(20 * S)
    assert node.engine.idle


def test_a_link_that_returns_makes_a_backup() -> None:
    node = lone_master()
    node.tell(InterfaceChanged("eth0", interface(up=False)))
    node.now = 20 * S
    node.tell(InterfaceChanged("eth0", interface()))
    assert node.story()[-1] == (20 * S, "Backup", "recovered from: eth0 is down")
    assert deadline(node.record().state) == 20 * S + DOWN_100


def test_a_flapping_link_does_not_make_an_owner_shout() -> None:
    """Hazard C10."""
    node = Node(router(priority=255, initial_state=InitialState.MASTER))
    node.now = 10 * S
    for _ in range(20):
        node.tell(InterfaceChanged("eth0", interface(up=False)))
        node.now += 100 * MS
        node.tell(InterfaceChanged("eth0", interface()))
        node.now += 100 * MS
    assert [p for _, p in node.sent(10 * S)] == [0]
    node.run(20 * S)
    assert node.state() == "Master"


def test_an_address_on_a_device_that_is_down_hands_over_because_the_lan_still_hears_us() -> None:
    node = Node()
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3)))
    node.configure(router(addresses=(VIP, VirtualAddress(IPv4Interface("10.9.0.100/32"), "eth1"))))
    node.run(10 * S)
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3, up=False)))
    assert node.state() == "Resigning"
    assert [f.words for f in node.record().faults] == ["eth1 is down"]


def test_two_interfaces_that_are_down_are_two_faults() -> None:
    node = Node(router(addresses=(VIP, VirtualAddress(IPv4Interface("10.9.0.100/32"), "eth1"))))
    node.tell(InterfaceChanged("eth0", interface(up=False)))
    assert sorted(f.of for f in node.record().faults) == ["eth0", "eth1"]
    node.tell(InterfaceChanged("eth0", interface()))
    assert [f.of for f in node.record().faults] == ["eth1"]
    assert node.state() == "Initialize"


def test_a_new_primary_address_does_not_disturb_a_master() -> None:
    node = lone_master()
    node.tell(InterfaceChanged("eth0", interface("10.230.137.77/24", "10.230.137.100/32")))
    p = node.record().parameters
    assert p is not None
    assert (node.state(), str(p.primary_address)) == ("Master", "10.230.137.77")


def test_a_new_mac_is_announced() -> None:
    node = lone_master()
    actions = node.tell(InterfaceChanged("eth0", interface(mac=bytes.fromhex("020000000099"))))
    assert announced(actions) == 1


# --- reload ---


def test_a_reload_of_the_same_file_does_nothing() -> None:
    node = lone_master()
    before = node.record().state
    assert node.configure(router()) == []
    assert node.record().state == before


def test_a_new_name_or_priority_keeps_the_master_without_a_move() -> None:
    node = lone_master()
    node.now += 500 * MS
    actions = node.configure(router(name="other", priority=150))
    assert (node.state(), priorities(actions), removed(actions)) == ("Master", [150], [])


def test_only_the_difference_of_addresses_is_applied() -> None:
    node = lone_master()
    node.now += 500 * MS
    actions = node.configure(router(addresses=(VIP, VIP2)))
    assert (added(actions), removed(actions), announced(actions)) == ([VIP2], [], 1)
    node.now += 500 * MS
    actions = node.configure(router(addresses=(VIP2,)))
    assert (added(actions), removed(actions), node.state()) == ([], [VIP], "Master")


def test_another_vrid_hands_over_the_old_one_and_starts_the_new_one() -> None:
    """Hazard A8: the address stays although the old router goes while the new one has it."""
    node = lone_master()
    node.configure(router(vrid=51, priority=255, initial_state=InitialState.MASTER))
    assert (node.state(50), node.state(51)) == ("Resigning", "Master")
    since = node.now + 1
    node.run(20 * S)
    assert [e.addresses for _, e in node.effects(RemoveAddresses, since)] == [()]
    assert list(node.engine.records) == [Identity("eth0", Family.IPV4, 51)]


def test_a_new_vrid_takes_over_by_its_own_timer_and_the_old_one_does_not_take_the_address_along() -> None:
    node = lone_master()
    node.configure(router(vrid=51))
    node.run(30 * S)
    assert node.state(51) == "Master"
    assert node.engine.book.unconfirmed((VIP,)) == ()


def test_an_address_that_moves_to_another_router_of_ours_stays_in_either_order() -> None:
    for names in (("R1", "R2"), ("R2", "R1")):
        vrids = {"R1": 50, "R2": 51}
        node = Node(*(router(name=n, vrid=vrids[n], addresses=(VIP,) if n == "R1" else (VIP2,)) for n in names))
        node.run(10 * S)
        node.configure(*(router(name=n, vrid=vrids[n], addresses=() if n == "R1" else (VIP, VIP2)) for n in names))
        node.run(20 * S)
        assert (node.state(50), node.state(51)) == ("Master", "Master")
        assert node.engine.book.unconfirmed((VIP, VIP2)) == ()
        assert node.engine.book.drop(Identity("eth0", Family.IPV4, 51), (VIP,)) == (VIP,), "the second one alone has it"


def test_a_router_configured_again_while_it_leaves_waits_for_its_end() -> None:
    node = lone_master()
    node.configure()
    node.now += 100 * MS
    node.configure(router(priority=120))
    assert node.state() == "Resigning"
    node.run(11_500 * MS)
    assert (node.state(), node.record().router.priority) == ("Backup", 120)


def test_a_bad_peer_does_not_stop_a_good_one_from_being_heard_after_a_reload() -> None:
    node = lone_master()
    node.configure(router(advertisement_interval=2 * S))
    (seen,) = node.hear(message(200))
    assert isinstance(seen, ConflictSeen)
    node.hear(message(200, interval=2))
    assert node.state() == "Backup"


# --- addresses and the kernel ---


def test_an_address_that_somebody_took_away_is_put_back_and_announced_without_a_move() -> None:
    node = lone_master()
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", "10.230.137.100/32")))
    actions = node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24")))
    node.run(12 * S)
    assert node.state() == "Master"
    assert [e.addresses for _, e in node.effects(AddAddresses, 10 * S)] == [(VIP,)]
    assert announced(actions) + len(node.effects(AnnounceAddresses, 10 * S)) >= 1
    assert node.record().counters["addresses_lost"] == 1


def test_whoever_takes_it_away_again_and_again_gets_no_race() -> None:
    node = lone_master()
    for _ in range(1000):
        node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", "10.230.137.100/32")))
        node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24")))
        node.run(node.now + 10 * MS)
    assert node.state() == "Master"
    assert len(node.effects(AddAddresses, 10 * S)) <= 21, "ten seconds"


def test_our_own_removal_is_not_a_loss() -> None:
    node = lone_master()
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", "10.230.137.100/32")))
    node.hear(200)
    assert node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24"))) == []
    assert node.record().counters["addresses_lost"] == 0


def test_a_kernel_that_refuses_one_of_two_addresses_leaves_it_master() -> None:
    node = Node()
    node.errno = None
    node.configure(router(addresses=(VIP, VIP2)))
    node.run(4 * S)
    for second in range(5, 60):
        node.tell(AddressesApplied(((VIP, True, 0), (VIP2, True, 13))))
        node.run(second * S)
    assert node.state() == "Master"
    assert node.engine.book.unconfirmed((VIP, VIP2)) == (VIP2,)
    assert len(node.effects(AddAddresses)) < 30, "tried again, at growing intervals"


@pytest.mark.parametrize(
    ("errno", "words"), [(13, "the kernel refuses the addresses (errno 13)"), (None, "the kernel does not answer")]
)
def test_a_master_without_addresses_gives_up_after_one_master_down_interval(errno: int | None, words: str) -> None:
    """Hazard A10."""
    node = Node(router())
    node.errno = errno
    node.run(5_500 * MS + DOWN_100)
    assert [(state, why) for _, state, why in node.story()[2:3]] == [("Resigning", words)]
    assert 0 in [p for _, p in node.sent()]


def test_an_advertisement_that_did_not_leave_is_counted_and_tried_again() -> None:
    """Hazard C4."""
    node = lone_master()
    node.tell(SendFailed(Identity("eth0", Family.IPV4, 50), was_retry=False))
    assert node.record().counters["send_failed"] == 1
    node.run(10_002 * MS)
    assert node.sent(10 * S + 1) == [(10_002 * MS, 100)]
    assert node.tell(SendFailed(Identity("eth0", Family.IPV4, 99), was_retry=False)) == [], "a router that has gone"


def test_255_masters_advertise_in_eight_wake_ups() -> None:
    """Hazard A7."""
    node = Node(*(router(name=f"R{n}", vrid=n, addresses=()) for n in range(1, 256)))
    node.run(10 * S)
    second = [at for at, _ in node.sent(9 * S) if at < 10 * S]
    assert len(second) == 255
    assert sorted(set(second)) == [9 * S + n * 2 * MS for n in range(8)]
    assert max(second.count(at) for at in set(second)) == 32


def test_spurious_time_changes_nothing() -> None:
    node = lone_master()
    before = node.record().state
    for _ in range(100):
        assert node.tell(TimePassed()) == []
        node.now += MS
    assert node.record().state == before


def test_a_pair_of_two_routers_on_one_node_is_two_state_machines() -> None:
    node = Node(router(), router(name="R2", vrid=51, priority=90, addresses=(VIP2,)))
    node.run(10 * S)
    node.hear(message(95, vrid=51))
    assert (node.state(50), node.state(51)) == ("Master", "Backup")


def test_history_and_reasons_are_kept_and_bounded() -> None:
    node = lone_master()
    for n in range(50):
        node.run(node.now + 10 * S)
        node.hear(200 if n % 2 == 0 else 0, THEIRS)
    assert len(node.record().transitions) == 32
    assert "10.230.137.2" in node.record().transitions[-1].why.words


# --- defects, until they are gone ---


def test_a_second_sigterm_gives_up_everything_at_once() -> None:
    """`Halt` buries each router once."""
    node = Node(router(), router(name="R2", vrid=51, addresses=(VIP2,)))
    node.run(10 * S)
    node.tell(ConfigChanged(Config(), STOP))
    actions = node.tell(Halt(STOP))
    assert (sorted(removed(actions), key=str), node.engine.idle) == ([VIP, VIP2], True)


@pytest.mark.parametrize("until", [0, S, 10 * S])
def test_halt_ends_a_backup_or_a_master(until: int) -> None:
    node = Node(router())
    node.run(until)
    node.tell(Halt(STOP))
    assert node.engine.idle
    assert node.engine.deadline() is None


def test_a_router_configured_again_while_it_leaves_takes_over_when_nobody_advertises() -> None:
    """The successor's timer must survive its predecessor's end."""
    node = lone_master()
    node.configure()
    node.now += 100 * MS
    node.configure(router())
    node.run(30 * S)
    assert node.state() == "Master"


def test_refused_addresses_are_tried_again_and_the_router_serves_again() -> None:
    node = Node(router())
    node.errno = 13
    node.run(12 * S)
    node.errno = 0
    node.run(60 * S)
    assert node.state() == "Master"


def test_a_kernel_that_only_was_slow_does_not_end_in_a_fault_for_ever() -> None:
    node = Node(router())
    node.errno = None
    node.run(7_500 * MS)
    assert node.state() == "Resigning"
    node.errno = 0
    node.tell(AddressesApplied(((VIP, True, 0),)))
    node.run(120 * S)
    assert node.state() == "Master"


def test_a_master_without_addresses_never_lasts_longer_than_one_master_down_interval() -> None:
    """However often it was refused before: a peer could serve meanwhile."""
    node = Node(router())
    node.errno = 13
    node.run(1200 * S)
    longest = 0
    story = node.story()
    for (began, state, _), (ended, _, _) in itertools.pairwise(story):
        if state == "Master":
            longest = max(longest, ended - began)
    assert sum(state == "Master" for _, state, _ in story) >= 3, "it is tried again"
    assert longest <= DOWN_100 + 100 * MS


def test_a_master_whose_addresses_were_taken_and_cannot_be_put_back_gives_up() -> None:
    node = lone_master()
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", "10.230.137.100/32")))
    node.errno = 13
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24")))
    node.run(30 * S)
    assert 0 in [p for _, p in node.sent(10 * S)]


def test_a_leaving_routers_address_is_not_taken_for_the_primary_one() -> None:
    node = Node()
    node.tell(InterfaceChanged("eth0", interface("10.230.137.100/32", "10.230.137.1/24")))
    node.configure(router())
    node.run(10 * S)
    node.tell(ConfigChanged(Config(), STOP))
    node.tell(InterfaceChanged("eth0", interface("10.230.137.100/32", "10.230.137.1/24", mac=THEIR_MAC)))
    p = node.record().parameters
    assert p is not None
    assert str(p.primary_address) == "10.230.137.1"


def test_many_bad_sources_do_not_keep_a_real_conflict_from_being_named() -> None:
    node = Node(guide(100, trackers=()))
    for n in range(1, 30):
        node.hear_packet(b"\x45\xc0\x00\x28\0\0\0\0\xff\x70\0\0" + bytes((10, 0, 0, n, 224, 0, 0, 18)) + message())
    node.now = 3600 * S
    told = node.hear(message(auth_type=1, auth_data=b"wrong"), THEIRS)
    assert any(isinstance(a, ConflictSeen) for a in told)
    assert not isinstance(node.record().state, Master)


def test_an_address_that_the_kernel_refused_is_not_in_later_announcements() -> None:
    """Hazard A10a: the second burst would draw hosts to a node that does not answer."""
    node = Node(router(addresses=(VIP, VIP2)))
    node.errno = None
    node.run(3_700 * MS)
    node.tell(AddressesApplied(((VIP, True, 0), (VIP2, True, 13))))
    node.run(9 * S)
    _, second = node.effects(AnnounceAddresses)[-1]
    assert [frame.address for frame in second.frames] == [VIP.ip]


def test_who_starts_with_a_failing_check_does_not_leave_the_address_to_its_killed_predecessor() -> None:
    fatal = Script("fatal", ("/bin/false",))
    node = Node(scripts=(fatal,))
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", str(VIP.interface))))
    actions = node.configure(router(trackers=(Tracker("fatal", 0),)), scripts=(fatal,))
    assert (removed(actions), node.state()) == ([VIP], "Initialize")
    owner = router(name="R2", vrid=51, priority=255, trackers=(Tracker("fatal", 0),))
    assert removed(node.configure(owner, scripts=(fatal,))) == []
