"""Who is spoken to, and whose advertisements count: groups, unicast peers, source addresses, Authentication Headers."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from driver import Node
from sample import GONE, OURS, THEIRS, THIRD, S, interface, ipv4, message, router
from sample3 import THEIRS6, Node6, interface6, message3, router6

from vrrpd import ah
from vrrpd.actions import ConfigChanged, InterfaceChanged
from vrrpd.channels import Channel
from vrrpd.engine import Engine
from vrrpd.frames import Datagram, ip_header
from vrrpd.model import (
    Authentication,
    AuthenticationType,
    Config,
    Family,
    Identity,
    Unicast,
    UnicastPeer,
    Version,
    VirtualRouter,
)
from vrrpd.packet import DropReason
from vrrpd.records import FaultKind, Record
from vrrpd.states import Backup

SECRET = Authentication(AuthenticationType.AH, b"secret")


def peers(*texts: str, **changes: Any) -> Unicast:
    return Unicast(tuple(UnicastPeer(ip_address(text)) for text in texts), **changes)


def unicast(*texts: str, **changes: Any) -> VirtualRouter:
    return router(**({"unicast": peers(*(texts or (str(THEIRS),)))} | changes))


def only(node: Node) -> Record:
    (record,) = node.engine.records.values()
    return record


def drops(record: Record) -> dict[str, int]:
    return {name: count for name, count in record.counters.items() if name in set(DropReason)}


def sealed(
    priority: int, sequence: int, *, password: bytes = b"secret", spi: IPv4Address | None = None, ttl: int = 255
) -> bytes:
    """An AH packet, put together here and signed by the code that keepalived's own packets are held against."""
    content = message(priority, auth_type=2)
    header = ip_header(THEIRS, IPv4Address("224.0.0.18"), ttl, 51, 24 + len(content), 7)
    whole = bytearray(header + ah.seal(header, content, password, sequence, unicast=False))
    if spi is not None:
        whole[24:28] = spi.packed
    return bytes(whole)


# --- unicast ---


def test_what_comes_from_a_peer_to_our_own_address_is_taken_with_any_ttl() -> None:
    node = Node(unicast())
    node.hear(200, destination=str(OURS), ttl=3)  # type: ignore[arg-type]
    assert (only(node).counters["received"], drops(only(node))) == (1, {})


def test_what_a_group_is_told_is_not_for_a_unicast_router() -> None:
    node = Node(unicast())
    node.hear(200)
    assert drops(only(node)) == {DropReason.DESTINATION: 1}


def test_what_a_unicast_peer_sends_is_not_for_a_group() -> None:
    node = Node(router())
    node.hear(200, destination=str(OURS))  # type: ignore[arg-type]
    assert drops(only(node)) == {DropReason.DESTINATION: 1}


def test_who_is_no_peer_counts_unless_check_unicast_src_says_otherwise() -> None:
    for checks, dropped in ((False, {}), (True, {DropReason.SOURCE: 1})):
        node = Node(router(unicast=peers(str(THEIRS), checks_source=checks)))
        node.hear(200, THIRD, destination=str(OURS))  # type: ignore[arg-type]
        assert drops(only(node)) == dropped


@pytest.mark.parametrize(("ttl", "dropped"), [(59, 1), (60, 0), (64, 0), (65, 1)])
def test_a_peer_is_as_far_away_as_its_range_says(ttl: int, dropped: int) -> None:
    peer = UnicastPeer(THEIRS, min_ttl=60, max_ttl=64)
    node = Node(router(unicast=Unicast((peer,), checks_source=True)))
    node.hear(200, destination=str(OURS), ttl=ttl)  # type: ignore[arg-type]
    assert only(node).counters[DropReason.TTL] == dropped


def test_another_ttl_of_a_peer_is_looked_at_although_nothing_else_is_new() -> None:
    peer = UnicastPeer(THEIRS, min_ttl=60)
    node = Node(router(unicast=Unicast((peer,), checks_source=True)))
    node.hear(200, destination=str(OURS), ttl=60)  # type: ignore[arg-type]
    node.hear(200, destination=str(OURS), ttl=60)  # type: ignore[arg-type]
    node.hear(200, destination=str(OURS), ttl=59)  # type: ignore[arg-type]
    assert (only(node).counters["received"], drops(only(node))) == (2, {DropReason.TTL: 1})


