"""What the state machine speaks in: its parameters, states, events and effects. All of them values.

A state owns its deadlines, so a stale timer cannot exist. Both unions are closed: mypy proves every pair handled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TypeAlias

from vrrpd import packet
from vrrpd.frames import Frame
from vrrpd.model import Duration, Held, Instant, IPAddress, VirtualRouter
from vrrpd.packet import Advertisement


class Reason(StrEnum):
    """Why a router is what it is. Used verbatim as log field and metric label."""

    STARTED = "started"
    OWNER = "owner"
    MASTER_SILENT = "master_silent"
    MASTER_GAVE_UP = "master_gave_up"
    MASTER_WORSE = "master_worse"
    PREEMPTING = "preempting"
    PREEMPTED = "preempted"
    TIE_LOST = "tie_lost"
    STALLED = "stalled"
    TRACKER_FAILED = "tracker_failed"
    DRAINED = "drained"
    FAILED_OVER = "failed_over"
    NOBODY_TOOK_OVER = "nobody_took_over"
    RECOVERED = "recovered"
    SYNC_GROUP = "sync_group"
    STOPPED = "stopped"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Why:
    """A reason, and the same in words with the facts that belong to it."""

    reason: Reason
    words: str


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the machine knows of its router now. Rebuilt whenever something of it changes, never while it runs."""

    router: VirtualRouter
    priority: int
    """The effective one: 1 to 254, or 255 for an owner."""
    primary_address: IPAddress
    phase: Duration = 0
    """This router's place on the grid of its interval (docs/architecture.md): 0 to the interval."""
    crowd: int = 1
    """How many routers advertise here at this interval: an heir takes them one after the other."""
    handed_over: bool = False
    """An operator has made another node Master: it is not preempted."""
    holds_back: bool = False
    """It would serve worse than others: it preempts nobody, and waits for silence."""
    held_until: Instant = 0
    """The start-up delay: nobody is listened to before, and no timer has begun."""
    company: tuple[VirtualRouter, ...] = field(default=(), repr=False)
    """The others of its sync group: it is Master when all of them are to be."""
    announcement: tuple[Frame, ...] = field(default=(), repr=False)
    own_announcement: tuple[Frame, ...] = field(default=(), repr=False)
    """Of the address that it advertises from."""
    advertisement: bytes = field(init=False, repr=False)
    resignation: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "advertisement", packet.encode(self.router, self.priority, self.primary_address))
        object.__setattr__(self, "resignation", packet.encode(self.router, 0, self.primary_address))


# --- states ---


@dataclass(frozen=True, slots=True)
class Initialize:
    """Nothing is held, sent or waited for."""


@dataclass(frozen=True, slots=True)
class Backup:
    """Another router is Master, or will be; at `master_down_at` this one is."""

    master_down_at: Instant
    master_adver_interval: Duration
    cause: Reason = Reason.MASTER_SILENT
    """Why `master_down_at` stands where it does."""
    master: IPAddress | None = None
    master_priority: int = 0
    heard_at: Instant = 0
    preempt_at: Instant | None = None
    """When keepalived's preempt_delay ends; it begins at the first lower-priority advertisement."""
    patience_until: Instant = 0
    """No early takeover before."""
    ready: bool = False
    """Its Master_Down_Timer has fired, and its sync group holds it (keepalived's wantstate)."""


@dataclass(frozen=True, slots=True)
class Master:
    """This router holds the addresses and says so."""

    adver_at: Instant
    since: Instant
    sent_at: Instant
    extra_at: Instant | None = None
    """An advertisement outside the grid: a change, an answer, or a second try."""
    extra_is_retry: bool = False
    answered_at: Instant | None = None
    """When it last announced its addresses because a rival had spoken."""
    answer_at: Instant | None = None
    """When it does so again, for one that has spoken since."""
    announce_at: Instant | None = None
    announce_repeat: int = 0
    refresh_at: Instant | None = None
    """When it announces again without a cause (keepalived's garp_master_refresh)."""
    elsewhere_at: Instant | None = None
    """When it does so on devices that it does not advertise on (keepalived's garp_extra_if)."""
    relieved: IPAddress | None = None
    """From whom an early takeover took it."""
    patience_until: Instant = 0


