"""What is watched, and what it weighs: scripts, files, processes, HAProxy, interfaces."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from vrrpd.model.units import SECOND, Duration


class TrackerKind(StrEnum):
    """What a tracker looks at. Names are unique within a kind."""

    SCRIPT = "script"
    INTERFACE = "interface"
    FILE = "file"
    PROCESS = "process"
    HAPROXY = "haproxy"


class Subject(NamedTuple):
    """The thing that is watched, whoever tracks it."""

    kind: TrackerKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class User:
    """Whom a script runs as; `name` is for people."""

    name: str
    uid: int
    gid: int
    supplementary: bool = False
    """With the groups that the user is a member of (keepalived's colon before the group)."""


@dataclass(frozen=True, slots=True)
class Script:
    """A health check (keepalived's vrrp_script): an argument vector, never a shell's line."""

    name: str
    argv: tuple[str, ...]
    interval: Duration = SECOND
    """From start to start."""
    timeout: Duration = SECOND
    weight: int = 0
    """-253 to 253: added while it succeeds if positive, while it fails if negative; 0: failing is a fault."""
    rise: int = 1
    """Successes in a row until it is good."""
    fall: int = 1
    """Failures in a row until it is bad."""
    user: User | None = None
    """None: the daemon's own user."""
    starts_failed: bool = False
    """keepalived's `init_fail`: bad until `rise` successes."""
    disabled: str = ""
    """Why it must not be run, in words: it then counts as failed for good."""

    def __post_init__(self) -> None:
        if not self.argv or self.interval <= 0 or self.timeout <= 0 or self.rise < 1 or self.fall < 1:
            raise ValueError(f"script {self.name}: nothing to run, or a count or time below 1")

    @property
    def subject(self) -> Subject:
        """As trackers name it."""
        return Subject(TrackerKind.SCRIPT, self.name)

    @property
    def looks_at(self) -> tuple[object, ...]:
        """Two scripts that have this in common have the same results."""
        return self.argv, self.user


@dataclass(frozen=True, slots=True)
class TrackedFile:
    """A file whose content is a number (keepalived's track_file): what it adds is weight times that number."""

    name: str
    path: str
    weight: int = 1
    """-254 to 254; 0: a number other than 0 is a fault."""
    reverse: bool = False
    initial: int | None = None
    """Written at start where the file is not there (keepalived's init_file)."""
    overwrites: bool = False
    """`initial` is written even where the file is there."""

    @property
    def subject(self) -> Subject:
        """As trackers name it."""
        return Subject(TrackerKind.FILE, self.name)

    @property
    def looks_at(self) -> tuple[object, ...]:
        """Two that have this in common have the same number."""
        return (self.path,)


class ParameterMatch(StrEnum):
    """How a process's parameters are compared with those that are asked for (keepalived's param_match)."""

    EXACT = "exact"
    PARTIAL = "partial"
    """The first ones match."""
    INITIAL = "initial"
    """The last one that is asked for is the beginning of its counterpart."""


@dataclass(frozen=True, slots=True)
class TrackedProcess:
    """Processes that must run (keepalived's vrrp_track_process)."""

    name: str
    process: str
    """The kernel's comm, which has at most 15 bytes; with `full_command` or parameters the command's file name."""
    parameters: tuple[str, ...] | None = None
    """None: parameters do not matter."""
    match: ParameterMatch = ParameterMatch.EXACT
    full_command: bool = False
    weight: int = 0
    """-254 to 254; 0: not running is a fault."""
    reverse: bool = False
    quorum: int = 1
    """1 to 65535: how many must run."""
    quorum_max: int | None = None
    """0 to 65535: how many may run. None: any number."""
    fork_delay: Duration = 0
    """How long enough processes must run until it counts."""
    terminate_delay: Duration = 0
    """How long too few must run until it counts."""

    @property
    def subject(self) -> Subject:
        """As trackers name it."""
        return Subject(TrackerKind.PROCESS, self.name)

    @property
    def looks_at(self) -> tuple[object, ...]:
        """Two that have this in common count the same processes."""
        return self.process, self.parameters, self.match, self.full_command

    def suffices(self, count: int) -> bool:
        """So many may run, and must."""
        if self.quorum_max is None:
            return count >= self.quorum
        return min(self.quorum, self.quorum_max) <= count <= self.quorum_max


@dataclass(frozen=True, slots=True)
class TrackedHAProxy:
    """HAProxy, asked over its stats socket (our own block vrrp_track_haproxy; keepalived skips it)."""

    name: str
    socket: str
    backend: str | None = None
    """None: that HAProxy answers is enough."""
    min_servers: int = 1
    """How many servers of the backend must be up."""
    interval: Duration = SECOND
    timeout: Duration = SECOND
    weight: int = 0
    reverse: bool = False
    rise: int = 1
    fall: int = 1

    @property
    def subject(self) -> Subject:
        """As trackers name it."""
        return Subject(TrackerKind.HAPROXY, self.name)

    @property
    def looks_at(self) -> tuple[object, ...]:
        """Two that have this in common get the same answers."""
        return self.socket, self.backend, self.min_servers


Asked: TypeAlias = Script | TrackedHAProxy
"""What is asked at intervals how it is."""


@dataclass(frozen=True, slots=True)
class Tracker:
    """One line of a track_ block: what is watched, and what it weighs here."""

    name: str
    weight: int
    reverse: bool = False
    kind: TrackerKind = TrackerKind.SCRIPT

    @property
    def subject(self) -> Subject:
        """What it looks at."""
        return Subject(self.kind, self.name)
