"""The listener for metrics and the status page, on real Unix sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from test_metrics import EXTRA
from test_report import master, status

from vrrpd.web import CLIENTS_MAX, Address, AddressError, WebServer, parse_address


async def told() -> dict[str, Any]:
    return status(master()) | EXTRA


def with_server(path: Path, scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        unhandled: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        server = WebServer(Address(str(path), 0), told, structlog.get_logger())
        await server.start()
        await scenario()
        await server.close()
        assert unhandled == []

    asyncio.run(main())


async def ask(path: Path, request: bytes) -> tuple[str, str]:
    """Head and body of the answer."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(request)
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    return head, body


def get(path: Path, what: str, method: str = "GET") -> tuple[str, str]:
    found: list[tuple[str, str]] = []

    async def scenario() -> None:
        found.append(await ask(path, f"{method} {what} HTTP/1.1\r\nHost: x\r\n\r\n".encode()))

    with_server(path, scenario)
    return found[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "web.sock"


def test_the_page_comes_with_a_policy_that_allows_nothing_but_its_own_style(path: Path) -> None:
    head, body = get(path, "/")
    assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n")
    assert "\r\nContent-Security-Policy: default-src 'none'; " in head
    assert "R1" in body


def test_metrics_and_json_are_there(path: Path) -> None:
    head, body = get(path, "/metrics")
    assert "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n" in head
    assert 'vrrpd_router_priority{router="R1"} 100\n' in body
    head, body = get(path, "/status.json")
    assert "\r\nContent-Type: application/json\r\n" in head
    assert body.startswith("{")


@pytest.mark.parametrize(
    ("request_line", "code"),
    [
        ("GET /etc/passwd HTTP/1.1", 404),
        ("POST / HTTP/1.1", 405),
        ("DELETE /metrics HTTP/1.1", 405),
        ("GET /", 400),
        ("\x16\x03\x01", 400),
        ("GET / HTTP/1.1\r\nX: " + "x" * 9000, 400),
    ],
)
def test_what_is_not_served_is_refused(path: Path, request_line: str, code: int) -> None:
    async def scenario() -> None:
        head, _ = await ask(path, request_line.encode() + b"\r\n\r\n")
        assert head.startswith(f"HTTP/1.1 {code} ")

    with_server(path, scenario)


def test_head_is_answered_without_a_body(path: Path) -> None:
    head, body = get(path, "/", method="HEAD")
    assert (head[:15], body) == ("HTTP/1.1 200 OK", "")


def test_half_open_clients_and_those_that_go_do_not_keep_others_waiting(path: Path) -> None:
    async def scenario() -> None:
        silent = [socket.socket(socket.AF_UNIX) for _ in range(20)]
        for client in silent:
            client.connect(str(path))
        silent[0].close()
        head, _ = await ask(path, b"GET /metrics HTTP/1.1\r\n\r\n")
        assert head.startswith("HTTP/1.1 200 OK")
        for client in silent:
            client.close()

    with_server(path, scenario)


def test_more_clients_than_it_serves_are_told_so(path: Path) -> None:
    async def scenario() -> None:
        held = [await asyncio.open_unix_connection(str(path)) for _ in range(CLIENTS_MAX)]
        head, _ = await ask(path, b"GET / HTTP/1.1\r\n\r\n")
        assert head.startswith("HTTP/1.1 503 ")
        for _, writer in held:
            writer.close()

    with_server(path, scenario)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9650", Address("127.0.0.1", 9650)),
        ("192.0.2.1:80", Address("192.0.2.1", 80)),
        ("[::1]:9650", Address("::1", 9650)),
        ("unix:/run/vrrpd/web.sock", Address("/run/vrrpd/web.sock", 0)),
    ],
)
def test_an_address_is_a_port_a_host_and_port_or_a_path(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "lb1", "0", "65536", "unix:", "host:port"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match="is no address to listen on"):
        parse_address(text)
