"""What no configuration can be, whoever put it together, and how things are called."""

from __future__ import annotations

from ipaddress import IPv4Interface, ip_address, ip_network
from typing import Any

import pytest
from sample import router

from vrrpd.model import (
    Authentication,
    AuthenticationType,
    DeviceSetting,
    Family,
    Firewall,
    Held,
    Macvlan,
    NodeSetting,
    Rule,
    Script,
    Silence,
    Unicast,
    UnicastPeer,
    VirtualAddress,
)


@pytest.mark.parametrize(
    ("kind", "password", "said"),
    [
        (AuthenticationType.PASS, b"ninebytes", "a password has at most 8 bytes"),
        (AuthenticationType.NONE, b"x", "a password needs an authentication type"),
    ],
)
def test_a_password_is_short_and_of_some_type(kind: AuthenticationType, password: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        Authentication(kind, password)


def addresses(count: int) -> tuple[VirtualAddress, ...]:
    return tuple(VirtualAddress(IPv4Interface(f"10.9.{n // 250}.{n % 250 + 1}/32"), "eth0") for n in range(count))


def peers(*texts: str) -> Unicast:
    return Unicast(tuple(UnicastPeer(ip_address(text)) for text in texts))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unicast": peers("10.230.137.2", "fe80::2")}, "R1: peers of two families"),
        ({"addresses": addresses(256)}, "R1: an advertisement holds at most 255 addresses"),
    ],
)
def test_a_router_that_no_packet_could_carry_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        router(**changes)


def test_255_addresses_and_peers_of_one_family_are_a_router() -> None:
    assert len(router(addresses=addresses(255)).addresses) == 255
    assert router(unicast=peers("10.230.137.2", "10.230.137.3")).destinations[1] == ip_address("10.230.137.3")


@pytest.mark.parametrize("changes", [{"argv": ()}, {"interval": 0}, {"timeout": 0}, {"rise": 0}, {"fall": 0}])
def test_a_script_runs_something_and_counts_from_1(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="script chk: nothing to run, or a count or time below 1"):
        Script(**({"name": "chk", "argv": ("true",)} | changes))


def test_the_kernel_does_not_know_whose_a_rule_is() -> None:
    bare = Rule(Family.IPV4, source=ip_network("10.50.0.0/16"), table=100)
    ours = Rule(Family.IPV4, source=ip_network("10.50.0.0/16"), table=100, is_tracked=False, track_group="G", text="x")
    assert ours.bare == ours.key == bare
    assert bare.bare is bare


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (Macvlan("vrrp.50", "eth0", bytes.fromhex("00005e000132")), "macvlan vrrp.50 on eth0"),
        (DeviceSetting("eth0", "arp_ignore", 1), "net.ipv4.conf.eth0.arp_ignore=1"),
        (NodeSetting("net/ipv4/igmp_link_local_mcast_reports", 0), "net.ipv4.igmp_link_local_mcast_reports=0"),
        (Firewall("flush"), "nftables table vrrpd"),
        (Silence("vrrp.50"), "vrrp.50 down"),
        (Rule(Family.IPV4, table=7, preference=9), "rule 9 from all lookup 7"),
    ],
)
def test_what_is_held_has_a_name_and_is_known_by_all_of_it(thing: Held, words: str) -> None:
    assert str(thing) == words
    assert thing.key == thing.bare == thing
