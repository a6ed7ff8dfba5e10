"""The body of `ports.Pipes`: named pipes, what waits to be written into them, and the programs that read them.

We hold both ends open, so that what was written stays there while a reader is started again.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import stat
import termios
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from structlog.typing import FilteringBoundLogger

from vrrpd.linux.children import Child, Children
from vrrpd.model import SECOND, Duration, Fifo, ScriptResult, Telling

Json: TypeAlias = dict[str, Any]

BACKLOG_MAX = 1024
"""Lines that wait because the pipe (64 KiB) is full."""
RESTART_FIRST: Duration = SECOND
RESTART_LAST: Duration = 60 * SECOND
HANGS_AFTER: Duration = 60 * SECOND
"""A reader that reads nothing for so long although something is there."""
_LOOKS = 12
"""How often that is looked at within this time."""
READ_LIMIT_S = 1.0
"""At the end, for readers to read what is there, and again for them to end."""
_POLL_S = 0.01


@dataclass(slots=True, eq=False)
class _Pipe:
    """One FIFO."""

    fifo: Fifo
    descriptor: int
    is_ours: bool
    """We made it, so we remove it."""
    backlog: deque[bytes] = field(default_factory=deque)
    is_blocked: bool = False
    lines: int = 0
    lost: int = 0
    written: int = 0
    """Bytes."""
    reader: Child | None = None
    restart: asyncio.TimerHandle | None = None
    pause: Duration = RESTART_FIRST
    restarts: int = 0
    read: int = 0
    """Bytes, when that was last looked at."""
    read_at: float = 0.0
    """When it was last seen to read, or to have nothing to read."""

    def unread(self) -> int:
        """Bytes in the pipe."""
        count = array.array("i", [0])
        fcntl.ioctl(self.descriptor, termios.FIONREAD, count)
        return count[0]


class NamedPipes:
    """Belongs to the main thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        children: Children,
        log: FilteringBoundLogger,
        *,
        hangs_after: Duration = HANGS_AFTER,
    ) -> None:
        self._hangs_after = hangs_after
        self._loop = loop
        self._children = children
        self._log = log
        self._pipes: dict[str, _Pipe] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._finishing = False

    def configure(self, telling: Telling) -> None:
        """Have these. One that cannot be opened is logged, and tried again at the next reload."""
        wanted = {fifo.path: fifo for fifo in (telling.fifo, telling.router_fifo) if fifo is not None}
        for path, pipe in list(self._pipes.items()):
            fifo = wanted.get(path)
            if fifo is None or fifo.user != pipe.fifo.user:
                self._end_reader(pipe, "it is no longer in the configuration")
                self._close(pipe)
            elif fifo.reader != pipe.fifo.reader:
                pipe.fifo = fifo
                self._end_reader(pipe, "the configuration names another one")
                self._start_reader(pipe)
        for path, fifo in wanted.items():
            if path not in self._pipes:
                self._open(fifo)
        if self._pipes and self._watch is None:
            self._watch = self._look_later()

    def write(self, line: str) -> None:
        """Into each of them. What finds no room waits; beyond the backlog the oldest is lost, and counted."""
        for pipe in self._pipes.values():
            pipe.backlog.append(line.encode(errors="surrogateescape"))
            pipe.lines += 1
            if not pipe.is_blocked:
                self._flush(pipe)
            if len(pipe.backlog) > BACKLOG_MAX:
                pipe.backlog.popleft()
                pipe.lost += 1
                if pipe.lost == 1 or pipe.lost % BACKLOG_MAX == 0:
                    self._log.error("nobody reads a FIFO: lines are lost", path=pipe.fifo.path, lost=pipe.lost)

    async def finish(self) -> None:
        """Readers get what is there first and SIGTERM then; the FIFOs that we made go."""
        self._finishing = True
        if self._watch is not None:
            self._watch.cancel()
        read = [pipe for pipe in self._pipes.values() if pipe.reader is not None]
        await self._until(lambda: all(not pipe.backlog and not pipe.unread() for pipe in read))
        readers = [pipe.reader for pipe in read if pipe.reader is not None]
        for pipe in read:
            self._end_reader(pipe, "vrrpd stops")
        await self._until(lambda: all(reader.has_ended for reader in readers))
        for pipe in list(self._pipes.values()):
            self._close(pipe)

    def status(self) -> list[Json]:
        """Of each FIFO."""
        return [
            {
                "path": path,
                "lines": pipe.lines,
                "waiting": len(pipe.backlog),
                "lost": pipe.lost,
                "reader": None
                if pipe.fifo.reader is None
                else {"pid": None if pipe.reader is None else pipe.reader.pid, "restarts": pipe.restarts},
            }
            for path, pipe in self._pipes.items()
        ]

    async def _until(self, is_so: Callable[[], bool]) -> None:
        deadline = self._loop.time() + READ_LIMIT_S
        while not is_so() and self._loop.time() < deadline:  # noqa: ASYNC110  a pipe does not say that it was read
            await asyncio.sleep(_POLL_S)

    # --- the pipe ---

    def _open(self, fifo: Fifo) -> None:
        try:
            is_ours = _make(fifo)
            descriptor = os.open(fifo.path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            self._log.error("FIFO not opened", path=fifo.path, error=error.strerror)
            return
        problem = _problem(fifo, os.fstat(descriptor))
        if problem:
            os.close(descriptor)
            self._log.error("FIFO not opened", path=fifo.path, error=problem)
            return
        pipe = self._pipes[fifo.path] = _Pipe(fifo, descriptor, is_ours, read_at=self._loop.time())
        self._start_reader(pipe)

    def _flush(self, pipe: _Pipe) -> None:
        while pipe.backlog:
            line = pipe.backlog[0]
            try:
                written = os.write(pipe.descriptor, line)
            except BlockingIOError:
                if not pipe.is_blocked:
                    pipe.is_blocked = True
                    self._loop.add_writer(pipe.descriptor, self._flush, pipe)
                return
            pipe.written += written
            if written < len(line):  # one longer than PIPE_BUF
                pipe.backlog[0] = line[written:]
            else:
                pipe.backlog.popleft()
        self._unblock(pipe)

    def _unblock(self, pipe: _Pipe) -> None:
        if pipe.is_blocked:
            pipe.is_blocked = False
            self._loop.remove_writer(pipe.descriptor)

    def _close(self, pipe: _Pipe) -> None:
        self._unblock(pipe)
        del self._pipes[pipe.fifo.path]
        os.close(pipe.descriptor)
        if pipe.is_ours:
            with suppress(OSError):
                Path(pipe.fifo.path).unlink()

    # --- its reader ---

    def _start_reader(self, pipe: _Pipe) -> None:
        pipe.restart = None
        command = pipe.fifo.reader
        if command is None or self._finishing:
            return
        pipe.read_at = self._loop.time()
        command = replace(command, argv=(*command.argv, pipe.fifo.path))
        started_at = self._loop.time()

        def ended(result: ScriptResult) -> None:
            self._reader_ended(pipe, command.argv[0], result, self._loop.time() - started_at)

        pipe.reader = self._children.start(command, None, ended)

    def _reader_ended(self, pipe: _Pipe, program: str, result: ScriptResult, ran_s: float) -> None:
        if pipe.fifo.path not in self._pipes or self._finishing:
            return
        pipe.reader = None
        pipe.restarts += 1
        if ran_s * SECOND > RESTART_LAST:
            pipe.pause = RESTART_FIRST
        pause_s = pipe.pause / SECOND
        self._log.warning(
            "the reader of a FIFO has ended",
            path=pipe.fifo.path,
            script=program,
            result=str(result),
            again_in_s=pause_s,
        )
        pipe.restart = self._loop.call_later(pause_s, self._start_reader, pipe)
        pipe.pause = min(2 * pipe.pause, RESTART_LAST)

    def _end_reader(self, pipe: _Pipe, because: str) -> None:
        """For good: the next one, if any, is not this one started again."""
        if pipe.restart is not None:
            pipe.restart.cancel()
            pipe.restart = None
        if pipe.reader is not None:
            pipe.reader.done = None
            pipe.reader.end_after(0, because)
            pipe.reader = None

    def _look(self) -> None:
        """Does every reader read?"""
        self._watch = self._look_later() if self._pipes else None
        now = self._loop.time()
        for pipe in self._pipes.values():
            unread = pipe.unread()
            if not unread or pipe.written - unread != pipe.read or pipe.reader is None:
                pipe.read, pipe.read_at = pipe.written - unread, now
            elif (now - pipe.read_at) * SECOND >= self._hangs_after:
                pipe.reader.end_after(0, f"it has read nothing for {self._hangs_after / SECOND:g} s")

    def _look_later(self) -> asyncio.TimerHandle:
        return self._loop.call_later(self._hangs_after / SECOND / _LOOKS, self._look)


def _make(fifo: Fifo) -> bool:
    """True when it was not there."""
    try:
        os.mkfifo(fifo.path, 0o600)
    except FileExistsError:
        return False
    if fifo.user is not None:
        os.chown(fifo.path, fifo.user.uid, fifo.user.gid)
    return True


def _problem(fifo: Fifo, found: os.stat_result) -> str:
    """Why what stands at its path is not to be written into; empty: it is."""
    if not stat.S_ISFIFO(found.st_mode):
        return "it is there and is no FIFO"
    owners = {0, os.geteuid(), *(() if fifo.user is None else (fifo.user.uid,))}
    if found.st_uid not in owners:
        return f"it belongs to user {found.st_uid}"
    return ""
