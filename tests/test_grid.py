"""When Masters advertise: no gap above the interval, no drift, chunks 2 ms apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample import MS, S, router

from vrrpd.grid import next_on_grid, places
from vrrpd.model import Family, Identity, VirtualRouter


@pytest.mark.parametrize(
    ("interval", "phase", "now", "expected"),
    [
        (S, 0, 0, S),
        (S, 0, S, 2 * S),
        (S, 0, 3_609_375_000, 4 * S),
        (S, 0, 3_999_999_999, 4 * S),
        (S, 14 * MS, 4 * S, 4_014_000_000),
        (S, 14 * MS, 4_014_000_000, 5_014_000_000),
        (10 * MS, 0, 123_456_789, 130_000_000),
        (S, 14 * MS, 0, 14 * MS),
    ],
)
def test_the_next_advertisement_is_the_next_multiple_after_now(
    interval: int, phase: int, now: int, expected: int
) -> None:
    assert next_on_grid(interval, phase, now) == expected


@settings(derandomize=True, max_examples=200, deadline=None)
@given(interval=st.integers(1, 40 * S), phase=st.integers(0, S), now=st.integers(0, 10**15))
def test_no_gap_is_longer_than_the_interval_and_none_is_empty(interval: int, phase: int, now: int) -> None:
    following = next_on_grid(interval, phase % interval, now)
    assert now < following <= now + interval
    assert next_on_grid(interval, phase % interval, following) == following + interval


def test_a_late_wake_up_does_not_shift_the_grid() -> None:
    assert next_on_grid(S, 0, 7_400_000_000) == 8 * S


def routers(count: int, interval: int = S, name: str = "eth0") -> list[VirtualRouter]:
    return [router(name=f"R{n}", vrid=n, interface=name, advertisement_interval=interval) for n in range(1, count + 1)]


@pytest.mark.parametrize(
    ("count", "wake_ups", "largest"), [(1, 1, 1), (8, 8, 1), (9, 5, 2), (50, 8, 7), (100, 8, 13), (255, 8, 32)]
)
def test_routers_of_an_interface_advertise_in_at_most_eight_chunks(count: int, wake_ups: int, largest: int) -> None:
    found = [place.phase for place in places(routers(count)).values()]
    chunks = {phase: found.count(phase) for phase in found}
    assert len(chunks) == wake_ups
    assert max(chunks.values()) == largest
    assert sorted(chunks) == [n * 2 * MS for n in range(wake_ups)]


def test_at_ten_milliseconds_the_chunks_fill_a_quarter_of_the_interval() -> None:
    fast = [router(name=f"R{n}", vrid=n, version=3, advertisement_interval=10 * MS) for n in range(1, 9)]
    assert max(place.phase for place in places(fast).values()) == 7 * 312_500


def test_each_interface_and_interval_has_its_own_chunks() -> None:
    mixed = [
        router(name="A", vrid=1),
        router(name="B", vrid=2, advertisement_interval=2 * S),
        router(name="C", vrid=1, interface="eth1"),
    ]
    assert {identity: place.phase for identity, place in places(mixed).items()} == {
        Identity("eth0", Family.IPV4, 1): 0,
        Identity("eth0", Family.IPV4, 2): 0,
        Identity("eth1", Family.IPV4, 1): 0,
    }


def test_a_place_does_not_depend_on_the_order_in_the_file() -> None:
    there = [router(name=f"R{n}", vrid=n) for n in range(1, 20)]
    assert places(there) == places(reversed(there))
