"""What is asked of nftables."""

from __future__ import annotations

from ipaddress import ip_interface

from sample import VIP, router

from vrrpd.firewall import rules
from vrrpd.model import VirtualAddress, VirtualMac

VIP6 = VirtualAddress(ip_interface("2001:db8::1/64"), "eth0")


def test_routers_that_accept_and_have_no_virtual_mac_ask_nothing() -> None:
    assert rules(()) == ""
    assert rules((router(), router(vrid=51, priority=255, accept=False))) == "", "an owner accepts always"


def test_what_is_sent_to_or_by_an_address_that_is_not_accepted_is_dropped_but_for_neighbour_discovery() -> None:
    assert rules((router(accept=False, excluded=(VIP6,)),)) == (
        "add table ip vrrpd\n"
        "delete table ip vrrpd\n"
        "table ip vrrpd {\n"
        "\tchain incoming {\n"
        "\t\ttype filter hook input priority -1; policy accept;\n"
        "\t\tip daddr { 10.230.137.100 } drop\n"
        "\t}\n"
        "\tchain outgoing {\n"
        "\t\ttype filter hook output priority -1; policy accept;\n"
        "\t\tip saddr { 10.230.137.100 } drop\n"
        "\t}\n"
        "}\n"
        "add table ip6 vrrpd\n"
        "delete table ip6 vrrpd\n"
        "table ip6 vrrpd {\n"
        "\tchain incoming {\n"
        "\t\ttype filter hook input priority -1; policy accept;\n"
        "\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n"
        "\t\tip6 daddr { 2001:db8::1 } drop\n"
        "\t}\n"
        "\tchain outgoing {\n"
        "\t\ttype filter hook output priority -1; policy accept;\n"
        "\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n"
        "\t\tip6 saddr { 2001:db8::1 } drop\n"
        "\t}\n"
        "}\n"
    )


def test_memberships_are_told_by_the_interface_below_a_macvlan_and_it_solicits_no_router() -> None:
    macvlan = router(virtual_mac=VirtualMac("vrrp.50"), addresses=(VIP,))
    asked = rules((macvlan,)).splitlines()
    below = 'device oifname map { "vrrp.50" : "eth0" } drop'
    assert f'\t\tip protocol igmp oifname {{ "vrrp.50" }} dup to ip daddr {below}' in asked
    assert (
        "\t\ticmpv6 type { mld-listener-report, mld2-listener-report } "
        f'oifname {{ "vrrp.50" }} dup to ip6 daddr {below}'
    ) in asked
    assert '\t\toifname { "vrrp.50" } icmpv6 type nd-router-solicit drop' in asked
    assert '\t\tiifname { "vrrp.50" } icmpv6 type nd-router-advert drop' in asked
    assert not [line for line in asked if "10.230.137.100" in line]
