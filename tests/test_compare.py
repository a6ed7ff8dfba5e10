"""Two nodes' files as one cluster: what is found between them, where it is said, and when there is nothing to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, ip_interface
from pathlib import Path

import pytest

from vrrpd.config.compare import compare
from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.config.lint import Subject
from vrrpd.config.load import load_nodes
from vrrpd.config.node import Offline
from vrrpd.config.places import Places
from vrrpd.model import Config, SyncGroup, Unicast, UnicastPeer, Version, VirtualAddress, VirtualRouter

LB1 = """vrrp_script chk {
    script "/bin/true"
    weight -20
}
vrrp_instance V1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 110
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass secret
    }
    virtual_ipaddress {
        192.0.2.100/24
        192.0.2.101/24
    }
    track_script {
        chk
    }
}
"""
LB2 = LB1.replace("priority 110", "priority 100").replace("eth0", "ens3")


@pytest.fixture
def compared(tmp_path: Path) -> Callable[..., list[Diagnostic]]:
    def read(*texts: str) -> list[Diagnostic]:
        paths = [tmp_path / f"lb{number}.conf" for number, _ in enumerate(texts, start=1)]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
            path.chmod(0o644)
        files = load_nodes(paths)
        assert all(file.starts for file in files), [file.errors for file in files]
        return [found for file in files for found in file.diagnostics if found.code.startswith("cluster-")]

    return read


def said(diagnostics: list[Diagnostic]) -> list[tuple[Severity, str]]:
    return [(found.severity, found.code) for found in diagnostics]


Compare = Callable[..., list[Diagnostic]]


def test_a_pair_that_differs_only_where_it_should_is_fine(compared: Compare) -> None:
    assert compared(LB1, LB2) == []
    assert compared(LB1, LB2, LB2.replace("priority 100", "priority 91")) == []


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "message"),
    [
        ("router_id 51", "router_id 52", "cluster-vrid", 8, "V1: virtual_router_id 52 here and 51 in lb1.conf"),
        ("advert_int 1", "advert_int 2", "cluster-interval", 10, "V1: advertisement interval 2 s here and 1 s in"),
        ("auth_pass secret", "auth_pass sesame", "cluster-authentication", 13, "V1: another password than in lb1.conf"),
        (
            "192.0.2.101/24",
            "192.0.2.102/24",
            "cluster-addresses",
            15,
            "V1: 192.0.2.102 only here; 192.0.2.101 only in lb1.conf",
        ),
    ],
)
def test_what_makes_both_nodes_master_is_a_warning_where_it_stands(
    compared: Compare, old: str, new: str, code: str, line: int, message: str
) -> None:
    (found,) = compared(LB1, LB2.replace(old, new))
    assert (found.severity, found.code, Path(found.file).name, found.line) == (
        Severity.WARNING,
        code,
        "lb2.conf",
        line,
    )
    assert found.message.startswith(message)
    assert "Master" in found.message
    assert "secret" not in str(found) + found.text
    assert "sesame" not in str(found) + found.text


def test_no_authentication_beside_some_is_named(compared: Compare) -> None:
    without = LB2.replace("    authentication {\n        auth_type PASS\n        auth_pass secret\n    }\n", "")
    (found,) = compared(LB1, without)
    assert found.message.startswith("V1: authentication none here and PASS in lb1.conf")


@pytest.mark.parametrize(
    ("first", "second", "code", "message"),
    [
        (
            LB1,
            LB2.replace("priority 100", "priority 110"),
            "cluster-priority",
            "V1: priority 110 as in lb1.conf: which of them is Master",
        ),
        (
            LB1.replace("BACKUP", "MASTER"),
            LB2.replace("BACKUP", "MASTER"),
            "cluster-state",
            "V1: state MASTER here and in lb1.conf",
        ),
        (
            LB1.replace("-20", "-10"),
            LB2.replace("-20", "-10"),
            "cluster-weights",
            "V1: when everything that it weighs fails, its priority falls from 110 to 100, and lb2.conf has 100",
        ),
        (LB1, LB2.replace("192.0.2.101/24", "192.0.2.101/25"), "cluster-prefix", "V1: 192.0.2.101/25 here"),
        (LB1, LB2.replace("/bin/true", "/bin/other"), "cluster-trackers", "V1: /bin/other is watched here"),
        (LB1, LB2.replace("state BACKUP", "nopreempt"), "cluster-nopreempt", "V1: nopreempt stands only on the node"),
    ],
)
def test_what_does_not_move_as_meant_is_advice(
    compared: Compare, first: str, second: str, code: str, message: str
) -> None:
    found = [item for item in compared(first, second) if item.code == code]
    assert found
    assert said(found)[0] == (Severity.ADVICE, code)
    assert found[0].message.startswith(message)
    assert {item.code for item in compared(first, second)} == {code}


@pytest.mark.parametrize(("weight", "speaks"), [("-10", True), ("-11", False), ("10", True), ("11", False)])
def test_a_swing_must_be_larger_than_the_gap(compared: Compare, weight: str, speaks: bool) -> None:
    files = [text.replace("weight -20", f"weight {weight}") for text in (LB1, LB2)]
    assert said(compared(*files)) == [(Severity.ADVICE, "cluster-weights")] * speaks


def test_any_lower_node_that_takes_over_is_enough(compared: Compare) -> None:
    assert compared(LB1, LB2, LB2.replace("priority 100", "priority 81")) == []
    assert [item.file[-8:] for item in compared(LB1, LB2, LB2.replace("priority 100", "priority 80"))] == ["lb2.conf"]


def test_who_hands_over_by_itself_does_so_to_an_equal_one(compared: Compare) -> None:
    files = [text.replace("weight -20", "weight -10").replace("state BACKUP", "nopreempt") for text in (LB1, LB2)]
    assert compared(*files) == []
    assert said(compared(files[0], files[1].replace("priority 100", "priority 99"))) == [
        (Severity.ADVICE, "cluster-weights")
    ]


def test_weight_0_moves_without_a_swing(compared: Compare) -> None:
    assert compared(LB1.replace("    weight -20\n", ""), LB2.replace("    weight -20\n", "")) == []


def test_a_router_that_one_node_alone_has_is_named(compared: Compare) -> None:
    other = (
        LB1[LB1.index("vrrp_instance") :].replace("V1", "V2").replace("_id 51", "_id 52").replace("0.2.10", "0.2.20")
    )
    (found,) = compared(LB1 + other, LB2)
    assert (found.severity, found.code) == (Severity.ADVICE, "cluster-alone")
    assert found.message == "V2 (VRID 52) is on lb1.conf only: nobody takes over from it"
    assert compared(LB1 + other, LB2, LB2.replace("priority 100", "priority 90") + other.replace("110", "100")) == []


def test_routers_of_one_vrid_on_several_interfaces_find_their_own(compared: Compare) -> None:
    def second(text: str) -> str:
        block = text[text.index("vrrp_instance") :].replace("V1", "V2").replace("eth0", "eth1").replace("ens3", "ens4")
        return text + block.replace("192.0.2.", "198.51.100.")

    assert compared(second(LB1), second(LB2)) == []


def test_two_files_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    paths = [tmp_path / node / "keepalived.conf" for node in ("a", "b")]
    for path, text in zip(paths, (LB1, LB2.replace("int 1", "int 3")), strict=True):
        path.parent.mkdir()
        path.write_text(text)
        path.chmod(0o644)
    found = [item for file in load_nodes(paths) for item in file.diagnostics if item.code == "cluster-interval"]
    assert f"1 s in {paths[0]}" in found[0].message
    assert found[0].text == "    advert_int 3"


def test_a_file_with_an_error_is_not_compared(tmp_path: Path) -> None:
    paths = [tmp_path / "lb1.conf", tmp_path / "lb2.conf"]
    for path, text in zip(paths, (LB1, LB2.replace("    virtual_router_id 51\n", "")), strict=True):
        path.write_text(text)
        path.chmod(0o644)
    files = load_nodes(paths)
    assert [file.starts for file in files] == [True, False]
    assert not [found for file in files for found in file.diagnostics if found.code.startswith("cluster-")]


PLAIN = VirtualRouter("R1", "eth0", 50, addresses=(VirtualAddress(ip_interface("192.0.2.100/24"), "eth0"),))
LOWER = replace(PLAIN, priority=90)
SECOND = replace(PLAIN, name="R2", vrid=51, addresses=(VirtualAddress(ip_interface("192.0.2.101/24"), "eth0"),))
SECOND_LOWER = replace(SECOND, priority=90)


def between(first: Config, second: Config) -> list[tuple[Severity, str]]:
    nodes = {
        f"lb{number}.conf": Subject(config, Places(()), Offline(), alone=False)
        for number, config in ((1, first), (2, second))
    }
    return said(list(compare(nodes)))


def pair(first: VirtualRouter, second: VirtualRouter) -> list[tuple[Severity, str]]:
    return between(Config(routers=(first,)), Config(routers=(second,)))


def speaking(router: VirtualRouter, source: str, *peers: str) -> VirtualRouter:
    unicast = Unicast(tuple(UnicastPeer(IPv4Address(peer)) for peer in peers))
    return replace(router, source_address=IPv4Address(source), unicast=unicast)


def test_unicast_peers_point_at_each_other() -> None:
    ours = speaking(PLAIN, "192.0.2.1", "192.0.2.2")
    assert pair(ours, speaking(LOWER, "192.0.2.2", "192.0.2.1")) == []
    assert pair(ours, speaking(LOWER, "192.0.2.2", "192.0.2.3")) == [(Severity.WARNING, "cluster-peers")]
    assert pair(ours, speaking(LOWER, "192.0.2.9", "192.0.2.1")) == [(Severity.WARNING, "cluster-peers")]
    assert pair(ours, replace(speaking(LOWER, "192.0.2.2", "192.0.2.1"), source_address=None)) == []
    assert pair(ours, speaking(LOWER, "192.0.2.1", "192.0.2.1", "192.0.2.2")) == [
        (Severity.WARNING, "cluster-peers"),
        (Severity.WARNING, "cluster-source"),
    ]


def test_multicast_and_unicast_do_not_hear_each_other() -> None:
    assert pair(speaking(PLAIN, "192.0.2.1", "192.0.2.2"), LOWER) == [(Severity.WARNING, "cluster-way")]
    assert pair(replace(PLAIN, multicast_group=IPv4Address("224.0.0.99")), LOWER) == [(Severity.WARNING, "cluster-way")]
    assert pair(replace(PLAIN, multicast_group=IPv4Address("224.0.0.18")), LOWER) == []


def test_versions_must_be_the_same_and_intervals_of_version_3_should() -> None:
    newer = replace(PLAIN, version=Version.V3)
    assert pair(newer, LOWER) == [(Severity.WARNING, "cluster-version")]
    slower = replace(LOWER, version=Version.V3, advertisement_interval=500_000_000)
    assert pair(newer, slower) == [(Severity.ADVICE, "cluster-pace")]


def test_excluded_addresses_are_the_same() -> None:
    assert pair(replace(PLAIN, excluded=SECOND.addresses), LOWER) == [(Severity.ADVICE, "cluster-excluded")]
    assert pair(replace(PLAIN, excluded=SECOND.addresses), replace(LOWER, excluded=SECOND.addresses)) == []


def test_the_families_of_one_vrid_are_two_routers() -> None:
    six = replace(
        PLAIN, name="R6", version=Version.V3, addresses=(VirtualAddress(ip_interface("2001:db8::1/64"), "eth0"),)
    )
    assert between(Config(routers=(PLAIN, six)), Config(routers=(replace(six, priority=90), LOWER))) == []


def test_a_group_is_one_on_both_nodes_and_whole_on_one() -> None:
    group = SyncGroup("G", ("R1", "R2"))
    grouped = Config(routers=(PLAIN, SECOND), groups=(group,))
    assert between(grouped, Config(routers=(LOWER, SECOND_LOWER), groups=(replace(group, name="other"),))) == []
    split = Config(routers=(LOWER, replace(SECOND, priority=110)), groups=(group,))
    assert between(grouped, split) == [(Severity.WARNING, "cluster-split")]
    assert between(Config(routers=(PLAIN, SECOND)), Config(routers=(LOWER, SECOND_LOWER), groups=(group,))) == [
        (Severity.ADVICE, "cluster-groups")
    ]
    assert between(grouped, Config(routers=(LOWER, SECOND_LOWER))) == [(Severity.ADVICE, "cluster-groups")]


def test_an_owner_is_never_moved_by_weights() -> None:
    assert pair(replace(PLAIN, priority=255), LOWER) == []
    assert pair(replace(PLAIN, priority=255), replace(PLAIN, priority=255)) == [(Severity.ADVICE, "cluster-priority")]


def test_one_node_is_not_compared() -> None:
    assert compare({"lb1.conf": Subject(Config(routers=(PLAIN,)), Places(()), Offline(), alone=False)}) == ()
    assert compare({}) == ()
