"""use_vmac: macvlans, their names and addresses, as keepalived 2.2.7 makes them."""

from __future__ import annotations

import pytest
from reading import codes, config, instance, read, router, router_and_codes

from vrrpd.model import VirtualMac, VirtualRouter

IPV6 = "virtual_ipaddress {\n2001:db8::5/64\n}"


def addresses(found: VirtualRouter) -> list[str]:
    return [
        f"{each.macvlan}@{each.device}" if each.macvlan else each.device for each in found.addresses + found.excluded
    ]


def names(*blocks: str) -> list[str]:
    return [each.virtual_mac.device for each in config("".join(blocks)).routers if each.virtual_mac is not None]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("use_vmac", VirtualMac("vrrp.51")),
        ("use_vmac vm0", VirtualMac("vm0")),
        ("use_vmac name vm0", VirtualMac("vm0")),
        ("use_vmac false", VirtualMac("false")),
        ("use_vmac 02:00:00:00:01", VirtualMac("vrrp.51", bytes.fromhex("020000000133"))),
        ("use_vmac 02:00:00:00:01:44 vm2", VirtualMac("vm2", bytes.fromhex("020000000144"))),
        ("use_vmac netlink_notify_msg group 5", VirtualMac("vrrp.51", link_group=5, tells_netlink=True)),
        (
            "use_vmac\nvmac_xmit_base\nuse_vmac_addr",
            VirtualMac("vrrp.51", advertises_on_base=True, on_all_devices=True),
        ),
    ],
)
def test_a_virtual_mac_has_a_macvlan(line: str, expected: VirtualMac) -> None:
    assert router(line).virtual_mac == expected


@pytest.mark.parametrize(
    ("line", "expected", "code"),
    [
        ("use_vmac 00:00:5e:00:01:44 vm2", VirtualMac("vm2"), "bad-mac"),
        ("use_vmac 01:00:00:00:01:44", VirtualMac("vrrp.51"), "bad-mac"),
        ("use_vmac abcdefghijklmnopq", VirtualMac("vrrp.51"), "bad-interface"),
        ("use_vmac a b", VirtualMac("a"), "duplicate-option"),
        ("vmac_xmit_base", None, "no-virtual-mac"),
        (
            "use_vmac\nunicast_peer {\n192.0.2.2\n}",
            VirtualMac("vrrp.51", advertises_on_base=True),
            "unicast-virtual-mac",
        ),
    ],
)
def test_what_is_wrong_in_use_vmac_is_a_warning(line: str, expected: VirtualMac | None, code: str) -> None:
    found, said = router_and_codes(line)
    assert found.virtual_mac == expected
    assert said == [code]


def test_names_are_made_up_where_they_are_free() -> None:
    assert names(
        instance("use_vmac"),
        instance("use_vmac", name="V2", interface="eth1"),
        instance("use_vmac", IPV6, name="V3"),
    ) == ["vrrp.51", "vrrp1.51", "vrrp6.51"]
    assert names(instance("use_vmac", IPV6)) == ["vrrp.51"]
    assert names(instance("use_vmac"), instance("use_vmac vrrp.51", name="V2", vrid=52)) == ["vrrp1.51", "vrrp.51"]
    assert names("global_defs {\nvmac_prefix abcdefghijklmnop\n}\n", instance("use_vmac")) == ["abcdefghijkl.51"]


def test_a_name_that_another_router_has_is_not_taken() -> None:
    built = read(instance("use_vmac vmx") + instance("use_vmac vmx", name="V2", vrid=52))
    assert [each.virtual_mac and each.virtual_mac.device for each in built.config.routers] == ["vmx", "vrrp.52"]
    assert codes(built.diagnostics) == ["duplicate-name"]


def test_addresses_of_the_family_and_the_interface_are_on_the_macvlan() -> None:
    found = router(
        "use_vmac",
        "virtual_ipaddress {",
        "10.0.0.1/24",
        "10.0.0.2/24 dev eth1",
        "}",
        "virtual_ipaddress_excluded {",
        "2001:db8::9",
        "10.0.0.9",
        "}",
    )
    assert addresses(found) == ["vrrp.51", "eth1", "eth0", "vrrp.51"]


def test_addresses_elsewhere_may_have_macvlans_of_their_own() -> None:
    prefixes = "global_defs {\nvmac_prefix abc\nvmac_addr_prefix def\n}\n"
    lines = ("virtual_ipaddress {", "10.0.0.1/24", "10.0.0.2/24 dev eth1 use_vmac", "10.0.0.3 dev eth1 use_vmac", "}")
    assert addresses(router("use_vmac", *lines, before=prefixes)) == ["abc.51", "def.51@eth1", "def.51@eth1"]
    everywhere = ("virtual_ipaddress {", "10.0.0.1/24", "10.0.0.2/24 dev eth1", "}")
    assert addresses(router("use_vmac", "use_vmac_addr", *everywhere)) == ["vrrp.51", "vrrp1.51@eth1"]
    assert addresses(router("use_vmac_addr", *everywhere)) == ["eth0", "vrrp.51@eth1"]


def test_secondaries_are_promoted_on_a_macvlan_anyway() -> None:
    assert not router("use_vmac", "promote_secondaries").promotes_secondaries
