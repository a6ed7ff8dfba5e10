"""The engine that draws from a seeded generator: the most packets in a second, and always the same ones."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .choices import Dice
from .steps import FindingError, Tally, episode, summary
from .targets import TARGETS


def fuzz(name: str, seconds: float, seeds: list[int], found: Path) -> Iterator[str]:
    """A process for each seed until the time is up; what was reached, in lines, and then what was found and is kept."""
    with multiprocessing.Pool(len(seeds)) as pool:
        results = pool.starmap(_run, [(name, seconds, seed, found) for seed in seeds])
    tally: Tally = sum((tally for tally, _ in results), Counter())
    yield from summary(TARGETS[name], tally, seconds)
    yield from (line for _, line in results if line)


def _run(name: str, seconds: float, seed: int, found: Path) -> tuple[Tally, str]:
    """Episodes, each of which its seed and number replay."""
    tally: Tally = Counter()
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        try:
            episode(TARGETS[name], Dice(f"{seed} {number}"), tally)
        except FindingError as finding:
            return tally, finding.kept(found)
        number += 1
    return tally, ""
