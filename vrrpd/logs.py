"""structlog, set up once: one event a line, told in the way of whoever reads it, and never waiting for them.

Events are constant strings and facts are fields. For people: a sentence. journald: its own fields and a MESSAGE_ID
for each kind of event. JSON: one object a line. What matters later goes to the history too (`vrrpd events`).
"""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import uuid
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

Sink: TypeAlias = Callable[[Mapping[str, Any]], None]

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_JOURNAL = "/run/systemd/journal/socket"
_MESSAGE_IDS = uuid.UUID("6ba5b4d6-3a0b-5a5e-9d0e-3c0f3f1a7d11")
_FIELDS = {"router": "VRRP_INSTANCE", "old": "OLD_STATE", "new": "NEW_STATE", "reason": "REASON"}
"""Names that people search the journal by; every other fact is VRRPD_ and its name."""
_NOT_FACTS = frozenset({"event", "level", "timestamp"})


class Format(StrEnum):
    """How lines are written."""

    AUTO = "auto"
    """journald's own protocol where it reads our output, sentences anywhere else."""
    PLAIN = "plain"
    JSON = "json"


class Output(Protocol):
    """Where what is rendered goes."""

    def write(self, content: bytes) -> None:
        """OSError: there was no room for it, or nobody is there."""


class StandardError:
    """A terminal, a file, a pipe or a socket, of which none makes us wait."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._descriptor = 2
        mode = os.fstat(2).st_mode
        if stat.S_ISSOCK(mode):
            self._socket = socket.socket(fileno=os.dup(2))
        elif stat.S_ISFIFO(mode):
            # Opened anew: O_NONBLOCK on the one we were given would reach everybody who shares it.
            self._descriptor = os.open("/proc/self/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def write(self, content: bytes) -> None:
        """One line."""
        if self._socket is None:
            os.write(self._descriptor, content)
        else:
            self._socket.send(content, socket.MSG_DONTWAIT)


class Journal:
    """journald's datagram socket. OSError from the constructor where there is none."""

    def __init__(self, path: str = _JOURNAL) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise

    def write(self, content: bytes) -> None:
        """One entry."""
        self._socket.send(content)

    def close(self) -> None:
        """No more."""
        self._socket.close()


class _Writer:
    """The end of structlog's chain. What finds no room is counted and dropped."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.dropped = 0

    def msg(self, content: bytes) -> None:
        try:
            self._output.write(content)
        except OSError:
            self.dropped += 1

    debug = info = warning = error = critical = msg


class _Threshold:
    """Below it nothing is logged; it moves while the daemon runs."""

    level = LEVELS["info"]


def set_level(level: str) -> None:
    """One of LEVELS; KeyError for another word."""
    _Threshold.level = LEVELS[level]


def set_up(style: Format = Format.AUTO, history: Sink | None = None) -> FilteringBoundLogger:
    """The daemon's logger. `history` is given every event at `info` and above, whatever is logged."""
    output, render = _output(style)

    def remember(_logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        if history is not None and LEVELS.get(name, 0) >= LEVELS["info"]:
            history(event)
        if LEVELS.get(name, LEVELS["error"]) < _Threshold.level:
            raise structlog.DropEvent
        return event

    def finish(_logger: WrappedLogger, _name: str, event: EventDict) -> bytes:
        return render(event)

    writer = _Writer(output)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ", utc=True),
            remember,
            finish,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def _output(style: Format) -> tuple[Output, Callable[[Mapping[str, Any]], bytes]]:
    if style is Format.JSON:
        return StandardError(), as_json
    if style is Format.AUTO and "JOURNAL_STREAM" in os.environ:
        try:
            return Journal(), for_journal
        except OSError:
            return StandardError(), _with_priority
    return StandardError(), for_people


def sentence(event: Mapping[str, Any]) -> str:
    """What happened, to whom and why, without time and level."""
    kind = event["event"]
    if kind == "state changed":
        return f"{event['router']}: {event['old']} -> {event['new']}: {event['why']}"
    who = f"{event['router']}: " if "router" in event else ""
    facts = (f"{key}={_spoken(value)}" for key, value in event.items() if key not in _NOT_FACTS and key != "router")
    return " ".join([f"{who}{kind}", *facts])


def _spoken(value: object) -> str:
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    text = str(value)
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return f'"{printable}"' if not printable or set(printable) & {" ", "=", '"'} else printable


def for_people(event: Mapping[str, Any]) -> bytes:
    """`TIME level SENTENCE`."""
    return f"{event['timestamp']} {event['level']} {sentence(event)}\n".encode(errors="backslashreplace")


def _with_priority(event: Mapping[str, Any]) -> bytes:
    """sd-daemon(3): the priority as "<n>" at the start; the time is the reader's."""
    return f"<{_priority(event)}>{sentence(event)}\n".encode(errors="backslashreplace")


def as_json(event: Mapping[str, Any]) -> bytes:
    """One object a line."""
    return json.dumps(dict(event), default=str).encode() + b"\n"


def for_journal(event: Mapping[str, Any]) -> bytes:
    """An entry in journald's native protocol: a field a line, or with its length where it holds a newline."""
    entry = {
        "MESSAGE": sentence(event),
        "PRIORITY": str(_priority(event)),
        "SYSLOG_IDENTIFIER": "vrrpd",
        "MESSAGE_ID": message_id(event["event"]),
    }
    for key, value in event.items():
        if key not in _NOT_FACTS:
            entry[_FIELDS.get(key, f"VRRPD_{key.upper()}")] = _listed(value)
    return b"".join(_field(name, value.encode(errors="backslashreplace")) for name, value in entry.items())


def message_id(event: str) -> str:
    """The MESSAGE_ID of a kind of event, the same for ever: 32 hexadecimal digits."""
    return uuid.uuid5(_MESSAGE_IDS, event).hex


def _field(name: str, value: bytes) -> bytes:
    if b"\n" in value:
        return name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
    return name.encode() + b"=" + value + b"\n"


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _priority(event: Mapping[str, Any]) -> int:
    return _PRIORITIES.get(event["level"], 6)