def test_unicast_over_ipv6_asks_for_no_hop_limit() -> None:
    ours6 = router6(unicast=peers("2001:db8::2"), source_address=IPv6Address("2001:db8::1"))
    node = Node6(ours6)
    source, own = IPv6Address("2001:db8::2"), IPv6Address("2001:db8::1")
    content = message3(200, source)
    pseudo_of_group = sum(IPv6Address("ff02::12").packed[i] << 8 * (1 - i % 2) for i in range(16))
    pseudo_of_own = sum(own.packed[i] << 8 * (1 - i % 2) for i in range(16))
    checksum = (int.from_bytes(content[6:8], "big") + pseudo_of_group - pseudo_of_own) % 0xFFFF
    content = content[:6] + checksum.to_bytes(2, "big") + content[8:]
    node._take(node.engine.receive_ipv6("eth0", Datagram(source, own, 64, content), node.now))
    assert (only(node).counters["received"], drops(only(node))) == (1, {})


# --- two of one VRID ---


def test_two_routers_of_one_vrid_with_other_groups_are_told_apart() -> None:
    other = router(name="R2", multicast_group=IPv4Address("224.0.0.20"))
    node = Node(router(), other)
    node.hear(200)
    node.hear(201, destination="224.0.0.20")  # type: ignore[arg-type]
    records = node.engine.records
    heard = {
        identity.channel: record.state.master_priority
        for identity, record in records.items()
        if isinstance(record.state, Backup)
    }
    assert heard == {"": 200, "224.0.0.20": 201}


def test_two_routers_of_one_vrid_with_other_peers_are_told_apart() -> None:
    one = router(name="R1", unicast=peers(str(THEIRS)))
    other = router(name="R2", unicast=peers(str(THIRD), label="R2"))
    node = Node(one, other)
    node.hear(200, THEIRS, destination=str(OURS))  # type: ignore[arg-type]
    node.hear(201, THIRD, destination=str(OURS))  # type: ignore[arg-type]
    node.hear(201, THIRD, destination=str(OURS))  # type: ignore[arg-type]
    heard = {
        record.router.name: (record.state.master_priority, record.counters["received"])
        for record in node.engine.records.values()
        if isinstance(record.state, Backup)
    }
    assert heard == {"R1": (200, 1), "R2": (201, 2)}


def test_a_peer_that_is_added_leaves_the_router_what_it_is() -> None:
    node = Node(unicast())
    node.run(10 * S)
    assert type(only(node).state).__name__ == "Master"
    node.tell(ConfigChanged(Config(routers=(unicast(str(THEIRS), str(THIRD)),)), GONE))
    assert type(only(node).state).__name__ == "Master"
    channel = only(node).voice.channel
    assert channel is not None
    assert channel.destinations == (THEIRS, THIRD)


def test_multicast_and_unicast_are_two_routers() -> None:
    assert router().identity == Identity("eth0", Family.IPV4, 50)
    assert unicast().identity == Identity("eth0", Family.IPV4, 50, "unicast")
    source = IPv4Address("192.0.2.1")
    assert unicast(source_address=source).identity == Identity("eth0", Family.IPV4, 50, "unicast 192.0.2.1")


# --- where it speaks from ---


def test_a_source_address_need_not_be_on_this_node() -> None:
    node = Node(router(source_address=IPv4Address("192.0.2.1")))
    assert only(node).voice.channel == Channel(
        "eth0", 2, IPv4Address("192.0.2.1"), (IPv4Address("224.0.0.18"),), 255, 112
    )
    assert only(node).faults == frozenset()


def test_with_track_src_ip_it_is_a_fault_while_the_source_address_is_nowhere() -> None:
    node = Node(router(source_address=IPv4Address("192.0.2.1"), tracks_source=True))
    (fault,) = only(node).faults
    assert (fault.kind, fault.words) == (
        FaultKind.SOURCE_MISSING,
        "192.0.2.1, its source address, is not on this node",
    )
    node.tell(InterfaceChanged("lo", interface("192.0.2.1/32", name="lo")))
    assert (only(node).faults, node.state()) == (frozenset(), "Backup")
    node.run(10 * S)
    node.tell(InterfaceChanged("lo", interface(name="lo")))
    assert type(only(node).state).__name__ == "Initialize"


def test_unicast_without_a_peer_is_a_fault_where_that_was_asked_for() -> None:
    node = Node(router(unicast=Unicast(), needs_peers=True))
    assert [fault.kind for fault in only(node).faults] == [FaultKind.NO_PEERS]


