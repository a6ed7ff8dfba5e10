"""Gratuitous ARP and Neighbor Advertisements at their pace."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from sample import MS

from vrrpd.frames import Frame
from vrrpd.model import Family, Identity, Instant, Pacing
from vrrpd.pacing import Pacer

R1 = Identity("eth0", Family.IPV4, 50)
R2 = Identity("eth0", Family.IPV4, 51)
A = Frame(IPv4Address("10.0.0.1"), "eth0", b"a")
B = Frame(IPv4Address("10.0.0.2"), "eth0", b"b")
C = Frame(IPv4Address("10.0.1.1"), "eth1", b"c")
N = Frame(IPv6Address("2001:db8::1"), "eth0", b"n")


def drained(pacer: Pacer, now: Instant = 0) -> list[tuple[Instant, str]]:
    """When each frame leaves."""
    left = [(now, frame.content.decode()) for frame in pacer.due(now)]
    while (at := pacer.next_at()) is not None:
        assert at > now
        now = at
        left += [(now, frame.content.decode()) for frame in pacer.due(now)]
    return left


def test_without_a_pace_a_burst_leaves_at_once_each_frame_in_turn() -> None:
    pacer = Pacer()
    pacer.push(R1, (A, B, C), 2)
    assert drained(pacer) == [(0, "a"), (0, "b"), (0, "a"), (0, "b"), (0, "c"), (0, "c")]


def test_each_interface_has_the_pace_that_is_given_to_all() -> None:
    pacer = Pacer()
    pacer.configure((Pacing(arp=10 * MS),))
    pacer.push(R1, (A, B, C, N), 1)
    assert drained(pacer) == [(0, "a"), (0, "c"), (0, "n"), (10 * MS, "b")]


def test_interfaces_of_one_group_share_its_pace_and_na_have_their_own() -> None:
    pacer = Pacer()
    pacer.configure((Pacing(arp=1 * MS), Pacing(("eth0", "eth1"), arp=10 * MS, na=20 * MS)))
    pacer.push(R1, (A, C, N), 1)
    pacer.push(R2, (B, N), 1)
    assert drained(pacer) == [(0, "a"), (0, "n"), (10 * MS, "c"), (20 * MS, "b"), (20 * MS, "n")]


def test_the_pace_holds_from_one_burst_to_the_next() -> None:
    pacer = Pacer()
    pacer.configure((Pacing(arp=10 * MS),))
    pacer.push(R1, (A,), 1)
    assert [frame.content for frame in pacer.due(0)] == [b"a"]
    pacer.push(R1, (B,), 1)
    assert pacer.due(9 * MS) == []
    assert [frame.content for frame in pacer.due(10 * MS)] == [b"b"]


def test_who_resigns_says_nothing_more_and_others_do() -> None:
    """Hazard A4."""
    pacer = Pacer()
    pacer.configure((Pacing(arp=10 * MS),))
    pacer.push(R1, (A,), 3)
    pacer.push(R2, (B,), 1)
    pacer.due(0)
    pacer.purge(R1)
    assert drained(pacer, 10 * MS) == [(10 * MS, "b")]


def test_what_waits_is_bounded_by_the_addresses_there_are() -> None:
    pacer = Pacer()
    pacer.configure((Pacing(arp=10 * MS),))
    for _ in range(1000):
        pacer.push(R1, (A, B), 5)
        pacer.push(R1, (A,), 5)
    assert [name for _, name in drained(pacer)] == ["b"] * 5 + ["a"] * 5


def test_another_pace_is_that_of_what_waits_too() -> None:
    pacer = Pacer()
    pacer.configure((Pacing(arp=1000 * MS),))
    pacer.push(R1, (A,), 3)
    pacer.due(0)
    pacer.configure(())
    assert drained(pacer, 1) == [(1, "a"), (1, "a")]
