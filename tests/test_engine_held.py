"""What moves with a Master beside its addresses: excluded ones, routes, rules."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

from driver import Node, added, removed
from sample import MS, VIP, VIP2, S, interface, router

from vrrpd.actions import AddressesApplied, InterfaceChanged, ThingsLost
from vrrpd.model import Family, NextHop, Route, Rule, VirtualAddress, VirtualMac, VirtualRouter
from vrrpd.states import AnnounceAddresses

EXCLUDED = VirtualAddress(ip_interface("2001:db8::1/64"), "eth0")
ROUTE = Route(Family.IPV4, ip_network("10.50.0.0/16"), next_hops=(NextHop(ip_address("10.230.137.9"), "eth0"),))
SOURCED = Route(Family.IPV4, ip_network("10.51.0.0/16"), source=VIP.ip, kind="blackhole")
RULE = Rule(Family.IPV4, source=ip_network("10.50.0.0/16"), table=100, preference=77)
FULL = router(excluded=(EXCLUDED,), routes=(ROUTE, SOURCED), rules=(RULE,))
REFUSED = 101


def master() -> Node:
    node = Node(FULL)
    node.run(10 * S)
    assert node.state() == "Master"
    return node


def test_a_master_takes_addresses_then_routes_then_rules_and_announces_excluded_addresses_too() -> None:
    node = master()
    assert added([action for _, action in node.done]) == [VIP, EXCLUDED, ROUTE, SOURCED, RULE]
    frames = [e.frames for _, e in node.effects(AnnounceAddresses)]
    assert [[frame.address for frame in burst] for burst in frames] == [[VIP.ip, EXCLUDED.ip]] * 2


def test_who_leaves_gives_up_rules_then_routes_then_addresses() -> None:
    node = master()
    node.hear(200)
    gone = removed([action for at, action in node.done if at == node.now])
    assert gone == [RULE, SOURCED, ROUTE, VIP, EXCLUDED]


def test_a_start_takes_away_whatever_a_predecessor_left() -> None:
    node = Node(FULL)
    assert removed([action for _, action in node.done]) == [RULE, SOURCED, ROUTE, VIP, EXCLUDED]


def test_a_refused_route_is_tried_again_and_does_not_end_being_master() -> None:
    node = master()
    begin = node.now
    node.errno = None
    node.tell(AddressesApplied(((ROUTE, True, REFUSED),)))
    node.run(begin + 60 * S)
    assert node.state() == "Master"
    again = [at - begin for at, action in node.done if at > begin and added([action])]
    assert again[:5] == [1 * S, 3 * S, 7 * S, 15 * S, 31 * S]
    assert node.engine.book.error((ROUTE,)) == REFUSED


def test_without_any_of_its_addresses_excluded_ones_included_it_gives_up() -> None:
    node = Node(FULL)
    node.errno = REFUSED
    node.run(12 * S)
    assert "kernel refuses" in node.record().why.words


def test_a_route_or_rule_that_somebody_removes_is_put_back_at_once() -> None:
    node = master()
    actions = node.tell(ThingsLost((RULE, ROUTE)))
    assert added(actions) == [ROUTE, RULE]


def test_what_is_not_ours_now_is_not_missed() -> None:
    node = Node(FULL)
    assert node.tell(ThingsLost((RULE, ROUTE))) == []


def test_what_is_not_tracked_is_not_put_back() -> None:
    route, address = dataclasses.replace(ROUTE, is_tracked=False), dataclasses.replace(VIP2, is_tracked=False)
    node = Node(router(addresses=(VIP, address), routes=(route,)))
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", str(VIP.interface), str(VIP2.interface))))
    node.run(10 * S)
    assert node.tell(ThingsLost((ROUTE,))) == []
    assert node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", str(VIP.interface)))) == []


def test_with_an_address_that_is_lost_go_the_routes_that_have_it_as_source() -> None:
    """The kernel drops them without a word."""
    node = Node(FULL)
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", str(VIP.interface))))
    node.run(10 * S)
    actions = node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24")))
    assert added(actions) == [VIP, SOURCED]


def test_routes_by_a_device_that_was_down_are_put_there_again() -> None:
    by_eth1 = Route(Family.IPV4, ip_network("10.52.0.0/16"), next_hops=(NextHop(None, "eth1"),), is_tracked=True)
    node = Node(router(routes=(by_eth1,)))
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3)))
    node.run(10 * S)
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3, up=False)))
    assert node.state() == "Resigning"


def test_a_route_of_two_routers_goes_with_the_last_one() -> None:
    node = Node(router(routes=(ROUTE,)), router(name="R2", vrid=51, addresses=(VIP2,), routes=(ROUTE,)))
    node.run(10 * S)
    node.hear(200)
    begin = node.now
    assert ROUTE not in removed([action for at, action in node.done if at == begin])
    node.now += MS
    node.configure(router(routes=(ROUTE,)))
    node.run(begin + 20 * S)
    assert ROUTE in removed([action for at, action in node.done if at > begin])


def test_a_reload_applies_only_the_difference_in_order() -> None:
    node = master()
    wider = dataclasses.replace(ROUTE, destination=ip_network("10.48.0.0/12"))
    actions = node.configure(router(excluded=(EXCLUDED,), routes=(wider, SOURCED), rules=(RULE,)))
    assert (removed(actions), added(actions)) == ([ROUTE], [wider])
    assert node.state() == "Master"


def test_a_reload_that_only_changes_what_the_kernel_does_not_know_changes_nothing_there() -> None:
    node = master()
    untracked = dataclasses.replace(ROUTE, is_tracked=False, text="10.50.0.0/16 via 10.230.137.9 no_track")
    actions = node.configure(router(excluded=(EXCLUDED,), routes=(untracked, SOURCED), rules=(RULE,)))
    assert (removed(actions), added(actions)) == ([], [])
    assert node.tell(ThingsLost((ROUTE,))) == []


def test_no_advertisement_comes_from_an_excluded_address() -> None:
    """Hazard C5."""
    excluded = VirtualAddress(ip_interface("10.230.137.7/24"), "eth0")
    node = Node(router(excluded=(excluded,)))
    node.tell(InterfaceChanged("eth0", interface("10.230.137.7/24", "10.230.137.1/24")))
    p = node.record().parameters
    assert p is not None
    assert str(p.primary_address) == "10.230.137.1"


def test_a_device_that_is_not_tracked_may_be_down_and_the_routers_own_where_the_file_says_so() -> None:
    elsewhere = VirtualAddress(ip_interface("10.9.0.9/24"), "eth9", is_tracked=False)
    node = Node(router(excluded=(elsewhere,)))
    assert node.record().faults == frozenset()
    node.configure(router(tracks_interface=False))
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", up=False)))
    assert node.record().faults == frozenset()


def resigned(virtual: VirtualRouter) -> Node:
    node = Node()
    node.tell(InterfaceChanged("vrrp.50", interface("10.230.137.100/32", name="vrrp.50", index=9)))
    node.configure(virtual)
    node.run(10 * S)
    node.configure()
    node.now += 700 * MS
    return node


def test_an_heir_that_must_not_find_our_addresses_gets_them_at_once() -> None:
    """Hazards A6 and B6: no wait for its announcement."""
    on_macvlan = router(virtual_mac=VirtualMac("vrrp.50"), addresses=(replace(VIP, device="vrrp.50"),))
    for virtual, device in ((on_macvlan, "vrrp.50"), (router(excluded=(EXCLUDED,)), "eth0")):
        node = resigned(virtual)
        begin = node.now
        node.hear(90, name=device)
        assert virtual.addresses[0] in removed([action for at, action in node.done if at == begin])


def test_an_heir_of_ipv4_addresses_is_given_the_time_to_announce_them() -> None:
    node = resigned(router())
    begin = node.now
    node.hear(90)
    assert removed([action for at, action in node.done if at == begin]) == []
