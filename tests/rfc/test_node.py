"""What shows only where routers stand on a node: whose a datagram is, from where it speaks, what it holds when."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
from driver import Node, added, announced, priorities, removed
from sample import MS, OURS, STOP, THEIRS, THIRD, VIP, VIP2, S, interface, ipv4, message, router
from sample3 import GLOBAL6, OURS6, THEIRS6, THIRD6, VIP6, Node6, interface6, message3, router6

from vrrpd.actions import (
    Action,
    AddressAnnounced,
    AddressesApplied,
    ConflictSeen,
    FaultsChanged,
    Halt,
    InterfaceChanged,
    RouterAction,
)
from vrrpd.fsm import deadline
from vrrpd.model import Family, Identity, InitialState, VirtualAddress
from vrrpd.packet import DropReason
from vrrpd.states import AddAddresses, AnnounceAddresses, Backup, SendAdvertisement

DOWN_100 = 3_609_375_000
T = 10 * S


NodeOf: TypeAlias = Callable[..., Node]


def four(**changes: int) -> Node:
    return Node(router(addresses=(VIP, VIP2), **changes))


def six(**changes: int) -> Node:
    return Node6(router6(**changes))


def addresses(node: Node) -> list[VirtualAddress]:
    return list(node.record().router.addresses)


def hear(node: Node, priority: int) -> list[Action]:
    if isinstance(node, Node6):
        return node.hear6(priority)
    return node.hear(message(priority, addresses=("10.230.137.100", "10.230.137.101")))


both_families = pytest.mark.parametrize("node_of", [four, six], ids=["ipv4", "ipv6"])


# --- 3: what a virtual router is ---


@pytest.mark.rfc("5798-3-1", "5798-7.1-6")
def test_interface_family_and_vrid_together_tell_whose_an_advertisement_is() -> None:
    node = Node6(router(), router6(), router(name="R2", vrid=51, addresses=(VIP2,)))
    node.now = S
    node.hear6(200)
    heard = {identity: record.counters["received"] for identity, record in node.engine.records.items()}
    assert heard == {
        Identity("eth0", Family.IPV4, 50): 0,
        Identity("eth0", Family.IPV6, 50): 1,
        Identity("eth0", Family.IPV4, 51): 0,
    }
    assert deadline(node.record().state) == S + DOWN_100
    assert deadline(node.engine.records[Identity("eth0", Family.IPV4, 50)].state) == DOWN_100


@pytest.mark.rfc_not("5798-3-1")
@pytest.mark.rfc("5798-7.1-6")
def test_a_vrid_of_another_interface_or_of_nobody_moves_nobody() -> None:
    node = Node6(router6())
    node.now = S
    node.hear(message(200))
    node.hear(message3(200, THEIRS))
    node.hear6(message3(200, THEIRS6, vrid=51))
    assert node.hear_packet(ipv4(message(200)), "eth1") == []
    assert node.engine.strays.drops[DropReason.UNKNOWN_VRID] == 4
    assert deadline(node.record().state) == DOWN_100


@both_families
@pytest.mark.rfc_not("5798-7.1-6")
def test_a_vrid_that_is_configured_on_that_interface_is_heard(node_of: NodeOf) -> None:
    node = node_of()
    node.now = S
    assert hear(node, 200) == []
    assert deadline(node.record().state) == S + DOWN_100


@both_families
@pytest.mark.rfc("5798-3-2")
def test_a_master_advertises_each_second(node_of: NodeOf) -> None:
    node = node_of()
    node.run(T)
    assert node.sent() == [(at, 100) for at in (DOWN_100, *range(4 * S, T + 1, S))]


@both_families
@pytest.mark.rfc_not("5798-3-2")
def test_a_backup_is_silent_as_long_as_it_hears_its_master(node_of: NodeOf) -> None:
    node = node_of()
    for second in range(1, 60):
        node.run(second * S)
        hear(node, 200)
    assert node.sent() == []
    assert node.effects(AnnounceAddresses) == []
    assert node.effects(AddAddresses) == []


# --- 5.1 and 7.2: from where ---


@pytest.mark.rfc("5798-7.2-3", "5798-5.1.2.1-1")
def test_over_ipv6_it_speaks_from_the_link_local_address() -> None:
    node = six()
    node.run(DOWN_100)
    ((_, sent),) = node.effects(SendAdvertisement)
    assert sent.message == message3(100, OURS6), "the source is in its checksum"
    p = node.record().parameters
    assert p is not None
    assert p.primary_address == OURS6


@pytest.mark.rfc_not("5798-5.1.2.1-1", "5798-7.2-3")
@pytest.mark.parametrize("found", [("2001:db8::1/64",), ("10.230.137.1/24",), ("2001:db8::1/64", "fe80::5/128")])
def test_over_ipv6_a_global_or_a_virtual_address_is_no_source_and_nothing_is_sent(found: tuple[str, ...]) -> None:
    node = Node6(router6(), eth0=interface6(*found))
    node.run(100 * S)
    assert (node.state(), node.sent()) == ("Initialize", [])
    assert [fault.words for fault in node.record().faults] == ["eth0 has no IPv6 link-local address to advertise from"]


@pytest.mark.rfc("5798-5.1.1.1-1", "5798-7.2-3")
def test_over_ipv4_it_speaks_from_the_first_address_that_is_not_virtual() -> None:
    node = Node()
    node.tell(InterfaceChanged("eth0", interface("10.230.137.100/32", "10.230.137.7/24", "10.230.137.1/24")))
    node.configure(router())
    p = node.record().parameters
    assert p is not None
    assert str(p.primary_address) == "10.230.137.7"


@pytest.mark.rfc_not("5798-5.1.1.1-1")
def test_over_ipv4_a_virtual_address_is_no_source_but_an_owner_has_no_other() -> None:
    node = Node()
    node.tell(InterfaceChanged("eth0", interface("10.230.137.100/32")))
    node.configure(router())
    assert (node.state(), node.record().parameters) == ("Initialize", None)
    node.configure()
    node.configure(router(priority=255, initial_state=InitialState.MASTER))
    assert node.state() == "Master"
    p = node.record().parameters
    assert p is not None
    assert p.primary_address == VIP.ip


# --- 6.4: what it holds when ---


@both_families
@pytest.mark.rfc("5798-6.4.2-1", "5798-6.4.2-2", "5798-6.4.2-5")
def test_a_backup_holds_none_of_the_addresses_so_the_kernel_answers_for_none(node_of: NodeOf) -> None:
    node = node_of()
    assert [vip for _, action in node.done for vip in removed([action])] == addresses(node)
    hear(node, 200)
    assert [vip for _, action in node.done for vip in added([action])] == []
    assert node.engine.book.unconfirmed(addresses(node)) == ()


@both_families
@pytest.mark.rfc("5798-6.4.3-1", "5798-6.4.3-3")
@pytest.mark.rfc_not("5798-6.4.2-1", "5798-6.4.2-2", "5798-6.4.2-5")
def test_a_master_holds_all_of_the_addresses_so_the_kernel_answers_for_them(node_of: NodeOf) -> None:
    node = node_of()
    node.run(T)
    assert [vip for _, action in node.done for vip in added([action])] == addresses(node)


@both_families
@pytest.mark.rfc_not("5798-6.4.3-1", "5798-6.4.3-3")
def test_a_master_that_gives_way_or_stops_holds_none_any_more(node_of: NodeOf) -> None:
    node = node_of()
    node.run(T)
    held = addresses(node)
    assert removed(hear(node, 201)) == held
    node.run(20 * S)
    assert node.state() == "Master"
    assert removed(node.tell(Halt(STOP))) == held


@both_families
@pytest.mark.rfc("5798-8.1.2-5", "5798-8.2.2-3")
def test_an_announcement_follows_its_addition(node_of: NodeOf) -> None:
    node = node_of()
    node.run(DOWN_100)
    kinds = [type(a.effect).__name__ for at, a in node.done if at == DOWN_100 and isinstance(a, RouterAction)]
    assert kinds == ["SendAdvertisement", "AddAddresses", "AnnounceAddresses", "StateChanged"]


@both_families
@pytest.mark.rfc_not("5798-8.1.2-5", "5798-8.2.2-3")
def test_an_address_that_the_kernel_has_refused_is_not_announced(node_of: NodeOf) -> None:
    node = node_of()
    node.errno = None
    node.run(DOWN_100)
    first, second = addresses(node)
    node.tell(AddressesApplied(((first, True, 13), (second, True, 0))))
    node.run(DOWN_100 + 5 * S)
    late = [e.frames for _, e in node.effects(AnnounceAddresses, DOWN_100 + 5 * S)]
    assert [[frame.address for frame in frames] for frames in late] == [[second.ip]]


# --- 7.1: receiving on a node ---


@both_families
@pytest.mark.rfc("5798-7.1-7")
def test_an_owner_hears_another_owner_and_one_of_them_gives_way(node_of: NodeOf) -> None:
    node = node_of(priority=255)
    node.run(T)
    assert node.state() == "Master"
    hear(node, 255)
    assert node.state() == "Backup"
    assert node.record().counters["received"] == 1


@both_families
@pytest.mark.rfc_not("5798-7.1-7")
def test_an_owner_gives_way_to_no_other_priority(node_of: NodeOf) -> None:
    node = node_of(priority=255)
    node.run(T)
    for priority in (254, 1, 0):
        actions = hear(node, priority)
        assert (node.state(), removed(actions)) == ("Master", [])


@both_families
@pytest.mark.rfc("5798-7.1-8")
def test_what_is_dropped_is_counted_each_time_and_told_each_ten_minutes(node_of: NodeOf) -> None:
    node = node_of()
    told = []
    for second in range(0, 1201, 100):
        node.now = second * S
        actions = node.hear6(200, ttl=64) if isinstance(node, Node6) else node.hear(200, ttl=64)
        told += [second for action in actions if isinstance(action, ConflictSeen)]
    assert (told, node.record().counters[DropReason.TTL]) == ([0, 600, 1200], 13)


@both_families
@pytest.mark.rfc_not("5798-7.1-8")
def test_what_is_taken_and_agrees_is_not_told(node_of: NodeOf) -> None:
    node = node_of()
    node.now = S
    assert hear(node, 200) == []
    assert node.record().counters == {"received": 1}


@both_families
@pytest.mark.rfc("5798-6.4.3-14")
def test_its_own_advertisement_that_the_lan_sends_back_is_dropped_and_not_answered(node_of: NodeOf) -> None:
    node = node_of()
    node.run(T + 500 * MS)
    at = node.now
    actions = node.hear6(100, OURS6) if isinstance(node, Node6) else node.hear(100, OURS)
    assert priorities(actions) == []
    assert announced(actions) == 0
    assert node.record().counters[DropReason.OWN_SOURCE] == 1
    assert node.sent(at) == []


# --- over IPv6: heirs, ties, memory, what announces ---


def test_of_two_masters_over_ipv6_the_higher_link_local_address_stays() -> None:
    node = Node6(router6(), eth0=interface6("fe80::2/64"))
    node.run(T)
    node.hear6(message3(100, OURS6), OURS6)
    assert node.state() == "Master"
    node.hear6(message3(100, THIRD6), THIRD6)
    state = node.record().state
    assert isinstance(state, Backup)
    assert (state.master, state.master_down_at) == (THIRD6, T + DOWN_100)


def test_over_ipv6_the_same_datagram_again_refreshes_and_one_with_another_hop_limit_does_not() -> None:
    """Hazard A1: a raw IPv6 socket gives no header, so all that it gives is compared."""
    node = Node6(router6())
    node.hear6(200)
    assert node.record().memory is not None
    node.now = S
    node.hear6(200)
    assert deadline(node.record().state) == S + DOWN_100
    node.now = 2 * S
    node.hear6(200, ttl=63)
    assert deadline(node.record().state) == S + DOWN_100
    node.hear6(0)
    assert deadline(node.record().state) == 2 * S + 609_375_000


def test_a_node_that_forwards_says_so_in_its_neighbor_advertisements() -> None:
    node = Node()
    shown = interface6()
    forwarding = type(shown)(shown.name, shown.index, shown.up, shown.mac, shown.addresses, forwards=True)
    node.tell(InterfaceChanged("eth0", forwarding))
    node.configure(router6(addresses=(VIP6,)))
    node.run(DOWN_100)
    ((_, announce),) = node.effects(AnnounceAddresses)
    (frame,) = announce.frames
    assert (frame.address, frame.device) == (VIP6.ip, "eth0")
    assert frame.content[54:62].hex() == "8800" + "d792" + "a0000000", "Router and Override; the checksum as scapy's"


def test_over_ipv6_an_address_that_a_stranger_announces_ends_a_resignation() -> None:
    node = six()
    node.run(T)
    node.configure()
    node.run(T + 300 * MS)
    actions = node.tell(AddressAnnounced("eth0", GLOBAL6.ip, bytes.fromhex("020000000002"), node.now))
    assert removed(actions) == [VIP6, GLOBAL6]
    assert node.engine.idle


def test_a_link_local_address_that_comes_late_starts_the_router_and_one_that_goes_stops_it() -> None:
    node = Node6(router6(), eth0=interface6("2001:db8::1/64"))
    actions = node.tell(InterfaceChanged("eth0", interface6("2001:db8::1/64", "fe80::1/64")))
    assert node.state() == "Backup"
    assert [a.faults for a in actions if isinstance(a, FaultsChanged)] == [frozenset()]
    node.run(T)
    actions = node.tell(InterfaceChanged("eth0", interface6("2001:db8::1/64")))
    assert (node.state(), priorities(actions), removed(actions)) == ("Initialize", [0], [VIP6, GLOBAL6])


def test_third_parties_are_heard_over_ipv4_too() -> None:
    node = four()
    node.run(T)
    node.hear(message(101, addresses=("10.230.137.100", "10.230.137.101")), THIRD)
    assert node.state() == "Backup"
