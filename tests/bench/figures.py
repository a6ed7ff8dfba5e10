"""What was measured, as a table."""
# ruff: noqa: RUF001, RUF003 - a ratio is written with ×

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

Samples: TypeAlias = Sequence[float]
"""Of one quantity, in the order they were taken; `math.inf`: it did not happen."""

_HEAD = ("what", "vrrpd", "keepalived", "ratio", "target", "met", "n")


@dataclass(frozen=True, slots=True)
class Target:
    """The most that vrrpd's median may be."""

    value: float
    times: bool = False
    """It is a multiple of keepalived's median, not a quantity."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    unit: str
    vrrpd: Samples = ()
    keepalived: Samples = ()
    target: Target | None = None
    decimals: int = 1

    def row(self) -> tuple[str, ...]:
        """Its cells, as text."""
        counts = sorted({len(samples) for samples in (self.vrrpd, self.keepalived) if samples})
        return (
            self.what,
            self._middle(self.vrrpd),
            self._middle(self.keepalived),
            "" if self._ratio is None else f"{self._ratio:.2f} ×",
            self._target_words(),
            self._verdict(),
            " and ".join(map(str, counts)),
        )

    @property
    def _ratio(self) -> float | None:
        if not self.vrrpd or not self.keepalived:
            return None
        ours, theirs = median(self.vrrpd), median(self.keepalived)
        return ours / theirs if theirs and math.isfinite(theirs) else None

    def _middle(self, samples: Samples) -> str:
        if not samples:
            return ""
        middle = median(samples)
        return "never" if math.isinf(middle) else f"{middle:.{self.decimals}f} {self.unit}"

    def _target_words(self) -> str:
        if self.target is None:
            return ""
        return f"≤ {self.target.value:g} {'×' if self.target.times else self.unit}"

    def _verdict(self) -> str:
        if self.target is None:
            return ""
        reached = self._ratio if self.target.times else median(self.vrrpd)
        return "yes" if reached is not None and reached <= self.target.value else "no"


def table(figures: Sequence[Figure]) -> str:
    """Markdown that reads well as plain text too."""
    rows = [_HEAD, *(figure.row() for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
