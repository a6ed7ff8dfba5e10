"""Datagrams on their way to a router: which one, whether taken, and the memory that spares parsing."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

import pytest
from driver import Node
from hypothesis import given, settings
from hypothesis import strategies as st
from sample import (
    GONE,
    MS,
    OURS,
    PASSWORD,
    THEIRS,
    THIRD,
    S,
    guide,
    interface,
    ipv4,
    message,
    password_message,
    router,
)

from vrrpd.actions import ConfigChanged, ConflictSeen, InterfaceChanged
from vrrpd.fsm import deadline
from vrrpd.model import Config, Family, Identity, VirtualAddress, VirtualRouter
from vrrpd.packet import DropReason
from vrrpd.states import Backup

DOWN_100 = 3_609_375_000


def listening() -> Node:
    """A Backup of priority 100 that has heard the same Master twice."""
    node = Node(router())
    node.run_hearing(2 * S, 200)
    assert node.record().memory is not None
    return node


def due(node: Node) -> int | None:
    return deadline(node.record().state)


def test_a_datagram_finds_its_router_by_interface_and_vrid() -> None:
    node = Node(router(), router(name="R2", vrid=51), router(name="R3", interface="eth1", addresses=()))
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3)))
    node.now = S
    node.hear(200)
    assert (node.record(50).counters["received"], node.record(51).counters["received"]) == (1, 0)
    node.hear(200, name="eth1")
    assert node.engine.records[Identity("eth1", Family.IPV4, 50)].counters["received"] == 1
    assert due(node) == S + DOWN_100


def test_a_vrid_that_is_not_configured_here_is_a_stray_and_no_new_router() -> None:
    node = Node(router())
    node.hear(message(vrid=77))
    node.hear(message(vrid=77), THIRD)
    assert [(s.interface, s.vrid, s.peer, s.count) for s in node.engine.strays] == [("eth0", 77, "10.230.137.3", 2)]
    assert list(node.engine.records) == [Identity("eth0", Family.IPV4, 50)]


@pytest.mark.parametrize("packet", [b"", b"\x45", ipv4(b""), ipv4(b"\x21"), ipv4(message())[:-1], b"\xff" * 64])
def test_what_is_no_ipv4_packet_of_ours_is_counted_and_forgotten(packet: bytes) -> None:
    node = Node(router())
    assert node.hear_packet(packet) == []
    assert node.engine.strays.drops[DropReason.LENGTH] == 1


def test_a_router_that_does_not_run_takes_nothing() -> None:
    node = Node(router(addresses=(VirtualAddress(IPv4Interface("10.0.0.9/32"), "eth7"),)))
    node.hear(200)
    assert node.state() == "Initialize"
    assert node.record().counters == {DropReason.NOT_RUNNING: 1}


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (ipv4(message()[:9]), DropReason.LENGTH),
        (ipv4(message(), ttl=254), DropReason.TTL),
        (ipv4(message(version_type=0x31)[:-8]), DropReason.VERSION),
        (ipv4(message(auth_type=1, auth_data=b"passwd")), DropReason.AUTHENTICATION_TYPE),
        (ipv4(message(interval=2)), DropReason.INTERVAL),
        (ipv4(message(version_type=0x22)), DropReason.TYPE),
        (ipv4(message()[:6] + b"\0\0" + message()[8:]), DropReason.CHECKSUM),
        (ipv4(message(), destination="10.230.137.1"), DropReason.DESTINATION),
        (ipv4(message(), destination="224.0.0.19"), DropReason.DESTINATION),
        (ipv4(message(), OURS), DropReason.OWN_SOURCE),
    ],
)
def test_each_reason_drops_counts_and_names_the_peer(packet: bytes, reason: DropReason) -> None:
    node = Node(router())
    node.run(S)
    actions = node.hear_packet(packet)
    assert node.record().counters[reason] == 1
    assert node.record().counters["received"] == 0
    assert due(node) == DOWN_100, "it did not refresh"
    (seen,) = actions
    assert isinstance(seen, ConflictSeen)
    assert (seen.conflict.field, seen.conflict.count) == (reason, 1)


def test_a_wrong_password_is_named_without_a_password() -> None:
    node = Node(router(authentication=PASSWORD))
    (seen,) = node.hear(message(auth_type=1, auth_data=b"secret99"))
    assert isinstance(seen, ConflictSeen)
    assert seen.conflict.field == DropReason.AUTHENTICATION
    assert "secret" not in f"{seen} {seen.router.authentication}"
    assert "passwd" not in f"{seen}"


def test_a_conflict_is_told_once_and_again_after_ten_minutes() -> None:
    node = Node(router())
    bad = ipv4(message(interval=2))
    told = []
    for second in range(1201):
        node.now = second * S
        told += [second for a in node.hear_packet(bad) if isinstance(a, ConflictSeen)]
    assert told == [0, 600, 1200]
    ((_, conflict),) = node.record().conflicts.items()
    assert (conflict.count, conflict.last) == (1201, 1200 * S)


def test_conflicts_and_strays_are_bounded_whatever_a_lan_sends() -> None:
    node = Node(router())
    for n in range(1, 2000):
        source = IPv4Address(0x0A000000 + n)
        node.hear_packet(ipv4(message(interval=2), source))
        node.hear_packet(ipv4(message(vrid=n % 255 + 1), source), f"eth{n}")
        node.hear(201, source)
    assert len(node.record().conflicts) <= 16
    assert len(list(node.engine.strays)) <= 255


def test_other_addresses_are_told_and_the_advertisement_counts() -> None:
    node = Node(router())
    node.run(S)
    (seen,) = node.hear(message(200, addresses=("10.9.9.9",)))
    assert isinstance(seen, ConflictSeen)
    assert (seen.conflict.field, seen.conflict.theirs, seen.conflict.ours) == (
        "addresses",
        "10.9.9.9",
        "10.230.137.100",
    )
    assert due(node) == S + DOWN_100


def test_the_order_of_addresses_is_no_difference() -> None:
    two = tuple(VirtualAddress(IPv4Interface(f"10.0.0.{n}/32"), "eth0") for n in (1, 2))
    node = Node(router(addresses=two))
    assert node.hear(message(200, addresses=("10.0.0.2", "10.0.0.1"))) == []


def test_priority_0_is_counted() -> None:
    node = Node(router())
    node.hear(0)
    assert (node.record().counters["received"], node.record().counters["received_priority_0"]) == (1, 1)


# --- the memory (hazard A1) ---


def test_the_same_datagram_again_refreshes_and_is_counted() -> None:
    node = listening()
    node.now = 2_500 * MS
    node.hear(200, identification=4711)
    assert due(node) == 2_500 * MS + DOWN_100
    assert node.record().counters["received"] == 3


def test_a_backup_whose_own_priority_rose_preempts_although_the_datagram_is_the_same() -> None:
    """A1a."""
    node = Node(router(priority=98))
    node.run_hearing(3 * S, 99)
    node.configure(router(priority=100))
    node.run_hearing(6_700 * MS, 99)
    assert node.state() == "Master"


def test_a_preempt_delay_ends_although_the_datagrams_are_the_same() -> None:
    """A1b."""
    node = Node(router(preempt_delay=2 * S))
    node.run_hearing(5 * S, 99)
    assert node.state() == "Backup"
    node.run_hearing(7 * S, 99)
    assert node.state() == "Master"


def test_a_lower_masters_datagram_is_not_remembered() -> None:
    """A1c."""
    node = Node(router())
    node.run_hearing(3 * S, 99)
    assert node.record().memory is None
    node.run_hearing(4 * S, 99)
    assert node.state() == "Master"


def test_priority_0_twice_is_a_skew_not_a_master_down() -> None:
    """A1d."""
    node = listening()
    node.hear(0)
    node.now += 5 * MS
    node.hear(0)
    assert due(node) == 2 * S + 5 * MS + 609_375_000


def test_a_master_answers_what_it_took_as_a_refresh_when_it_was_backup() -> None:
    """A1f."""
    node = listening()
    node.configure(router(priority=201))
    node.run(10 * S)
    assert node.state() == "Master"
    node.now = 10_500 * MS
    assert node.hear(200) != []


def test_a_known_good_datagram_with_another_ttl_is_dropped_and_counted() -> None:
    """A1h."""
    node = listening()
    before = due(node)
    node.now += 500 * MS
    node.hear(200, ttl=63)
    assert (due(node), node.record().counters[DropReason.TTL]) == (before, 1)


@pytest.mark.parametrize("position", [0, 9, 12, 16, 19, 20, 21, 22, 24, 25, 28, 39])
def test_one_other_byte_is_another_datagram(position: int) -> None:
    node = listening()
    before = due(node)
    node.now += 500 * MS
    bent = bytearray(ipv4(message(200)))
    bent[position] ^= 0x03
    node.hear_packet(bytes(bent))
    assert due(node) == before or position in {9, 12}, (
        "the kernel sees to the protocol; another source is another Master"
    )


def test_there_is_one_memory_per_router_however_many_sources() -> None:
    """A1i."""
    node = Node(router())
    for n in range(1000):
        node.hear(200, IPv4Address(0x0A000000 + n))
    memory = node.record().memory
    assert memory is not None
    assert memory.event.source == IPv4Address(0x0A000000 + 999)


def test_an_advertisement_with_other_addresses_is_told_each_ten_minutes_so_it_is_not_remembered() -> None:
    node = Node(router())
    node.hear(message(200, addresses=("10.9.9.9",)))
    node.hear(message(200, addresses=("10.9.9.9",)))
    assert node.record().memory is None


def test_any_other_event_of_the_router_clears_the_memory() -> None:
    for event in (
        InterfaceChanged("eth0", interface("10.230.137.9/24")),
        ConfigChanged(Config(routers=(router(priority=101),)), GONE),
    ):
        node = listening()
        node.tell(event)
        assert node.record().memory is None


# --- whatever comes ---

PACKETS = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda priority, host, ttl: ipv4(password_message(priority), IPv4Address(0x0AE68900 + host), ttl=ttl),
        st.integers(0, 255),
        st.integers(1, 3),
        st.sampled_from([255, 255, 255, 254]),
    ),
    st.builds(lambda payload: ipv4(b"\x21\x32" + payload), st.binary(max_size=40)),
)


@settings(derandomize=True, max_examples=250, deadline=None)
@given(st.lists(st.tuples(PACKETS, st.integers(0, 1500 * MS)), max_size=30))
def test_receive_never_raises_and_never_leaves_a_deadline_in_the_past(packets: list[tuple[bytes, int]]) -> None:
    node = Node(guide(100, trackers=()))
    for packet, pause in packets:
        node.run(node.now + pause)
        node.hear_packet(packet)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 98, 99, 100, 101, 101, 101]),
            st.sampled_from([THEIRS, THIRD]),
            st.sampled_from([0, 100 * MS, S, S, S, 4 * S]),
            st.sampled_from([None, None, None, 99, 100, 101]),
        ),
        max_size=40,
    ),
    st.sampled_from([0, 2 * S]),
    st.booleans(),
)
def test_with_and_without_the_memory_the_states_are_the_same(
    history: list[tuple[int, IPv4Address, int, int | None]], preempt_delay: int, preempt: bool
) -> None:
    def ours(priority: int) -> VirtualRouter:
        return router(priority=priority, preempt=preempt, preempt_delay=preempt_delay)

    remembering, forgetful = Node(ours(100)), Node(ours(100))
    for priority, source, pause, new in history:
        for node in (remembering, forgetful):
            node.run(node.now + pause)
            if new is not None:
                node.configure(ours(new))
            if node is forgetful:
                node.record().memory = None
            node.hear(priority, source)
        assert remembering.record().state == forgetful.record().state
        assert remembering.record().counters == forgetful.record().counters
    assert remembering.done == forgetful.done


def test_the_memory_is_really_used_and_ends_in_the_same_state() -> None:
    remembering, forgetful = listening(), listening()
    forgetful.record().memory = None
    for node in (remembering, forgetful):
        node.run_hearing(20 * S, 200)
    assert remembering.record().state == forgetful.record().state
    assert isinstance(remembering.record().state, Backup)


# --- defects, until they are gone ---


def test_with_another_multicast_group_it_is_another_router_that_remembers_nothing() -> None:
    node = listening()
    node.tell(ConfigChanged(Config(routers=(router(multicast_group=IPv4Address("224.0.0.20")),)), GONE))
    node.now += 500 * MS
    node.hear(200)
    (record,) = node.engine.records.values()
    assert record.identity == Identity("eth0", Family.IPV4, 50, "224.0.0.20")
    assert (record.counters["received"], record.counters[DropReason.DESTINATION]) == (0, 1)


def test_a_lower_master_that_goes_on_although_it_is_answered_is_named_as_one_that_does_not_hear_us() -> None:
    node = Node(router())
    node.run(10 * S)
    assert node.state() == "Master"
    node.run_hearing(node.now + 2 * S, 90)
    assert [c for c in node.record().conflicts.values() if c.field == "rival"] == []
    node.run_hearing(node.now + S, 90)
    (conflict,) = [c for c in node.record().conflicts.values() if c.field == "rival"]
    assert (conflict.peer, conflict.theirs) == (
        str(THEIRS),
        "goes on as Master with priority 90 and does not hear us (a firewall?)",
    )


def test_a_lower_master_that_yields_and_comes_back_much_later_hears_us() -> None:
    node = Node(router())
    node.run(10 * S)
    for _ in range(3):
        node.hear(90)
        node.run(node.now + 60 * S)
    assert [c for c in node.record().conflicts.values() if c.field == "rival"] == []
