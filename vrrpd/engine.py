"""Many virtual routers on one node: events in, actions out. Pure: no clock, no I/O, no randomness.

It finds the router a datagram is for, turns checks into priorities and faults, decides which address is whose, and
applies a new configuration by difference. A start is a reload from `Config()`, a stop one to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import TypeAlias, assert_never

from vrrpd import ah, faults, fsm, groups, installed
from vrrpd.actions import (
    Action,
    AddressAnnounced,
    AddressesApplied,
    CheckChanged,
    CheckFinished,
    ConfigChanged,
    ConflictSeen,
    Drain,
    Event,
    Failover,
    FaultsChanged,
    FileRead,
    GroupChanged,
    Halt,
    InterfaceChanged,
    LowerPriorityHeard,
    NodeAction,
    PriorityChanged,
    ProcessesCounted,
    RouterAction,
    RouterGone,
    RunCheck,
    SendFailed,
    ThingsLost,
    TimePassed,
    Undrain,
)
from vrrpd.addresses import AddressBook, Key
from vrrpd.agenda import Agenda
from vrrpd.checks import Checks
from vrrpd.ears import Ear, Ears, addressee
from vrrpd.frames import Datagram, essence, strip_ipv4
from vrrpd.groups import Group, Groups
from vrrpd.links import LinkDelays
from vrrpd.model import (
    MILLISECOND,
    Config,
    Duration,
    Family,
    Held,
    Identity,
    Instant,
    Interface,
    IPAddress,
    Silence,
    Subject,
    VirtualAddress,
    VirtualRouter,
)
from vrrpd.moves import STARTED, next_move
from vrrpd.packet import Advertisement, DropReason, PacketError, has_plain_checksum
from vrrpd.reception import Strays, accept, differences
from vrrpd.records import Fault, FaultKind, Memory, Record, Transition
from vrrpd.states import (
    AddAddresses,
    AdvertisementReceived,
    AnnounceAddresses,
    Backup,
    Effect,
    Initialize,
    Master,
    Parameters,
    ParametersChanged,
    Reason,
    RemoveAddresses,
    Resign,
    Resigning,
    SendAdvertisement,
    Shutdown,
    StateChanged,
    TakeOver,
    Then,
    Tick,
    Why,
)
from vrrpd.states import AddressAnnounced as RivalAnnounced
from vrrpd.states import Event as MachineEvent
from vrrpd.states import SendFailed as MachineSendFailed
from vrrpd.surroundings import Surroundings
from vrrpd.tracking import Check
from vrrpd.voice import Voice

Actions: TypeAlias = list[Action]

SHARED_WAKE_UP: Duration = MILLISECOND
"""Half of what lies between two chunks of advertisements (grid.CHUNK_GAP)."""
CHECKS_PER_TURN = 32
_TICK = Tick()
_TAKE_OVER = TakeOver()
_PROTOCOL_AT = 9


class _Chore(Enum):
    """What is due for no router and no check."""

    INSTALLATION = auto()
    LINKS = auto()


class Engine:
    """All virtual routers of one node. Every call that takes `now` may move deadlines: ask `deadline` after it."""

    def __init__(self) -> None:
        self.config = Config()
        self.records: dict[Identity, Record] = {}
        self.book = AddressBook()
        self.installation = installed.Installation(self.book)
        self.surroundings = Surroundings(self.records, self.installation)
        self.strays = Strays()
        self._links = LinkDelays()
        self._agenda: Agenda[Identity | Subject | _Chore] = Agenda()
        self._by_address: dict[Key, list[Identity]] = {}
        self._ears = Ears()

    @property
    def checks(self) -> Checks:
        """What is checked here, by name."""
        return self.surroundings.checks

    @property
    def interfaces(self) -> Mapping[str, Interface]:
        """As the kernel shows them, by name."""
        return self.surroundings.interfaces

    @property
    def groups(self) -> Groups:
        """Who moves with whom."""
        return self.surroundings.groups

    @property
    def idle(self) -> bool:
        """Nothing is configured, and nothing leaves any more."""
        return not self.records

    def deadline(self) -> Instant | None:
        """When `TimePassed` is due next; None: never."""
        return self._agenda.next_at()

    # --- events in ---

    def handle(self, event: Event, now: Instant) -> Actions:
        """Take one event, and say what has to be done, in this order."""
        match event:
            case TimePassed():
                return self._time_passed(now)
            case CheckFinished() | FileRead() | ProcessesCounted():
                return self._check_seen(event, now)
            case InterfaceChanged(name, interface):
                return self._link_seen(name, interface, now)
            case AddressesApplied(results):
                return self._addresses_applied(results, now)
            case ThingsLost(things):
                return self._lost({thing.key for thing in things}, now)
            case AddressAnnounced():
                return self._address_announced(event, now)
            case ConfigChanged(config, why):
                return self._config_changed(config, why, now)
            case SendFailed() | Drain() | Failover() | Undrain():
                record = self.records.get(event.router)
                return [] if record is None else self._for_one(record, event, now)
            case Halt(why):
                return [a for r in list(self.records.values()) for a in self._halt(r, why, now)]
            case _:
                assert_never(event)

    def _for_one(self, record: Record, event: SendFailed | Drain | Failover | Undrain, now: Instant) -> Actions:
        match event:
            case SendFailed(_, was_retry):
                record.counters["send_failed"] += 1
                return self._step(record, MachineSendFailed(was_retry), now)
            case Drain():
                return self._drain(self.groups.together(record), event, now)
            case Failover():
                return self._failover(self.groups.together(record), now)
            case Undrain():
                return self._undrain(self.groups.together(record), now)
            case _:
                assert_never(event)

    def receive(self, device: str, packet: bytes, now: Instant) -> Actions:
        """An IPv4 packet of protocol 112 or 51, header included. Nothing that it holds raises."""
        seen = essence(packet)
        if len(packet) > 21 and self._refreshed((device, Family.IPV4, packet[21]), seen, now):  # noqa: PLR2004
            return []
        datagram = strip_ipv4(packet)
        if datagram is not None and packet[_PROTOCOL_AT] == ah.PROTOCOL:
            datagram = ah.unseal(datagram, packet)
        if datagram is None:
            self.strays.note(device, None, "?", DropReason.LENGTH, now)
            return []
        return self._receive(device, datagram, seen, now)

    def receive_ipv6(self, device: str, datagram: Datagram, now: Instant) -> Actions:
        """An IPv6 datagram of next header 112. Nothing that it holds raises."""
        payload = datagram.payload
        if len(payload) > 1 and self._refreshed((device, Family.IPV6, payload[1]), datagram, now):
            return []
        return self._receive(device, datagram, datagram, now)

    def _refreshed(self, ear: Ear, seen: bytes | Datagram, now: Instant) -> bool:
        """It is the datagram that this Backup took for a sign of life before."""
        for router in self._ears.at(ear):
            record = self.records[router]
            memory, state, p = record.memory, record.state, record.parameters
            if memory is None or memory.seen != seen or not isinstance(state, Backup) or p is None:
                continue
            record.counters["received"] += 1
            if memory.has_plain_checksum:
                record.counters["received_plain_checksum"] += 1
            record.state = fsm.refresh(p, state, memory.event, now)
            return True
        return False

    def _receive(self, device: str, datagram: Datagram, seen: bytes | Datagram, now: Instant) -> Actions:
        source = datagram.source
        if len(datagram.payload) < 2:  # noqa: PLR2004
            self.strays.note(device, None, str(source), DropReason.LENGTH, now)
            return []
        vrid = datagram.payload[1]
        listening = self._ears.at((device, Family(source.version), vrid))
        record = addressee([self.records[router] for router in listening], datagram)
        if record is None:
            self.strays.note(device, vrid, str(source), DropReason.UNKNOWN_VRID, now)
            return []
        p = record.parameters
        if p is None or isinstance(record.state, Initialize) or now < p.held_until:
            record.drop(DropReason.NOT_RUNNING)
            return []
        try:
            advertisement = accept(record.router, datagram, p.primary_address, record.sequence)
        except PacketError as error:
            record.drop(error.reason)
            return self._disagree(record, str(source), error.reason, error.theirs, error.ours, now)
        self._count(record, datagram, advertisement)
        actions: Actions = []
        is_known = isinstance(record.state, Backup) and record.state.master == source
        found = differences(record.router, advertisement, is_known=is_known)
        for difference in found:
            actions += self._disagree(record, str(source), *difference, now)
        if isinstance(record.state, Master):
            actions += self._judge_rival(record, p, source, advertisement.priority, now)
        event = AdvertisementReceived(source, advertisement)
        if isinstance(record.state, Master) and 0 < advertisement.priority < p.priority:
            actions.append(LowerPriorityHeard(record.router, source, advertisement.priority))
        actions += self._step(record, event, now)
        state = record.state
        refreshes = isinstance(state, Backup) and state.preempt_at is None and advertisement.priority >= p.priority
        # What is sealed is taken once: the same again is a replay.
        if refreshes and not found and datagram.seal is None:
            record.memory = Memory(seen, event, has_plain_checksum(record.router, advertisement))
        return actions

    def _count(self, record: Record, datagram: Datagram, advertisement: Advertisement) -> None:
        record.counters["received"] += 1
        if advertisement.priority == 0:
            record.counters["received_priority_0"] += 1
        else:
            record.best_rival = max(record.best_rival or 0, advertisement.priority)
        record.checksum_form = advertisement.checksum_form
        if has_plain_checksum(record.router, advertisement):
            record.counters["received_plain_checksum"] += 1
        if datagram.seal is not None:
            record.sequence = datagram.seal.sequence
            record.voice.hear(record.sequence)

    def _judge_rival(self, record: Record, p: Parameters, source: IPAddress, priority: int, now: Instant) -> Actions:
        """A firewall, or a switch, that lets one of two Masters hear the other: neither would say so by itself."""
        loses = 0 < priority < p.priority
        if not loses or not record.rival.is_deaf(source, record.router.advertisement_interval, now):
            return []
        theirs = f"goes on as Master with priority {priority} and does not hear us (a firewall?)"
        return self._disagree(record, str(source), "rival", theirs, f"Master with priority {p.priority}", now)

    def _disagree(self, record: Record, peer: str, what: str, theirs: str, ours: str, now: Instant) -> Actions:
        conflict = record.disagree(peer, what, theirs, ours, now)
        return [] if conflict is None else [ConflictSeen(record.router, conflict)]

    def _address_announced(self, event: AddressAnnounced, now: Instant) -> Actions:
        actions: Actions = []
        mac = event.mac.hex(":")
        for identity in self._by_address.get((event.address, event.interface), ()):
            record = self.records.get(identity)
            if record is None:
                continue
            if isinstance(record.state, Master):
                theirs = f"announces {event.address} as its own"
                actions += self._disagree(record, mac, "announcement", theirs, "we are Master", now)
            actions += self._step(record, RivalAnnounced(mac, event.at), now)
        return actions

    # --- time ---

    def _time_passed(self, now: Instant) -> Actions:
        actions: Actions = []
        checks = 0
        for key in self._looked_at(now):
            if isinstance(key, Subject):
                checks += 1
                actions += self._check_due(key, now) if checks <= CHECKS_PER_TURN else self._check_waits(key, now)
            elif key is _Chore.INSTALLATION:
                actions += self._installation_due(now)
            elif key is _Chore.LINKS:
                actions += self._links_due(now)
            else:
                actions += self._router_due(self.records[key], now)
        return actions

    def _looked_at(self, now: Instant) -> Iterator[Identity | Subject | _Chore]:
        yield from self._agenda.due(now)
        # A Backup's date has moved since it was noted: to look at those of the next moment too costs less than a
        # wake-up of its own for each of them.
        yield from list(self._agenda.due(now + SHARED_WAKE_UP))

    def _check_waits(self, subject: Subject, now: Instant) -> Actions:
        """Hundreds that are due together would hold up an advertisement."""
        self._agenda.set(subject, now + 2 * SHARED_WAKE_UP)
        return []

    def _check_due(self, subject: Subject, now: Instant) -> Actions:
        asked, changed = self.checks.start(subject, now), self.checks.settle(subject, now)
        self._agenda.set(subject, self.checks.next_at(subject))
        return ([] if asked is None else [RunCheck(asked)]) + self._check_changed(changed, now)

    def _router_due(self, record: Record, now: Instant) -> Actions:
        due_at = _due_at(record)
        if due_at is None or due_at > now:
            self._agenda.set(record.identity, due_at)
            return []
        actions = self._step(record, _TICK, now)
        if record.asking.is_due(now):
            actions += self._ask(record, now)
        if record.repair.is_due(now):
            actions += self._repair(record, now)
        if record.repair.is_over(now):
            record.repair.retry_at = record.addresses_refused = None
            actions += self._refresh(record, now)
        self._arm(record)
        return actions

    def _arm(self, record: Record) -> None:
        if self.records.get(record.identity) is not record:
            return  # It has ended, and the deadline of this identity is its successor's.
        self._agenda.set(record.identity, _due_at(record))

    # --- the machine ---

    def _step(self, record: Record, event: MachineEvent, now: Instant) -> Actions:
        """The one place where a router's state changes, but for the refresh that is the same by construction."""
        p = record.parameters
        if p is None:
            return []
        before = record.state
        record.state, effects = fsm.step(p, before, event, now)
        if record.state is not before or not isinstance(event, Tick):
            record.memory = None
        actions: Actions = []
        for effect in effects:
            actions += self._own(record, effect, now)
        if isinstance(record.state, Master) and not isinstance(before, Master):
            actions += self._end_handover(record, isinstance(before, Resigning), now)
        if type(record.state) is not type(before):
            actions += self._reconcile(record, now)
        if groups.matters(before, record.state):
            actions += self._move_together(record, now)
        self._arm(record)
        return actions

    def _own(self, record: Record, effect: Effect, now: Instant) -> Actions:
        """What an effect means on this node, where routers share addresses and devices."""
        match effect:
            case AddAddresses(addresses):
                self.book.need(record.identity, addresses)
                if self.book.unconfirmed(record.router.held):
                    record.repair.expect(self._patience(record), now)
            case RemoveAddresses(addresses):
                held = self.book.is_needed(record.identity, addresses)
                gone = self.book.drop(record.identity, addresses)
                # With a prefix of its own it is no predecessor's but the owner's, who keeps it (as with keepalived).
                effect = RemoveAddresses(gone if record.router.is_owner else self._as_found(gone))
                if not isinstance(record.state, Master | Resigning):
                    record.repair.suspend()
                    if held:
                        silences = (Silence(device) for device in record.router.macvlans)
                        effect = RemoveAddresses((*silences, *effect.addresses))
            case AnnounceAddresses(frames, repeat):
                there = (f for f in frames if not self.book.is_refused((f.address, f.device)))
                effect = AnnounceAddresses(tuple(there), repeat)
            case StateChanged():
                self._note(record, effect, now)
            case _:
                self._count_sent(record, effect)
        return [RouterAction(record.router, effect)]

    def _count_sent(self, record: Record, effect: Effect) -> None:
        if isinstance(effect, SendAdvertisement):
            record.counters["sent"] += 1
            p = record.parameters
            record.counters["sent_priority_0"] += p is not None and effect.message == p.resignation

    def _as_found(self, things: tuple[Held, ...]) -> tuple[Held, ...]:
        """And what stands in the kernel with another prefix: a predecessor's, whoever that was."""
        others = (
            VirtualAddress(other, address.device)
            for address in things
            if isinstance(address, VirtualAddress) and address.peer is None
            for other in self.surroundings.addresses_on(address.device)
            if other.ip == address.ip and other != address.interface
        )
        return (*things, *others)

    def _note(self, record: Record, change: StateChanged, now: Instant) -> None:
        old, new = type(change.old).__name__, type(change.new).__name__
        record.since, record.why = now, change.why
        record.transitions.append(Transition(now, old, new, change.why))
        record.has_run = record.has_run or not isinstance(change.new, Initialize)
        record.moves[new, change.why.reason] += 1
        if isinstance(change.new, Master) and self.surroundings.is_worse(record.router):
            record.asking.later(record.router.advertisement_interval, now)
        elif not isinstance(change.new, Master | Resigning):
            record.asking.next_at = None

    # --- what holds a router back ---

    def _reconcile(self, record: Record, now: Instant) -> Actions:
        """Bring a router from what it is to what it is allowed to be."""
        event = next_move(record, asks=self.surroundings.asks(record), company=self.groups.company(record))
        if event is not None:
            return self._step(record, event, now)
        if not record.wanted and isinstance(record.state, Initialize):
            return self._bury(record, now)
        return []

    def _bury(self, record: Record, now: Instant) -> Actions:
        del self.records[record.identity]
        self._ears.remove(record.identity)
        self._agenda.set(record.identity, None)
        self._forget_checks()
        actions = [RouterGone(record.router, record.leaving or record.why), *self._install(now)]
        if record.successor is None:
            return actions
        return actions + self._refresh(self._enter(record.successor, now, record.voice), now)

    def _halt(self, record: Record, why: Why, now: Instant) -> Actions:
        record.wanted, record.leaving, record.successor = False, why, None
        actions = self._step(record, Shutdown(why), now)
        return actions + self._reconcile(record, now) if record.identity in self.records else actions

    def _refresh(self, record: Record, now: Instant) -> Actions:
        """Something that a router depends on has changed: its parameters, its faults, and then itself."""
        was_worse = record.parameters is not None and record.parameters.holds_back
        actions: Actions = []
        parameters, previous = self.surroundings.parameters(record), record.parameters
        if parameters is not None:
            record.parameters = parameters
        record.voice.speak(record.router, self.surroundings.channel(record))
        if previous is not None and parameters is not None and parameters != previous:
            actions += self._step(record, ParametersChanged(previous), now)
            if record.wanted and parameters.priority != previous.priority:
                actions.append(PriorityChanged(record.router, parameters.priority))
        own, before = self.surroundings.faults(record), record.own_faults
        record.own_faults = own
        found, known = own | self.groups.shared_fault(record), record.faults
        if found != known:
            record.faults = found
            actions.append(FaultsChanged(record.router, found))
        actions += self._reconcile(record, now)
        if own != before:
            actions += self._share_faults(record, now)
        if found != known:
            actions += self._tell_of(self.groups.of(record), now)
        if not self.surroundings.is_worse(record.router):
            record.asking.rest()
        elif not was_worse and isinstance(record.state, Master):
            record.asking.on_failure(now)
            if record.asking.is_due(now):
                actions += self._ask(record, now)
        self._arm(record)
        return actions

    # --- sync groups ---

    def _share_faults(self, record: Record, now: Instant) -> Actions:
        """A fault of its own has come or gone: the other members have it too, or no longer."""
        group = self.groups.of(record)
        if group is None:
            return []
        self.groups.examine(group)
        return self._refresh_all(self.groups.infected(group), now)

    def _move_together(self, record: Record, now: Instant) -> Actions:
        """A member has changed: the others follow where they must."""
        group = self.groups.of(record)
        if group is None or group.is_moving:
            return []
        group.is_moving = True
        actions: Actions = []
        if self.groups.may_take_over(group):
            for member in self.groups.members(group):
                actions += self._step(member, _TAKE_OVER, now)
        elif groups.is_beaten(record) or isinstance(record.state, Master):
            for member in self.groups.members(group):
                actions += self._refresh(member, now) if member is not record else []
        group.is_moving = False
        return actions + self._tell_of(group, now)

    def _tell_of(self, group: Group | None, now: Instant) -> Actions:
        new = None if group is None else self.groups.state_of(group)
        if group is None or new is None or new is group.state:
            return []
        old, group.state, group.since = group.state, new, now
        return [GroupChanged(group.plan, old, new)]

    # --- a Master that is worse asks to be relieved (departure, docs/architecture.md) ---

    def _ask(self, record: Record, now: Instant) -> Actions:
        record.asking.next_at = None
        p = record.parameters
        serves = isinstance(record.state, Master) and self.surroundings.is_worse(record.router)
        if p is None or not serves or _is_beyond_rivals(record, p):
            return []
        record.asking.last_at = now
        words = self.surroundings.why_worse(record.router)
        return self._resign_all(self.groups.together(record), Why(Reason.TRACKER_FAILED, words), now)

    # --- an operator hands over ---

    def _drain(self, moved: list[Record], event: Drain, now: Instant) -> Actions:
        actions: Actions = []
        for record in moved:
            record.drained, record.barred = True, event.hard
        for record in moved:
            if isinstance(record.state, Master | Resigning):
                # Before its priority falls: the heir is measured by what was advertised last.
                then = Then.FAULT if event.force else Then.STAY
                actions += self._step(record, Resign(Why(Reason.DRAINED, "drained by an operator"), then), now)
        return actions + self._refresh_all(moved, now)

    def _failover(self, moved: list[Record], now: Instant) -> Actions:
        if not any(isinstance(record.state, Master) for record in moved):
            return []
        for record in moved:
            record.handed_over = True
        why = Why(Reason.FAILED_OVER, "handed over by an operator")
        return self._refresh_all(moved, now) + self._resign_all(moved, why, now)

    def _undrain(self, moved: list[Record], now: Instant) -> Actions:
        for record in moved:
            record.drained = record.barred = record.handed_over = False
        return self._refresh_all(moved, now)

    def _refresh_all(self, moved: list[Record], now: Instant) -> Actions:
        return [action for record in moved for action in self._refresh(record, now)]

    def _resign_all(self, moved: list[Record], why: Why, now: Instant) -> Actions:
        """Ask whoever is there to take over; without anybody they stay Master."""
        masters = [record for record in moved if isinstance(record.state, Master)]
        return [action for record in masters for action in self._step(record, Resign(why, Then.STAY), now)]

    def _end_handover(self, record: Record, nobody_came: bool, now: Instant) -> Actions:
        """It is Master: the one it handed over to has gone, or nobody took over and all is as before."""
        if not record.handed_over and not (record.drained and nobody_came):
            return []
        record.handed_over = False
        record.drained = record.drained and not nobody_came
        return self._refresh(record, now)

    # --- checks ---

    def _check_seen(self, event: CheckFinished | FileRead | ProcessesCounted, now: Instant) -> Actions:
        match event:
            case CheckFinished(asked, result):
                changed = self.checks.finish(asked, result, now)
            case FileRead(file, value):
                changed = self.checks.read(file, value, now)
            case ProcessesCounted(process, count):
                changed = self.checks.count(process, count, now)
                self._agenda.set(process.subject, self.checks.next_at(process.subject))
            case _:
                assert_never(event)
        return self._check_changed(changed, now)

    def _check_changed(self, check: Check | None, now: Instant) -> Actions:
        if check is None:
            return []
        actions: Actions = [CheckChanged(check)]
        for record in list(self.records.values()):
            if any(tracker.subject == check.subject for tracker in record.router.trackers):
                actions += self._refresh(record, now)
        return actions

    # --- addresses ---

    def _addresses_applied(self, results: tuple[tuple[Held, bool, int], ...], now: Instant) -> Actions:
        for thing, present, error in results:
            self.book.report(thing, present=present, error=error)
        self.installation.judge(now)
        actions = self._for_the_node((), now)
        touched = {thing.key for thing, _, _ in results}
        for record in self.records.values():
            if any(thing.key in touched for thing in record.router.held):
                self._judge_addresses(record, now)
        for record in list(self.records.values()):
            if self.surroundings.is_troubled_anew(record):
                actions += self._refresh(record, now)
        return actions

    def _judge_addresses(self, record: Record, now: Instant) -> None:
        """All confirmed: well. Some missing: try again soon."""
        if not isinstance(record.state, Master | Resigning):
            return
        if self.book.unconfirmed(record.router.held):
            record.repair.again(now)
            self._arm(record)
        else:
            record.repair.rest()

    def _patience(self, record: Record) -> Duration:
        """As long as a peer would wait for a dead Master."""
        p = record.parameters
        return 0 if p is None else fsm.master_down_interval(p, record.router.advertisement_interval)

    def _repair(self, record: Record, now: Instant) -> Actions:
        """Addresses are missing, or were refused some time ago: try again, or give up being Master."""
        record.repair.next_at = None
        missing, p = self.book.unconfirmed(record.router.held), record.parameters
        if p is None or not missing or not isinstance(record.state, Master):
            return []
        ips = {thing.ip for thing in missing if isinstance(thing, VirtualAddress)}
        due = len(record.router.addresses) + len(record.router.excluded)
        if record.repair.is_hopeless(now) and due and len(ips) == due:
            return self._refuse_addresses(record, now)
        record.repair.again(now)
        frames = tuple(frame for frame in p.announcement if frame.address in ips)
        return [
            RouterAction(record.router, AddAddresses(missing)),
            RouterAction(record.router, AnnounceAddresses(frames, record.router.announcing.master_repeat)),
        ]

    def _refuse_addresses(self, record: Record, now: Instant) -> Actions:
        """A Master without addresses only keeps others from having them."""
        error = self.book.error((*record.router.addresses, *record.router.excluded))
        words = f"the kernel refuses the addresses (errno {error})" if error else "the kernel does not answer"
        record.addresses_refused = Fault(FaultKind.ADDRESSES_REFUSED, record.router.name, words)
        actions = self._refresh(record, now)
        record.repair.refused(now)
        self._arm(record)
        return actions

    # --- what is here whoever is Master ---

    def _install(self, now: Instant) -> Actions:
        records = self.records.values()
        wanted = installed.things(self.config, (record.router for record in records), self.interfaces)
        effects = self.installation.become(wanted, somebody_leaves=any(not record.wanted for record in records))
        return self._for_the_node(effects, now)

    def _for_the_node(self, effects: installed.Effects, now: Instant) -> Actions:
        if not self.installation.things:
            self.installation.repair.rest()
        elif effects and self.installation.repair.next_at is None:
            self.installation.repair.again(now)
        self._agenda.set(_Chore.INSTALLATION, self.installation.repair.next_at)
        return [NodeAction(effect) for effect in effects]

    def _installation_due(self, now: Instant) -> Actions:
        due = self.installation.repair.is_due(now)
        return self._for_the_node(self.installation.due() if due else (), now)

    # --- interfaces and configuration ---

    def _link_seen(self, name: str, interface: Interface | None, now: Instant) -> Actions:
        shown = self._links.show(name, interface, now)
        self._agenda.set(_Chore.LINKS, self._links.next_at())
        return self._interface_changed(name, shown, now)

    def _links_due(self, now: Instant) -> Actions:
        actions: Actions = []
        for name, interface in self._links.due(now):
            actions += self._interface_changed(name, interface, now)
        self._agenda.set(_Chore.LINKS, self._links.next_at())
        return actions

    def _interface_changed(self, name: str, interface: Interface | None, now: Instant) -> Actions:
        shown, before = self.interfaces.get(name), set(self.surroundings.addresses_on(name))
        matters = self.surroundings.show(name, interface)
        changed = self.checks.show(name, interface, now)
        gone = before - set(self.surroundings.addresses_on(name))
        below = any(name in record.router.macvlans.values() for record in self.records.values())
        actions = self._install(now) if matters and below else []
        actions += self._for_the_node(self.installation.shown(name, shown, interface, now), now)
        for record in list(self.records.values()) if matters else ():
            if name in faults.devices(record.router) or record.router.tracks_source:
                actions += self._refresh(record, now)
        if matters or gone:
            ips = {address.ip for address in gone}
            lost: set[Key] = {(ip, name) for ip in ips}
            actions += self._lost(lost.union(self._dropped(ips, name if matters else None)), now)
        return actions + self._check_changed(changed, now)

    def _dropped(self, gone: set[IPAddress], device: str | None) -> Iterator[Key]:
        """Routes that the kernel may have dropped without a word: with their source, or with their device."""
        for record in self.records.values():
            for route in record.router.routes:
                if route.source in gone or (device and any(hop.device in {None, device} for hop in route.next_hops)):
                    yield route.key

    def _lost(self, gone: set[Key], now: Instant) -> Actions:
        """Somebody else has taken these away: they are put back at once, where they are tracked."""
        tracked = {key for record in self.records.values() for key in _tracked(record.router, gone)}
        lost = {key for key in tracked if self.book.lost(key)}
        actions = self._for_the_node(self.installation.lost(gone, now), now)
        for record in list(self.records.values()) if lost else ():
            if lost.intersection(_tracked(record.router, gone)):
                record.counters["addresses_lost"] += 1
                record.repair.lost(self._patience(record), now)
                if record.repair.is_due(now):
                    actions += self._repair(record, now)
                self._arm(record)
        return actions

    def _config_changed(self, config: Config, why: Why, now: Instant) -> Actions:
        running = bool(self.records)
        config = self.config = groups.with_trackers(config)
        leaving = [record.router for record in self.records.values()]
        self.surroundings.configure(config, leaving, now)
        self._links.configure(config.link_delays)
        self.checks.configure(config, self.interfaces, now, running=running)
        for subject in self.checks:
            self._agenda.set(subject, self.checks.next_at(subject))
        self._index_addresses((*config.routers, *leaving))
        wanted = {router.identity: router for router in config.routers}
        for identity, record in self.records.items():
            router = wanted.pop(identity, None)
            record.memory = None
            if router is not None and record.wanted:
                record.router = router
            else:
                record.successor = router
                record.wanted, record.leaving = False, record.leaving or why
        entered = [self._enter(router, now, Voice()) for router in wanted.values()]
        self._examine_groups()
        actions = self._install(now)
        for record in list(self.records.values()):
            actions += self._refresh(record, now) if record.wanted else self._reconcile(record, now)
        for record in entered:
            actions += self._sweep(record, now)
        self._forget_checks()
        return actions

    def _sweep(self, record: Record, now: Instant) -> Actions:
        """Departure (keepalived's): who may not run yet does not leave its addresses to a predecessor either."""
        if record.router.is_owner or not isinstance(record.state, Initialize):
            return []
        return self._own(record, RemoveAddresses(record.router.let_go), now)

    def _examine_groups(self) -> None:
        """Before any member moves, all know what the others suffer from."""
        for group in self.groups:
            for record in self.groups.members(group):
                record.own_faults = self.surroundings.faults(record)
            self.groups.examine(group)

    def _index_addresses(self, routers: Iterable[VirtualRouter]) -> None:
        self._by_address = {}
        for router in routers:
            for address in (*router.addresses, *router.excluded):
                known = self._by_address.setdefault(address.key, [])
                if router.identity not in known:
                    known.append(router.identity)

    def _forget_checks(self) -> None:
        """A router that leaves does not lose what it is tracked by before it has left."""
        routers = (*self.config.routers, *(record.router for record in self.records.values()))
        tracked = {tracker.subject for router in routers for tracker in router.trackers}
        for subject in self.checks.keep(tracked | set(self.config.watched)):
            self._agenda.set(subject, None)

    def _enter(self, router: VirtualRouter, now: Instant, voice: Voice) -> Record:
        record = Record(router, None, since=now, why=STARTED, voice=voice)
        self.records[router.identity] = record
        self._ears.add(record.identity)
        return record


def _tracked(router: VirtualRouter, keys: set[Key]) -> Iterator[Key]:
    """Those that this router holds, and whose disappearance matters to it."""
    for thing in router.moving:
        if thing.is_tracked and thing.key in keys:
            yield thing.key


def _is_beyond_rivals(record: Record, p: Parameters) -> bool:
    """A rival was perhaps as ill as we are now when it was heard: it is given what we have lost."""
    lost = record.router.priority - p.priority
    return record.best_rival is not None and record.best_rival + lost < p.priority


def _due_at(record: Record) -> Instant | None:
    at = fsm.deadline(record.state)
    for other in (record.asking.next_at, record.repair.next_at, record.repair.retry_at):
        if other is not None and (at is None or other < at):
            at = other
    return at
