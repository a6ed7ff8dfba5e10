"""One node as a value: the real engine, thawed from it, told something, and frozen again.

All times in a value are relative to now, so that states that differ only in when they are reached are one. The grid of
advertisements is absolute; `clock` keeps what of it matters, the node's time within its interval.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Interface
from typing import NamedTuple, TypeAlias, assert_never

from vrrpd.actions import (
    Action,
    AddressAnnounced,
    AddressesApplied,
    CheckFinished,
    ConfigChanged,
    Drain,
    Event,
    Failover,
    InterfaceChanged,
    RouterAction,
    TimePassed,
    Undrain,
)
from vrrpd.addresses import AddressBook
from vrrpd.agenda import Agenda
from vrrpd.ears import Ears
from vrrpd.engine import Engine
from vrrpd.fsm import EARLY_TAKEOVER_PROBATION
from vrrpd.model import (
    MILLISECOND,
    SECOND,
    Config,
    Duration,
    Instant,
    Interface,
    Script,
    ScriptResult,
    VirtualRouter,
)
from vrrpd.records import Fault, Memory, Record
from vrrpd.retrying import ASK_APART, Asking, Repair
from vrrpd.states import (
    AddAddresses,
    AnnounceAddresses,
    Backup,
    BidFarewell,
    Initialize,
    Master,
    Parameters,
    Reason,
    RemoveAddresses,
    Resigning,
    SendAdvertisement,
    State,
    StateChanged,
    Why,
)
from vrrpd.tracking import CheckState, Poll

DEVICE = "eth0"
SCRIPT = Script("chk", ("true",), interval=SECOND, timeout=SECOND)
_EPOCH: Instant = 1_000_000 * SECOND
"""Now, whenever an engine is thawed: a multiple of every interval, to which the node's clock is added."""
_STOP = Why(Reason.STOPPED, "stopped")
_GOOD, _BAD = ScriptResult(0, MILLISECOND), ScriptResult(1, MILLISECOND)


class Role(IntEnum):
    """What a node's daemon is; OFF: there is none."""

    OFF = 0
    INITIALIZE = 1
    BACKUP = 2
    MASTER = 3
    RESIGNING = 4


_ROLES: dict[type[State], Role] = {
    Initialize: Role.INITIALIZE,
    Backup: Role.BACKUP,
    Master: Role.MASTER,
    Resigning: Role.RESIGNING,
}
SERVING = frozenset({Role.MASTER, Role.RESIGNING})


class Message(NamedTuple):
    """What a node has sent: an IPv4 packet of VRRP, or (`announcement`) gratuitous ARP for the address."""

    sender: int
    payload: bytes
    announcement: bool = False

    @property
    def priority(self) -> int:
        """Of an advertisement; its third byte."""
        return self.payload[22]

    def __str__(self) -> str:
        what = "the announcement" if self.announcement else f"the advertisement of priority {self.priority}"
        return f"{what} of node {self.sender + 1}"


class _Key(NamedTuple):
    """What of a router's parameters can change here."""

    priority: int
    handed_over: bool
    holds_back: bool


class Daemon(NamedTuple):
    """A running daemon: all of its engine that decides anything."""

    state: State
    parameters: _Key
    wanted: bool
    has_run: bool
    drained: bool
    barred: bool
    handed_over: bool
    faults: frozenset[Fault]
    memory: Memory | None
    best_rival: int | None
    asked_at: Instant | None
    asks_at: Instant | None
    pause: int
    check: CheckState
    announced: bool
    """The engine needs the addresses, and they are confirmed."""

    @property
    def role(self) -> Role:
        """What it is."""
        return _ROLES[type(self.state)]


class Node(NamedTuple):
    """One machine."""

    clock: Duration
    """Its time, within the interval of its router."""
    linked: bool = True
    """The link is up, and the kernel says so."""
    plugged: bool = True
    """What it sends reaches the LAN, and back: a cut that no kernel sees."""
    healthy: bool = True
    """HAProxy runs here."""
    held: bool = False
    """The address is in the kernel."""
    last_will: bool = False
    """The daemon was killed while it was Master: its release says priority 0."""
    daemon: Daemon | None = None

    @property
    def role(self) -> Role:
        """What its daemon is."""
        return Role.OFF if self.daemon is None else self.daemon.role

    @property
    def able(self) -> bool:
        """It may serve: its daemon runs, means to stay, and nothing holds it in Initialize."""
        return self.daemon is not None and self.daemon.wanted and not self.daemon.faults


