"""What has happened, on disk and bounded: written by the daemon, read by `vrrpd events` with or without it.

Two files of at most 1 MiB each. The daemon's thread of its own writes them, since a disk may take its time.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

Event: TypeAlias = Mapping[str, Any]

FILE_MAX = 1 << 20
WAITING_MAX = 4096
"""Events that wait for the disk; what comes on top is counted and dropped."""
LINE_MAX = 1 << 16
GROUP = "vrrpd"


class History:
    """The writer's side: `add` never waits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: queue.Queue[bytes | None] = queue.Queue(WAITING_MAX)
        self._thread = threading.Thread(target=self._write, name="history", daemon=True)
        self._thread.start()
        self.dropped = 0

    def add(self, event: Event) -> None:
        """Keep it."""
        line = json.dumps(dict(event), default=str).encode()
        try:
            self._waiting.put_nowait(line[:LINE_MAX] + b"\n")
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, for at most a second."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(1.0)

    def _write(self) -> None:
        while (line := self._waiting.get()) is not None:
            with contextlib.suppress(OSError):
                self._append(line)

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        try:
            if os.fstat(descriptor).st_size == 0:
                _give_to_group(descriptor)
            os.write(descriptor, line)
            full = os.fstat(descriptor).st_size >= FILE_MAX
        finally:
            os.close(descriptor)
        if full:
            self._path.replace(older(self._path))


def _give_to_group(descriptor: int) -> None:
    """Who may ask the daemon may read what it has done."""
    with contextlib.suppress(KeyError, PermissionError):
        os.fchown(descriptor, -1, grp.getgrnam(GROUP).gr_gid)


def older(path: Path) -> Path:
    """Where events go when the file is full."""
    return path.with_suffix(f".1{path.suffix}")


def read(path: Path) -> Iterator[Event]:
    """All there is, oldest first. A line that is no event is left out. OSError when a file cannot be read."""
    for file in (older(path), path):
        with contextlib.suppress(FileNotFoundError), file.open("rb") as lines:
            yield from events(lines)


def follow(path: Path, wait: Callable[[], None]) -> Iterator[Event]:
    """What is added from now on, without end; `wait` is called when there is nothing new."""
    with contextlib.ExitStack() as opened:
        file = _open(path, opened)
        if file is not None:
            file.seek(0, os.SEEK_END)
        while True:
            yield from events(file or ())
            if file is None or not _is_still(path, file):
                # It has been put aside, and a new one begins.
                opened.close()
                file = _open(path, opened)
                yield from events(file or ())
            wait()


def _open(path: Path, opened: contextlib.ExitStack) -> BinaryIO | None:
    with contextlib.suppress(FileNotFoundError):
        return opened.enter_context(path.open("rb"))
    return None


def _is_still(path: Path, file: BinaryIO) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.fstat(file.fileno()).st_ino == path.stat().st_ino
    return False


def events(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events in these lines."""
    for line in lines:
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and isinstance(event.get("event"), str) and "timestamp" in event:
                yield event
