"""A crash of the Master, and a start: what comes on top of the time that the protocol itself takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vrrpd.lab.daemons import Daemon
from vrrpd.lab.tap import Sighting
from vrrpd.lab.world import World
from vrrpd.model import SECOND

from .figures import Figure
from .pair import (
    BACKUP_PRIORITY,
    DAEMONS,
    MASTER_PRIORITY,
    Pair,
    Recording,
    configuration,
    master_down_interval,
    milliseconds,
    start,
)


@dataclass(slots=True)
class _Samples:
    advertised: list[float] = field(default_factory=list)
    announced: list[float] = field(default_factory=list)
    started: list[float] = field(default_factory=list)


def measure(world: World, *, quick: bool) -> list[Figure]:
    """Crash the Master, see its heir take over, start the Master again and see it come back: so many times."""
    pair = Pair(world)
    rounds = 2 if quick else 7
    vrrpd, keepalived = (_crashes(pair, daemon, rounds) for daemon in DAEMONS)
    return [
        Figure(
            "crash: heir's first advertisement, beyond Master_Down_Interval",
            "ms",
            vrrpd.advertised,
            keepalived.advertised,
            decimals=2,
        ),
        Figure(
            "crash: heir's first gratuitous ARP, beyond Master_Down_Interval",
            "ms",
            vrrpd.announced,
            keepalived.announced,
            decimals=2,
        ),
        Figure(
            "start to first advertisement, beyond Master_Down_Interval",
            "ms",
            vrrpd.started,
            keepalived.started,
        ),
    ]


def _crashes(pair: Pair, daemon: Daemon, rounds: int) -> _Samples:
    samples = _Samples()
    with pair.running(daemon, daemon):
        for _ in range(rounds):
            with pair.recording(pair.two) as recording:
                _crash(pair, recording, samples)
            pair.revive(pair.one, daemon)
            with pair.recording(pair.one) as recording:
                _start(pair, daemon, recording, samples)
    return samples


def _crash(pair: Pair, recording: Recording, samples: _Samples) -> None:
    recording.settle(1, on_tapped_node=False)
    pair.silence(pair.one)

    def taken_over(_batch: Sequence[Sighting]) -> bool:
        return any(recording.advertisements(sent=True)) and any(recording.announcements())

    recording.until(taken_over, 10 * SECOND, "the Backup takes over")
    last_heard = max(seen.at for seen in recording.advertisements(sent=False))
    due = last_heard + master_down_interval(BACKUP_PRIORITY)
    samples.advertised.append(milliseconds(next(recording.advertisements(sent=True)).at - due))
    samples.announced.append(milliseconds(next(recording.announcements()).at - due))


def _start(pair: Pair, daemon: Daemon, recording: Recording, samples: _Samples) -> None:
    started_at = start(pair.one, daemon, configuration(1, MASTER_PRIORITY))
    recording.settle(1, on_tapped_node=True)
    due = started_at + master_down_interval(MASTER_PRIORITY)
    samples.started.append(milliseconds(next(recording.advertisements(sent=True)).at - due))
