"""The whole receive path: an engine with a router of each kind, time passing, operators and links at work.

What must hold of every packet: nothing is raised; exactly one counter goes up; it is taken if and only if a second
reading takes it; memory stays bounded; a router holds its addresses if and only if it is Master or Resigning.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_interface

from vrrpd.actions import (
    Action,
    AddressAnnounced,
    AddressesApplied,
    ConfigChanged,
    Drain,
    Event,
    Failover,
    InterfaceChanged,
    RouterAction,
    SendFailed,
    TimePassed,
    Undrain,
)
from vrrpd.engine import Engine
from vrrpd.frames import Datagram
from vrrpd.model import MILLISECOND, SECOND, Config, Family, Held, Identity, Interface
from vrrpd.packet import DropReason
from vrrpd.records import Record
from vrrpd.states import AddAddresses, Backup, Master, Reason, RemoveAddresses, Resigning, Why

from . import messages
from .choices import Choices
from .reading import Reading, read
from .routers import BY_NAME, KINDS
from .steps import Step, Subject, Tally
from .tables import reasons

_EPISODE = 400
_CONFIGURED = Why(Reason.STOPPED, "it is no longer in the configuration")
_OURS = tuple(map(ip_interface, ("10.0.0.2/24", "fe80::2/64")))
_MAC, _THEIR_MAC = bytes.fromhex("020000000002"), bytes.fromhex("020000000003")
_OUTCOMES = (*DropReason, "received")
_TURNS_MAX = 100_000
_WAITS = (0, 0, 0, 1, 5 * MILLISECOND, 10 * MILLISECOND, 50 * MILLISECOND, 400 * MILLISECOND, SECOND)
_AGENDA_MAX = 256
"""Dates on the heap, for 5 routers: how many it may hold must not depend on what a LAN sends."""


class _Node:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._engine = Engine()
        self._now = 1_000 * SECOND
        self._errno = 0
        self._held: set[Held] = set()
        self._link(up=True)

    def take(self, step: Step) -> None:
        match step:
            case ("wait", pause):
                self._wait(pause)
            case ("ipv4", interface, source, destination, ttl, message, header):
                self._hear_ipv4(interface, Datagram(source, destination, ttl, message), header)
            case ("ipv6", interface, source, destination, ttl, message):
                datagram = Datagram(source, destination, ttl, message)
                self._hear(datagram, interface, lambda: self._engine.receive_ipv6(interface, datagram, self._now))
            case ("configure", priority, preempt, delay, strict):
                routers = tuple(
                    replace(kind.router, priority=priority, preempt=preempt, preempt_delay=delay, strict=strict)
                    for kind in KINDS
                )
                self._tell(ConfigChanged(Config(routers), _CONFIGURED))
            case ("errno", errno):
                self._errno = errno
            case ("link", up):
                self._link(up=up)
            case ("announced", address, age):
                self._tell(AddressAnnounced("eth0", address, _THEIR_MAC, self._now - age))
            case (verb, name):
                self._tell(_OF_ROUTER[verb](BY_NAME[name].router.identity))
            case _:
                raise ValueError(f"no step: {step}")
        self._check()

    # --- packets ---

    def _hear_ipv4(self, interface: str, datagram: Datagram, header: str) -> None:
        packet = ipv4(datagram, header)
        if header in _BROKEN:
            before = self._engine.strays.drops[DropReason.LENGTH]
            self._do(self._engine.receive(interface, packet, self._now))
            assert self._engine.strays.drops[DropReason.LENGTH] == before + 1, f"{header}: not counted as broken"
            self._tally["none", DropReason.LENGTH] += 1
            return
        self._hear(datagram, interface, lambda: self._engine.receive(interface, packet, self._now))

    def _hear(self, datagram: Datagram, interface: str, receive: Callable[[], list[Action]]) -> None:
        record = self._record_for(interface, datagram)
        if record is None:
            drops = self._engine.strays.drops
            before = drops.copy()
            self._do(receive())
            (reason,) = [reason for reason in DropReason if drops[reason] != before[reason]]
            assert drops[reason] == before[reason] + 1
            assert reason is (DropReason.LENGTH if len(datagram.payload) < 2 else DropReason.UNKNOWN_VRID)
            self._tally["none", reason] += 1
            assert len(list(self._engine.strays)) <= 255
            return
        state, counters = record.state, record.counters
        before_all = [counters[outcome] for outcome in _OUTCOMES]
        expected = self._expected(record, datagram)
        self._do(receive())
        after_all = [counters[outcome] for outcome in _OUTCOMES]
        grown = [n for n, outcome in enumerate(_OUTCOMES) if after_all[n] != before_all[n]]
        assert len(grown) == 1, f"counted as {[_OUTCOMES[n] for n in grown]}"
        outcome = _OUTCOMES[grown[0]]
        assert after_all[grown[0]] == before_all[grown[0]] + 1
        assert (outcome == "received") == (expected is not None), f"{outcome}, and it is {expected}"
        name = record.router.name
        if expected is None:
            self._tally[name, outcome] += 1
            return
        self._tally[name, f"taken as {type(state).__name__}"] += 1
        after = record.state
        if isinstance(state, Backup) and expected.priority >= self._priority(record):
            assert isinstance(after, Backup)
            assert (after.master, after.master_priority) == (datagram.source, expected.priority)
            assert (after.heard_at, after.master_adver_interval) == (self._now, expected.interval)

    def _record_for(self, interface: str, datagram: Datagram) -> Record | None:
        if len(datagram.payload) < 2:
            return None
        identity = Identity(interface, Family(datagram.source.version), datagram.payload[1])
        return self._engine.records.get(identity)

    def _expected(self, record: Record, datagram: Datagram) -> Reading | None:
        """What it says, if it is to be taken."""
        kind = BY_NAME[record.router.name]
        group = "224.0.0.18" if datagram.source.version == 4 else "ff02::12"
        own = _OURS[0].ip if datagram.source.version == 4 else _OURS[1].ip
        if not isinstance(record.state, Backup | Master | Resigning):
            return None
        if str(datagram.destination) != group or datagram.source == own:
            return None
        return read(kind.accepts, datagram.source, datagram.destination, datagram.ttl, datagram.payload)

    @staticmethod
    def _priority(record: Record) -> int:
        assert record.parameters is not None
        return record.parameters.priority

    # --- everything else ---

    def _wait(self, pause: int) -> None:
        end = self._now + pause
        for _ in range(_TURNS_MAX):
            at = self._engine.deadline()
            if at is None or at > end:
                break
            self._now = max(self._now, at)
            self._tell(TimePassed())
            following = self._engine.deadline()
            assert following is None or following > self._now, "a deadline after a turn lies in the future"
        else:
            raise AssertionError(f"{_TURNS_MAX} turns in {pause} ns")
        self._now = end

    def _link(self, *, up: bool) -> None:
        self._tell(InterfaceChanged("eth0", Interface("eth0", 2, up, _MAC, _OURS)))

    def _tell(self, event: Event) -> None:
        self._do(self._engine.handle(event, self._now))

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case RouterAction(_, AddAddresses(addresses)):
                    self._held.update(addresses)
                    self._answer(addresses, present=True)
                case RouterAction(_, RemoveAddresses(addresses)):
                    self._held.difference_update(addresses)
                    self._answer(addresses, present=False)
                case _:
                    pass

    def _answer(self, addresses: tuple[Held, ...], *, present: bool) -> None:
        error = self._errno if present else 0
        self._tell(AddressesApplied(tuple((address, present, error) for address in addresses)))

    def _check(self) -> None:
        assert len(self._engine._agenda._heap) <= _AGENDA_MAX, "the agenda grows"
        for record in self._engine.records.values():
            assert len(record.conflicts) <= 16
            assert len(record.transitions) <= 32
            holds = isinstance(record.state, Master | Resigning)
            assert holds == (record.router.addresses[0] in self._held), f"{record.router.name}: held in {record.state}"


def ipv4(datagram: Datagram, header: str) -> bytes:
    """The packet that a raw socket delivers, its header whole or broken in one way."""
    options = bytes(8) if header == "options" else b""
    length = 20 + len(options) + len(datagram.payload)
    first = {"version": 0x65, "short header": 0x44, "long header": 0x4F}.get(header, 0x45 + len(options) // 4)
    total = {"total too small": 19, "total too large": length + 1}.get(header, length)
    ends = datagram.source.packed + datagram.destination.packed
    packet = struct.pack("!BBHHHBBH", first, 0xC0, total, 0, 0, datagram.ttl, 112, 0) + ends + options
    return (packet + datagram.payload)[: 12 if header == "cut" else None]


_BROKEN = ("version", "short header", "total too small", "total too large", "cut")
_HEADERS = (*("whole",) * 60, "options", "options", *_BROKEN)
_OFTEN = (*KINDS[:-1], *KINDS[:-1], *KINDS)
_OF_ROUTER: Mapping[str, Callable[[Identity], Event]] = {
    "drain": Drain,
    "bar": lambda identity: Drain(identity, force=True, hard=True),
    "failover": Failover,
    "undrain": Undrain,
    "send failed": lambda identity: SendFailed(identity, was_retry=False),
    "send failed again": lambda identity: SendFailed(identity, was_retry=True),
}


@dataclass(frozen=True, slots=True)
class _Mood:
    """What an episode is like: how often things happen, before each packet."""

    quiet: bool = False
    """Peers are worse than ours: ours are Masters."""
    repeats: float = 0.05
    disturbed: float = 0.02
    hand_over: float = 0.0
    waits: float = 0.3


_MOODS = (_Mood(), _Mood(), _Mood(quiet=True), _Mood(repeats=0.6), _Mood(quiet=True, hand_over=0.1, waits=0.1))


class ReceiveTarget:
    """Packets to `Engine.receive` and `Engine.receive_ipv6`."""

    name = "receive"
    unit = "packets"

    def subject(self, tally: Tally) -> Subject:
        return _Node(tally)

    def steps(self, choices: Choices) -> Iterator[Step]:
        mood = choices.pick(_MOODS)
        yield _configure(choices)
        if choices.chance(0.5):
            yield "wait", 5 * SECOND
        last: Step = ("wait", 0)
        for _ in range(_EPISODE):
            if not choices.more():
                return
            if choices.chance(mood.disturbed):
                yield _disturbance(choices)
            if choices.chance(mood.hand_over):
                yield "failover", choices.pick(KINDS).router.name
            if choices.chance(mood.waits):
                yield "wait", choices.pick(_WAITS)
            if last[0] == "wait" or not choices.chance(mood.repeats):
                last = _packet(choices, quiet=mood.quiet)
            yield last

    def count(self, tally: Tally) -> int:
        return tally.total()

    def report(self, tally: Tally) -> Iterator[str]:
        return reasons(tally)


def _configure(choices: Choices) -> Step:
    priority = choices.pick((100, 100, 100, 1, 99, 254, 255))
    delay = choices.pick((0, 0, 0, SECOND))
    return "configure", priority, choices.chance(0.7), delay, choices.chance(0.2)


def _disturbance(choices: Choices) -> Step:
    what = choices.below(10)
    if what == 0:
        return _configure(choices)
    if what == 1:
        return "errno", choices.pick((0, 0, 1, 99))
    if what == 2:
        return "link", choices.chance(0.7)
    if what == 3:
        kind = choices.pick(KINDS)
        return "announced", kind.router.addresses[0].ip, choices.pick((0, 0, 10 * MILLISECOND, SECOND))
    if what == 4:
        return "wait", choices.pick((*(5 * SECOND,) * 8, 30 * SECOND, 400 * SECOND))
    return choices.pick((*_OF_ROUTER, "undrain", "failover")), choices.pick(KINDS).router.name


def _packet(choices: Choices, *, quiet: bool) -> Step:
    kind = choices.pick(_OFTEN)
    drawn = messages.draft(kind.peer, choices)
    if quiet:
        drawn.priority = choices.pick((1, 1, 50, 90))
    message = messages.message(drawn, choices)
    interface = "eth1" if choices.chance(0.01) else "eth0"
    if drawn.source.version == 6:
        return "ipv6", interface, drawn.source, drawn.destination, drawn.ttl, message
    return "ipv4", interface, drawn.source, drawn.destination, drawn.ttl, message, choices.pick(_HEADERS)
