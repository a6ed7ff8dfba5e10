"""Whom changes are told, on virtual time: commands of a router one after the other, bounded, the last state always."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from virtual import VirtualLoop

from vrrpd.audience import Audience
from vrrpd.mail import Postman
from vrrpd.model import SECOND, Command, Config, Notification, ScriptResult, Telling, VirtualRouter
from vrrpd.states import Reason, Why
from vrrpd.telling import Kind, Told, Word

ALL = Notification(on_change=Command(("/n",)), on_master=Command(("/m",)), on_stop=Command(("/s",)))


class Run:
    """A program that takes as long as it takes, or as it is given."""

    def __init__(self, programs: Programs, line: str, takes_s: float, done: Callable[[ScriptResult], None]) -> None:
        self._programs = programs
        self._line = line
        self._done = done
        self._timer = programs.loop.call_later(takes_s, self._end, ScriptResult(0, round(takes_s * SECOND)))

    def end_after(self, rest: int, because: str) -> None:
        self._timer.cancel()
        self._timer = self._programs.loop.call_later(rest / SECOND, self._end, ScriptResult(None, rest, because))

    def _end(self, result: ScriptResult) -> None:
        self._programs.running.remove(self._line)
        self._done(result)


class Programs:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.takes_s = 1.0
        self.started: list[tuple[float, str]] = []
        self.running: list[str] = []
        self.facts: Mapping[str, str] = {}

    def start(
        self,
        command: Command,
        timeout: int | None,
        done: Callable[[ScriptResult], None],
        facts: Mapping[str, str],
    ) -> Run:
        line = " ".join(command.argv)
        self.started.append((round(self.loop.time(), 3), line))
        self.running.append(line)
        self.facts = facts
        run = Run(self, line, self.takes_s, done)
        if timeout is not None and timeout < self.takes_s * SECOND:
            run.end_after(timeout, "timed out")
        return run

    def stop(self) -> None:
        self.running.clear()


class Pipes:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def configure(self, telling: Telling) -> None:
        pass

    def write(self, line: str) -> None:
        self.lines.append(line)

    async def finish(self) -> None:
        self.lines.append("finished")

    def status(self) -> list[dict[str, Any]]:
        return []


class Place:
    """An audience and what it reaches."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        log = structlog.get_logger()
        self.programs = Programs(loop)
        self.pipes = Pipes()
        self.audience = Audience(loop, log, self.programs, self.pipes, Postman(loop, log))

    def tell(self, *words: Word, name: str = "R1") -> None:
        why = Why(Reason.STARTED, "started")
        self.audience.tell(Told(Kind.INSTANCE, name, word, 100, why, notification=ALL) for word in words)

    def started(self) -> list[str]:
        return [line for _, line in self.programs.started]


def run(play: Callable[[Place], Any]) -> None:
    async def main() -> None:
        await play(Place())

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


def test_commands_of_one_router_run_one_after_the_other_in_the_order_of_what_was_told() -> None:
    async def play(place: Place) -> None:
        place.tell(Word.BACKUP, Word.MASTER)
        assert place.programs.started == [], "nothing is started in the turn that tells it"
        await asyncio.sleep(10)
        assert place.programs.started == [
            (0.0, "/n INSTANCE R1 BACKUP 100"),
            (1.0, "/m"),
            (2.0, "/n INSTANCE R1 MASTER 100"),
        ]
        assert place.programs.facts["VRRP_STATE"] == "MASTER"

    run(play)


def test_a_slow_command_delays_its_own_router_only() -> None:
    async def play(place: Place) -> None:
        place.programs.takes_s = 50.0
        place.tell(Word.MASTER)
        await asyncio.sleep(1)
        place.programs.takes_s = 0.1
        place.tell(Word.BACKUP)
        place.tell(Word.BACKUP, name="R2")
        await asyncio.sleep(1)
        assert place.started() == ["/m", "/n INSTANCE R2 BACKUP 100"]
        await asyncio.sleep(60)
        assert place.started()[2:] == ["/n INSTANCE R1 MASTER 100", "/n INSTANCE R1 BACKUP 100"]

    run(play)


