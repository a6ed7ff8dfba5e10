"""What the lines of a router do to each other; each as the running keepalived 2.2.7 showed it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from reading import config, instance, read, router, router_and_codes

from vrrpd.model import (
    SECOND,
    Announcing,
    Authentication,
    AuthenticationType,
    Family,
    InitialState,
    Unicast,
    UnicastPeer,
    Version,
)

IPV4 = ("virtual_ipaddress {", "10.0.0.1/24", "}")
IPV6 = ("virtual_ipaddress {", "2001:db8::5/64", "}")
PEER = ("unicast_peer {", "192.0.2.2", "}")
PASSWORD = ("authentication {", "auth_type PASS", "auth_pass x", "}")
STRICT = ("strict_mode", *IPV4)


def test_the_first_address_fixes_the_family() -> None:
    found, said = router_and_codes("virtual_ipaddress {", "2001:db8::5/64", "10.0.0.1", "}")
    assert (found.family, found.version) == (Family.IPV6, Version.V3)
    assert [str(address.interface) for address in found.addresses] == ["2001:db8::5/64"]
    assert said == ["other-family"]


def test_a_source_that_comes_first_fixes_the_family_too() -> None:
    found, said = router_and_codes("mcast_src_ip 192.0.2.1", *IPV6, *IPV4)
    assert [str(address.interface) for address in found.addresses] == ["10.0.0.1/24"]
    assert found.source_address == IPv4Address("192.0.2.1")
    assert said == ["other-family"]


def test_a_second_source_of_the_other_family_takes_the_first_one_back() -> None:
    found, said = router_and_codes("mcast_src_ip 192.0.2.1", "mcast_src_ip 2001:db8::1", *IPV4)
    assert found.source_address is None
    assert said == ["other-family"]


@pytest.mark.parametrize(
    ("lines", "before", "version", "expected"),
    [
        (IPV4, "", Version.V2, []),
        (IPV4, "global_defs {\nvrrp_version 3\n}\n", Version.V3, []),
        (("version 3", *IPV4), "", Version.V3, []),
        (("version 2", *IPV4), "global_defs {\nvrrp_version 3\n}\n", Version.V2, []),
        (IPV6, "global_defs {\nvrrp_version 2\n}\n", Version.V3, []),
        ((*IPV6, "version 2"), "", Version.V3, ["ipv6-version"]),
        (("version 2", *IPV6), "", Version.V3, ["ipv6-version"]),
        (("native_ipv6", *IPV6), "", Version.V3, []),
        ((*IPV4, "native_ipv6"), "", Version.V2, ["other-family"]),
    ],
)
def test_the_version_is_the_routers_then_the_files_and_3_for_ipv6(
    lines: tuple[str, ...], before: str, version: Version, expected: list[str]
) -> None:
    found, said = router_and_codes(*lines, before=before)
    assert (found.version, said) == (version, expected)


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("0.01", 10_000_000),
        ("0.015", 20_000_000),
        ("0.014", 10_000_000),
        ("40.95", 40_950_000_000),
        ("40.955", 40_950_000_000),
        ("50", 40_950_000_000),
        ("0.001", SECOND),
    ],
)
def test_version_3_advertises_at_hundredths_of_a_second(written: str, taken: int) -> None:
    assert router_and_codes("version 3", f"advert_int {written}", *IPV4)[0].advertisement_interval == taken


@pytest.mark.parametrize(
    ("lines", "stays"),
    [((), False), (("virtual_ipaddress_excluded {", "10.0.0.1", "}"), False), (("no_virtual_ipaddress",), True)],
)
def test_version_3_and_strict_mode_need_an_address(lines: tuple[str, ...], stays: bool) -> None:
    for demanding in ("version 3", "strict_mode"):
        assert ("no-address" in router_and_codes(demanding, *lines)[1]) is not stays


@pytest.mark.parametrize(
    ("lines", "kept", "expected"),
    [
        (("version 3", *PASSWORD), False, ["no-authentication"]),
        ((*STRICT, *PASSWORD), False, ["no-authentication"]),
        (("authentication {", "auth_type PASS", "}"), False, ["no-authentication"]),
        (("authentication {", "auth_pass x", "}"), False, ["no-authentication"]),
        (PASSWORD, True, []),
    ],
)
def test_authentication_is_version_2s(lines: tuple[str, ...], kept: bool, expected: list[str]) -> None:
    found, said = router_and_codes(*lines, *IPV4)
    assert (found.authentication == Authentication(AuthenticationType.PASS, b"x")) is kept
    assert said == expected


def test_a_signed_router_starts_as_backup_so_that_nopreempt_holds() -> None:
    signed = ("authentication {", "auth_type AH", "auth_pass x", "}")
    found, said = router_and_codes("state MASTER", "priority 100", "nopreempt", *signed, *IPV4)
    assert found.authentication == Authentication(AuthenticationType.AH, b"x")
    assert (found.initial_state, found.preempt) == (InitialState.BACKUP, False)
    assert said == ["signed-master"]


@pytest.mark.parametrize(
    ("lines", "state", "accept", "expected"),
    [
        (("priority 100",), InitialState.BACKUP, False, []),
        (("priority 100", "state MASTER"), InitialState.BACKUP, False, ["strict-state"]),
        (("priority 255", "state BACKUP"), InitialState.MASTER, True, ["strict-state"]),
        (("priority 255",), InitialState.MASTER, True, []),
        (("accept",), InitialState.BACKUP, False, ["strict-mode"]),
        (("accept", "version 3"), InitialState.BACKUP, True, []),
        (("no_accept", "version 3", "priority 255"), InitialState.MASTER, False, []),
    ],
)
def test_strict_mode_decides_who_is_master_and_what_is_accepted(
    lines: tuple[str, ...], state: InitialState, accept: bool, expected: list[str]
) -> None:
    found, said = router_and_codes(*STRICT, *lines)
    assert (found.strict, found.initial_state, found.accept, said) == (True, state, accept, expected)


def test_strict_mode_resets_what_the_rfc_does_not_know() -> None:
    found, said = router_and_codes(
        *STRICT,
        "preempt_delay 3",
        "down_timer_adverts 5",
        "garp_lower_prio_repeat 2",
        "garp_lower_prio_delay 3",
        "higher_prio_send_advert",
        "lower_prio_no_advert false",
        "use_vmac v0 02:00:00:00:00:33",
        "vmac_xmit_base",
    )
    assert (found.preempt_delay, found.down_timer_adverts) == (0, 3)
    assert (found.answers_lower_priority, found.announces_defeat) == (False, False)
    assert found.announcing == Announcing(lower_priority_delay=0, lower_priority_repeat=0)
    assert found.virtual_mac is not None
    assert (found.virtual_mac.mac, found.virtual_mac.advertises_on_base) == (None, False)
    assert said.count("strict-mode") == 6
    assert "preempt-delay-cancelled" in said


def test_a_router_may_opt_out_of_the_files_strict_mode() -> None:
    assert not router("strict_mode off", *IPV4, before="global_defs {\nvrrp_strict\n}\n").strict
    assert router(*IPV4, before="global_defs {\nvrrp_strict\n}\n").strict


def test_accept_is_so_unless_no_accept_comes_later() -> None:
    assert router().accept
    assert not router("accept", "no_accept").accept
    assert router("no_accept", "accept").accept


def test_unicast_has_peers_with_limits_and_a_source() -> None:
    found = router(
        "unicast_src_ip 192.0.2.1",
        "unicast_peer {",
        "192.0.2.2 min_ttl 255",
        "192.0.2.3 max_ttl 9 min_ttl 2",
        "192.0.2.4",
        "}",
        "unicast_ttl 5",
        "track_src_ip",
    )
    assert found.unicast == Unicast(
        (
            UnicastPeer(IPv4Address("192.0.2.2"), 255, None),
            UnicastPeer(IPv4Address("192.0.2.3"), 2, 9),
            UnicastPeer(IPv4Address("192.0.2.4")),
        ),
        ttl=5,
        checks_source=True,
    )
    assert (found.source_address, found.tracks_source) == (IPv4Address("192.0.2.1"), True)


@pytest.mark.parametrize(
    ("before", "line", "checks"),
    [("", "", False), ("vrrp_check_unicast_src", "", True), ("", "check_unicast_src", True)],
)
def test_whether_a_source_is_checked_is_the_routers_or_the_files(before: str, line: str, checks: bool) -> None:
    found = router(*PEER, line, before=f"global_defs {{\n{before}\n}}\n")
    assert found.unicast == Unicast((UnicastPeer(IPv4Address("192.0.2.2")),), 255, checks)


def test_ipv6_unicast_leaves_with_the_kernels_hop_limit() -> None:
    found = router("unicast_peer {", "2001:db8::2", "}", *IPV6)
    assert found.unicast == Unicast((UnicastPeer(IPv6Address("2001:db8::2")),), 64)


def test_unicast_without_a_peer_is_multicast_or_a_fault() -> None:
    found, said = router_and_codes("unicast_src_ip 192.0.2.1", "unicast_ttl 5")
    assert (found.unicast, found.source_address) == (None, IPv4Address("192.0.2.1"))
    assert said == ["no-peers", "no-peers"]
    found = router("unicast_src_ip 192.0.2.1", "unicast_fault_no_peer")
    assert (found.unicast, found.needs_peers) == (Unicast(), True)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (("192.0.2.2 foo 3",), "unknown-option"),
        (("192.0.2.2 min_ttl",), "unknown-option"),
        (("192.0.2.2 max_ttl 256",), "bad-number"),
        (("192.0.2.2 min_ttl 9 max_ttl 3",), "bad-range"),
        (("192.0.2.2", "2001:db8::2"), "other-family"),
        (("192.0.2.2", "peer.example.com"), "bad-address"),
    ],
)
def test_a_wrong_peer_is_a_warning(lines: tuple[str, ...], code: str) -> None:
    found, said = router_and_codes("unicast_peer {", *lines, "}")
    assert found.unicast is not None
    assert [peer.address for peer in found.unicast.peers] == [IPv4Address("192.0.2.2")]
    assert said == [code]


def test_the_multicast_group_is_the_routers_or_the_files_and_none_in_unicast() -> None:
    before = "global_defs {\nvrrp_mcast_group4 224.0.0.19\nvrrp_mcast_group6 ff02::13\n}\n"
    assert router(*IPV4, before=before).multicast_group == IPv4Address("224.0.0.19")
    assert router(*IPV6, before=before).multicast_group == IPv6Address("ff02::13")
    assert router("mcast_dst_ip 224.0.0.20", *IPV4, before=before).multicast_group == IPv4Address("224.0.0.20")
    found, said = router_and_codes("mcast_dst_ip 224.0.0.20", *PEER)
    assert (found.multicast_group, said) == (None, ["group-and-peers"])
    assert router_and_codes("mcast_dst_ip 10.0.0.1")[1] == ["bad-address"]
    assert router_and_codes(*IPV6, "mcast_dst_ip ff05::12")[1] == ["bad-address"]


def test_addresses_that_do_not_fit_are_held_and_not_advertised() -> None:
    many = [f"10.1.{number // 250}.{number % 250 + 1}" for number in range(300)]
    found, said = router_and_codes("virtual_ipaddress {", *many, "}")
    assert (len(found.addresses), len(found.excluded)) == (255, 45)
    assert said == ["too-many-addresses"]
    many = [f"2001:db8::{number:x}" for number in range(1, 101)]
    found, said = router_and_codes("virtual_ipaddress {", *many, "}")
    assert (len(found.addresses), len(found.excluded)) == (89, 11)
    assert said == ["too-many-addresses"]


def test_excluded_addresses_may_be_of_either_family() -> None:
    found = router(*IPV4, "virtual_ipaddress_excluded {", "2001:db8::9", "10.0.0.9 dev eth1", "}")
    assert [str(address) for address in found.excluded] == ["2001:db8::9/128 dev eth0", "10.0.0.9/32 dev eth1"]


def test_switches_come_from_the_router_then_from_the_file() -> None:
    before = (
        "global_defs {\nvrrp_lower_prio_no_advert\nvrrp_higher_prio_send_advert\nvrrp_skip_check_adv_addr\n"
        "vrrp_down_timer_adverts 7\nv3_checksum_as_v2\nvrrp_owner_ignore_adverts\n}\n"
    )
    plain, inheriting = router(), router("version 3", *IPV4, before=before)
    assert (plain.answers_lower_priority, plain.announces_defeat, plain.accepts_known_lists) == (True, False, False)
    assert (plain.down_timer_adverts, plain.plain_checksum, plain.ignores_as_owner) == (3, False, False)
    assert (inheriting.answers_lower_priority, inheriting.announces_defeat) == (False, True)
    assert (inheriting.accepts_known_lists, inheriting.down_timer_adverts) == (True, 7)
    assert (inheriting.plain_checksum, inheriting.ignores_as_owner) == (True, True)
    own = router("lower_prio_no_advert false", "higher_prio_send_advert no", "down_timer_adverts 2", before=before)
    assert (own.answers_lower_priority, own.announces_defeat, own.down_timer_adverts) == (True, False, 2)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("timer_expired_backup", 254), ("timer_expired_backup 3", 3), ("thread_timer_expired 4", 4), ("accept", None)],
)
def test_a_stall_that_ends_in_backup(line: str, expected: int | None) -> None:
    assert router(line).yields_after_stall == expected


def test_rare_lines_are_in_the_model() -> None:
    found = router("dont_track_primary", "promote_secondaries", "skip_check_adv_addr")
    assert (found.tracks_interface, found.promotes_secondaries, found.accepts_known_lists) == (False, True, True)


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ((), (), True),
        (PEER, PEER, True),
        (PEER, ("unicast_peer {", "192.0.2.3", "}"), False),
        (PEER, (), False),
        (("mcast_dst_ip 224.0.0.20",), (), False),
        (IPV4, IPV6, False),
    ],
)
def test_a_vrid_is_used_once_unless_nobody_hears_both(
    one: tuple[str, ...], other: tuple[str, ...], clash: bool
) -> None:
    built = read(instance(*one, name="A") + instance(*other, name="B"))
    assert ("duplicate-vrid" in {found.code for found in built.diagnostics}) is clash
    assert len(built.config.routers) == 2 - clash


def test_a_missing_interface_refuses_the_file_unless_interfaces_may_come_later() -> None:
    text = instance("virtual_ipaddress {", "10.0.0.1 dev eth8", "}", interface="eth7")
    assert [found.code for found in read(text).diagnostics] == ["unknown-interface"] * 1
    found = config("global_defs {\ndynamic_interfaces\n}\n" + text)
    assert (found.dynamic_interfaces, found.interfaces_may_change) == (True, False)
    assert str(found.routers[0].addresses[0]) == "10.0.0.1/32 dev eth8"
