"""What is watched, as values: how each thing is, what each tracker makes of that, and what they say.

Effective priority is a function of the present only: it is summed anew each time, never adjusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias, assert_never

from vrrpd.model import (
    SECOND,
    Asked,
    CheckResult,
    Instant,
    Subject,
    TrackedFile,
    TrackedHAProxy,
    TrackedProcess,
    Tracker,
    TrackerKind,
    VirtualRouter,
)

_LOWEST, _HIGHEST = 1, 254
_FATAL = -254
"""A file that adds this or less is a fault (keepalived)."""
_MOST = 253


class CheckState(StrEnum):
    """What a check says of the thing it checks."""

    PENDING = "pending"
    OK = "ok"
    FAILING = "failing"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Poll:
    """A script or HAProxy, asked at intervals."""

    asked: Asked
    state: CheckState
    since: Instant
    next_at: Instant | None
    """None: never."""
    running: bool = False
    streak: int = 0
    """Results in a row that contradict the state."""
    last: CheckResult | None = None
    took: int = 1
    """Results in a row that made the state what it is."""

    @property
    def subject(self) -> Subject:
        """What is asked."""
        return self.asked.subject

    @property
    def words(self) -> str:
        """What the check says, for people: "chk_haproxy failing 2 of 3"."""
        name = self.asked.name
        match self.state:
            case CheckState.PENDING:
                return f"{name} has not run yet"
            case CheckState.DISABLED:
                return f"{name} is disabled: {'' if isinstance(self.asked, TrackedHAProxy) else self.asked.disabled}"
            case CheckState.FAILING if self.streak:
                return f"{name} succeeding {self.streak} of {self.asked.rise}"
            case CheckState.FAILING if self.last is None:
                return f"{name} has not succeeded yet"
            case CheckState.FAILING:
                times = "" if self.took == 1 else f" {self.took} times"
                return f"{name} failed{times} ({self.last})"
            case CheckState.OK if self.streak:
                return f"{name} failing {self.streak} of {self.asked.fall} ({self.last})"
            case CheckState.OK:
                return f"{name} ok"
            case _:
                assert_never(self.state)


@dataclass(frozen=True, slots=True)
class FileValue:
    """A file, and the number in it."""

    file: TrackedFile
    value: int | None
    """None: not read yet."""
    since: Instant

    @property
    def subject(self) -> Subject:
        """The file, as trackers name it."""
        return self.file.subject

    @property
    def state(self) -> CheckState:
        """Whether a number is bad is the tracker's to say."""
        return CheckState.PENDING if self.value is None else CheckState.OK

    @property
    def words(self) -> str:
        """What it says, for people."""
        return f"file {self.file.name} {'has not been read yet' if self.value is None else f'is {self.value}'}"


@dataclass(frozen=True, slots=True)
class ProcessCount:
    """How many processes of a kind run."""

    process: TrackedProcess
    state: CheckState
    count: int
    since: Instant
    change_at: Instant | None = None
    """When a count that contradicts the state has lasted long enough."""

    @property
    def subject(self) -> Subject:
        """The process, as trackers name it."""
        return self.process.subject

    @property
    def words(self) -> str:
        """What it says, for people: "haproxy: 0 of 1 processes run"."""
        process, count = self.process, self.count
        if self.state is CheckState.PENDING:
            return f"{process.name} has not been counted yet"
        if process.suffices(count):
            counted = f"{process.name}: {_processes(count)}"
        elif count < process.quorum:
            counted = f"{process.name}: {count} of {process.quorum} processes run"
        else:
            counted = f"{process.name}: {_processes(count)}, at most {process.quorum_max} may"
        if self.change_at is None:
            return counted
        delay = process.fork_delay if process.suffices(count) else process.terminate_delay
        return f"{counted}, which counts after {delay / SECOND:g} s"


@dataclass(frozen=True, slots=True)
class LinkState:
    """An interface that a router depends on without using it."""

    name: str
    up: bool | None
    """None: there is no such interface."""
    since: Instant

    @property
    def subject(self) -> Subject:
        """The interface, as trackers name it."""
        return Subject(TrackerKind.INTERFACE, self.name)

    @property
    def state(self) -> CheckState:
        """Whether it is up."""
        return CheckState.OK if self.up else CheckState.FAILING

    @property
    def words(self) -> str:
        """What it says, for people."""
        if self.up is None:
            return f"there is no interface {self.name}"
        return f"{self.name} is {'up' if self.up else 'down'}"


