"""`python -m tests.sim --seeds N [--from S] [--jobs J]` tries N seeds; `--seed S` replays one with its trace."""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from vrrpd.simulate.plan import Scenario

from . import grouped, schedules
from .hazards import HAZARDS
from .shrink import Shrinker, describe
from .trial import trial

_CHUNK = 20


def main() -> int:
    """0: all passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="S", help="the first")
    parser.add_argument("--jobs", type=int, default=2, metavar="J", help="processes")
    parser.add_argument("--seed", type=int, metavar="S", help="replay this one, with its trace")
    parser.add_argument("--grouped", action="store_true", help="seeds of scenarios with sync groups")
    parser.add_argument("--hazard", choices=sorted(HAZARDS), help="replay this one, with its trace")
    parser.add_argument("--hazards", action="store_true", help="all of them")
    parser.add_argument("--no-shrink", action="store_true", help="do not look for a shorter scenario that fails")
    options = parser.parse_args()
    if options.seed is not None:
        return replay(_scenario(options.seed, with_groups=options.grouped), shrinks=not options.no_shrink)
    if options.hazard is not None:
        return replay(HAZARDS[options.hazard](), shrinks=not options.no_shrink)
    if options.hazards:
        failed = [name for name, make in HAZARDS.items() if trial(make()).violation is not None]
        for name in failed:
            print(f"failed: {name}; replay: python -m tests.sim --hazard {name}")
        print(f"{len(HAZARDS) - len(failed)} of {len(HAZARDS)} hazards passed")
        return int(bool(failed))
    return sweep(options.first, options.seeds, options.jobs, with_groups=options.grouped, shrinks=not options.no_shrink)


def replay(what: Scenario, *, shrinks: bool) -> int:
    """One scenario: its trace, and what was found."""
    outcome = trial(what)
    for line in outcome.trace:
        print(line)
    print(f"{what.name}: trace {outcome.digest}")
    if outcome.violation is None:
        print("passed")
        return 0
    print(f"FAILED at {outcome.violation}")
    if shrinks:
        print("the shortest that still fails:")
        print(describe(Shrinker(what, outcome.violation.checker).run()))
    return 1


def _scenario(seed: int, *, with_groups: bool) -> Scenario:
    return grouped.scenario(seed) if with_groups else schedules.scenario(seed)


def sweep(first: int, count: int, jobs: int, *, with_groups: bool, shrinks: bool) -> int:
    """Many seeds, in processes; the first failure is shrunk."""
    began = time.monotonic()
    failed: list[tuple[int, str]] = []
    counts: Counter[str] = Counter()
    seeds = [range(n, min(n + _CHUNK, first + count)) for n in range(first, first + count, _CHUNK)]
    with ProcessPoolExecutor(jobs) as pool:
        for found, counted in pool.map(partial(_try, with_groups=with_groups), seeds):
            counts += counted
            for seed, words in found:
                option = "--grouped " if with_groups else ""
                print(f"seed {seed} FAILED at {words}\n  replay: python -m tests.sim {option}--seed {seed}")
                sys.stdout.flush()
            failed += found
    if failed and shrinks:
        seed = failed[0][0]
        what = _scenario(seed, with_groups=with_groups)
        violation = trial(what).violation
        if violation is not None:
            print(f"the shortest form of seed {seed} that still fails:")
            print(describe(Shrinker(what, violation.checker).run()))
    print("judged: " + ", ".join(f"{name} {n}" for name, n in sorted(counts.items())))
    print(
        f"{count - len(failed)} of {count} seeds passed, {first} to {first + count - 1}, "
        f"in {time.monotonic() - began:.1f} s"
    )
    return int(bool(failed))


def _try(seeds: range, *, with_groups: bool) -> tuple[list[tuple[int, str]], Counter[str]]:
    found: list[tuple[int, str]] = []
    counts: Counter[str] = Counter()
    for seed in seeds:
        outcome = trial(_scenario(seed, with_groups=with_groups))
        counts += outcome.counts
        if outcome.violation is not None:
            found.append((seed, str(outcome.violation)))
    return found, counts


if __name__ == "__main__":
    sys.exit(main())
