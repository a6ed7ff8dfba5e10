"""A planned stop of the Master, with one virtual router and with 255: how long clients are not answered."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from vrrpd.lab.daemons import KEEPALIVED, Daemon
from vrrpd.lab.tap import ArpSeen, Sighting
from vrrpd.lab.world import World
from vrrpd.model import SECOND, Duration, Instant

from .audience import Audience
from .figures import Figure, Target
from .pair import (
    BACKUP_PRIORITY,
    DAEMONS,
    MASTER_PRIORITY,
    Pair,
    Recording,
    address,
    configuration,
    milliseconds,
    skew_time,
    start,
)

_ALL = 255
_SAMPLED = (1, 128, 255)
"""Of the 255 addresses, those that clients use."""
_SMALL_BUFFERS = "global_defs {\n    vrrp_rx_bufs_policy ADVERT\n}\n"
"""keepalived then asks for a receive buffer of a few advertisements: what a burst loses, it takes for silence."""


def measure_one(world: World, *, quick: bool) -> list[Figure]:
    """One virtual router, stopped so many times."""
    pair = Pair(world)
    pair.serve_web()
    rounds = 2 if quick else 5
    vrrpd, keepalived = (_stops(pair, daemon, rounds) for daemon in DAEMONS)
    return [Figure("planned stop: longest client gap", "ms", vrrpd, keepalived, Target(50))]


def _stops(pair: Pair, daemon: Daemon, rounds: int) -> list[float]:
    gaps: list[float] = []
    with pair.running(daemon, daemon):
        for _ in range(rounds):
            audience = Audience(pair.client, [address(1)])
            audience.wait_until_served()
            since = time.monotonic_ns()
            pair.one.stop_daemon()
            gaps.append(milliseconds(audience.longest_gap(since)))
            audience.leave()
            with pair.recording(pair.two) as recording:
                start(pair.one, daemon, configuration(1, MASTER_PRIORITY))
                recording.settle(1, on_tapped_node=False)
    return gaps


@dataclass(slots=True)
class _Crowd:
    """What happens to 255 virtual routers."""

    false_masters: list[float] = field(default_factory=list)
    all_moved: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)


def measure_all(world: World, *, quick: bool) -> list[Figure]:
    """255 virtual routers: is a keepalived Backup with small buffers content; and the Master is stopped."""
    pair = Pair(world)
    pair.serve_web()
    rounds = 1 if quick else 2
    watched = (10 if quick else 30) * SECOND
    picky, alike = [_Crowd(), _Crowd()], [_Crowd(), _Crowd()]
    for _ in range(rounds):
        for daemon, with_picky, with_alike in zip(DAEMONS, picky, alike, strict=True):
            _stop_all(pair, (daemon, KEEPALIVED), _SMALL_BUFFERS, watched, with_picky)
            _stop_all(pair, (daemon, daemon), "", SECOND, with_alike)
    return [
        Figure(
            f"255 routers, Backup keepalived with small buffers: false Masters in {watched // SECOND} s",
            "",
            picky[0].false_masters,
            picky[1].false_masters,
            Target(0),
            decimals=0,
        ),
        *_stop_figures("Backup keepalived with small buffers", *picky),
        *_stop_figures("Backup the same daemon", *alike),
    ]


def _stop_figures(backup: str, vrrpd: _Crowd, keepalived: _Crowd) -> list[Figure]:
    stop = f"255 routers, {backup}, planned stop"
    return [
        Figure(f"{stop}: all announced, beyond Skew_Time", "ms", vrrpd.all_moved, keepalived.all_moved, decimals=0),
        Figure(f"{stop}: longest client gap", "ms", vrrpd.gap, keepalived.gap, decimals=0),
    ]


def _stop_all(
    pair: Pair, daemons: tuple[Daemon, Daemon], preamble_of_two: str, watched: Duration, crowd: _Crowd
) -> None:
    with (
        pair.running(*daemons, _ALL, preamble_of_two),
        pair.recording(pair.two) as recording,
    ):
        recording.during(watched)
        crowd.false_masters.append(len({seen.vrid for seen in recording.advertisements(sent=True)}))
        recording.settle(_ALL, on_tapped_node=False)
        audience = Audience(pair.client, [address(vrid) for vrid in _SAMPLED])
        audience.wait_until_served()
        since, stopped_at = time.monotonic_ns(), time.time_ns()
        pair.one.daemon.signal(signal.SIGTERM)
        moved_at = _all_announced(recording, stopped_at)
        crowd.all_moved.append(milliseconds(moved_at - stopped_at - skew_time(BACKUP_PRIORITY)))
        crowd.gap.append(milliseconds(audience.longest_gap(since)))
        audience.leave()
        pair.one.daemon.wait()


def _all_announced(recording: Recording, since: Instant) -> Instant:
    """Wait until the heir has announced every address; when it first announced the last of them."""
    first: dict[IPv4Address, Instant] = {}

    def announced(batch: Sequence[Sighting]) -> bool:
        for seen in batch:
            if isinstance(seen, ArpSeen) and seen.sent and seen.gratuitous and seen.at > since:
                first.setdefault(seen.sender, seen.at)
        return len(first) == _ALL

    recording.until(announced, 30 * SECOND, "the heir has announced every address")
    return max(first.values())