Check: TypeAlias = Poll | FileValue | ProcessCount | LinkState


def finished(check: Poll, result: CheckResult, now: Instant) -> Poll:
    """The check after a result.

    The very first one decides at once, whatever rise and fall say (as in keepalived), but for `init_fail`.
    """
    first = check.last is None and check.state is not CheckState.FAILING
    check = replace(check, running=False, last=result)
    says = CheckState.OK if result.succeeded else CheckState.FAILING
    if says is check.state:
        return replace(check, streak=0)
    enough = check.asked.rise if says is CheckState.OK else check.asked.fall
    if first or check.streak + 1 >= enough:
        return replace(check, state=says, since=now, streak=0, took=check.streak + 1)
    return replace(check, streak=check.streak + 1)


def counted(check: ProcessCount, count: int, now: Instant) -> ProcessCount:
    """The check after a count. The very first one decides at once; another waits for its delay."""
    process, grew = check.process, count > check.count
    check = replace(check, count=count)
    says = CheckState.OK if process.suffices(count) else CheckState.FAILING
    if says is check.state:
        return replace(check, change_at=None)
    if check.state is CheckState.PENDING:
        return replace(check, state=says, since=now)
    if check.change_at is None:
        check = replace(check, change_at=now + (process.fork_delay if grew else process.terminate_delay))
    return settled(check, now)


def settled(check: ProcessCount, now: Instant) -> ProcessCount:
    """The check once its count has lasted long enough."""
    if check.change_at is None or now < check.change_at:
        return check
    says = CheckState.OK if check.process.suffices(check.count) else CheckState.FAILING
    return replace(check, state=says, since=now, change_at=None)


def contribution(tracker: Tracker, check: Check) -> int:
    """What this tracker adds now.

    A file adds its number times w. Everything else +w while good if w is positive, -|w| while bad if negative.
    `reverse` turns the sign.
    """
    sign = -1 if tracker.reverse else 1
    if isinstance(check, FileValue):
        product = sign * tracker.weight * (check.value or 0)
        return min(product, _MOST) if product > _FATAL else 0
    match _state_for(tracker, check):
        case CheckState.OK if tracker.weight > 0:
            return sign * tracker.weight
        case CheckState.FAILING if tracker.weight < 0:
            return sign * tracker.weight
        case _:
            return 0


def lowers(tracker: Tracker, check: Check) -> bool:
    """The check makes this router worse than it could be."""
    if isinstance(check, FileValue):
        return contribution(tracker, check) < 0
    return tracker.weight != 0 and _is_bad(tracker, check)


def forbids(tracker: Tracker, check: Check) -> bool:
    """The router may not run at all: weight 0, or a file that adds -254 or less."""
    if not isinstance(check, FileValue):
        return tracker.weight == 0 and _is_bad(tracker, check)
    if check.value is None:
        return False
    if tracker.weight == 0:
        return (check.value != 0) is not tracker.reverse
    return (-1 if tracker.reverse else 1) * tracker.weight * check.value <= _FATAL


def state(tracker: Tracker, check: Check) -> CheckState:
    """How it stands for the router that tracks it: only a tracker can judge a number, or what `reverse` turns."""
    if check.state in {CheckState.PENDING, CheckState.DISABLED}:
        return check.state
    return CheckState.FAILING if lowers(tracker, check) or forbids(tracker, check) else CheckState.OK


def effective_priority(router: VirtualRouter, checks: Mapping[Subject, Check]) -> int:
    """Base and contributions, 1 to 254; an owner's 255 never changes."""
    if router.is_owner:
        return router.priority
    total = router.priority + sum(contribution(t, checks[t.subject]) for t in router.trackers)
    return max(_LOWEST, min(_HIGHEST, total))


def lowering_words(trackers: Iterable[Tracker], checks: Mapping[Subject, Check]) -> str:
    """What lowers a router, in words."""
    return ", ".join(checks[t.subject].words for t in trackers if lowers(t, checks[t.subject]))


def _is_bad(tracker: Tracker, check: Check) -> bool:
    return _state_for(tracker, check) is (CheckState.OK if tracker.reverse else CheckState.FAILING)


def _state_for(tracker: Tracker, check: Check) -> CheckState:
    """What cannot be known counts as bad, whichever way the tracker takes it."""
    if check.state is CheckState.DISABLED:
        return CheckState.OK if tracker.reverse else CheckState.FAILING
    return check.state


def _processes(count: int) -> str:
    return "1 process runs" if count == 1 else f"{count} processes run"