class Then(IntEnum):
    """What becomes of a Resigning router that nobody relieves. The higher one wins when asked again."""

    STAY = 0
    BACKUP = 1
    FAULT = 2
    LEAVE = 3


@dataclass(frozen=True, slots=True)
class Resigning:
    """Departure: the priority 0 is sent, and the addresses are kept until the heir is there."""

    until: Instant
    then: Then
    why: Why
    resigned_at: Instant
    """When the first priority 0 leaves: many routers that resign together keep their places on the grid."""
    repeat_at: Instant | None
    last_priority: int
    heir: IPAddress | None = None
    heir_at: Instant | None = None
    heir_priority: int = 0
    is_said: bool = True
    """The first priority 0 has left."""
    heir_interval: Duration | None = None
    """None: it has not advertised yet."""
    patience_until: Instant = 0


State: TypeAlias = Initialize | Backup | Master | Resigning


# --- events ---


@dataclass(frozen=True, slots=True)
class Startup:
    """The router may run (RFC 5798 section 6.4.1)."""

    why: Why
    first: bool = True
    """False after a fault: an owner then waits an interval and its skew before it claims (a link may flap)."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Stop at once: nobody can hear us, or the time for manners is over."""

    why: Why


@dataclass(frozen=True, slots=True)
class Resign:
    """Hand over, keeping the addresses until somebody has them."""

    why: Why
    then: Then


@dataclass(frozen=True, slots=True)
class Resume:
    """The cause of a resignation is gone before anybody came."""

    why: Why


@dataclass(frozen=True, slots=True)
class TakeOver:
    """All of its sync group are ready: Master now."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class AdvertisementReceived:
    """A valid advertisement of another router."""

    source: IPAddress
    advertisement: Advertisement


@dataclass(frozen=True, slots=True)
class AddressAnnounced:
    """Somebody else sent a gratuitous ARP for one of our addresses, at that time."""

    mac: str
    at: Instant


@dataclass(frozen=True, slots=True)
class ParametersChanged:
    """The parameters that `step` is given are others than before."""

    previous: Parameters


@dataclass(frozen=True, slots=True)
class SendFailed:
    """An advertisement did not leave this node."""

    was_retry: bool


Event: TypeAlias = (
    Startup
    | Shutdown
    | Resign
    | Resume
    | TakeOver
    | Tick
    | AdvertisementReceived
    | AddressAnnounced
    | ParametersChanged
    | SendFailed
)


# --- effects ---


@dataclass(frozen=True, slots=True)
class SendAdvertisement:
    """Multicast this message now."""

    message: bytes
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class AddAddresses:
    """Put the addresses on their devices, and then what moves with them: routes and rules."""

    addresses: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class RemoveAddresses:
    """Take the rules and routes that move with the addresses away, and the addresses off their devices."""

    addresses: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class AnnounceAddresses:
    """Send these frames so many times, once the addresses are there."""

    frames: tuple[Frame, ...]
    repeat: int


@dataclass(frozen=True, slots=True)
class BidFarewell:
    """Multicast this message once the addresses are gone, unless that is by `unless_by`.

    Hosts may have heard our ARP reply after the heir's announcement: an advertisement of priority 1 makes a
    Master, keepalived or vrrpd, announce again.
    """

    message: bytes
    unless_by: Instant | None
    """None: in any case."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A transition, and why."""

    old: State
    new: State
    why: Why


Effect: TypeAlias = SendAdvertisement | AddAddresses | RemoveAddresses | AnnounceAddresses | BidFarewell | StateChanged
Effects: TypeAlias = tuple[Effect, ...]
