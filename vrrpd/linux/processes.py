"""The body of `ports.Processes`: which processes run, without a fork.

That one has ended is known at once, by its pidfd; it counts when /proc has shown that it left no child behind. That
one has begun the kernel tells where it does (procevents); elsewhere /proc is read once a second for all that is
tracked. Each turn of the loop reads a few processes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from vrrpd.linux.procevents import ProcessEvents
from vrrpd.model import ParameterMatch, TrackedProcess

_SCAN_EVERY_S = 1.0
_PROCESSES_PER_TURN = 32
"""Reading one takes some 15 microseconds."""
_COMM_BYTES = 15
"""The kernel cuts a name there."""
_REST_S = 0.05
"""Between two looks at /proc, however much ends."""
_UNSURE_SCANS = 3


@dataclass(slots=True)
class _Running:
    matches: frozenset[TrackedProcess]
    pidfd: int | None


class ProcProcesses:
    """Belongs to the event loop's thread. `on_count(process, n)` is called for each soon, and at changes."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_count: Callable[[TrackedProcess, int], None],
        log: FilteringBoundLogger,
        descriptors: int = 256,
    ) -> None:
        """Of more processes than there are `descriptors` for, an end is noticed within a second."""
        self._loop = loop
        self._descriptors = descriptors
        self._on_count = on_count
        self._log = log
        self._processes: tuple[TrackedProcess, ...] = ()
        self._running: dict[int, _Running] = {}
        self._told: dict[TrackedProcess, int] = {}
        self._events: ProcessEvents | None = None
        self._looking: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        """/proc has to be read once more."""
        self._sure = False
        """It has been since one ended that counted: whoever ends may have left a child."""

    def watch(self, processes: Sequence[TrackedProcess]) -> None:
        """Count exactly these from now on."""
        self.close()
        self._processes = tuple(processes)
        if not processes:
            return
        try:
            self._events = ProcessEvents.open(self._loop, self._on_process, self._wanted.set)
        except OSError as error:
            self._log.info("processes are looked for once a second", why=error.strerror)
        self._looking = self._loop.create_task(self._look())

    def close(self) -> None:
        """Count nothing."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if self._events is not None:
            self._events.close()
            self._events = None
        for pid in list(self._running):
            self._forget(pid)
        self._processes, self._told, self._sure = (), {}, False

    # --- all of /proc ---

    async def _look(self) -> None:
        unsure = 0
        while True:
            begun_at = self._loop.time()
            self._wanted.clear()
            await self._scan()
            # Where something ends all the time, what is known has to do.
            unsure = unsure + 1 if self._wanted.is_set() else 0
            if unsure in {0, _UNSURE_SCANS}:
                unsure, self._sure = 0, True
                self._tell()
            await asyncio.sleep(_REST_S)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(None if self._is_told_all() else begun_at + _SCAN_EVERY_S):
                    await self._wanted.wait()

    async def _scan(self) -> None:
        listed = {int(name) for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208
        for n, pid in enumerate(listed, 1):
            self._examine(pid)
            if n % _PROCESSES_PER_TURN == 0:
                await asyncio.sleep(0)
        for pid in [pid for pid, one in self._running.items() if one.pidfd is None and pid not in listed]:
            self._forget(pid)

    def _is_told_all(self) -> bool:
        """What begins and what ends."""
        return self._events is not None and all(one.pidfd is not None for one in self._running.values())

    # --- one process ---

    def _on_process(self, pid: int, parent: int | None) -> None:
        """What a fork makes has its parent's name: it matters only if that one does."""
        if parent is None or parent in self._running:
            self._examine(pid)
            self._tell()

    def _ended(self, pid: int) -> None:
        self._forget(pid)
        self._sure = False
        self._wanted.set()

    def _examine(self, pid: int) -> None:
        matches = self._matches(pid)
        running = self._running.get(pid)
        if not matches:
            if running is not None:
                self._forget(pid)
        elif running is not None:
            running.matches = matches
        else:
            self._begin(pid)

    def _begin(self, pid: int) -> None:
        """Its number may be another's by now: what the descriptor stands for is looked at again."""
        pidfd = self._open(pid)
        matches = self._matches(pid)
        if matches:
            self._running[pid] = _Running(matches, pidfd)
            if pidfd is not None:
                self._loop.add_reader(pidfd, self._ended, pid)
        elif pidfd is not None:
            os.close(pidfd)

    def _open(self, pid: int) -> int | None:
        if len(self._running) >= self._descriptors:
            return None
        try:
            return os.pidfd_open(pid)
        except OSError:  # It has ended, or we have no descriptor left: then it is looked at each second.
            return None

    def _forget(self, pid: int) -> None:
        running = self._running.pop(pid)
        if running.pidfd is not None:
            self._loop.remove_reader(running.pidfd)
            os.close(running.pidfd)

    def _matches(self, pid: int) -> frozenset[TrackedProcess]:
        comm = _read(f"/proc/{pid}/comm", _COMM_BYTES + 2).removesuffix(b"\n")
        found = [process for process in self._processes if not _by_command(process) and _named(process, comm)]
        if found and _is_zombie(pid):
            return frozenset()
        by_command = [process for process in self._processes if _by_command(process)]
        if by_command:
            line = _read(f"/proc/{pid}/cmdline", max(map(_longest, by_command)))
            found += [process for process in by_command if runs(process, line)]
        return frozenset(found)

    def _tell(self) -> None:
        if not self._sure:
            return
        for process in self._processes:
            count = sum(process in running.matches for running in self._running.values())
            if self._told.get(process) != count:
                self._told[process] = count
                self._on_count(process, count)


def runs(process: TrackedProcess, line: bytes) -> bool:
    """Compare a command line, as /proc has it, with the program and the parameters that are asked for."""
    program = os.fsencode(process.process) + b"\0"
    if not line.startswith(program):
        return False
    given = line[len(program) :]
    if process.parameters is None:
        return True
    wanted = _parameters(process)
    match process.match:
        case ParameterMatch.EXACT:
            return given == wanted
        case ParameterMatch.PARTIAL:
            return given.startswith(wanted)
        case ParameterMatch.INITIAL:
            return given.startswith(wanted[:-1])


def _parameters(process: TrackedProcess) -> bytes:
    return b"".join(os.fsencode(parameter) + b"\0" for parameter in process.parameters or ())


def _longest(process: TrackedProcess) -> int:
    """How much of a command line has to be read: one byte more than could be equal."""
    return len(os.fsencode(process.process)) + len(_parameters(process)) + 2


def _by_command(process: TrackedProcess) -> bool:
    return process.full_command or process.parameters is not None


def _named(process: TrackedProcess, comm: bytes) -> bool:
    return os.fsencode(process.process)[:_COMM_BYTES] == comm


def _is_zombie(pid: int) -> bool:
    """It has ended, and its parent has not asked how."""
    state = _read(f"/proc/{pid}/stat", 64).rpartition(b")")[2].split()
    return not state or state[0] in {b"Z", b"X"}


def _read(path: str, most: int) -> bytes:
    """Nothing of what has ended meanwhile, or is not ours to see."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, most)
        finally:
            os.close(descriptor)
    except OSError:
        return b""
