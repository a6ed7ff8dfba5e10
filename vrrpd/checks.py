"""The checks of a node: which there are, which are due, what a result makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from vrrpd import tracking
from vrrpd.model import (
    Asked,
    CheckResult,
    Config,
    Instant,
    Interface,
    Script,
    Subject,
    TrackedFile,
    TrackedProcess,
    TrackerKind,
)
from vrrpd.tracking import Check, CheckState, FileValue, LinkState, Poll, ProcessCount


class Checks(Mapping[Subject, Check]):
    """By what they look at."""

    def __init__(self) -> None:
        self._checks: dict[Subject, Check] = {}

    def __getitem__(self, subject: Subject) -> Check:
        return self._checks[subject]

    def __iter__(self) -> Iterator[Subject]:
        return iter(self._checks)

    def __len__(self) -> int:
        return len(self._checks)

    def configure(self, config: Config, interfaces: Mapping[str, Interface], now: Instant, *, running: bool) -> None:
        """Watch these too. One that looks at the same thing keeps its results.

        On a running node a new one is good until it says otherwise.
        """
        state = CheckState.OK if running else CheckState.PENDING
        asking: tuple[Asked, ...] = (*config.scripts, *config.haproxies)
        for asked in asking:
            self._checks[asked.subject] = self._poll(asked, state, now)
        for file in config.files:
            self._checks[file.subject] = self._file(file, now)
        for process in config.processes:
            self._checks[process.subject] = self._process(process, state, now)
        for subject in {t.subject for router in config.routers for t in router.trackers}:
            if subject.kind is TrackerKind.INTERFACE:
                self.show(subject.name, interfaces.get(subject.name), now, tracked=True)

    def _poll(self, asked: Asked, state: CheckState, now: Instant) -> Poll:
        known = self._checks.get(asked.subject)
        if isinstance(asked, Script) and asked.disabled:
            return Poll(asked, CheckState.DISABLED, now, next_at=None)
        if isinstance(known, Poll) and known.next_at is not None and known.asked.looks_at == asked.looks_at:
            return replace(known, asked=asked, next_at=min(known.next_at, now + asked.interval))
        if isinstance(asked, Script) and asked.starts_failed and state is CheckState.PENDING:
            state = CheckState.FAILING
        return Poll(asked, state, now, next_at=now)

    def _file(self, file: TrackedFile, now: Instant) -> FileValue:
        known = self._checks.get(file.subject)
        if isinstance(known, FileValue) and known.file.looks_at == file.looks_at:
            return replace(known, file=file)
        return FileValue(file, None, now)

    def _process(self, process: TrackedProcess, state: CheckState, now: Instant) -> ProcessCount:
        known = self._checks.get(process.subject)
        if isinstance(known, ProcessCount) and known.process.looks_at == process.looks_at:
            return tracking.counted(replace(known, process=process, change_at=None), known.count, now)
        return ProcessCount(process, state, process.quorum, now)

    def keep(self, subjects: set[Subject]) -> list[Subject]:
        """Forget all but these; returns what is forgotten."""
        forgotten = [subject for subject in self._checks if subject not in subjects]
        for subject in forgotten:
            del self._checks[subject]
        return forgotten

    def next_at(self, subject: Subject) -> Instant | None:
        """When it has to be looked at again."""
        match self._checks.get(subject):
            case Poll(next_at=at) | ProcessCount(change_at=at):
                return at
            case _:
                return None

    # --- scripts and HAProxy: they are asked ---

    def start(self, subject: Subject, now: Instant) -> Asked | None:
        """It may be due: what is to be asked now. None: nothing, since it is early, unknown, or not answered yet."""
        check = self._checks.get(subject)
        if not isinstance(check, Poll) or check.next_at is None or now < check.next_at:
            return None
        self._checks[subject] = replace(check, running=True, next_at=now + check.asked.interval)
        return None if check.running else check.asked

    def finish(self, asked: Asked, result: CheckResult, now: Instant) -> Check | None:
        """The check, if the result has changed its mind. What a reload has replaced concerns nobody."""
        check = self._checks.get(asked.subject)
        if not isinstance(check, Poll) or check.asked.looks_at != asked.looks_at:
            return None
        return self._became(check, tracking.finished(check, result, now))

    # --- files, processes and interfaces: they are seen ---

    def read(self, file: TrackedFile, value: int, now: Instant) -> Check | None:
        """The check, if its number is another one."""
        check = self._checks.get(file.subject)
        if not isinstance(check, FileValue) or check.file.looks_at != file.looks_at or check.value == value:
            return None
        after = self._checks[file.subject] = replace(check, value=value, since=now)
        return after

    def count(self, process: TrackedProcess, count: int, now: Instant) -> Check | None:
        """The check, if the count has changed its mind."""
        check = self._checks.get(process.subject)
        if not isinstance(check, ProcessCount) or check.process.looks_at != process.looks_at:
            return None
        return self._became(check, tracking.counted(check, count, now))

    def settle(self, subject: Subject, now: Instant) -> Check | None:
        """The check, if what it has seen has lasted long enough to change its mind."""
        check = self._checks.get(subject)
        return self._became(check, tracking.settled(check, now)) if isinstance(check, ProcessCount) else None

    def show(self, name: str, interface: Interface | None, now: Instant, *, tracked: bool = False) -> Check | None:
        """An interface is so now: its check, if it has changed its mind. `tracked`: it has one from now on."""
        up = None if interface is None else interface.up
        subject = Subject(TrackerKind.INTERFACE, name)
        check = self._checks.get(subject)
        if not isinstance(check, LinkState):
            if tracked:
                self._checks[subject] = LinkState(name, up, now)
            return None
        if check.up is up:
            return None
        after = self._checks[subject] = replace(check, up=up, since=now)
        return after

    def _became(self, before: Poll | ProcessCount, after: Poll | ProcessCount) -> Check | None:
        self._checks[before.subject] = after
        return None if after.state is before.state else after
