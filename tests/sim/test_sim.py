"""The fixed seeds, and every hazard with what it asks beyond the checkers: who is Master in turn, who misses what."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vrrpd.model import MILLISECOND, SECOND
from vrrpd.simulate.plan import Scenario, Stop

from . import grouped
from .calm import Violation
from .hazards import HAZARDS
from .plant import PLANTS, Plant
from .schedules import scenario
from .shrink import Shrinker
from .trial import Outcome, trial

FIXED_SEEDS = range(300)
GROUPED_SEEDS = range(75)
_CHUNK = 25
_OTHERS_FROM = 1_000_000
_OTHERS_APART = 100_000
_SECONDS = 30

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
    "b8_a_group_is_handed_over_by_each_member_to_its_own_heir": ("n1 n2 n1", 0),
    "b8_a_group_is_drained": ("n1 n2 n1", 0),
    "b8_beside_keepalived": ("n1 n2 n1", 2),
    "b8_a_reload_adds_a_member_to_a_serving_group": ("n1", 0),
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


@pytest.mark.parametrize("first", FIXED_SEEDS[::_CHUNK])
def test_the_fixed_seeds_pass_every_checker(first: int) -> None:
    for seed in range(first, first + _CHUNK):
        _passes(seed)


@pytest.mark.parametrize("first", GROUPED_SEEDS[::_CHUNK])
def test_the_fixed_seeds_of_sync_groups_pass_every_checker(first: int) -> None:
    for seed in range(first, first + _CHUNK):
        violation = trial(grouped.scenario(seed)).violation
        assert violation is None, f"{violation}\nreplay: python -m tests.sim --grouped --seed {seed}"


@pytest.mark.parametrize("half", [0, 1])
def test_seeds_that_this_commit_chooses_pass_every_checker_for_as_long_as_there_is_time(half: int) -> None:
    until = time.monotonic() + _SECONDS
    seed = _OTHERS_FROM + int(_commit(), 16) % _OTHERS_APART * _OTHERS_APART + half
    while time.monotonic() < until:
        _passes(seed)
        seed += 2


def _passes(seed: int) -> None:
    violation = trial(scenario(seed)).violation
    assert violation is None, f"{violation}\nreplay: python -m tests.sim --seed {seed}"


def _commit() -> str:
    """0 where the files come without their history."""
    command = ["git", "-c", "safe.directory=*", "rev-parse", "--short=12", "HEAD"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "0"
    return found.stdout.strip() or "0"


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


def test_what_passes_is_not_shrunk() -> None:
    healthy = HAZARDS["b2_drained_again_and_again_and_then_stopped"]()
    assert Shrinker(healthy, "rivals").run() == healthy


def test_a_failure_is_shrunk_to_the_one_fault_and_the_one_node_that_it_needs() -> None:
    def judge(tried: Scenario) -> Violation | None:
        stops = [fault for fault in tried.faults if isinstance(fault, Stop)]
        return Violation(stops[0].at + SECOND, "rivals", "as this test has it") if stops else None

    shortest = Shrinker(HAZARDS["b2_drained_again_and_again_and_then_stopped"](), "rivals", judge).run()
    assert [type(fault) for fault in shortest.faults] == [Stop]
    assert [node.name for node in shortest.nodes] == ["n1"]
    assert shortest.lasts == 31 * SECOND + 301 * MILLISECOND
    assert shortest.faults[0].lasts <= SECOND


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_the_text_that_a_planted_fault_changes_stands_in_the_core_once(plant: Plant) -> None:
    source = (Path(__file__).parents[2] / "vrrpd" / f"{plant.module}.py").read_text(encoding="utf-8")
    assert source.count(plant.before) == 1
