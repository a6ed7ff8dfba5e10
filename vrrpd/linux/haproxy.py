"""The body of `ports.HAProxies`: HAProxy asked over its stats socket.

While it is reloaded the old process may still answer, saying that it stops, and while it is restarted nobody does:
neither counts before it has lasted longer than that takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from vrrpd.model import SECOND, Answer, TrackedHAProxy

_STOPPING_S = 0.5
"""A reload is over in less than 0.1 s (measured with 2.6): the next connection finds the new process."""
_ABSENT_S = 0.2
_AGAIN_S = 0.05
_MOST_BYTES = 1024 * 1024
"""Of a backend with two thousand servers, which takes some 10 ms to take apart."""
_STATUS, _WEIGHT = 17, 18
"""Columns of `show stat`, the same since HAProxy 1.3."""
_OPEN = ("OPEN", "FULL")


class _Row(NamedTuple):
    """A line of `show stat`."""

    proxy: str
    name: str
    status: str
    weight: str

    @property
    def is_up(self) -> bool:
        """It takes new connections. One that nobody checks is taken to be up, by HAProxy too."""
        return self.weight != "0" and (self.status.startswith("UP") or self.status == "no check")


class _NotNowError(Exception):
    """What may be otherwise in a moment; `lasts`: how long that moment is, in seconds."""

    def __init__(self, problem: str, lasts: float) -> None:
        super().__init__(problem)
        self.lasts = lasts


class SocketHAProxies:
    """Belongs to the event loop's thread. Each question is a connection of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asking: set[asyncio.Task[None]] = set()

    def ask(self, haproxy: TrackedHAProxy, done: Callable[[Answer], None]) -> None:
        """Ask; `done` is called exactly once, never before this returns, and not at all after `stop`."""
        task = self._loop.create_task(self._ask(haproxy, done))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def stop(self) -> None:
        """Ask no more."""
        for task in self._asking:
            task.cancel()

    async def _ask(self, haproxy: TrackedHAProxy, done: Callable[[Answer], None]) -> None:
        begun_at = self._loop.time()
        seconds = haproxy.timeout / SECOND
        try:
            async with asyncio.timeout(seconds):
                problem = await self._problem(haproxy, begun_at)
        except TimeoutError:
            problem = f"it does not answer within {seconds:g} s"
        duration = round((self._loop.time() - begun_at) * SECOND)
        self._loop.call_soon(done, Answer(duration, problem))

    async def _problem(self, haproxy: TrackedHAProxy, begun_at: float) -> str:
        while True:
            try:
                return judge(haproxy, await _answer(haproxy))
            except _NotNowError as error:
                if self._loop.time() > begun_at + min(error.lasts, haproxy.timeout / SECOND / 2):
                    return str(error)
            await asyncio.sleep(_AGAIN_S)


async def _answer(haproxy: TrackedHAProxy) -> str:
    commands = ["show info", "show stat -1 1 -1"]
    if haproxy.backend is not None:
        commands.append(f"show stat {haproxy.backend} 6 -1")
    try:
        reader, writer = await asyncio.open_unix_connection(haproxy.socket)
    except FileNotFoundError:
        raise _NotNowError(f"there is no socket {haproxy.socket}", _ABSENT_S) from None
    except OSError as error:
        raise _NotNowError(f"{haproxy.socket}: {error.strerror}", _ABSENT_S) from None
    try:
        writer.write(f"{';'.join(commands)}\n".encode())
        content = bytearray()
        while chunk := await reader.read(65536):
            content += chunk
            if len(content) > _MOST_BYTES:
                raise _NotNowError("its answer has no end", 0)
    except OSError as error:
        raise _NotNowError(f"{haproxy.socket}: {error.strerror}", _ABSENT_S) from None
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return content.decode(errors="replace")


def judge(haproxy: TrackedHAProxy, answer: str) -> str:
    """What is wrong, in words; empty when nothing is. `answer`: that of `show info` and each `show stat`.

    Raises what may pass.
    """
    info, *tables = answer.split("\n\n")
    facts = dict(line.partition(": ")[::2] for line in info.splitlines())
    if facts.get("Name") != "HAProxy":
        raise _NotNowError("it does not answer as HAProxy does", _ABSENT_S)
    if facts.get("Stopping", "0") != "0":
        raise _NotNowError("it is stopping", _STOPPING_S)
    frontends = _rows(tables[0] if tables else "")
    closed = [f"{row.proxy} is {row.status}" for row in frontends if row.status not in _OPEN]
    if closed:
        return f"frontend {', '.join(closed)}"
    if not frontends:
        return "it has no frontend"
    return "" if haproxy.backend is None else _judge_backend(haproxy, tables[1] if len(tables) > 1 else "")


def _judge_backend(haproxy: TrackedHAProxy, table: str) -> str:
    rows = _rows(table)
    if not rows:
        return f"there is no backend {haproxy.backend}"
    servers = [row for row in rows if row.name != "BACKEND"]
    up = sum(row.is_up for row in servers)
    if up >= haproxy.min_servers:
        return ""
    most = f", at least {haproxy.min_servers} must be" if haproxy.min_servers > 1 else ""
    return f"backend {haproxy.backend} has {up} of {len(servers)} servers up{most}"


def _rows(table: str) -> list[_Row]:
    """Its lines; none when it is no table."""
    lines = table.lstrip("\n").splitlines()
    if not lines or not lines[0].startswith("# pxname,svname,"):
        return []
    split = (line.split(",", _WEIGHT + 1) for line in lines[1:])
    return [_Row(fields[0], fields[1], fields[_STATUS], fields[_WEIGHT]) for fields in split if len(fields) > _WEIGHT]
