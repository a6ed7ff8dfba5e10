"""What is tracked besides scripts and interfaces: `track_file`, `vrrp_track_process`, `vrrp_track_haproxy`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vrrpd.config.announcing import MAX_COUNT, MAX_SECONDS
from vrrpd.config.fields import number, on, text, time
from vrrpd.config.syntax import CommandError, Statement, Word, command_words, quoted
from vrrpd.config.table import Block, Reader, Reading, flag, value
from vrrpd.config.trackers import MAX_FACTOR, MAX_WEIGHT
from vrrpd.config.values import seconds, whole
from vrrpd.model import (
    MICROSECOND,
    MILLISECOND,
    SECOND,
    Duration,
    ParameterMatch,
    TrackedFile,
    TrackedHAProxy,
    TrackedProcess,
)

_MAX_QUORUM = 65535
_MAX_DELAY = 3600 * SECOND
_LONGEST = MAX_SECONDS * SECOND
_COMM = 15
"""Bytes of a process's name that the kernel keeps (TASK_COMM_LEN less its NUL)."""


@dataclass(slots=True)
class _Weighed:
    name: Word
    weight: int = 0
    reverse: bool = False


def _weight(most: int) -> Reader[_Weighed]:
    """`W [reverse]`; beyond the range the line counts for nothing, as in keepalived."""

    def read(draft: _Weighed, line: Statement, to: Reading) -> None:
        found = whole(line.values[0], -most, most, to)
        if found is not None:
            draft.weight = found
        draft.reverse = len(line.values) > 1 and line.values[1].text == "reverse"
        if len(line.values) > 1 and not draft.reverse:
            to.warning(line.values[1], "unknown-option", f"{quoted(line.values[1])} is not reverse; it is ignored")

    return read


@dataclass(slots=True)
class FileDraft(_Weighed):
    """What a track_file block has said so far."""

    weight: int = 1
    path: Word | None = None
    initial: int | None = None
    overwrites: bool = False

    def finished(self, to: Reading) -> TrackedFile | None:
        """None, with the reason said, without a file."""
        if self.path is None:
            to.warning(self.name, "no-file", f"track_file {self.name.text} names no file: it is left out", "file PATH")
            return None
        if not self.path.text.startswith("/"):
            to.warning(self.path, "relative-path", "the path is taken from the directory the daemon runs in")
        return TrackedFile(self.name.text, self.path.text, self.weight, self.reverse, self.initial, self.overwrites)


def _file(draft: FileDraft, line: Statement, to: Reading) -> None:
    del to
    draft.path = line.values[0]


def _init_file(draft: FileDraft, line: Statement, to: Reading) -> None:
    """`[VALUE] [overwrite]`."""
    draft.initial = 0
    for word in line.values:
        if word.text == "overwrite":
            draft.overwrites = True
        else:
            draft.initial = whole(word, -MAX_COUNT - 1, MAX_COUNT, to, otherwise="0 is taken") or 0


TRACK_FILE: Block[FileDraft] = Block(
    "track_file",
    {
        "file": value(3, _file),
        "weight": value(3, _weight(MAX_FACTOR), most=2, note="W [reverse]"),
        "init_file": value(3, _init_file, most=2, least=0, note="[VALUE] [overwrite]"),
    },
)


@dataclass(slots=True)
class ProcessDraft(_Weighed):
    """What a vrrp_track_process block has said so far."""

    words: Sequence[str] = ()
    at: Word | None = None
    match: ParameterMatch | None = None
    full_command: bool = False
    quorum: int = 1
    quorum_max: int | None = None
    fork_delay: Duration = 0
    terminate_delay: Duration = 0

    def finished(self, to: Reading) -> TrackedProcess | None:
        """None, with the reason said, without a process."""
        if not self.words or self.at is None:
            to.warning(self.name, "no-process", f"vrrp_track_process {self.name.text} names no process: it is left out")
            return None
        process, *parameters = self.words
        by_command = self.full_command or bool(parameters) or self.match is not None
        if not by_command and len(process.encode("utf-8", "surrogatepass")) > _COMM:
            to.advice(
                self.at,
                "long-process-name",
                f"the kernel keeps {_COMM} bytes of a process's name: keepalived never finds {quoted(self.at)}",
                f"write its first {_COMM} characters, or full_command",
            )
        return TrackedProcess(
            name=self.name.text,
            process=process,
            parameters=tuple(parameters) if parameters or self.match is not None else None,
            match=self.match or ParameterMatch.EXACT,
            full_command=by_command,
            weight=self.weight,
            reverse=self.reverse,
            quorum=0 if self.quorum_max == 0 else self.quorum,
            quorum_max=self.quorum_max,
            fork_delay=self.fork_delay,
            terminate_delay=self.terminate_delay,
        )


