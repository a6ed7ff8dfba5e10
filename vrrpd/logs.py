"""structlog, set up once: one line an event, and never waiting for who reads it."""

from __future__ import annotations

import logging
import os
import socket
import stat

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


class StandardError:
    """Where lines go. One that finds no room is counted and dropped: a slow reader must not hold up a turn."""

    def __init__(self) -> None:
        self.dropped = 0
        self._socket: socket.socket | None = None
        self._descriptor = 2
        mode = os.fstat(2).st_mode
        if stat.S_ISSOCK(mode):
            self._socket = socket.socket(fileno=os.dup(2))
        elif stat.S_ISFIFO(mode):
            # Opened anew: O_NONBLOCK on the one we were given would reach everybody who shares it.
            self._descriptor = os.open("/proc/self/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def msg(self, line: str) -> None:
        """Write one line."""
        content = line.encode(errors="backslashreplace") + b"\n"
        try:
            if self._socket is None:
                os.write(self._descriptor, content)
            else:
                self._socket.send(content, socket.MSG_DONTWAIT)
        except OSError:
            self.dropped += 1

    debug = info = warning = error = critical = msg


def set_up() -> FilteringBoundLogger:
    """The daemon's logger: the time on a terminal or in a file, a priority prefix where journald reads."""
    under_journald = "JOURNAL_STREAM" in os.environ
    fields = structlog.processors.LogfmtRenderer(key_order=["router"], drop_missing=True)
    first = _priority if under_journald else structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ", utc=True)

    def render(logger: WrappedLogger, name: str, event: EventDict) -> str:
        prefix = str(event.pop("prefix", ""))
        head = [str(event.pop(key)) for key in ("timestamp", "level", "event") if key in event]
        return prefix + " ".join([*head, fields(logger, name, event)]).rstrip()

    output = StandardError()
    structlog.configure(
        processors=[structlog.processors.add_log_level, first, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: output,
        cache_logger_on_first_use=True,
    )
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def _priority(_logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """sd-daemon(3): journald takes the priority from "<n>" at the start of a line."""
    del event["level"]
    event["prefix"] = f"<{_PRIORITIES.get(name, 6)}>"
    return event
