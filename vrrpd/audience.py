"""Whom changes are told: commands one after the other for each router and group, FIFOs, mail.

A command that is slow delays what is told of its own router and nothing else. When that falls behind, what is oldest
is left out and counted; the last state is always told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from structlog.typing import FilteringBoundLogger

from vrrpd.mail import Postman
from vrrpd.model import MILLISECOND, SECOND, Command, Config, Duration, ScriptResult, Telling
from vrrpd.ports import Pipes, Programs, Running
from vrrpd.telling import Key, Told, Word

Json: TypeAlias = dict[str, Any]

WAITING_MAX = 16
"""Tellings of one router that wait for its commands."""
COMMAND_LIMIT: Duration = 60 * SECOND
STOP_LIMIT: Duration = SECOND
"""How long a command may still run once its router is told to stop, as in keepalived."""
END_LIMIT: Duration = 3 * SECOND
"""One that runs, then two that are told of the stop."""
MAIL_LIMIT: Duration = SECOND


@dataclass(slots=True)
class _Queue:
    """What is told of one router or group."""

    key: Key
    waiting: deque[Told] = field(default_factory=deque)
    commands: deque[Command] = field(default_factory=deque)
    """Those of `told` that have not run yet."""
    told: Told | None = None
    running: Running | None = None
    is_busy: bool = False
    """A command runs, or waits for its turn."""
    skipped: int = 0
    results: dict[tuple[str, str], ScriptResult] = field(default_factory=dict)
    """The last one, by program and word."""

    def put(self, told: Told) -> None:
        """After all that waits. A stop is told next: what it was before concerns nobody any more."""
        if told.word is Word.STOP:
            self.skipped += len(self.waiting)
            self.waiting.clear()
            self.commands.clear()
        self.waiting.append(told)
        if len(self.waiting) > WAITING_MAX:
            self.skipped += 1
            self.waiting.remove(next((one for one in self.waiting if not one.word.is_state), self.waiting[0]))

    def next_command(self) -> Command | None:
        """What is to be run now."""
        while not self.commands and self.waiting:
            self.told = self.waiting.popleft()
            self.commands.extend(self.told.commands)
        return self.commands.popleft() if self.commands else None


class Audience:
    """Belongs to the main thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        log: FilteringBoundLogger,
        programs: Programs,
        pipes: Pipes,
        postman: Postman,
    ) -> None:
        self._loop = loop
        self._log = log
        self._programs = programs
        self._pipes = pipes
        self._postman = postman
        self._telling = Telling()
        self._queues: dict[Key, _Queue] = {}
        self._turns: deque[_Queue] = deque()
        """Who has something to run."""
        self._is_pumping = False
        self._quiet: asyncio.Future[None] | None = None

    async def begin(self, config: Config) -> None:
        """Before anything happens: the startup script has ended."""
        self.configure(config)
        await self._run_whole(config.telling.startup, config.telling.startup_timeout)

    def configure(self, config: Config) -> None:
        """Whom this configuration names. What is under way ends as it began."""
        self._telling = config.telling
        self._pipes.configure(config.telling)
        self._postman.configure(config.mail, config.router_id)
        names = {router.name for router in config.routers} | {group.name for group in config.groups}
        for key in [key for key, queue in self._queues.items() if key[1] not in names and not queue.is_busy]:
            del self._queues[key]

    def tell(self, told: Iterable[Told]) -> None:
        """Nothing here waits: a program is started in a turn of its own."""
        for one in told:
            self._pipes.write(one.line)
            self._postman.send(one)
            if one.commands:
                self._enqueue(one)

    async def end(self) -> None:
        """Everything has been given up: what was told of it is run, written and sent, for a moment; then no more."""
        if not self._is_quiet():
            self._quiet = self._loop.create_future()
            await asyncio.wait([self._quiet], timeout=END_LIMIT / SECOND)
        await self._pipes.finish()
        await self._postman.finish(MAIL_LIMIT)
        await self._run_whole(self._telling.shutdown, self._telling.shutdown_timeout)
        self._programs.stop()

    def status(self, key: Key) -> list[Json]:
        """How the commands of one router or group have ended: the last run of each."""
        queue = self._queues.get(key)
        if queue is None:
            return []
        return [
            {
                "script": script,
                "for": word,
                "exit_code": result.exit_code,
                "problem": result.problem,
                "duration_ms": result.duration // MILLISECOND,
            }
            for (script, word), result in queue.results.items()
        ]

    def whole_status(self) -> Json:
        """What is not of one router or group."""
        skipped = {f"{kind} {name}": q.skipped for (kind, name), q in self._queues.items() if q.skipped}
        return {"fifos": self._pipes.status(), "mail": self._postman.status(), "skipped": skipped}

    # --- commands ---

    async def _run_whole(self, command: Command | None, limit: Duration) -> None:
        """A command of the daemon's own start or end, to its end."""
        if command is None:
            return
        ended: asyncio.Future[ScriptResult] = self._loop.create_future()
        self._programs.start(command, limit, ended.set_result, {})
        self._log_result(await ended, script=command.argv[0])

    def _log_result(self, result: ScriptResult, **facts: str) -> None:
        tell: Callable[..., None] = self._log.info if result.succeeded else self._log.warning
        tell("notified", result=str(result), duration_ms=result.duration // MILLISECOND, **facts)

    def _enqueue(self, told: Told) -> None:
        queue = self._queues.setdefault(told.key, _Queue(told.key))
        skipped = queue.skipped
        queue.put(told)
        if queue.skipped > skipped:
            self._log.warning("notification left out", name=told.name, state=told.word, skipped=queue.skipped)
        if told.word is Word.STOP and queue.running is not None:
            queue.running.end_after(STOP_LIMIT, "ended, because vrrpd stops")
        self._take_turn(queue)

    def _take_turn(self, queue: _Queue) -> None:
        if queue.is_busy:
            return
        queue.is_busy = True
        self._turns.append(queue)
        self._pump_soon()

    def _pump_soon(self) -> None:
        if not self._is_pumping:
            self._is_pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Start one: each takes about a millisecond, and advertisements are not to wait for all of them."""
        self._is_pumping = False
        if self._turns:
            self._run_next(self._turns.popleft())
            self._pump_soon()

    def _run_next(self, queue: _Queue) -> None:
        command = queue.next_command()
        told = queue.told
        if command is None or told is None:
            queue.is_busy = False
            self._wake()
            return
        limit = STOP_LIMIT if told.word is Word.STOP else COMMAND_LIMIT
        done = partial(self._done, queue, told, command)
        queue.running = self._programs.start(command, limit, done, told.facts)

    def _done(self, queue: _Queue, told: Told, command: Command, result: ScriptResult) -> None:
        queue.running = None
        queue.results[command.argv[0], told.word] = result
        self._log_result(result, name=told.name, state=told.word, script=command.argv[0])
        self._turns.append(queue)
        self._pump_soon()

    def _is_quiet(self) -> bool:
        return not any(queue.is_busy for queue in self._queues.values())

    def _wake(self) -> None:
        if self._quiet is not None and not self._quiet.done() and self._is_quiet():
            self._quiet.set_result(None)
