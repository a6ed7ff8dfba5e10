"""The control socket: one JSON object a line, asked and answered. A client that is slow, wrong or gone costs little."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

from structlog.typing import FilteringBoundLogger

Json: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Json, int], Awaitable[Json]]
"""(request, uid of who asks) -> answer, which takes as long as it takes. It may raise `RefusedError`."""

GROUP = "vrrpd"
REQUEST_MAX = 65_536
CLIENTS_MAX = 32
CLIENT_TIMEOUT_S = 5.0
_UCRED = struct.Struct("3i")
_BUSY = b'{"error": "too many clients ask at once; try again"}\n'


class RefusedError(Exception):
    """A request that is not answered, and why: for the one who asked."""


class ControlServer:
    """Serves one socket until closed."""

    def __init__(self, path: Path, handler: Handler, log: FilteringBoundLogger) -> None:
        self._path = path
        self._handler = handler
        self._log = log
        self._conversations: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Bind the socket: members of the group `vrrpd` may connect, where there is one. OSError when it cannot."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        mask = os.umask(0o177)
        try:
            listener.bind(str(self._path))
        finally:
            os.umask(mask)
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(self._path, -1, grp.getgrnam(GROUP).gr_gid)
            self._path.chmod(0o660)
        self._server = await asyncio.start_unix_server(self._connected, sock=listener, limit=REQUEST_MAX)

    async def close(self) -> None:
        """Stop listening, let go of who is still connected, and take the socket away."""
        if self._server is not None:
            self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        self._path.unlink(missing_ok=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio's, cancelled at the end, is reported as an error by Python 3.11.
        conversation = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._conversations) > CLIENTS_MAX:
                writer.write(_BUSY)
                return
            await self._answer(reader, writer)
        except (OSError, TimeoutError, ValueError):
            pass  # ValueError: a line beyond the limit. Whoever asked has gone, or does not know how.
        finally:
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()
            else:
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(CLIENT_TIMEOUT_S):
            line = await reader.readline()
        if not line:
            return
        answer = await self._reply(line, _uid(writer))
        async with asyncio.timeout(CLIENT_TIMEOUT_S):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            writer.write_eof()
            # Until the client has it all, or its time is over.
            await reader.read(1)

    async def _reply(self, line: bytes, uid: int) -> Json:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):  # the second for brackets nested without end
            return {"error": "the request is not JSON"}
        if not isinstance(request, dict):
            return {"error": "the request is not an object"}
        try:
            return await self._handler(request, uid)
        except RefusedError as error:
            return {"error": str(error)}


def _uid(writer: asyncio.StreamWriter) -> int:
    peer = writer.get_extra_info("socket")
    _, uid, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return int(uid)
