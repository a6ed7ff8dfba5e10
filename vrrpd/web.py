"""The listener for metrics and the status page: reads, answers, changes nothing.

GET only, one request a connection. A client that is slow, wrong, huge or gone costs little and holds up nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from structlog.typing import FilteringBoundLogger

from vrrpd import metrics, page

Json: TypeAlias = dict[str, Any]

DEFAULT_HOST = "127.0.0.1"
REQUEST_MAX = 8192
CLIENTS_MAX = 64
CLIENT_TIMEOUT_S = 5.0
_UNIX = "unix:"
_PLAIN = "text/plain; charset=utf-8"
_COMMON = "".join(
    f"{header}\r\n"
    for header in (
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: no-referrer",
        "Connection: close",
    )
)
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class AddressError(ValueError):
    """What was given is no address to listen on: what it is, and what would be one."""


@dataclass(frozen=True, slots=True)
class Address:
    """`HOST:PORT`, `PORT` on the loopback interface, or `unix:PATH`."""

    host: str
    port: int
    """0: `host` is the path of a Unix socket."""

    def __str__(self) -> str:
        if not self.port:
            return _UNIX + self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Raises `AddressError`."""
    if text.startswith(_UNIX) and len(text) > len(_UNIX):
        return Address(text.removeprefix(_UNIX), 0)
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 1 <= int(port) <= 65535:  # noqa: PLR2004
        raise AddressError(f"{text!r} is no address to listen on: HOST:PORT, PORT or unix:PATH")
    return Address(host.strip("[]") or DEFAULT_HOST, int(port))


class WebServer:
    """Serves `status()` as /metrics, /status.json and /."""

    def __init__(self, address: Address, status: Callable[[], Awaitable[Json]], log: FilteringBoundLogger) -> None:
        self.address = address
        self._status = status
        self._log = log
        self._conversations: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. OSError when that is not possible."""
        if self.address.port:
            self._server = await asyncio.start_server(
                self._connected, self.address.host, self.address.port, limit=REQUEST_MAX
            )
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address.host)  # noqa: PTH108 - asyncio takes a path as text too
            self._server = await asyncio.start_unix_server(self._connected, self.address.host, limit=REQUEST_MAX)
        self._log.info("status page", address=str(self.address))

    async def close(self) -> None:
        """Let go of everybody."""
        if self._server is not None:
            self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        if not self.address.port:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address.host)  # noqa: PTH108

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CLIENT_TIMEOUT_S):
                if len(self._conversations) > CLIENTS_MAX:
                    await _send(writer, 503, _PLAIN, ["too many ask at once; try again\n"])
                else:
                    await self._answer(reader, writer)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            pass  # Whoever asked has gone, is slow, or does not know how.
        finally:
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()
            else:
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return await _send(writer, 400, _PLAIN, ["the request is too long\n"])
        words = head.split(b"\r\n", 1)[0].decode("ascii", "replace").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, path, version
            return await _send(writer, 400, _PLAIN, ["this is no HTTP request\n"])
        method, path = words[0], words[1].partition("?")[0]
        if method not in {"GET", "HEAD"}:
            return await _send(writer, 405, _PLAIN, ["nothing can be changed here\n"], "Allow: GET, HEAD\r\n")
        body = method == "GET"
        match path:
            case "/metrics":
                return await _send(writer, 200, metrics.CONTENT_TYPE, metrics.render(await self._status()), body=body)
            case "/status.json":
                text = [json.dumps(await self._status()), "\n"]
                return await _send(writer, 200, "application/json", text, body=body)
            case "/":
                document = page.render(await self._status(), socket.gethostname())
                policy = f"Content-Security-Policy: {page.SECURITY_POLICY}\r\n"
                return await _send(writer, 200, "text/html; charset=utf-8", document, policy, body=body)
            case _:
                return await _send(writer, 404, _PLAIN, ["there is /, /metrics and /status.json\n"], body=body)


async def _send(
    writer: asyncio.StreamWriter, code: int, kind: str, parts: Iterable[str], headers: str = "", *, body: bool = True
) -> None:
    """Part by part, with the loop's turn in between. The end of the connection is the end of the body."""
    writer.write(f"HTTP/1.1 {code} {_REASONS[code]}\r\nContent-Type: {kind}\r\n{_COMMON}{headers}\r\n".encode())
    for part in parts if body else ():
        writer.write(part.encode(errors="replace"))
        await writer.drain()
        await asyncio.sleep(0)
    await writer.drain()
