"""The control socket, a real one: clients that are slow, wrong, greedy or gone cost little."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from vrrpd import client
from vrrpd.control import CLIENTS_MAX, ControlServer, RefusedError

BIG = "x" * 4_000_000


class Answering:
    """The daemon's side."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], int]] = []

    async def __call__(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        self.asked.append((request, uid))
        match request.get("command"):
            case "big":
                return {"content": BIG}
            case "forbidden":
                raise RefusedError("only root may do that")
            case _:
                return {"you said": request}


def with_server(path: Path, scenario: Callable[[Answering], Awaitable[None]]) -> list[dict[str, Any]]:
    """Run the scenario beside a server; return what went wrong unnoticed in the loop."""
    unhandled: list[dict[str, Any]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        handler = Answering()
        server = ControlServer(path, handler, structlog.get_logger())
        await server.start()
        try:
            await scenario(handler)
        finally:
            await server.close()
        await asyncio.sleep(0)

    asyncio.run(run())
    return unhandled


async def ask(path: Path, content: bytes, *, half_close: bool = False) -> bytes:
    """What the server sends until it closes."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        writer.write(content)
        if half_close:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def exchange(path: Path, content: bytes, *, half_close: bool = False) -> dict[str, Any] | None:
    """One request and its answer; None when there is none. Nothing may be left unhandled."""
    answers: list[bytes] = []

    async def scenario(_handler: Answering) -> None:
        answers.append(await ask(path, content, half_close=half_close))

    assert with_server(path, scenario) == []
    return json.loads(answers[0]) if answers[0] else None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def test_a_request_is_answered(path: Path) -> None:
    assert exchange(path, b'{"command": "status"}\n') == {"you said": {"command": "status"}}


def test_the_client_and_the_server_understand_each_other(path: Path) -> None:
    answers: list[dict[str, Any]] = []

    async def scenario(handler: Answering) -> None:
        answers.append(await asyncio.to_thread(client.ask, str(path), {"command": "status"}))
        assert handler.asked == [({"command": "status"}, os.geteuid())]

    assert with_server(path, scenario) == []
    assert answers == [{"you said": {"command": "status"}}]


def test_an_answer_of_megabytes_arrives_whole(path: Path) -> None:
    answers: list[dict[str, Any]] = []

    async def scenario(_handler: Answering) -> None:
        answers.append(await asyncio.to_thread(client.ask, str(path), {"command": "big"}))

    assert with_server(path, scenario) == []
    assert answers == [{"content": BIG}]


def test_a_refusal_reaches_who_asked(path: Path) -> None:
    assert exchange(path, b'{"command": "forbidden"}\n') == {"error": "only root may do that"}


@pytest.mark.parametrize(
    "content",
    [b"hello\n", b"\n", b"{\n", b"\xff\xfe\x00\n", b'{"a": \n', b"1" * 5000 + b"\n"],
)
def test_garbage_is_told_so(path: Path, content: bytes) -> None:
    assert exchange(path, content) == {"error": "the request is not JSON"}


@pytest.mark.parametrize("content", [b"7\n", b"[]\n", b"null\n", b'"status"\n'])
def test_json_that_is_no_object_is_told_so(path: Path, content: bytes) -> None:
    assert exchange(path, content) == {"error": "the request is not an object"}


def test_a_client_that_closes_its_half_is_answered(path: Path) -> None:
    assert exchange(path, b'{"command": "status"}', half_close=True) == {"you said": {"command": "status"}}


def test_a_client_that_says_nothing_and_goes_costs_nothing(path: Path) -> None:
    assert exchange(path, b"", half_close=True) is None


def test_a_line_beyond_the_limit_is_cut_off(path: Path) -> None:
    assert exchange(path, b"x" * 200_000 + b"\n") is None


def test_a_slow_client_does_not_hold_up_others(path: Path) -> None:
    async def scenario(_handler: Answering) -> None:
        _, slow = await asyncio.open_unix_connection(str(path))
        slow.write(b'{"comm')
        for _ in range(50):
            assert json.loads(await ask(path, b"{}\n")) == {"you said": {}}
        slow.close()
        await slow.wait_closed()

    assert with_server(path, scenario) == []


def test_a_client_that_does_not_read_its_answer_does_not_hold_up_others(path: Path) -> None:
    async def scenario(_handler: Answering) -> None:
        deaf = socket.socket(socket.AF_UNIX)
        deaf.connect(str(path))
        deaf.sendall(b'{"command": "big"}\n')
        for _ in range(20):
            assert json.loads(await ask(path, b"{}\n")) == {"you said": {}}
        deaf.close()

    assert with_server(path, scenario) == []


def test_clients_beyond_the_limit_are_turned_away_and_then_there_is_room_again(path: Path) -> None:
    async def scenario(handler: Answering) -> None:
        idle = [await asyncio.open_unix_connection(str(path)) for _ in range(CLIENTS_MAX)]
        await asyncio.sleep(0)
        await ask(path, b"{}\n")
        assert handler.asked == []
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0)
        assert json.loads(await ask(path, b"{}\n")) == {"you said": {}}

    assert with_server(path, scenario) == []


def test_hundreds_of_clients_at_once_are_survived(path: Path) -> None:
    async def scenario(_handler: Answering) -> None:
        await asyncio.gather(*(ask(path, b"{}\n") for _ in range(200)), return_exceptions=True)
        assert json.loads(await ask(path, b"{}\n")) == {"you said": {}}

    assert with_server(path, scenario) == []


def test_the_socket_is_its_owners_and_disappears_at_the_end(path: Path) -> None:
    modes: list[int] = []

    async def scenario(_handler: Answering) -> None:
        modes.append(os.stat(path).st_mode)  # noqa: PTH116  a socket's mode is there at once

    with_server(path, scenario)
    (mode,) = modes
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) & 0o007 == 0, "nobody else"
    assert not path.exists()


def test_a_socket_that_a_crash_left_is_replaced(path: Path) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    assert exchange(path, b"{}\n") == {"you said": {}}


def test_no_daemon_is_one_sentence_that_names_the_socket(path: Path) -> None:
    with pytest.raises(client.NoDaemonError, match=r"no vrrpd answers on .*control\.sock"):
        client.ask(str(path), {})
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    with pytest.raises(client.NoDaemonError, match="no vrrpd answers"):
        client.ask(str(path), {})


def test_somebody_else_on_the_socket_is_named(path: Path) -> None:
    async def stranger() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"220 smtp ready\n")
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_unix_server(greet, str(path))
        with pytest.raises(client.NoDaemonError, match="does not speak"):
            await asyncio.to_thread(client.ask, str(path), {})
        server.close()

    asyncio.run(stranger())


# --- defects, until they are gone ---


def test_json_nested_without_end_is_garbage_too(path: Path) -> None:
    assert exchange(path, b"[" * 60_000 + b"\n") == {"error": "the request is not JSON"}
