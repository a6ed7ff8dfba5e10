"""When a Master announces its addresses again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from driver import Node
from sample import MS, VIP, S, interface, router

from vrrpd.actions import InterfaceChanged
from vrrpd.model import Announcing, Unicast, UnicastPeer, VirtualAddress, VirtualMac
from vrrpd.states import AnnounceAddresses

QUIET = Announcing(master_delay=0, master_repeat=1)
ELSEWHERE = replace(VIP, device="eth1")
DOWN_100 = 3_609_375_000


def announcements(node: Node, since: int = 0) -> list[tuple[int, list[str], int]]:
    """(when, on which devices, how often)."""
    return [(at, [f.device for f in e.frames], e.repeat) for at, e in node.effects(AnnounceAddresses, since)]


def node_with(announcing: Announcing, **changes: Any) -> Node:
    node = Node()
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3)))
    node.tell(InterfaceChanged("vrrp.50", interface("10.9.0.2/24", name="vrrp.50", index=4)))
    node.configure(router(announcing=announcing, **changes))
    return node


def test_a_refresh_comes_again_and_again_while_it_is_master() -> None:
    node = node_with(replace(QUIET, refresh=2 * S, refresh_repeat=3))
    node.run(10 * S)
    first, *again = announcements(node)
    assert first == (DOWN_100, ["eth0"], 1)
    assert again == [(DOWN_100 + n * 2 * S, ["eth0"], 3) for n in (1, 2, 3)]
    node.hear(200)
    begin = node.now
    node.run_hearing(begin + 10 * S, 200)
    assert announcements(node, begin + 1) == []


def test_no_refresh_follows_a_priority_0() -> None:
    node = node_with(replace(QUIET, refresh=100 * MS))
    node.run(5 * S)
    node.configure()
    begin = node.now
    node.run(begin + 900 * MS)
    assert announcements(node, begin + 1) == []


def test_on_other_interfaces_it_is_the_devices_of_virtual_macs_or_all() -> None:
    for on_all, devices in ((True, ["eth1"]), (False, [])):
        node = node_with(replace(QUIET, extra_interfaces=3 * S, extra_on_all=on_all), addresses=(VIP, ELSEWHERE))
        node.run(DOWN_100 + 4 * S)
        extra = [(at, names) for at, names, _ in announcements(node, DOWN_100 + 1)]
        assert extra == ([(DOWN_100 + 3 * S, devices)] if devices else [])


def test_an_address_on_a_macvlan_elsewhere_is_announced_there() -> None:
    on_macvlan = VirtualAddress(VIP.interface, "eth1", macvlan="vrrp.50")
    node = node_with(replace(QUIET, extra_interfaces=3 * S), addresses=(on_macvlan,))
    node.run(DOWN_100 + 4 * S)
    assert [names for _, names, _ in announcements(node)] == [["vrrp.50"], ["vrrp.50"]]


def test_where_only_the_addresses_have_the_virtual_mac_their_device_is_another_interface() -> None:
    virtual = VirtualMac("vrrp.50", advertises_on_base=True)
    address = replace(VIP, device="vrrp.50")
    node = node_with(replace(QUIET, extra_interfaces=3 * S), addresses=(address,), virtual_mac=virtual)
    node.run(DOWN_100 + 4 * S)
    assert [(at, names) for at, names, _ in announcements(node, DOWN_100 + 1)] == [(DOWN_100 + 3 * S, ["vrrp.50"])]


def test_a_reload_changes_when_it_comes() -> None:
    node = node_with(QUIET)
    node.run(5 * S)
    node.configure(router(announcing=replace(QUIET, refresh=2 * S)))
    node.run(8 * S)
    assert [at for at, _, _ in announcements(node, DOWN_100 + 1)] == [7 * S]
    node.configure(router(announcing=QUIET))
    node.run(20 * S)
    assert [at for at, _, _ in announcements(node, 7 * S + 1)] == []


def test_a_unicast_router_that_leaves_a_fault_announces_where_it_speaks_from() -> None:
    """keepalived's: its peers have to resolve it."""
    unicast = Unicast((UnicastPeer(VIP.ip),))
    node = node_with(QUIET, unicast=unicast)
    assert announcements(node) == [], "not at the start"
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", up=False)))
    node.run(1 * S)
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24")))
    ((_, announced),) = node.effects(AnnounceAddresses)
    assert ([str(frame.address) for frame in announced.frames], announced.repeat) == (["10.230.137.1"], 1)
