"""Where a virtual router advertises, and what makes it the same one."""

from __future__ import annotations

from sample import router

from vrrpd.model import Family, Identity, VirtualMac


def test_it_advertises_on_its_interface() -> None:
    assert router().advertising_device == "eth0"
    assert router().identity == Identity("eth0", Family.IPV4, 50)


def test_with_a_virtual_mac_it_advertises_and_listens_on_the_macvlan_and_is_another_router() -> None:
    virtual = router(virtual_mac=VirtualMac("vrrp.50"))
    assert virtual.advertising_device == "vrrp.50"
    assert virtual.identity == Identity("vrrp.50", Family.IPV4, 50)


def test_where_the_virtual_mac_is_for_the_addresses_alone_it_stays_the_same_router() -> None:
    on_base = router(virtual_mac=VirtualMac("vrrp.50", advertises_on_base=True))
    assert on_base.advertising_device == "eth0"
    assert on_base.identity == router().identity