def test_ipv6_without_a_link_local_address_speaks_from_a_source_that_it_is_given() -> None:
    ours6 = router6(source_address=IPv6Address("2001:db8::1"))
    node = Node6(ours6, eth0=interface6("2001:db8::1/64"))
    assert only(node).faults == frozenset()


# --- an owner, lists of addresses ---


def test_an_owner_that_ignores_advertisements_drops_and_counts_them() -> None:
    node = Node(router(priority=255, ignores_as_owner=True))
    node.hear(255)
    assert drops(only(node)) == {DropReason.OWNER: 1}


def test_a_router_that_is_no_owner_ignores_nobody() -> None:
    node = Node(router(ignores_as_owner=True))
    node.hear(255)
    assert drops(only(node)) == {}


def test_another_list_of_addresses_is_told_and_with_skip_check_adv_addr_only_of_a_new_master() -> None:
    for known, count in ((False, 3), (True, 1)):
        node = Node(router(accepts_known_lists=known))
        for _ in range(3):
            node.hear(message(200, addresses=("10.230.137.101",)))
        (conflict,) = only(node).conflicts.values()
        assert (conflict.field, conflict.count, only(node).counters["received"]) == ("addresses", count, 3)


# --- start-up delay ---


def started_at(moment: int, **changes: Any) -> Node:
    """A node whose machine has run since 0, and whose daemon starts then."""
    node = Node.__new__(Node)
    node.engine, node.now, node.errno, node.done = Engine(), moment, 0, []
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24")))
    node.tell(ConfigChanged(Config(routers=(router(),), **changes), GONE))
    return node


@pytest.mark.parametrize(
    ("delays", "over"),
    [
        ({"startup_delay": 10 * S}, 15 * S),
        ({"boot_delay": 9 * S}, 9 * S),
        ({"startup_delay": 10 * S, "boot_delay": 60 * S}, 60 * S),
        ({"startup_delay": 10 * S, "boot_delay": 9 * S}, 15 * S),
    ],
)
def test_until_the_start_up_delay_is_over_nothing_is_listened_to(delays: dict[str, int], over: int) -> None:
    node = started_at(5 * S, **delays)
    node.now = over - 1
    node.hear(200)
    assert drops(only(node)) == {DropReason.NOT_RUNNING: 1}
    node.now = over
    node.hear(200)
    assert only(node).counters["received"] == 1


def test_nobody_is_master_before_the_start_up_delay_and_a_master_down_interval_are_over() -> None:
    node = started_at(5 * S, startup_delay=10 * S)
    node.run(18_609_375_000 - 1)
    assert node.state() == "Backup"
    node.run(18_609_375_000)
    assert node.state() == "Master"


def test_a_boot_delay_that_is_over_delays_nothing() -> None:
    node = started_at(100 * S, boot_delay=60 * S)
    node.run(103_609_375_000)
    assert node.state() == "Master"


def test_a_reload_does_not_delay_anything_again() -> None:
    node = started_at(5 * S)
    node.tell(ConfigChanged(Config(routers=(router(vrid=51),), startup_delay=60 * S), GONE))
    node.run(5 * S + 3_609_375_000)
    assert node.state(51) == "Master"


# --- Authentication Headers ---


@pytest.mark.rfc("2338-5.3.6.3-1")
def test_what_is_sealed_with_our_password_is_taken_once() -> None:
    node = Node(router(authentication=SECRET))
    node.hear_packet(sealed(200, 5))
    node.hear_packet(sealed(200, 5))
    node.hear_packet(sealed(200, 4))
    assert (only(node).counters["received"], drops(only(node))) == (1, {DropReason.REPLAY: 2})
    node.hear_packet(sealed(200, 6))
    assert only(node).counters["received"] == 2


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        pytest.param(sealed(200, 5, password=b"guess"), DropReason.AUTHENTICATION, id="another password"),
        pytest.param(sealed(200, 5, spi=THIRD), DropReason.AUTHENTICATION, id="an altered SPI"),
        pytest.param(sealed(200, 5, ttl=254), DropReason.TTL, id="from far away"),
        pytest.param(ipv4(message(200)), DropReason.AUTHENTICATION_TYPE, id="without a header"),
        pytest.param(ipv4(message(200, auth_type=2)), DropReason.AUTHENTICATION_TYPE, id="only the type"),
        pytest.param(
            sealed(200, 5)[:44] + bytes([sealed(200, 5)[44]]) + bytes([50, 254]) + sealed(200, 5)[47:],
            DropReason.AUTHENTICATION,
            id="an altered priority",
        ),
    ],
)
@pytest.mark.rfc_not("2338-5.3.6.3-1")
def test_what_is_not_sealed_as_it_should_be_is_dropped(packet: bytes, reason: DropReason) -> None:
    node = Node(router(authentication=SECRET))
    node.hear_packet(packet)
    assert drops(only(node)) == {reason: 1}


