"""The body of `ports.Scripts`: check scripts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

from vrrpd.linux.children import Child, Children, Done
from vrrpd.model import Command, Script, ScriptResult

_STARTS_PER_TURN = 8
"""To start one takes some 0.15 ms: an advertisement waits for no more of them than these."""
_BETWEEN_TURNS_S = 0.002


class PosixScripts:
    """Belongs to the main thread. A script is not started again while its last run cannot be killed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._children = Children(loop)
        self._waiting: deque[tuple[Script, Done]] = deque()
        self._turn: asyncio.Handle | None = None
        self._last: dict[tuple[object, ...], Child] = {}
        """By what is run: a reload that gives a script another weight starts no second one beside it."""

    def run(self, script: Script, done: Callable[[ScriptResult], None]) -> None:
        """Start it soon; `done` is called exactly once, never before this returns, and not at all after `stop`."""
        self._waiting.append((script, done))
        if self._turn is None:
            self._turn = self._loop.call_soon(self._start_some)

    def _start_some(self) -> None:
        for _ in range(min(_STARTS_PER_TURN, len(self._waiting))):
            self._start(*self._waiting.popleft())
        self._turn = self._loop.call_later(_BETWEEN_TURNS_S, self._start_some) if self._waiting else None

    def _start(self, script: Script, done: Done) -> None:
        what = (script.name, *script.looks_at)
        last = self._last.get(what)
        if last is not None and not last.has_ended:
            self._children.refuse(done, "its last run has not ended and cannot be killed")
            return
        command = Command(script.argv, script.user)
        child = self._children.start(command, script.timeout, partial(self._finished, what, done), ends_alone=False)
        if child is not None:
            self._last[what] = child

    def _finished(self, what: tuple[object, ...], done: Done, result: ScriptResult) -> None:
        last = self._last.get(what)
        if last is not None and last.has_ended:
            del self._last[what]
        done(result)

    def stop(self) -> None:
        """SIGTERM, at most 0.2 s, SIGKILL: blocks for that long, for the end of the daemon."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._waiting.clear()
        self._last.clear()
        self._children.stop()
