"""One scenario tried: run twice, with and without the refresh memory, under all checkers."""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter
from dataclasses import dataclass

from vrrpd.model import SECOND
from vrrpd.simulate.plan import Scenario
from vrrpd.simulate.world import Observer, World

from .calm import Violation
from .checkers import Checkers


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    trace: tuple[str, ...]
    violation: Violation | None
    counts: Counter[str]

    @property
    def digest(self) -> str:
        """The whole trace in a few letters."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()[:16]


def trial(scenario: Scenario) -> Outcome:
    """Run it. A crash of the code under test is a violation like any other."""
    checkers = Checkers()
    world = World(scenario, checkers)
    violation: Violation | None = None
    try:
        checkers.glance_every(10 * SECOND)
        world.run()
        checkers.finish()
        _compare(scenario, world.trace)
    except Violation as found:
        violation = found
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
        violation = Violation(world.now, "crash", traceback.format_exc(limit=-3))
    return Outcome(tuple(world.trace), violation, checkers.counts)


def _compare(scenario: Scenario, trace: list[str]) -> None:
    """The refresh memory saves work and changes nothing; and the same scenario runs the same way twice."""
    again = World(scenario, Observer(), remembers=False)
    again.run()
    if again.trace != trace:
        at, ours, theirs = next(
            (line.split()[0], line, other) for line, other in zip(trace, again.trace, strict=False) if line != other
        )
        raise Violation(int(at), "memory", f"with the refresh memory: {ours}; without: {theirs}")
