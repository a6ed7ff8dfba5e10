"""What the engine is told, and what it asks for: events in, actions out. All of them values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from vrrpd.groups import GroupState
from vrrpd.model import (
    Asked,
    CheckResult,
    Config,
    Held,
    Identity,
    Instant,
    Interface,
    IPAddress,
    SyncGroup,
    TrackedFile,
    TrackedProcess,
    VirtualRouter,
)
from vrrpd.records import Conflict, Fault
from vrrpd.states import AddAddresses, Effect, RemoveAddresses, Why
from vrrpd.tracking import Check

# --- events ---


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """From now on this configuration; `why` is told of routers that are not in it any more."""

    config: Config
    why: Why


@dataclass(frozen=True, slots=True)
class InterfaceChanged:
    """An interface is so now; None: it is gone."""

    name: str
    interface: Interface | None


@dataclass(frozen=True, slots=True)
class AddressAnnounced:
    """A gratuitous ARP of somebody else."""

    interface: str
    address: IPAddress
    mac: bytes
    at: Instant


@dataclass(frozen=True, slots=True)
class CheckFinished:
    """A run of a check script has ended, or HAProxy has answered or not."""

    asked: Asked
    result: CheckResult


@dataclass(frozen=True, slots=True)
class FileRead:
    """A tracked file has this number in it."""

    file: TrackedFile
    value: int


@dataclass(frozen=True, slots=True)
class ProcessesCounted:
    """So many processes of this kind run."""

    process: TrackedProcess
    count: int


@dataclass(frozen=True, slots=True)
class AddressesApplied:
    """The kernel's answer: the thing, whether it was to be present, errno (0: as wanted)."""

    results: tuple[tuple[Held, bool, int], ...]


@dataclass(frozen=True, slots=True)
class ThingsLost:
    """Routes or rules that somebody else has removed."""

    things: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class SendFailed:
    """An advertisement of this router did not leave."""

    router: Identity
    was_retry: bool


@dataclass(frozen=True, slots=True)
class Drain:
    """An operator wants this router to serve only if nobody else does; it hands over if it is Master."""

    router: Identity
    force: bool = False
    """Give the addresses up even if nobody takes them."""
    hard: bool = False
    """Do not take them back even if nobody has them."""


@dataclass(frozen=True, slots=True)
class Failover:
    """An operator wants another node to be Master now; that one is not preempted while it is."""

    router: Identity


@dataclass(frozen=True, slots=True)
class Undrain:
    """As configured again (`vrrpd resume`)."""

    router: Identity


@dataclass(frozen=True, slots=True)
class Halt:
    """No more manners: give up everything now."""

    why: Why


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The deadline has come."""


Event: TypeAlias = (
    ConfigChanged
    | InterfaceChanged
    | AddressAnnounced
    | CheckFinished
    | FileRead
    | ProcessesCounted
    | AddressesApplied
    | ThingsLost
    | SendFailed
    | Drain
    | Failover
    | Undrain
    | Halt
    | TimePassed
)


# --- actions ---


@dataclass(frozen=True, slots=True)
class RouterAction:
    """An effect of one router's machine."""

    router: VirtualRouter
    effect: Effect


@dataclass(frozen=True, slots=True)
class NodeAction:
    """What is put into the kernel, or taken out of it, for no router in particular: see `installed`."""

    effect: AddAddresses | RemoveAddresses


@dataclass(frozen=True, slots=True)
class RunCheck:
    """Start this script, or ask this HAProxy; `CheckFinished` is the answer."""

    asked: Asked


@dataclass(frozen=True, slots=True)
class CheckChanged:
    """A check has changed its mind."""

    check: Check


@dataclass(frozen=True, slots=True)
class FaultsChanged:
    """What holds a router in Initialize is other than before."""

    router: VirtualRouter
    faults: frozenset[Fault]


@dataclass(frozen=True, slots=True)
class ConflictSeen:
    """A peer disagrees with a router of ours, for the first time or still."""

    router: VirtualRouter
    conflict: Conflict


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """All members of a sync group are so now."""

    group: SyncGroup
    old: GroupState
    new: GroupState


@dataclass(frozen=True, slots=True)
class PriorityChanged:
    """A router's effective priority is another one than before."""

    router: VirtualRouter
    priority: int


@dataclass(frozen=True, slots=True)
class LowerPriorityHeard:
    """A Master has heard another one that is worse."""

    router: VirtualRouter
    source: IPAddress
    priority: int


@dataclass(frozen=True, slots=True)
class RouterGone:
    """A router that is not configured any more has given up everything."""

    router: VirtualRouter
    why: Why


Action: TypeAlias = (
    RouterAction
    | NodeAction
    | RunCheck
    | CheckChanged
    | FaultsChanged
    | ConflictSeen
    | GroupChanged
    | PriorityChanged
    | LowerPriorityHeard
    | RouterGone
)
