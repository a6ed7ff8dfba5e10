"""Health checks as values: results in, rise and fall counted, what each tracker adds to a priority.

Effective priority is a function of the present only: it is summed anew each time, never adjusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from vrrpd.model import Instant, Script, ScriptResult, Tracker, VirtualRouter

_LOWEST, _HIGHEST = 1, 254


class CheckState(StrEnum):
    """What a check says of the thing it checks."""

    PENDING = "pending"
    OK = "ok"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Check:
    """One script, whoever tracks it."""

    script: Script
    state: CheckState
    since: Instant
    next_at: Instant
    running: bool = False
    streak: int = 0
    """Results in a row that contradict the state."""
    last: ScriptResult | None = None
    took: int = 1
    """Results in a row that made the state what it is."""

    @property
    def words(self) -> str:
        """What the check says, for people: "chk_haproxy failing 2 of 3"."""
        name = self.script.name
        match self.state:
            case CheckState.PENDING:
                return f"{name} has not run yet"
            case CheckState.FAILING if self.streak:
                return f"{name} succeeding {self.streak} of {self.script.rise}"
            case CheckState.FAILING:
                times = "" if self.took == 1 else f" {self.took} times"
                return f"{name} failed{times} ({self.last})"
            case CheckState.OK if self.streak:
                return f"{name} failing {self.streak} of {self.script.fall} ({self.last})"
            case _:
                return f"{name} ok"


def finished(check: Check, result: ScriptResult, now: Instant) -> Check:
    """The check after a result. The very first one decides at once, whatever rise and fall say (as in keepalived)."""
    first = check.last is None
    check = replace(check, running=False, last=result)
    says = CheckState.OK if result.succeeded else CheckState.FAILING
    if says is check.state:
        return replace(check, streak=0)
    enough = check.script.rise if says is CheckState.OK else check.script.fall
    if first or check.streak + 1 >= enough:
        return replace(check, state=says, since=now, streak=0, took=check.streak + 1)
    return replace(check, streak=check.streak + 1)


def contribution(tracker: Tracker, check: Check) -> int:
    """What this tracker adds now: +w while good if w is positive, -|w| while bad if negative; `reverse` turns both."""
    sign = -1 if tracker.reverse else 1
    match check.state:
        case CheckState.OK if tracker.weight > 0:
            return sign * tracker.weight
        case CheckState.FAILING if tracker.weight < 0:
            return sign * tracker.weight
        case _:
            return 0


def lowers(tracker: Tracker, check: Check) -> bool:
    """The check makes this router worse than it could be."""
    bad = CheckState.OK if tracker.reverse else CheckState.FAILING
    return tracker.weight != 0 and check.state is bad


def forbids(tracker: Tracker, check: Check) -> bool:
    """Weight 0: the router may not run at all."""
    bad = CheckState.OK if tracker.reverse else CheckState.FAILING
    return tracker.weight == 0 and check.state is bad


def effective_priority(router: VirtualRouter, checks: Mapping[str, Check]) -> int:
    """Base and contributions, 1 to 254; an owner's 255 never changes."""
    if router.is_owner:
        return router.priority
    total = router.priority + sum(contribution(t, checks[t.name]) for t in router.trackers)
    return max(_LOWEST, min(_HIGHEST, total))


def lowering_words(trackers: Iterable[Tracker], checks: Mapping[str, Check]) -> str:
    """What lowers a router, in words."""
    return ", ".join(checks[t.name].words for t in trackers if lowers(t, checks[t.name]))
