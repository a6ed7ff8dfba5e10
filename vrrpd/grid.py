"""When Masters advertise: each interval has a grid on the monotonic clock, and each router a place on it.

No gap is longer than the interval, nothing drifts, and Masters of one interval share their wake-ups.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from vrrpd.model import MILLISECOND, Duration, Identity, Instant, VirtualRouter

CHUNK_MAX = 32
CHUNKS = 8
CHUNK_GAP: Duration = 2 * MILLISECOND


def next_on_grid(interval: Duration, phase: Duration, now: Instant) -> Instant:
    """The first instant after now that lies `phase` behind a multiple of the interval."""
    return ((now - phase) // interval + 1) * interval + phase


class Place(NamedTuple):
    """Where a router stands on the grid, and how many share it."""

    phase: Duration
    crowd: int


ALONE = Place(0, 1)


def places(routers: Iterable[VirtualRouter]) -> dict[Identity, Place]:
    """Each router's place: at most 8 chunks for an interface and interval, 2 ms apart, and always the same one.

    Hundreds of advertisements back to back overflow small receive buffers, and always lose the same routers'.
    """
    groups: dict[tuple[str, Duration], list[Identity]] = {}
    for router in routers:
        groups.setdefault((router.interface, router.advertisement_interval), []).append(router.identity)
    found: dict[Identity, Place] = {}
    for (_, interval), identities in groups.items():
        crowd = len(identities)
        chunk = min(CHUNK_MAX, -(-crowd // CHUNKS))
        gap = min(CHUNK_GAP, interval // (4 * CHUNKS))
        found.update((identity, Place(n // chunk * gap, crowd)) for n, identity in enumerate(sorted(identities)))
    return found
