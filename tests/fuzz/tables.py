"""Tallies as tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .steps import Tally


def reasons(tally: Tally) -> Iterator[str]:
    """Of keys (router, outcome): a line for each outcome, a column for each router."""
    columns = list(dict.fromkeys(key[0] for key in sorted(tally)))
    totals: Counter[str] = Counter()
    for (_, outcome), count in tally.items():
        totals[outcome] += count
    yield f"| | {' | '.join(columns)} | all |"
    yield "|---" * (len(columns) + 2) + "|"
    for outcome in sorted(totals):
        counts = " | ".join(f"{tally[column, outcome]:,}" for column in columns)
        yield f"| {outcome} | {counts} | {totals[outcome]:,} |"
