"""Asks a running daemon. Imports as little as it can: `vrrpd status` is run in loops and by hand at night."""

import json
import socket
from typing import Any

TIMEOUT_S = 5.0
ANSWER_MAX = 64 * 1024 * 1024


class NoDaemonError(Exception):
    """Nobody answers, or not in time: which socket, why, what to do."""


def ask(path: str, request: dict[str, Any], timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """One request, one answer. Raises `NoDaemonError`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
            connection.settimeout(timeout_s)
            connection.connect(path)
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = _read(connection)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoDaemonError(f"no vrrpd answers on {path}; is it running? (systemctl status vrrpd)") from None
    except PermissionError:
        raise NoDaemonError(f"no right to read {path}; ask as root, or as a member of the group vrrpd") from None
    except OSError as error:
        raise NoDaemonError(f"no answer on {path}: {error}") from None
    try:
        result: dict[str, Any] = json.loads(answer)
    except ValueError:
        raise NoDaemonError(f"what answers on {path} does not speak vrrpd's language") from None
    return result


def _read(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size < ANSWER_MAX and (part := connection.recv(1 << 16)):
        parts.append(part)
        size += len(part)
        if part.endswith(b"\n"):
            break
    return b"".join(parts)
