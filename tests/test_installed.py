"""What is there while the daemon runs, whoever is Master."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address, ip_interface, ip_network

from driver import Node
from sample import GONE, STOP, VIP, S, interface, router

from vrrpd.actions import Action, AddressesApplied, ConfigChanged, InterfaceChanged, NodeAction, ThingsLost
from vrrpd.model import (
    Config,
    DeviceSetting,
    Family,
    Firewall,
    Held,
    Macvlan,
    NextHop,
    Route,
    Rule,
    Silence,
    TrackGroup,
    VirtualAddress,
    VirtualMac,
)
from vrrpd.states import AddAddresses, RemoveAddresses

ADDRESS = VirtualAddress(ip_interface("10.9.0.7/24"), "eth1", track_group="G")
ROUTE = Route(Family.IPV4, ip_network("10.77.0.0/16"), next_hops=(NextHop(ip_address("10.9.0.1")),), track_group="G")
RULE = Rule(Family.IPV4, source=ip_network("10.77.0.0/16"), table=77, preference=7700)
STATIC = Config(
    routers=(router(),),
    static_addresses=(ADDRESS,),
    static_routes=(ROUTE,),
    static_rules=(RULE,),
    track_groups=(TrackGroup("G", ("R1",)),),
)
VIRTUAL = router(virtual_mac=VirtualMac("vrrp.50"), addresses=(dataclasses.replace(VIP, device="vrrp.50"),))
MACVLAN = Macvlan("vrrp.50", "eth0", bytes.fromhex("00005e000132"))
ENETUNREACH = 101


def put(actions: list[Action]) -> list[Held]:
    return [
        thing
        for action in actions
        if isinstance(action, NodeAction) and isinstance(action.effect, AddAddresses)
        for thing in action.effect.addresses
    ]


def taken(actions: list[Action]) -> list[Held]:
    return [
        thing
        for action in actions
        if isinstance(action, NodeAction) and isinstance(action.effect, RemoveAddresses)
        for thing in action.effect.addresses
    ]


def static() -> Node:
    node = Node()
    node.tell(ConfigChanged(STATIC, GONE))
    return node


def test_static_things_are_put_there_at_the_start_addresses_first() -> None:
    node = static()
    assert put([action for _, action in node.done]) == [ADDRESS.bare, ROUTE.bare, RULE]


def test_a_reload_applies_the_difference_of_static_things() -> None:
    node = static()
    wider = dataclasses.replace(ROUTE, destination=ip_network("10.76.0.0/15"))
    actions = node.tell(ConfigChanged(dataclasses.replace(STATIC, static_routes=(wider,)), GONE))
    assert (taken(actions), put(actions)) == ([ROUTE.bare], [wider.bare])


def test_at_a_stop_static_things_stay_until_the_last_router_has_left() -> None:
    node = static()
    node.run(10 * S)
    assert taken(node.tell(ConfigChanged(Config(), STOP))) == []
    begin = node.now
    node.run(begin + 20 * S)
    assert node.engine.idle
    assert taken([action for at, action in node.done if at >= begin]) == [RULE, ROUTE.bare, ADDRESS.bare]
    assert node.engine.deadline() is None


def test_a_static_thing_that_somebody_removes_is_put_back() -> None:
    node = static()
    assert put(node.tell(ThingsLost((ROUTE.bare,)))) == [ROUTE.bare]
    node.now += 2 * S
    node.tell(InterfaceChanged("eth1", interface("10.9.0.7/24", name="eth1", index=3)))
    assert put(node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3)))) == [ADDRESS.bare]


def test_one_that_is_not_tracked_is_not_put_back() -> None:
    node = Node()
    node.tell(ConfigChanged(Config(static_routes=(dataclasses.replace(ROUTE, is_tracked=False),)), GONE))
    assert put(node.tell(ThingsLost((ROUTE.bare,)))) == []


def test_the_routers_of_its_group_leave_master_while_a_static_thing_cannot_be_restored() -> None:
    node = static()
    node.run(10 * S)
    assert node.state() == "Master"
    node.errno = None
    node.tell(AddressesApplied(((ROUTE.bare, True, ENETUNREACH),)))
    assert [fault.kind for fault in node.record().faults] == ["static_refused"]
    assert node.state() == "Resigning"
    begin = node.now
    node.run(begin + 8 * S)
    again = [at - begin for at, action in node.done if at > begin and put([action])]
    assert again == [1 * S, 3 * S, 7 * S], "tried again, at growing intervals"
    node.tell(AddressesApplied(((ROUTE.bare, True, 0),)))
    assert node.record().faults == frozenset()


def test_a_refused_static_thing_of_no_group_is_tried_again_and_moves_nobody() -> None:
    node = static()
    node.run(10 * S)
    node.tell(AddressesApplied(((RULE, True, ENETUNREACH),)))
    begin = node.now
    node.run(begin + 1 * S)
    assert put([action for at, action in node.done if at > begin]) == [RULE]
    assert node.state() == "Master"


def test_a_virtual_mac_is_a_macvlan_and_what_it_needs_until_its_router_has_gone() -> None:
    node = Node()
    actions = node.configure(VIRTUAL)
    firewall, *rest = put(actions)
    assert isinstance(firewall, Firewall)
    assert rest == [DeviceSetting("eth0", "arp_ignore", 1), DeviceSetting("eth0", "arp_filter", 1), MACVLAN]
    (record,) = node.engine.records.values()
    assert [fault.words for fault in record.faults] == ["there is no interface vrrp.50"]
    actions = node.configure()
    assert taken(actions) == [*reversed(rest), firewall]


def virtual_master() -> Node:
    node = Node()
    node.configure(VIRTUAL)
    node.tell(InterfaceChanged("vrrp.50", interface("10.230.137.100/32", name="vrrp.50", index=9)))
    node.run(10 * S)
    return node


def test_an_address_leaves_a_macvlan_that_is_down() -> None:
    """Hazard A6."""
    node = virtual_master()
    (record,) = node.engine.records.values()
    assert type(record.state).__name__ == "Master"
    node.configure()
    begin = node.now
    node.run(begin + 10 * S)
    removals = [effect.addresses for _, effect in node.effects(RemoveAddresses, begin)]
    assert removals == [(Silence("vrrp.50"), *VIRTUAL.addresses)]


def test_a_macvlan_that_is_down_for_that_is_no_fault_and_is_set_up() -> None:
    node = virtual_master()
    actions = node.tell(InterfaceChanged("vrrp.50", interface(name="vrrp.50", index=9, up=False)))
    assert put(actions) == [MACVLAN]
    (record,) = node.engine.records.values()
    assert record.faults == frozenset()


def test_a_macvlan_that_somebody_deletes_is_made_again() -> None:
    node = virtual_master()
    actions = node.tell(InterfaceChanged("vrrp.50", None))
    assert put(actions) == [MACVLAN]


def test_with_the_interface_below_comes_all_that_stood_on_it() -> None:
    node = virtual_master()
    node.tell(InterfaceChanged("eth0", None))
    actions = node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", index=7)))
    assert [thing for thing in put(actions) if isinstance(thing, Macvlan)][-1:] == [MACVLAN]
    assert DeviceSetting("eth0", "arp_ignore", 1) in put(actions)


def test_over_ipv6_the_macvlan_speaks_from_the_link_local_address_of_the_interface_below() -> None:
    node = Node()
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", "fe80::1/64")))
    address = VirtualAddress(ip_interface("2001:db8::1/64"), "vrrp.50")
    actions = node.configure(router(version=3, virtual_mac=VirtualMac("vrrp.50"), addresses=(address,)))
    assert put(actions)[-2:] == [
        Macvlan("vrrp.50", "eth0", bytes.fromhex("00005e000232")),
        VirtualAddress(ip_interface("fe80::1/64"), "vrrp.50", scope=253, preferred_lifetime=0),
    ]
