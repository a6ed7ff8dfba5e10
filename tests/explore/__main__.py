"""`python -m tests.explore [--nodes N] [--world NAME] [--faults K] [--depth N]`: figures, and failure on findings."""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import argparse
import resource
import sys
import time

from vrrpd.model import SECOND

from .graph import FOR_EVER, Finding, Verdict, examine
from .search import BrokenRule, Found, Search
from .world import World
from .worlds import WORLDS

_SHOWN = 30
"""Steps of what follows."""


def main() -> int:
    """0: nothing was found."""
    options = _options()
    worlds = [WORLDS[name] for name in options.world or WORLDS]
    if options.nodes:
        worlds = [world for world in worlds if len(world.settings) == options.nodes]
    states = bad = 0
    print(_HEAD)
    for world in worlds:
        count, findings = explore(world, options.depth, options.faults)
        states += count
        bad += findings
    print(f"{len(worlds)} worlds, {states:,} states, {bad} findings")
    return int(bool(bad))


def explore(world: World, depth: int | None, faults: int | None) -> tuple[int, int]:
    """One world: how many states, how many findings."""
    begun = time.monotonic()
    try:
        found = Search(world, depth, faults).run()
    except BrokenRule as broken:
        print(_row(broken.found, None, time.monotonic() - begun))
        _tell(broken.found, broken.violation.rule, str(broken), broken.state, ())
        return len(broken.found.states), 1
    verdict = examine(found)
    print(_row(found, verdict, time.monotonic() - begun), flush=True)
    for finding in verdict.findings:
        _show(found, finding)
    return len(found.states), len(verdict.findings)


_HEAD = (
    f"{'world':10} {'faults':>6} {'states':>9} {'moves':>10} {'asked':>7} {'deep':>5} {'unserved':>9} {'crowded':>8} "
    f"{'settles':>8} {'handovers':>9} {'time':>7} {'memory':>7}"
)


def _row(found: Found, verdict: Verdict | None, lasted: float) -> str:
    times = ["-"] * 4
    if verdict is not None:
        longest = [_seconds(t) for t in (verdict.unserved, verdict.crowded, verdict.settling)]
        times = [*longest, f"{verdict.planned:,}"]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return (
        f"{found.world.name:10} {len(found.layers) - 1:6} {len(found.states):9,} {found.moves:10,} "
        f"{found.explorer.told:7,} {max(found.depths):5} {times[0]:>9} {times[1]:>8} {times[2]:>8} {times[3]:>9} "
        f"{lasted:6.1f}s {memory:5}MB"
    )


def _seconds(duration: int) -> str:
    return "ever" if duration >= FOR_EVER else f"{duration / SECOND:.3f}"


def _show(found: Found, finding: Finding) -> None:
    _tell(found, finding.rule, finding.words, finding.state, finding.witness)


def _tell(found: Found, rule: str, words: str, state: int, witness: tuple[int, ...]) -> None:
    """The shortest way there, and what follows."""
    print(f"  FOUND in {found.world.name} ({found.world.about}): {rule}: {words}")
    at = 0
    waits = 0
    for step, number in [*zip(found.path(state), found.way(state), strict=True)]:
        if step.kind == 0:
            waits += found.lasts(at, number)
        else:
            print(f"    {waits / SECOND:8.3f} s  {found.explorer.words(step)}")
            print(f"{'':18}{found.explorer.show(found.states[number])}")
        at = number
    if witness:
        print("    and then, quietly:")
    for number in witness[:_SHOWN]:
        waits += found.lasts(at, number)
        print(f"    {waits / SECOND:8.3f} s  {found.explorer.show(found.states[number])}")
        at = number


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.explore", description="Small worlds, exhaustively.")
    parser.add_argument("--nodes", type=int, choices=(2, 3), help="only worlds of so many")
    parser.add_argument("--world", action="append", choices=sorted(WORLDS), help="only this one; may be repeated")
    parser.add_argument("--faults", type=int, metavar="K", help="so many at most, instead of the world's own number")
    parser.add_argument(
        "--depth", type=int, metavar="N", help="so many steps at most; without it, until nothing is new"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
