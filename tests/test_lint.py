"""Each rule: where it speaks, what it says, and above all where it keeps silent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_interface

import pytest

from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.config.language import parse
from vrrpd.config.lint import Subject, lint
from vrrpd.config.node import Offline
from vrrpd.config.places import Places
from vrrpd.model import (
    SECOND,
    Config,
    Family,
    InitialState,
    IPInterface,
    Mail,
    Notification,
    Route,
    Script,
    SyncGroup,
    Tracker,
    TrackerKind,
    Unicast,
    UnicastPeer,
    User,
    Version,
    VirtualAddress,
    VirtualMac,
    VirtualRouter,
)

CHECK = Script("chk", ("/etc/check.sh",))
LESS = Tracker("chk", -20)
NOBODY = User("nobody", 65534, 65534)


def address(text: str, device: str = "eth0") -> VirtualAddress:
    return VirtualAddress(ip_interface(text), device)


PLAIN = VirtualRouter("R1", "eth0", 50, addresses=(address("192.0.2.100/24"),))
NOPREEMPT = replace(PLAIN, preempt=False, resigns_when_worse=True)
CANCELLED = replace(PLAIN, resigns_when_worse=True, initial_state=InitialState.MASTER)


@dataclass
class Here(Offline):
    """A node with an address on eth0 and none on eth1."""

    is_here: bool = True
    standing: dict[str, tuple[IPInterface, ...]] = field(
        default_factory=lambda: {"eth0": (ip_interface("192.0.2.1/24"), ip_interface("fe80::1/64"))}
    )
    promotes: bool = False

    def addresses(self, interface: str | None = None) -> tuple[IPInterface, ...]:
        if interface is None:
            return tuple(found for all_of_one in self.standing.values() for found in all_of_one)
        return self.standing.get(interface, ())

    def promotes_secondaries(self, interface: str) -> bool:
        del interface
        return self.promotes


def advice(config: Config, text: str = "", node: Offline | None = None, *, alone: bool = True) -> list[Diagnostic]:
    found = lint(Subject(config, Places(parse(text, "f").statements, "f"), node or Offline(), alone))
    assert all(item.severity is Severity.ADVICE and item.hint for item in found)
    return list(found)


def codes(
    *routers: VirtualRouter, text: str = "", node: Offline | None = None, alone: bool = True, **more: object
) -> list[str]:
    config = replace(Config(routers=routers, scripts=(CHECK,)), **more)  # type: ignore[arg-type]
    return [found.code for found in advice(config, text, node, alone=alone)]


def test_an_ordinary_router_needs_no_advice() -> None:
    ordinary = replace(PLAIN, trackers=(LESS, Tracker("eth1", 0, kind=TrackerKind.INTERFACE)))
    assert codes(ordinary) == []
    assert codes(ordinary, node=Here()) == []
    assert codes(ordinary, replace(PLAIN, name="R2", vrid=51, addresses=(address("192.0.2.101/24"),))) == []


def test_state_master_with_nopreempt_is_explained_where_nopreempt_stands() -> None:
    text = "vrrp_instance R1 {\n state MASTER\n nopreempt\n}\n"
    (found,) = advice(Config(routers=(CANCELLED,)), text)
    assert (found.code, found.file, found.line, found.column) == ("nopreempt-with-master", "f", 3, 2)
    assert found.message == (
        "R1: state MASTER cancels nopreempt, here as in keepalived: this router takes the addresses back when it is"
        " better"
    )
    (found,) = advice(Config(routers=(replace(CANCELLED, trackers=(LESS,)),), scripts=(CHECK,)))
    assert found.message.endswith("; it still hands them over when one of its checks fails")
    (found,) = advice(Config(routers=(replace(CANCELLED, trackers=(Tracker("chk", 0),)),), scripts=(CHECK,)))
    assert found.message.endswith("when it is better"), "a check of weight 0 is a fault, whatever nopreempt says"


def test_nopreempt_with_a_weight_is_explained() -> None:
    (found,) = advice(Config(routers=(replace(NOPREEMPT, trackers=(LESS,)),), scripts=(CHECK,)))
    assert found.code == "nopreempt-with-weight"
    assert "under keepalived the weight of chk would never move" in found.message
    assert codes(replace(NOPREEMPT, trackers=(Tracker("chk", 0),))) == []
    strict = replace(NOPREEMPT, trackers=(LESS,), strict=True)
    assert codes(strict) == ["nopreempt-with-weight", "strict-mode"]


def test_what_a_group_tracks_counts_for_its_members() -> None:
    group = SyncGroup("G", ("R1",), (LESS,))
    text = "vrrp_sync_group G {\n group {\n  R1\n }\n track_script {\n  chk weight 254\n }\n}\n"
    assert codes(NOPREEMPT, groups=(group,)) == ["nopreempt-with-weight"]
    full = replace(PLAIN, priority=254)
    (found,) = advice(Config(routers=(full,), groups=(replace(group, trackers=(Tracker("chk", 254),)),)), text)
    assert (found.code, found.line) == ("weight-without-effect", 6)


@pytest.mark.parametrize(
    ("priority", "weight", "reverse", "speaks"),
    [
        (1, -50, False, True),
        (254, 50, False, True),
        (254, -50, True, True),
        (254, -50, False, False),
        (1, 50, False, False),
        (254, 50, True, False),
        (254, 0, False, False),
    ],
)
def test_a_weight_that_the_priority_has_no_room_for_changes_nothing(
    priority: int, weight: int, reverse: bool, speaks: bool
) -> None:
    router = replace(PLAIN, priority=priority, trackers=(Tracker("chk", weight, reverse),))
    assert codes(router) == ["weight-without-effect"] * speaks


def test_a_weight_that_only_counts_beside_another_one_is_left_alone() -> None:
    both = (Tracker("chk", 50), Tracker("eth1", -30, kind=TrackerKind.INTERFACE))
    assert codes(replace(PLAIN, priority=254, trackers=both)) == []
    assert codes(replace(PLAIN, priority=254, trackers=(both[0], Tracker("f", 1, kind=TrackerKind.FILE)))) == []


@pytest.mark.parametrize(
    ("priority", "weight", "good", "bad"),
    [(100, -2, 100, 98), (100, 2, 102, 100), (250, 9, 254, 250), (100, -9, 100, 91)],
)
def test_a_small_weight_is_explained_with_the_priority_that_a_peer_needs(
    priority: int, weight: int, good: int, bad: int
) -> None:
    router = replace(PLAIN, priority=priority, trackers=(Tracker("chk", weight),))
    (found,) = advice(Config(routers=(router,), scripts=(CHECK,)))
    assert found.code == "small-weights"
    assert f"from {good} to {bad} at most: only a peer with priority {bad + 1} or more takes over" in found.message
    (found,) = advice(Config(routers=(replace(router, resigns_when_worse=True),)))
    assert f"only a peer with priority {bad} or more takes over" in found.message, "it hands over to an equal one"


def test_weights_are_small_together_and_not_spoken_of_where_files_are_compared() -> None:
    two = replace(PLAIN, trackers=(Tracker("chk", -5), Tracker("eth1", -5, kind=TrackerKind.INTERFACE)))
    assert codes(two) == []
    one = replace(PLAIN, trackers=(Tracker("chk", -5),))
    assert codes(one) == ["small-weights"]
    assert codes(one, alone=False) == []
    assert codes(replace(NOPREEMPT, trackers=one.trackers)) == ["nopreempt-with-weight"]


def test_weight_0_is_explained_only_to_those_who_wrote_it() -> None:
    router = replace(PLAIN, trackers=(Tracker("chk", 0),))
    assert codes(router) == []
    assert codes(router, text="vrrp_script chk {\n script x\n}\n") == []
    assert codes(router, text="vrrp_script chk {\n weight 0\n}\n") == ["weight-zero"]
    assert codes(router, text="vrrp_instance R1 {\n track_script {\n  chk weight 0\n }\n}\n") == ["weight-zero"]


def test_strict_mode_is_explained_by_what_it_does_to_this_file() -> None:
    text = "global_defs {\n vrrp_strict\n}\nvrrp_instance R1 {\n authentication {\n }\n preempt_delay 5\n}\n"
    strict = replace(PLAIN, strict=True, accept=False)
    (found,) = advice(Config(routers=(strict,)), text)
    assert (found.code, found.line) == ("strict-mode", 2)
    assert found.message == (
        "R1 is strict: its addresses answer nobody, no ping and no HAProxy; authentication is dropped;"
        " preempt_delay is dropped"
    )
    (found,) = advice(Config(routers=(replace(strict, accept=True),)), "vrrp_instance R1 {\n strict_mode\n}\n")
    assert (found.line, found.hint.split(":")[0]) == (2, "take strict_mode out")


def test_addresses_that_answer_nobody_are_pointed_out() -> None:
    assert codes(replace(PLAIN, accept=False)) == ["not-accepted"]
    assert codes(replace(PLAIN, accept=False, priority=255)) == []


def test_priority_255_is_for_who_has_the_addresses() -> None:
    owner = replace(PLAIN, priority=255)
    assert codes(owner) == [], "another machine's file"
    assert codes(owner, node=Here()) == ["owner-of-nothing"]
    holder = Here(standing={"eth0": (ip_interface("192.0.2.100/24"), ip_interface("192.0.2.1/24"))})
    assert codes(owner, node=holder) == []


def test_a_group_of_different_priorities_may_never_settle() -> None:
    other = replace(PLAIN, name="R2", vrid=51, addresses=(address("192.0.2.101/24"),), priority=90)
    group = SyncGroup("G", ("R1", "R2"))
    assert codes(PLAIN, other, groups=(group,)) == ["group-priorities"]
    assert codes(PLAIN, replace(other, priority=100), groups=(group,)) == []


def test_a_router_without_an_address_moves_nothing_unless_that_is_meant() -> None:
    assert codes(replace(PLAIN, addresses=())) == ["no-address"]
    assert codes(replace(PLAIN, addresses=()), text="vrrp_instance R1 {\n no_virtual_ipaddress\n}\n") == []
    assert codes(replace(PLAIN, addresses=(), version=Version.V3)) == [], "that is an error already"
    (found,) = advice(Config(routers=(replace(PLAIN, addresses=(), excluded=PLAIN.addresses),)))
    assert "advertises no address" in found.message


def test_an_address_that_stands_twice_is_pointed_out_where_it_does_so_again() -> None:
    text = "vrrp_instance R2 {\n virtual_ipaddress {\n  192.0.2.100\n }\n}\n"
    two = (PLAIN, replace(PLAIN, name="R2", vrid=51))
    (found,) = advice(Config(routers=two), text)
    assert (found.code, found.line, found.message) == ("duplicate-address", 3, "192.0.2.100 stands in R1 and in R2")
    assert codes(replace(PLAIN, excluded=PLAIN.addresses)) == ["duplicate-address"]
    elsewhere = replace(two[1], interface="eth1", addresses=(address("192.0.2.100/24", "eth1"),))
    (found,) = advice(Config(routers=(PLAIN, elsewhere)))
    assert found.message.endswith(", there on eth0 and here on eth1")


def test_a_link_local_address_may_be_on_each_interface() -> None:
    def with_local(name: str, device: str) -> VirtualRouter:
        return replace(
            PLAIN, name=name, version=Version.V3, interface=device, addresses=(address("fe80::5/64", device),)
        )

    assert codes(with_local("R1", "eth0"), with_local("R2", "eth1")) == []


@pytest.mark.parametrize(
    "odd", ["0.0.0.0/32", "127.0.0.5/8", "224.0.0.5/24", "10.0.0.0/24", "10.0.0.255/24", "::1/128", "ff02::5/128"]
)
def test_an_address_that_no_host_can_reach_is_pointed_out(odd: str) -> None:
    router = replace(PLAIN, version=Version.V3 if ":" in odd else Version.V2, addresses=(address(odd),))
    assert codes(router) == ["odd-address"]


@pytest.mark.parametrize("fine", ["10.0.0.0/31", "10.0.0.0/32", "10.0.0.255/16", "2001:db8::/64"])
def test_an_address_at_the_end_of_a_network_is_fine_where_there_are_no_ends(fine: str) -> None:
    assert codes(replace(PLAIN, version=Version.V3 if ":" in fine else Version.V2, addresses=(address(fine),))) == []


def test_a_whole_address_beside_its_network_was_meant_otherwise() -> None:
    router = replace(PLAIN, addresses=(address("192.0.2.100/24"), address("192.0.2.101/32")))
    (found,) = advice(Config(routers=(router,)))
    assert (found.code, found.hint) == ("missing-prefix", "192.0.2.101/24, if the same is meant")
    assert codes(replace(PLAIN, addresses=(address("192.0.2.100/32"), address("192.0.2.101/32")))) == []
    assert codes(replace(PLAIN, addresses=(address("192.0.2.100/24"), address("198.51.100.1/32")))) == []
    assert codes(replace(PLAIN, addresses=(address("192.0.2.100/24"), address("192.0.2.101/32", "eth1")))) == []


def test_a_whole_address_on_an_interface_without_a_network_is_unreachable() -> None:
    router = replace(PLAIN, addresses=(address("198.51.100.7/32", "eth1"),))
    assert codes(router) == []
    assert codes(router, node=Here()) == ["lonely-prefix"]
    assert codes(replace(router, addresses=(address("192.0.2.7/32"),)), node=Here()) == []
    assert codes(replace(router, addresses=(address("198.51.100.7/32", "lo"),)), node=Here()) == []
    route = Route(Family.IPV4, IPv4Network("198.51.100.0/24"))
    assert codes(replace(router, routes=(route,)), node=Here()) == []
    assert codes(router, node=Here(), static_addresses=(address("198.51.100.1/24", "eth1"),)) == []


def test_another_prefix_than_the_interfaces_changes_whom_the_node_speaks_as() -> None:
    wide = Here(standing={"eth0": (ip_interface("192.0.2.1/16"),)})
    assert codes(PLAIN, node=wide) == ["other-prefix"]
    assert codes(PLAIN, node=Here()) == []
    assert codes(replace(PLAIN, addresses=(address("192.0.2.100/32"),)), node=wide) == []
    assert codes(replace(PLAIN, addresses=(address("10.0.0.1/24"),)), node=wide) == []


def test_addresses_of_one_prefix_go_with_their_first_one() -> None:
    first = replace(PLAIN, addresses=(address("10.0.0.1/24"),))
    second = replace(PLAIN, name="R2", vrid=51, addresses=(address("10.0.0.2/24"), address("10.0.0.3/24")))
    (found,) = advice(Config(routers=(first, second)), node=Here())
    assert found.code == "secondaries"
    assert found.message == ("when 10.0.0.1 goes from eth0, the kernel takes 10.0.0.2 and all of 10.0.0.0/24 with it")
    assert codes(first, second, node=Here(promotes=True)) == []
    assert codes(first, second) == [], "another machine's setting is not known"
    assert codes(first, replace(second, promotes_secondaries=True), node=Here()) == []
    own = Here(standing={"eth0": (ip_interface("10.0.0.9/24"),)})
    assert codes(first, second, node=own) == [], "the interface's own address stays and keeps them"
    assert codes(first, replace(second, addresses=(address("10.0.0.2/32"),)), node=own) == ["missing-prefix"]


def test_an_interface_without_an_address_of_its_own_is_a_fault_to_come() -> None:
    elsewhere = replace(PLAIN, interface="eth1", addresses=(address("198.51.100.7/24", "eth1"),))
    assert codes(elsewhere) == []
    assert codes(elsewhere, node=Here()) == ["no-source"]
    held = Here(standing={"eth1": (ip_interface("198.51.100.7/24"),)})
    assert codes(elsewhere, node=held) == ["no-source"], "the virtual one does not count"
    six = replace(PLAIN, version=Version.V3, addresses=(address("2001:db8::7/64"),))
    assert codes(six, node=Here()) == []
    assert codes(six, node=Here(standing={"eth0": (ip_interface("2001:db8::1/64"),)})) == ["no-source"]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("192.0.2.100", "is one of the addresses that move"),
        ("224.0.0.1", "is no address that a node can have on a LAN"),
        ("192.0.2.9", "is not on this node"),
    ],
)
def test_a_source_address_that_cannot_work_is_pointed_out(source: str, what: str) -> None:
    router = replace(PLAIN, source_address=IPv4Address(source))
    (found,) = advice(Config(routers=(router,)), "vrrp_instance R1 {\n mcast_src_ip x\n}\n", Here())
    assert (found.code, found.line) == ("bad-source", 2)
    assert what in found.message
    assert codes(replace(router, source_address=IPv4Address("192.0.2.1")), node=Here()) == []


def test_peers_are_other_nodes() -> None:
    def peers(*texts: str) -> VirtualRouter:
        return replace(
            PLAIN,
            source_address=IPv4Address("192.0.2.1"),
            unicast=Unicast(tuple(UnicastPeer(IPv4Address(text)) for text in texts)),
        )

    assert codes(peers("192.0.2.2", "192.0.2.3"), node=Here()) == []
    text = "vrrp_instance R1 {\n unicast_peer {\n  192.0.2.1\n }\n}\n"
    (found,) = advice(Config(routers=(peers("192.0.2.1"),)), text)
    assert (found.code, found.line, found.message) == ("bad-peer", 3, "R1: the peer 192.0.2.1 is this node itself")
    assert codes(replace(peers("192.0.2.1"), source_address=None), node=Here()) == ["bad-peer"]
    (found,) = advice(Config(routers=(peers("192.0.2.100"),)))
    assert found.message.endswith("is one of the addresses that move")
    assert codes(peers("192.0.2.2", "192.0.2.2")) == ["bad-peer", "bad-peer"]


@pytest.mark.parametrize(("name", "speaks"), [("false", True), ("yes", True), ("vrrp.50", False)])
def test_a_virtual_mac_takes_no_yes_or_no(name: str, speaks: bool) -> None:
    assert codes(replace(PLAIN, virtual_mac=VirtualMac(name))) == ["vmac-name"] * speaks


@pytest.mark.parametrize(("timeout", "speaks"), [(SECOND - 1, False), (SECOND, True), (SECOND + 1, True)])
def test_a_timeout_that_leaves_no_room_is_pointed_out_if_somebody_wrote_it(timeout: int, speaks: bool) -> None:
    script = replace(CHECK, interval=SECOND, timeout=timeout)
    text = "vrrp_script chk {\n timeout 1\n}\n"
    assert codes(PLAIN, scripts=(script,), text=text) == ["long-timeout"] * speaks
    assert codes(PLAIN, scripts=(script,)) == []


def test_a_check_that_only_looks_for_a_process_is_told_of_track_process() -> None:
    script = replace(CHECK, argv=("/usr/bin/killall", "-0", "a-very-long-process-name"), interval=SECOND // 2)
    (found,) = advice(Config(routers=(PLAIN,), scripts=(script,)))
    assert found.code == "process-check"
    assert "every 0.5 s" in found.message
    assert found.hint == (
        "vrrp_track_process chk { process a-very-long-pro }, and track_process { chk } where it is tracked"
    )


def test_who_may_not_signal_sees_no_process() -> None:
    script = replace(CHECK, argv=("/usr/bin/killall", "-0", "haproxy"))
    assert codes(PLAIN, scripts=(replace(script, user=NOBODY),)) == ["signal-not-permitted"]
    assert codes(PLAIN, scripts=(replace(script, user=User("root", 0, 0)),)) == ["process-check"]
    assert codes(PLAIN, scripts=(replace(script, argv=("/bin/pidof", "haproxy"), user=NOBODY),)) == ["process-check"]


def test_mail_needs_somebody_who_sends_it_and_a_server() -> None:
    mail = Mail(recipients=("ops@example.net",), server="192.0.2.25")
    mailing = replace(PLAIN, notification=Notification(mails=True))
    assert codes(PLAIN, mail=mail) == ["nobody-mails"]
    assert codes(mailing, mail=mail) == []
    assert codes(PLAIN, groups=(SyncGroup("G", ("R1",), notification=Notification(mails=True)),), mail=mail) == []
    assert codes(mailing, mail=replace(mail, server=None)) == ["mail-without-server"]
    assert codes(mailing) == ["mail-without-server"]
    assert (
        codes(mailing, mail=replace(mail, recipients=("[email protected]", "a@b.c", "a@b.c,d@e.f")))
        == ["garbled-recipient"] * 2
    )


def test_ipv6_needs_no_advice_of_its_own() -> None:
    six = replace(PLAIN, version=Version.V3, addresses=(address("fe80::5/64"), address("2001:db8::5/64")))
    peers = Unicast((UnicastPeer(IPv6Address("2001:db8::2")),))
    assert codes(six, node=Here()) == []
    assert codes(replace(six, unicast=peers, source_address=IPv6Address("fe80::1")), node=Here()) == []
