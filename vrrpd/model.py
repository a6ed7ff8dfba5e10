"""What the operator asked for, as frozen values: legal by construction, comparable, free of I/O.

Times are integers of nanoseconds: an `Instant` on the monotonic clock, a `Duration` between two. Names are
RFC 5798's (section 6.1); keepalived's name for a thing is in its docstring where it differs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import NamedTuple, TypeAlias

Instant: TypeAlias = int
Duration: TypeAlias = int

IPAddress: TypeAlias = IPv4Address | IPv6Address
IPInterface: TypeAlias = IPv4Interface | IPv6Interface


MICROSECOND: Duration = 1_000
MILLISECOND: Duration = 1_000_000
CENTISECOND: Duration = 10_000_000
SECOND: Duration = 1_000_000_000

OWNER_PRIORITY = 255
IPV4_GROUP = IPv4Address("224.0.0.18")
IPV6_GROUP = IPv6Address("ff02::12")
INTERVAL_MAX_V2: Duration = 255 * SECOND
INTERVAL_MAX_V3: Duration = 40_950 * MILLISECOND


class Family(IntEnum):
    """The address family of a virtual router: its IPv4 and IPv6 routers of one VRID are two."""

    IPV4 = 4
    IPV6 = 6


class Identity(NamedTuple):
    """What makes a virtual router the same one after a reload (RFC 5798 section 3)."""

    interface: str
    family: Family
    vrid: int


class Version(IntEnum):
    """The protocol: RFC 3768 (with RFC 2338's authentication) or RFC 5798."""

    V2 = 2
    V3 = 3


class InitialState(StrEnum):
    """keepalived's `state`: a hint. Every router but an owner starts as Backup."""

    MASTER = "MASTER"
    BACKUP = "BACKUP"


class AuthenticationType(IntEnum):
    """RFC 2338 section 5.3.6: the number on the wire."""

    NONE = 0
    PASS = 1


@dataclass(frozen=True, slots=True)
class Authentication:
    """Version 2 only. `password` is at most 8 bytes and goes over the wire in clear."""

    type: AuthenticationType = AuthenticationType.NONE
    password: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if len(self.password) > 8:  # noqa: PLR2004
            raise ValueError("a password has at most 8 bytes")
        if self.password and self.type is AuthenticationType.NONE:
            raise ValueError("a password needs an authentication type")


NO_AUTHENTICATION = Authentication()


@dataclass(frozen=True, slots=True, order=True)
class VirtualAddress:
    """An address that moves, as it is put into the kernel: prefix as written, /32 or /128 when none was."""

    interface: IPInterface
    device: str
    scope: int = 0
    label: str | None = None
    broadcast: IPv4Address | None = None

    @property
    def ip(self) -> IPAddress:
        """The address without its prefix, as it stands in an advertisement."""
        return self.interface.ip

    @property
    def key(self) -> tuple[IPAddress, str]:
        """Who owns what is decided by (address, device)."""
        return (self.interface.ip, self.device)

    def __str__(self) -> str:
        return f"{self.interface} dev {self.device}"


@dataclass(frozen=True, slots=True)
class Announcing:
    """When gratuitous ARP is sent, and how often (keepalived's garp_* keywords)."""

    master_delay: Duration = 5 * SECOND
    """The second burst after becoming Master; 0: none."""
    master_repeat: int = 5
    """Frames per address and burst."""
    lower_priority_delay: Duration = 5 * SECOND
    """The second burst after answering a lower-priority advertisement; 0: none."""
    lower_priority_repeat: int = 5


@dataclass(frozen=True, slots=True)
class User:
    """Whom a script runs as; `name` is for people."""

    name: str
    uid: int
    gid: int


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

    def __post_init__(self) -> None:
        if not self.argv or self.interval <= 0 or self.timeout <= 0 or self.rise < 1 or self.fall < 1:
            raise ValueError(f"script {self.name}: nothing to run, or a count or time below 1")


@dataclass(frozen=True, slots=True)
class ScriptTracker:
    """One line of a track_script block: which script, and what it weighs here."""

    script: str
    weight: int
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class VirtualRouter:
    """One virtual router (keepalived's vrrp_instance), RFC 5798 section 6.1's parameters and what keepalived adds."""

    name: str
    interface: str
    vrid: int
    priority: int = 100
    version: Version = Version.V2
    initial_state: InitialState = InitialState.BACKUP
    advertisement_interval: Duration = SECOND
    preempt: bool = True
    """keepalived's meaning: `nopreempt` unless `state MASTER` or priority 255 has cancelled it."""
    resigns_when_worse: bool = False
    """The word `nopreempt` stands in the block, cancelled or not: such a pair moves only if the Master gives up."""
    preempt_delay: Duration = 0
    down_timer_adverts: int = 3
    """Advertisements to miss before Master_Down (keepalived's down_timer_adverts; RFC 5798: 3)."""
    strict: bool = False
    """RFC 5798 to the letter: no resigning for a tracker, no early takeover."""
    addresses: tuple[VirtualAddress, ...] = ()
    """All of one family."""
    multicast_group: IPAddress | None = None
    """None: the group that the RFC gives the family."""
    plain_checksum: bool = False
    """Version 3 over IPv4: send the checksum of RFC 9568, without a pseudo-header (keepalived's v3_checksum_as_v2)."""
    authentication: Authentication = NO_AUTHENTICATION
    announcing: Announcing = Announcing()
    scripts: tuple[ScriptTracker, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.vrid <= 255 or not 1 <= self.priority <= OWNER_PRIORITY:  # noqa: PLR2004
            raise ValueError(f"{self.name}: a VRID and a priority are 1 to 255")
        if self.advertisement_interval <= 0 or self.down_timer_adverts < 1 or self.preempt_delay < 0:
            raise ValueError(f"{self.name}: an interval is above 0")
        unit, most = (SECOND, INTERVAL_MAX_V2) if self.version is Version.V2 else (CENTISECOND, INTERVAL_MAX_V3)
        if self.advertisement_interval % unit or self.advertisement_interval > most:
            raise ValueError(f"{self.name}: version {self.version} cannot say this interval")
        if len({address.ip.version for address in self.addresses}) > 1:
            raise ValueError(f"{self.name}: addresses of two families")
        if self.version is Version.V2 and self.family is Family.IPV6:
            raise ValueError(f"{self.name}: version 2 is for IPv4")
        if self.version is Version.V3 and self.authentication != NO_AUTHENTICATION:
            raise ValueError(f"{self.name}: version 3 has no authentication")
        if len(self.addresses) > 255:  # noqa: PLR2004
            raise ValueError(f"{self.name}: an advertisement holds at most 255 addresses")

    @property
    def is_owner(self) -> bool:
        """Priority 255: the addresses are this node's own (RFC 5798 section 6.1)."""
        return self.priority == OWNER_PRIORITY

    @property
    def identity(self) -> Identity:
        """Same identity, other parameters: a reload keeps the router's state."""
        return Identity(self.interface, self.family, self.vrid)

    @property
    def family(self) -> Family:
        """That of its addresses."""
        return Family(self.addresses[0].ip.version) if self.addresses else Family.IPV4

    @property
    def group(self) -> IPAddress:
        """Where it advertises."""
        if self.multicast_group is not None:
            return self.multicast_group
        return IPV4_GROUP if self.family is Family.IPV4 else IPV6_GROUP


@dataclass(frozen=True, slots=True)
class Mail:
    """Read, kept and shown; nothing is mailed yet."""

    recipients: tuple[str, ...] = ()
    sender: str | None = None
    server: str | None = None
    port: int = 25
    connect_timeout: Duration = 30 * SECOND


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration. `Config()` is the one a daemon starts from and stops to."""

    routers: tuple[VirtualRouter, ...] = ()
    scripts: tuple[Script, ...] = ()
    """Those that some router tracks."""
    router_id: str | None = None
    mail: Mail = Mail()

    def script(self, name: str) -> Script:
        """The script of that name; KeyError when there is none."""
        for script in self.scripts:
            if script.name == name:
                return script
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface as the kernel shows it now: a fact, not a wish."""

    name: str
    index: int
    up: bool
    """IFF_UP and a carrier."""
    mac: bytes
    addresses: tuple[IPInterface, ...] = ()
    """In the kernel's order, virtual ones included."""
    forwards: bool = False
    """This node is a router for IPv6 there: what a Neighbor Advertisement says of it."""


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """How a run of a script ended."""

    exit_code: int | None
    """0 is success; None when it was ended for its timeout, could not be started, or died of a signal."""
    duration: Duration
    problem: str = ""
    """What happened in words when it is not the exit code: "timed out after 2 s", "killed by SIGSEGV",
    "cannot be executed: Permission denied"."""

    @property
    def succeeded(self) -> bool:
        """Exit code 0, and nothing else."""
        return self.exit_code == 0

    def __str__(self) -> str:
        return self.problem or f"exit {self.exit_code}"