def _process(draft: ProcessDraft, line: Statement, to: Reading) -> None:
    """`NAME [PARAMETER]…`; a quoted one is one name."""
    if draft.words:
        to.warning(line, "duplicate-keyword", "a second process: the first one counts, as in keepalived")
        return
    try:
        draft.words, draft.at = command_words(line.text)[1:], line.values[0]
    except CommandError as error:
        to.warning(line.values[0], "bad-process", f"the line cannot be taken apart: {error}")


def _match(draft: ProcessDraft, line: Statement, to: Reading) -> None:
    word = line.values[0]
    kinds = {"initial": ParameterMatch.INITIAL, "partial": ParameterMatch.PARTIAL}
    if word.text not in kinds:
        to.warning(word, "unknown-option", f"{quoted(word)} is neither initial nor partial: the line does not count")
    draft.match = kinds.get(word.text, draft.match)


def _quorum(draft: ProcessDraft, line: Statement, to: Reading) -> None:
    found = whole(line.values[0], 1, _MAX_QUORUM, to)
    if found is not None and draft.quorum_max is not None and found > draft.quorum_max:
        to.warning(line.values[0], "bad-number", "quorum is above quorum_max: the line counts for nothing")
    else:
        draft.quorum = found or draft.quorum


def _quorum_max(draft: ProcessDraft, line: Statement, to: Reading) -> None:
    found = whole(line.values[0], 0, _MAX_QUORUM, to)
    if found and found < draft.quorum:
        to.warning(line.values[0], "bad-number", "quorum_max is below quorum: the line counts for nothing")
    elif found is not None:
        draft.quorum_max = found


def _delay(draft: ProcessDraft, line: Statement, to: Reading) -> None:
    """Both at once."""
    found = seconds(line.values[0], MICROSECOND, _MAX_DELAY, to)
    if found is not None:
        draft.fork_delay = draft.terminate_delay = found


TRACK_PROCESS: Block[ProcessDraft] = Block(
    "vrrp_track_process",
    {
        "process": value(2, _process, most=None, note="NAME [PARAMETER]…; without parameters the kernel's 15 bytes"),
        "param_match": value(4, _match, note="initial or partial"),
        "full_command": flag(3, on("full_command")),
        "weight": value(2, _weight(MAX_FACTOR), most=2, note="W [reverse]"),
        "quorum": value(3, _quorum),
        "quorum_max": value(4, _quorum_max),
        "fork_delay": value(3, time("fork_delay", MICROSECOND, _MAX_DELAY)),
        "terminate_delay": value(3, time("terminate_delay", MICROSECOND, _MAX_DELAY)),
        "delay": value(3, _delay, note="fork_delay and terminate_delay"),
    },
)


@dataclass(slots=True)
class HAProxyDraft(_Weighed):
    """What a vrrp_track_haproxy block has said so far."""

    socket: str | None = None
    backend: str | None = None
    min_servers: int = 1
    interval: Duration = SECOND
    timeout: Duration | None = None
    rise: int = 1
    fall: int = 1

    def finished(self, to: Reading) -> TrackedHAProxy | None:
        """None, with an error said, without a socket."""
        if self.socket is None:
            to.error(
                self.name,
                "no-socket",
                f"vrrp_track_haproxy {self.name.text} has no socket: HAProxy cannot be asked",
                "socket /run/haproxy/admin.sock, as haproxy.cfg's stats socket has it",
            )
            return None
        return TrackedHAProxy(
            name=self.name.text,
            socket=self.socket,
            backend=self.backend,
            min_servers=self.min_servers,
            interval=self.interval,
            timeout=self.timeout or self.interval,
            weight=self.weight,
            reverse=self.reverse,
            rise=self.rise,
            fall=self.fall,
        )


TRACK_HAPROXY: Block[HAProxyDraft] = Block(
    "vrrp_track_haproxy",
    {
        "socket": value(2, text("socket"), note="haproxy.cfg's stats socket"),
        "backend": value(2, text("backend"), note="without it, that HAProxy answers is enough"),
        "min_servers": value(2, number("min_servers", 1, MAX_COUNT)),
        "interval": value(2, time("interval", MILLISECOND, _LONGEST)),
        "timeout": value(2, time("timeout", MILLISECOND, _LONGEST), note="default: the interval"),
        "weight": value(2, _weight(MAX_WEIGHT), most=2, note="W [reverse]"),
        "rise": value(2, number("rise", 1, MAX_COUNT)),
        "fall": value(2, number("fall", 1, MAX_COUNT)),
    },
)