def test_a_header_that_nobody_asked_for_is_dropped() -> None:
    node = Node(router())
    node.hear_packet(sealed(200, 5))
    assert drops(only(node)) == {DropReason.AUTHENTICATION_TYPE: 1}


@pytest.mark.parametrize("cut", [20, 30, 43])
def test_a_header_that_is_cut_off_belongs_to_nobody(cut: int) -> None:
    node = Node(router(authentication=SECRET))
    short = sealed(200, 5)[:cut]
    node.hear_packet(short[:2] + len(short).to_bytes(2, "big") + short[4:])
    assert (drops(only(node)), node.engine.strays.drops) == ({}, {DropReason.LENGTH: 1})


def test_who_becomes_master_goes_on_from_the_last_sequence_number() -> None:
    node = Node(router(authentication=SECRET))
    node.hear_packet(sealed(200, 41))
    voice = only(node).voice
    ((_, first),) = voice.say(message(100, auth_type=2))
    ((_, second),) = voice.say(message(100, auth_type=2))
    assert [first[28:32], second[28:32]] == [bytes([0, 0, 0, 42]), bytes([0, 0, 0, 43])]
    assert first[4:6] != second[4:6], "the kernel must not choose what the digest covers"


def test_the_last_word_on_disk_is_ahead_of_all_that_will_be_said_until_it_is_written_again() -> None:
    node = Node(router(authentication=SECRET))
    voice = only(node).voice
    ((_, will),) = voice.testament(message(0, auth_type=2))
    assert will[28:32] == bytes([0, 2, 0, 0])
    voice.hear(0xFFFF)
    assert not voice.outlived_its_testament
    voice.say(message(100, auth_type=2))
    assert voice.outlived_its_testament
    ((_, will),) = voice.testament(message(0, auth_type=2))
    assert (will[28:32], voice.outlived_its_testament) == (bytes([0, 3, 0, 0]), False)


def test_a_sequence_that_has_reached_its_end_stays_there() -> None:
    node = Node(router(authentication=SECRET))
    voice = only(node).voice
    voice.hear(0xFFFFFFFF)
    ((_, said),) = voice.say(message(100, auth_type=2))
    assert said[28:32] == b"\xff" * 4


# --- what leaves ---


def test_each_peer_gets_a_checksum_for_its_own_address() -> None:
    """10.230.137.2 and .3: the sum of the pseudo-header and the message is one more, so its complement one less."""
    ours = unicast(str(THEIRS), str(THIRD), version=Version.V3)
    node = Node(ours)
    node.run(10 * S)
    voice, p = only(node).voice, only(node).parameters
    assert p is not None
    (to_first, first), (to_second, second) = voice.say(p.advertisement)
    assert (to_first, to_second) == (THEIRS, THIRD)
    assert (first[16:20], second[16:20]) == (THEIRS.packed, THIRD.packed)
    assert int.from_bytes(first[26:28], "big") - int.from_bytes(second[26:28], "big") == 1


def test_a_unicast_router_sends_with_its_ttl_to_each_peer() -> None:
    node = Node(router(unicast=peers(str(THEIRS), ttl=7)))
    ((destination, packet),) = only(node).voice.say(message(100))
    assert (destination, packet[8], packet[9], packet[12:20]) == (THEIRS, 7, 112, OURS.packed + THEIRS.packed)


def test_ipv6_leaves_with_hop_limit_255_from_our_link_local_address() -> None:
    node = Node6(router6())
    ((destination, packet),) = only(node).voice.say(message3(100, THEIRS6))
    assert str(destination) == "ff02::12"
    assert packet[:8] == bytes.fromhex("6c000000" + "0028" + "70" + "ff")
    assert packet[8:24] == IPv6Address("fe80::1").packed


def test_the_same_message_again_is_the_same_packets() -> None:
    node = Node(router())
    voice = only(node).voice
    said = message(100)
    assert voice.say(said) is voice.say(said)
    voice.speak(replace(router(), source_address=THIRD), replace(voice.channel, source=THIRD))  # type: ignore[type-var]
    ((_, packet),) = voice.say(said)
    assert packet[12:16] == THIRD.packed
