"""What the engine keeps of each virtual router beside its state: faults, counters, conflicts, history."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum

from vrrpd.frames import Datagram
from vrrpd.model import SECOND, Duration, Identity, Instant, IPAddress, VirtualRouter
from vrrpd.packet import ChecksumForm, DropReason
from vrrpd.retrying import Asking, Repair
from vrrpd.rivals import Rival
from vrrpd.states import AdvertisementReceived, Initialize, Parameters, Reason, State, Why
from vrrpd.voice import Voice

CONFLICTS_MAX = 16
TRANSITIONS_MAX = 32
CONFLICT_REPEAT: Duration = 600 * SECOND
"""A conflict that goes on is told again so often, not at each packet."""


class FaultKind(StrEnum):
    """What can hold a router in Initialize (keepalived's FAULT)."""

    INTERFACE_MISSING = "interface_missing"
    INTERFACE_DOWN = "interface_down"
    NO_PRIMARY_ADDRESS = "no_primary_address"
    SOURCE_MISSING = "source_missing"
    NO_PEERS = "no_peers"
    CHECK_PENDING = "check_pending"
    CHECK_FAILED = "check_failed"
    ADDRESSES_REFUSED = "addresses_refused"
    STATIC_REFUSED = "static_refused"
    DRAINED = "drained"
    SYNC_GROUP = "sync_group"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One cause, of one object: two interfaces that are down are two faults."""

    kind: FaultKind
    of: str
    words: str = field(compare=False)


@dataclass(slots=True)
class Conflict:
    """A peer that disagrees: in what, theirs against ours, how often, when last."""

    peer: str
    field: str
    theirs: str
    ours: str
    count: int
    last: Instant
    told_at: Instant


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state; the states by their names."""

    at: Instant
    old: str
    new: str
    why: Why


@dataclass(frozen=True, slots=True)
class Memory:
    """The datagram that last refreshed a Backup: the same one again need not be parsed again."""

    seen: bytes | Datagram
    """Of IPv4 the `frames.essence`, of IPv6 all that the kernel gave."""
    event: AdvertisementReceived
    has_plain_checksum: bool = False


@dataclass(slots=True)
class Record:
    """One virtual router as the engine runs it. `state` is written only with what `fsm.step` returned."""

    router: VirtualRouter
    parameters: Parameters | None
    """None until the interface has had a primary address."""
    since: Instant
    why: Why
    state: State = field(default_factory=Initialize)
    wanted: bool = True
    successor: VirtualRouter | None = None
    """The same identity, configured again while this one still leaves."""
    leaving: Why | None = None
    has_run: bool = False
    drained: bool = False
    """An operator wants it to serve only if nobody else does."""
    barred: bool = False
    """... and not even then."""
    handed_over: bool = False
    """An operator has made another node Master: it is not to be preempted."""
    faults: frozenset[Fault] = frozenset()
    """All that holds it in Initialize."""
    own_faults: frozenset[Fault] = frozenset()
    """Those that it does not have from its sync group."""
    addresses_refused: Fault | None = None
    memory: Memory | None = None
    sequence: int = 0
    """The last that an Authentication Header had which was taken."""
    voice: Voice = field(default_factory=Voice)
    checksum_form: ChecksumForm | None = None
    """Which of the two forms that version 3 over IPv4 has the last advertisement used; None: there is only one."""
    best_rival: int | None = None
    """The highest priority that another router has advertised here."""
    rival: Rival = field(default_factory=Rival)
    asking: Asking = field(default_factory=Asking)
    repair: Repair = field(default_factory=Repair)
    counters: Counter[str] = field(default_factory=Counter)
    conflicts: dict[tuple[str, str], Conflict] = field(default_factory=dict)
    moves: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    """Transitions so far, by the new state's name and the reason."""
    transitions: deque[Transition] = field(default_factory=lambda: deque(maxlen=TRANSITIONS_MAX))
    identity: Identity = field(init=False)
    """What the difference of two configurations goes by. A `router` that replaces another has the same."""

    def __post_init__(self) -> None:
        self.identity = self.router.identity

    def disagree(self, peer: IPAddress | str, what: str, theirs: str, ours: str, now: Instant) -> Conflict | None:
        """Note a disagreement; return it when it is time to tell."""
        key = (str(peer), what)
        known = self.conflicts.get(key)
        if known is None:
            if len(self.conflicts) >= CONFLICTS_MAX:
                del self.conflicts[min(self.conflicts, key=lambda k: self.conflicts[k].last)]
            known = self.conflicts[key] = Conflict(str(peer), what, theirs, ours, 1, now, now)
            return known
        known.theirs, known.ours, known.last = theirs, ours, now
        known.count += 1
        if now - known.told_at < CONFLICT_REPEAT:
            return None
        known.told_at = now
        return known

    def drop(self, reason: DropReason) -> None:
        """Count a datagram that was not taken."""
        self.counters[reason] += 1
