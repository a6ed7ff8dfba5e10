"""The fixed seeds, and every hazard with what it asks beyond the checkers: who is Master in turn, who misses what."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from .hazards import HAZARDS
from .schedules import scenario
from .shrink import Shrinker
from .trial import Outcome, trial

FIXED_SEEDS = range(300)
_CHUNK = 25
_OTHER_SEEDS_S = 28.0

MASTERS_AND_OUTAGE_MS = {
    "a1a_own_priority_rises_while_the_master_repeats_itself": ("n1 n2 n1", 0),
    "a1b_preempt_delay_ends_while_the_master_repeats_itself": ("n2 n1", 0),
    "a1d_priority_0_is_said_twice": ("n1 n2 n1", 0),
    "a2_nopreempt_cancelled_by_state_master_still_resigns": ("n1 n2 n1", 0),
    "a2_beside_keepalived": ("n1 n2 n1", 2),
    "a3a_failover_of_a_node_that_would_preempt": ("n1 n2", 0),
    "a3a_drain_of_a_node_that_would_preempt": ("n1 n2 n1", 0),
    "a3b_the_heir_is_lower_than_who_resigned": ("n1 n2 n1", 0),
    "a3d_a_check_that_flaps_on_a_lone_node": ("n1", 0),
    "a8_a_reload_moves_an_address_to_another_router": ("n1 n2 n1", 0),
    "a9_a_backup_holds_the_address_of_its_killed_predecessor": ("n1 n2 n1", 0),
    "b1_the_priority_0_is_lost": ("n1 n2", 0),
    "b1_the_interval_is_ten_seconds": ("n1 n2 n1", 0),
    "b1_the_interval_is_ten_milliseconds_and_the_heir_is_low": ("n1 n2 n1", 0),
    "b2_drained_again_and_again_and_then_stopped": ("n1 n2 n1", 0),
    "b3_the_heirs_first_advertisement_is_lost": ("n1 n2 n1", 0),
    "b3_who_leaves_is_stalled": ("n1 n2 n1", 0),
    "b5_a_losers_advertisement_is_under_way": ("n2 n1 n2 n1", 0),
    "b6_ipv6_is_handed_over_without_two_answering": ("n1 n2 n1", 2),
    "c1_a_glitch_of_one_check": ("n1 n2 n1", 2),
    "c3_a_reload_to_a_longer_interval": ("n1", 0),
    "c6_a_check_is_added_to_a_serving_master": ("n1", 0),
    "c7_a_restart": ("n1 n2 n1", 660),
    "a_dead_holder_is_released_late": ("n1 n2 n1", 2),
    "an_address_is_taken_away": ("n1", 2),
}


def masters(outcome: Outcome) -> str:
    """The nodes that entered Master, in turn; a node that stays Master is one."""
    turns = [line.split()[1] for line in outcome.trace if " -> Master" in line]
    return " ".join(name for n, name in enumerate(turns) if n == 0 or name != turns[n - 1])


def longest_outage_ms(outcome: Outcome) -> float:
    """Of a host that had been served before."""
    lost: dict[tuple[str, str], int] = {}
    longest = 0
    for line in outcome.trace:
        at, _, host, *words = line.split()
        if words[:2] == ["cannot", "reach"]:
            lost[host, words[2]] = int(at)
        elif words[:1] == ["reaches"] and (host, words[1]) in lost:
            longest = max(longest, int(at) - lost.pop((host, words[1])))
    assert not lost, "somebody is not served at the end"
    return longest / 1e6


@pytest.mark.parametrize("name", HAZARDS)
def test_a_hazard_passes_every_checker(name: str) -> None:
    outcome = trial(HAZARDS[name]())
    assert outcome.violation is None, f"{outcome.violation}\nreplay: python -m tests.sim --hazard {name}"


@pytest.mark.parametrize("name", MASTERS_AND_OUTAGE_MS)
def test_a_hazard_costs_no_more_than_this(name: str) -> None:
    turns, outage_ms = MASTERS_AND_OUTAGE_MS[name]
    outcome = trial(HAZARDS[name]())
    assert masters(outcome) == turns
    assert longest_outage_ms(outcome) <= outage_ms


def test_the_fixed_seeds_pass_every_checker() -> None:
    chunks = [FIXED_SEEDS[n : n + _CHUNK] for n in range(0, len(FIXED_SEEDS), _CHUNK)]
    with ProcessPoolExecutor(2) as pool:
        failed = [words for chunk in pool.map(_failures, chunks) for words in chunk]
    assert failed == []


def test_as_many_other_seeds_as_fit_in_half_a_minute_pass_every_checker() -> None:
    """Which ones follows from the commit, so that each one tries others, and anybody can try the same again."""
    first = _seed_of_the_commit()
    with ProcessPoolExecutor(2) as pool:
        ends = time.monotonic() + _OTHER_SEEDS_S
        failed = [
            words for found in pool.map(_failures_until, (first, first + 1), (2, 2), (ends, ends)) for words in found
        ]
    assert failed == []


def _seed_of_the_commit() -> int:
    """From 1,000 on. 1,000 where there is no commit."""
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return 1_000 + int(head.stdout[:8] or "0", 16)


def _failures_until(first: int, step: int, ends: float) -> list[str]:
    failed: list[str] = []
    for seed in count(first, step):
        failed += _failures(range(seed, seed + 1))
        if failed or time.monotonic() >= ends:
            break
    return failed


def _failures(seeds: range) -> list[str]:
    return [
        f"{violation}; replay: python -m tests.sim --seed {seed}"
        for seed in seeds
        if (violation := trial(scenario(seed)).violation) is not None
    ]


def test_a_seed_runs_the_same_way_in_every_process() -> None:
    traces = [
        subprocess.run(
            [sys.executable, "-m", "tests.sim", "--seed", "7"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for seed in ("1", "2")
    ]
    assert traces[0] == traces[1]
    assert len(traces[0].splitlines()) > 100


def test_a_failure_is_shrunk_to_what_it_needs() -> None:
    """A planted fault in a process of its own; here only that shrinking keeps what fails and nothing that passes."""
    healthy = scenario(7)
    assert Shrinker(healthy, "rivals").run() == healthy