def test_when_a_router_falls_behind_the_last_state_is_told_and_the_rest_counted() -> None:
    async def play(place: Place) -> None:
        place.programs.takes_s = 30.0
        place.tell(Word.BACKUP)
        await asyncio.sleep(1)
        place.programs.takes_s = 0.01
        for _ in range(100):
            place.tell(Word.FAULT, Word.BACKUP)
        place.tell(Word.MASTER)
        await asyncio.sleep(60)
        assert place.started()[-2:] == ["/m", "/n INSTANCE R1 MASTER 100"]
        assert len(place.started()) == 18, "one that ran, sixteen that waited, the last of them with two commands"
        assert place.audience.whole_status()["skipped"] == {"INSTANCE R1": 185}

    run(play)


def test_events_give_way_to_states() -> None:
    async def play(place: Place) -> None:
        lower = Notification(on_lower_priority=Command(("/l",)), on_master=Command(("/m",)))
        why = Why(Reason.STARTED, "started")
        told = Told(Kind.INSTANCE, "R1", Word.MASTER_RX_LOWER_PRI, 100, why, notification=lower)
        place.audience.tell([Told(Kind.INSTANCE, "R1", Word.MASTER, 100, why, notification=lower)])
        place.audience.tell([told] * 50)
        await asyncio.sleep(60)
        assert place.started() == ["/m"] + ["/l"] * 15

    run(play)


def test_a_command_that_hangs_is_ended_after_a_minute() -> None:
    async def play(place: Place) -> None:
        place.programs.takes_s = 1000.0
        place.tell(Word.MASTER)
        await asyncio.sleep(61)
        assert place.programs.started == [(0.0, "/m"), (60.0, "/n INSTANCE R1 MASTER 100")]
        (first,) = place.audience.status((Kind.INSTANCE, "R1"))
        assert first == {
            "script": "/m",
            "for": "MASTER",
            "exit_code": None,
            "problem": "timed out",
            "duration_ms": 60_000,
        }

    run(play)


def test_a_stop_is_told_next_and_gets_a_second() -> None:
    async def play(place: Place) -> None:
        place.programs.takes_s = 30.0
        place.tell(Word.BACKUP, Word.MASTER)
        await asyncio.sleep(5)
        place.tell(Word.STOP)
        began_at = asyncio.get_running_loop().time()
        await place.audience.end()
        assert place.programs.started[1:] == [(6.0, "/s"), (7.0, "/n INSTANCE R1 STOP 100")]
        assert asyncio.get_running_loop().time() - began_at == 3.0
        assert place.audience.whole_status()["skipped"] == {"INSTANCE R1": 1}

    run(play)


def test_fifos_are_finished_after_the_commands_and_the_shutdown_script_runs_last() -> None:
    async def play(place: Place) -> None:
        telling = Telling(startup=Command(("/up",)), shutdown=Command(("/down",)))
        place.programs.takes_s = 0.5
        await place.audience.begin(Config(telling=telling))
        assert place.programs.started == [(0.0, "/up")]
        assert asyncio.get_running_loop().time() == 0.5
        place.tell(Word.STOP)
        await place.audience.end()
        assert place.started()[1:] == ["/s", "/n INSTANCE R1 STOP 100", "/down"]
        assert place.pipes.lines == ['INSTANCE "R1" STOP 100\n', "finished"]

    run(play)


def test_of_many_routers_one_command_is_started_in_a_turn() -> None:
    async def play(place: Place) -> None:
        for n in range(255):
            place.tell(Word.BACKUP, name=f"R{n}")
        for turn in range(1, 11):
            await asyncio.sleep(0)
            assert len(place.programs.started) <= turn
        await asyncio.sleep(0.5)
        assert len(place.programs.running) == 255, "and none waits for another's"

    run(play)


def test_what_is_known_of_a_router_that_has_gone_is_forgotten_at_the_next_reload() -> None:
    async def play(place: Place) -> None:
        place.tell(Word.DELETED)
        await asyncio.sleep(5)
        assert place.audience.status((Kind.INSTANCE, "R1")) != []
        place.audience.configure(Config((VirtualRouter("R2", "eth0", 51),)))
        assert place.audience.status((Kind.INSTANCE, "R1")) == []

    run(play)
