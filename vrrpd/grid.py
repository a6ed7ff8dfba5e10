"""When Masters advertise: each interval has a grid on the monotonic clock, and each router a place on it.

No gap is longer than the interval, nothing drifts, and Masters of one interval share their wake-ups.
"""

from __future__ import annotations

from collections.abc import Iterable

from vrrpd.model import MILLISECOND, Duration, Identity, Instant, VirtualRouter

CHUNK_MAX = 32
CHUNKS = 8
CHUNK_GAP: Duration = 2 * MILLISECOND


def next_on_grid(interval: Duration, phase: Duration, now: Instant) -> Instant:
    """The first instant after now that lies `phase` behind a multiple of the interval."""
    return ((now - phase) // interval + 1) * interval + phase


def phases(routers: Iterable[VirtualRouter]) -> dict[Identity, Duration]:
    """Each router's place: at most 8 chunks for an interface and interval, 2 ms apart, and always the same one.

    Hundreds of advertisements back to back overflow small receive buffers, and always lose the same routers'.
    """
    groups: dict[tuple[str, Duration], list[Identity]] = {}
    for router in routers:
        groups.setdefault((router.interface, router.advertisement_interval), []).append(router.identity)
    places: dict[Identity, Duration] = {}
    for (_, interval), identities in groups.items():
        chunk = min(CHUNK_MAX, -(-len(identities) // CHUNKS))
        gap = min(CHUNK_GAP, interval // (4 * CHUNKS))
        places.update((identity, n // chunk * gap) for n, identity in enumerate(sorted(identities)))
    return places
