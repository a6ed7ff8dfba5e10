"""The body of `ports.Scripts`: check scripts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from vrrpd.linux.children import Child, Children, Done
from vrrpd.model import Command, Script, ScriptResult


class PosixScripts:
    """Belongs to the main thread. A script is not started again while its last run cannot be killed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._children = Children(loop)
        self._last: dict[Script, Child] = {}

    def run(self, script: Script, done: Callable[[ScriptResult], None]) -> None:
        """Start it; `done` is called exactly once, never before this returns, and not at all after `stop`."""
        last = self._last.get(script)
        if last is not None and not last.has_ended:
            self._children.refuse(done, "its last run has not ended and cannot be killed")
            return
        child = self._children.start(
            Command(script.argv, script.user), script.timeout, partial(self._finished, script, done)
        )
        if child is not None:
            self._last[script] = child

    def _finished(self, script: Script, done: Done, result: ScriptResult) -> None:
        last = self._last.get(script)
        if last is not None and last.has_ended:
            del self._last[script]
        done(result)

    def stop(self) -> None:
        """SIGTERM, at most 0.2 s, SIGKILL: blocks for that long, for the end of the daemon."""
        self._last.clear()
        self._children.stop()