class Op(IntEnum):
    """What can be done to a node, besides what it hears."""

    TICK = 0
    START = 1
    STOP = 2
    KILL = 3
    RELEASE = 4
    POWER_OFF = 5
    CHECK_FAILS = 6
    CHECK_RECOVERS = 7
    DRAIN = 8
    UNDRAIN = 9
    FAILOVER = 10
    LINK_DOWN = 11
    LINK_UP = 12
    UNPLUG = 13
    PLUG = 14


Told: TypeAlias = Op | Message


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and as what a node runs."""

    router: VirtualRouter
    clock: Duration = 0
    """When the others' grid begins, this one's is so far."""

    @property
    def scripts(self) -> tuple[Script, ...]:
        """What it checks."""
        return (SCRIPT,) if self.router.trackers else ()


class Machine:
    """Tells nodes of one setting things. It keeps no state of theirs between two calls."""

    def __init__(self, index: int, setting: Setting, horizon: Duration | None, *, remembers: bool) -> None:
        self._index, self._setting, self._horizon, self._remembers = index, setting, horizon, remembers
        self._router = setting.router
        self._interval = setting.router.advertisement_interval
        self._host = IPv4Address(f"10.0.0.{index + 1}")
        self._mac = bytes((2, 0, 0, 0, 0, index + 1))
        both = (False, True)
        self._interfaces = {(up, there): self._interface(linked=up, held=there) for up in both for there in both}
        self._parameters: dict[_Key, Parameters] = {}
        self._config = Config(routers=(setting.router,), scripts=setting.scripts)
        self._configured = Engine()
        self._configured.handle(self._shown(Node(0)), _EPOCH)
        self._configured.handle(ConfigChanged(self._config, _STOP), _EPOCH)

    def first(self) -> Node:
        """The machine is on, and its daemon has just been started."""
        return self.tell(Node(self._setting.clock % self._interval), Op.START)[0]

    def deadline(self, node: Node) -> Duration | None:
        """In how much time it wants to be called; 0 or less: now."""
        if node.daemon is None:
            return None
        at = self._thaw(node, node.daemon).deadline()
        return None if at is None else at - self._now(node)

    def later(self, node: Node, by: Duration) -> Node:
        """The same node when so much time has passed, and nothing has happened."""
        daemon = node.daemon
        if daemon is not None:
            daemon = self._normal(
                daemon._replace(
                    state=_shifted(daemon.state, by),
                    asked_at=_less(daemon.asked_at, by),
                    asks_at=_less(daemon.asks_at, by),
                )
            )
        return node._replace(clock=(node.clock + by) % self._interval, daemon=daemon)

    def tell(self, node: Node, what: Told) -> tuple[Node, tuple[Message, ...]]:
        """The node after it, and what it has sent."""
        before = node
        match what:
            case Op.START:
                return self._start(node)
            case Op.KILL:
                master = node.role is Role.MASTER
                return node._replace(daemon=None, last_will=master), ()
            case Op.POWER_OFF:
                return node._replace(daemon=None, held=False, last_will=False), ()
            case Op.RELEASE:
                return self._release(node)
            case Op.UNPLUG | Op.PLUG:
                return node._replace(plugged=what is Op.PLUG), ()
            case Op.LINK_DOWN | Op.LINK_UP:
                node = node._replace(linked=what is Op.LINK_UP)
            case Op.CHECK_FAILS | Op.CHECK_RECOVERS:
                node = node._replace(healthy=what is Op.CHECK_RECOVERS)
            case _:
                pass
        if node.daemon is None:
            return node, ()
        engine, now = self._thaw(before, node.daemon), self._now(node)
        if isinstance(what, Message) and not what.announcement:
            actions = engine.receive(DEVICE, what.payload, now)
        else:
            actions = engine.handle(self._event(node, what, now), now)
        return self._after(node, engine, actions, now)

    def _event(self, node: Node, what: Told, now: Instant) -> Event:
        identity = self._router.identity
        match what:
            case Message(payload=mac):
                return AddressAnnounced(DEVICE, self._router.addresses[0].ip, mac, now)
            case Op.TICK:
                return TimePassed()
            case Op.STOP:
                return ConfigChanged(Config(), _STOP)
            case Op.CHECK_FAILS | Op.CHECK_RECOVERS:
                return CheckFinished(SCRIPT, _GOOD if node.healthy else _BAD)
            case Op.DRAIN:
                return Drain(identity)
            case Op.UNDRAIN:
                return Undrain(identity)
            case Op.FAILOVER:
                return Failover(identity)
            case Op.LINK_DOWN | Op.LINK_UP:
                return self._shown(node)
            case Op.START | Op.KILL | Op.POWER_OFF | Op.RELEASE | Op.UNPLUG | Op.PLUG:
                raise ValueError(f"an engine is not told of {what.name}")
            case _:
                assert_never(what)

    def _now(self, node: Node) -> Instant:
        return _EPOCH + node.clock

    def _shown(self, node: Node) -> InterfaceChanged:
        return InterfaceChanged(DEVICE, self._interfaces[node.linked, node.held])

    def _interface(self, *, linked: bool, held: bool) -> Interface:
        virtual = tuple(address.interface for address in self._router.addresses) if held else ()
        return Interface(DEVICE, 2, linked, self._mac, (IPv4Interface(f"{self._host}/24"), *virtual))

    # --- a daemon begins and ends ---

    def _start(self, node: Node) -> tuple[Node, tuple[Message, ...]]:
        now, engine = self._now(node), Engine()
        actions = engine.handle(self._shown(node), now) + engine.handle(ConfigChanged(self._config, _STOP), now)
        if self._setting.scripts:
            # The first result is there in no time, and before it a router with a weight runs as if all were well.
            actions += engine.handle(CheckFinished(SCRIPT, _GOOD if node.healthy else _BAD), now)
        return self._after(node._replace(last_will=False), engine, actions, now)

    def _release(self, node: Node) -> tuple[Node, tuple[Message, ...]]:
        """`vrrpd release` after a kill: addresses, then priority 0 for one that was Master."""
        sent: tuple[Message, ...] = ()
        if node.last_will:
            any_key = next(iter(self._parameters))
            sent = self._on_lan(node, self._parameters[any_key].resignation)
        return node._replace(held=False, last_will=False), sent

    # --- what an engine asks for: the kernel obeys at once ---

    def _after(
        self, node: Node, engine: Engine, actions: list[Action], now: Instant
    ) -> tuple[Node, tuple[Message, ...]]:
        sent: tuple[Message, ...] = ()
        held = node.held
        for action in actions:
            if not isinstance(action, RouterAction):
                continue
            match action.effect:
                case SendAdvertisement(message):
                    sent += self._on_lan(node, message)
                case AddAddresses(addresses):
                    held = held or bool(addresses)
                    engine.handle(AddressesApplied(tuple((a, True, 0) for a in addresses)), now)
                case RemoveAddresses(addresses):
                    held = held and not addresses
                case AnnounceAddresses(frames):
                    if frames and held and node.linked:
                        sent += (Message(self._index, self._mac, announcement=True),)
                case BidFarewell(message, unless_by):
                    if unless_by is None or now > unless_by:
                        sent += self._on_lan(node, message)
                case StateChanged():
                    pass
                case _:
                    assert_never(action.effect)
        return node._replace(held=held, daemon=self._freeze(engine, now)), tuple(dict.fromkeys(sent))

    def _on_lan(self, node: Node, message: bytes) -> tuple[Message, ...]:
        return (Message(self._index, _ipv4(message, self._host)),) if node.linked else ()

    # --- to a value and back ---

    def _thaw(self, node: Node, daemon: Daemon) -> Engine:
        now, engine = self._now(node), self._configured
        record = Record(
            self._router,
            self._parameters[daemon.parameters],
            since=now,
            why=_STOP,
            state=_shifted(daemon.state, -now),
            wanted=daemon.wanted,
            leaving=None if daemon.wanted else _STOP,
            has_run=daemon.has_run,
            drained=daemon.drained,
            barred=daemon.barred,
            handed_over=daemon.handed_over,
            faults=daemon.faults,
            memory=daemon.memory,
            best_rival=daemon.best_rival,
            asking=Asking(_less(daemon.asked_at, -now), _less(daemon.asks_at, -now), daemon.pause),
        )
        engine.config = self._config if daemon.wanted else Config()
        engine.records = {record.identity: record}
        engine._ears = Ears()
        engine._ears.add(record.identity)
        engine.surroundings.interfaces[DEVICE] = self._interfaces[node.linked, node.held]
        if self._setting.scripts:
            last = _BAD if daemon.check is CheckState.FAILING else _GOOD
            engine.checks._checks[SCRIPT.subject] = Poll(SCRIPT, daemon.check, now, now, last=last)
        engine.book = AddressBook()
        if daemon.announced:
            engine.book.need(record.identity, self._router.addresses)
            for address in self._router.addresses:
                engine.book.report(address, present=True, error=0)
        engine._agenda = Agenda()
        engine._arm(record)
        return engine

    def _freeze(self, engine: Engine, now: Instant) -> Daemon | None:
        record = engine.records.get(self._router.identity)
        if record is None:
            return None
        p = record.parameters
        assert p is not None
        assert record.repair == Repair(), "the kernel has done all that was asked for"
        assert record.addresses_refused is None
        assert record.successor is None
        key = _Key(p.priority, p.handed_over, p.holds_back)
        self._parameters.setdefault(key, p)
        check = engine.checks[SCRIPT.subject].state if self._setting.scripts else CheckState.OK
        return self._normal(
            Daemon(
                state=_shifted(record.state, now),
                parameters=key,
                wanted=record.wanted,
                has_run=record.has_run,
                drained=record.drained,
                barred=record.barred,
                handed_over=record.handed_over,
                faults=record.faults,
                memory=record.memory if self._remembers else None,
                best_rival=record.best_rival,
                asked_at=_less(record.asking.last_at, now),
                asks_at=_less(record.asking.next_at, now),
                pause=record.asking.pause,
                check=check,
                announced=any(engine.book.lost(address.key) for address in self._router.addresses),
            )
        )

    def _normal(self, daemon: Daemon) -> Daemon:
        """What cannot matter any more is forgotten; what is longer ago or further off than the horizon is that far."""
        horizon = self._horizon
        asked_at, asks_at = daemon.asked_at, daemon.asks_at
        if asked_at is not None and asked_at <= -(horizon or ASK_APART):
            asked_at = None
        if asks_at is not None and horizon is not None:
            asks_at = min(asks_at, horizon)
        state = _without_past(daemon.state, self._interval, horizon)
        return daemon._replace(state=state, asked_at=asked_at, asks_at=asks_at)


def _less(at: Instant | None, by: Duration) -> Instant | None:
    return None if at is None else at - by


_TIMES: dict[type[State], tuple[str, ...]] = {
    kind: tuple(f.name for f in fields(kind) if str(f.type) in {"Instant", "Instant | None"}) for kind in _ROLES
}


def _shifted(state: State, by: Duration) -> State:
    """All its times so much earlier."""
    times = {name: _less(getattr(state, name), by) for name in _TIMES[type(state)]}
    return replace(state, **times) if times else state  # type: ignore[arg-type]  # the fields are those of its class


def _without_past(state: State, interval: Duration, horizon: Duration | None) -> State:
    """`state`, its times relative to now, without what decides nothing from now on."""
    if isinstance(state, Initialize):
        return state
    patience = max(0, state.patience_until)
    if horizon is not None:
        patience = min(patience, horizon)
    match state:
        case Backup():
            preempt_at = None if state.preempt_at is None else max(0, state.preempt_at)
            return replace(state, preempt_at=preempt_at, patience_until=patience)
        case Master():
            relieved = state.relieved
            if -state.since > (horizon or EARLY_TAKEOVER_PROBATION):
                relieved = None
            recent = state.answered_at is not None and state.answered_at > -SECOND
            return replace(
                state,
                since=0 if relieved is None else state.since,
                relieved=relieved,
                sent_at=max(state.sent_at, -max(10 * MILLISECOND, interval // 10)),
                answered_at=state.answered_at if recent else None,
                patience_until=patience,
            )
        case Resigning():
            why = Why(state.why.reason, state.why.reason.value)
            return replace(state, why=why, patience_until=patience)
        case _:
            assert_never(state)


def _ipv4(payload: bytes, source: IPv4Address) -> bytes:
    """As a raw socket delivers it: no options, TTL 255, protocol 112 (RFC 791; VRRP takes no part in its checksum)."""
    total = 20 + len(payload)
    head = bytes((0x45, 0xC0)) + total.to_bytes(2, "big") + bytes((0, 0, 0, 0, 255, 112, 0, 0))
    return head + source.packed + bytes((224, 0, 0, 18)) + payload
