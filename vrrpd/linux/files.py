"""The body of `ports.Files`: tracked files, by inotify on the directories that they are in.

A file is read when whoever wrote it has closed it, or has put another in its place: never half written. What inotify
cannot see (a directory that is made anew, mounted over or reached through a link) is found within a second.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from vrrpd.model import TrackedFile

_LOOK_EVERY_S = 1.0
_MOST_BYTES = 127
"""keepalived reads no more either."""
_NUMBER = re.compile(rb"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_LOWEST, _HIGHEST = -(2**31), 2**31 - 1

_IN_CLOSE_WRITE, _IN_MOVED_FROM, _IN_MOVED_TO = 0x8, 0x40, 0x80
_IN_CREATE, _IN_DELETE, _IN_DELETE_SELF, _IN_MOVE_SELF = 0x100, 0x200, 0x400, 0x800
_IN_Q_OVERFLOW, _IN_IGNORED, _IN_ONLYDIR = 0x4000, 0x8000, 0x0100_0000
_OF_FILES = _IN_CLOSE_WRITE | _IN_MOVED_FROM | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE
_OF_DIRECTORIES = _IN_DELETE_SELF | _IN_MOVE_SELF
_EVENT = struct.Struct("=iIII")
_BUFFER_SIZE = 65536
_libc = ctypes.CDLL(None, use_errno=True)

_Place = tuple[int, int]
"""Device and inode."""


@dataclass(slots=True, eq=False)
class _Watched:
    file: TrackedFile
    value: int | None = None
    problem: str = ""
    """Why it counts as 0."""
    watch: int | None = None
    """inotify's number for the directory; None: there is none."""
    directory: _Place | None = None
    target: _Place | None = None
    """What its path led to when it was last looked at."""

    def look(self) -> bool:
        """Its path leads elsewhere than before."""
        before = self.directory, self.target
        self.directory, self.target = _place(Path(self.file.path).parent), _place(Path(self.file.path))
        return (self.directory, self.target) != before


class InotifyFiles:
    """Belongs to the event loop's thread. `on_value(file, number)` is called for each file at once, and at changes."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_value: Callable[[TrackedFile, int], None], log: FilteringBoundLogger
    ) -> None:
        self._loop = loop
        self._on_value = on_value
        self._log = log
        self._descriptor: int | None = None
        self._watched: list[_Watched] = []
        self._timer: asyncio.TimerHandle | None = None
        self._begun = False

    def watch(self, files: Sequence[TrackedFile]) -> None:
        """Watch exactly these from now on; the number of each is told before this returns."""
        for file in files:
            self._initialise(file)
        self._begun = True
        self.close()
        self._watched = [_Watched(file) for file in files]
        if not files:
            return
        self._open()
        self._look()

    def close(self) -> None:
        """Watch nothing."""
        self._watched = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _initialise(self, file: TrackedFile) -> None:
        """Keepalived's init_file: where there is no file, and with `overwrite` at the start of the daemon."""
        if file.initial is None:
            return
        flags = os.O_TRUNC if file.overwrites and not self._begun else os.O_EXCL
        try:
            descriptor = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o644)
        except FileExistsError:
            return
        except OSError as error:
            self._log.warning("tracked file not initialised", file=file.name, path=file.path, error=error.strerror)
            return
        os.write(descriptor, b"%d\n" % file.initial)
        os.close(descriptor)

    def _open(self) -> None:
        descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            error = os.strerror(ctypes.get_errno())
            self._log.warning("no inotify: tracked files are read each second", error=error)
            return
        self._descriptor = descriptor
        self._loop.add_reader(descriptor, self._on_events, descriptor)

    # --- what inotify sees ---

    def _on_events(self, descriptor: int) -> None:
        """Whatever has happened, each file is read once."""
        buffer = os.read(descriptor, _BUFFER_SIZE)
        touched: set[_Watched] = set()
        at = 0
        while at < len(buffer):
            watch, mask, _, length = _EVENT.unpack_from(buffer, at)
            name = buffer[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
            at += _EVENT.size + length
            touched.update(self._touched(watch, mask, name))
        for watched in self._watched:
            if watched in touched:
                self._look_at(watched, moved=True)

    def _touched(self, watch: int, mask: int, name: bytes) -> list[_Watched]:
        if mask & _IN_Q_OVERFLOW:
            return self._watched
        there = [watched for watched in self._watched if watched.watch == watch]
        if mask & _IN_IGNORED:
            for watched in there:
                watched.watch = None
        if mask & (_OF_DIRECTORIES | _IN_IGNORED):
            return there
        return [watched for watched in there if os.fsencode(Path(watched.file.path).name) == name]

    # --- what is looked at each second ---

    def _look(self) -> None:
        self._timer = self._loop.call_later(_LOOK_EVERY_S, self._look)
        for watched in self._watched:
            self._look_at(watched, moved=False)

    def _look_at(self, watched: _Watched, *, moved: bool) -> None:
        leads_elsewhere = watched.look()
        if self._descriptor is not None and (leads_elsewhere or watched.watch is None):
            self._watch_directory(watched, self._descriptor)
        if moved or leads_elsewhere or watched.value is None or self._descriptor is None:
            self._read(watched)

    def _watch_directory(self, watched: _Watched, descriptor: int) -> None:
        directory = os.fsencode(Path(watched.file.path).parent)
        watch = _libc.inotify_add_watch(descriptor, directory, _OF_FILES | _OF_DIRECTORIES | _IN_ONLYDIR)
        before, watched.watch = watched.watch, watch if watch >= 0 else None
        if before is not None and all(other.watch != before for other in self._watched):
            _libc.inotify_rm_watch(descriptor, before)

    def _read(self, watched: _Watched) -> None:
        try:
            value, problem = number(_content(watched.file.path)), ""
        except FileNotFoundError:
            value, problem = 0, ""
        except OSError as error:
            value, problem = 0, error.strerror or str(error)
        if value is None:
            value, problem = watched.value or 0, "its number is beyond 32 bits"
        if problem and problem != watched.problem:
            path = watched.file.path
            self._log.warning("tracked file not understood", file=watched.file.name, path=path, error=problem)
        watched.problem = problem
        if value != watched.value:
            watched.value = value
            self._on_value(watched.file, value)


def number(content: bytes) -> int | None:
    """As C's strtol with base 0 reads it: 0x and 0 begin other bases, what follows is not read, nothing is 0.

    None beyond 32 bits, which keepalived does not take.
    """
    found = _NUMBER.match(content)
    if found is None:
        return 0
    sign, digits = found.groups()
    base = 16 if digits[:2] in {b"0x", b"0X"} else 8 if digits.startswith(b"0") else 10
    value = int(digits, base) * (-1 if sign == b"-" else 1)
    return value if _LOWEST <= value <= _HIGHEST else None


def _content(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)


def _place(path: Path) -> _Place | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
