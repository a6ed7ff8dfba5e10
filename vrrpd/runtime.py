"""The turn: an event in, its effects out, one timer.

A turn runs to completion without an await: advertisements leave at once, kernel work is queued, scripts are started.
The event loop is the clock, so the same runtime runs on Linux's edges and on a virtual-time loop.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import assert_never

from structlog.typing import FilteringBoundLogger

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
from vrrpd.audience import Audience, Json
from vrrpd.channels import Outgoing
from vrrpd.engine import Engine
from vrrpd.frames import Datagram
from vrrpd.installed import NODE
from vrrpd.kernelwork import KernelQueue
from vrrpd.ledger import Ledger, MasterHere
from vrrpd.model import (
    MILLISECOND,
    SECOND,
    Asked,
    CheckResult,
    Config,
    Duration,
    Held,
    Identity,
    Instant,
    Interface,
    Script,
    TrackedFile,
    TrackedHAProxy,
    TrackedProcess,
    VirtualRouter,
)
from vrrpd.openings import openings
from vrrpd.pacing import Pacer
from vrrpd.ports import Announcement, Kernel, Network, Packet, Watchers
from vrrpd.record import Recorder
from vrrpd.records import Record
from vrrpd.states import (
    AddAddresses,
    AnnounceAddresses,
    BidFarewell,
    Effect,
    Master,
    RemoveAddresses,
    SendAdvertisement,
    StateChanged,
    Why,
)
from vrrpd.telling import Kind, Teller, Told
from vrrpd.voice import Voice
from vrrpd.wanted import Followup, Results

CHECKPOINT_TAKES: Duration = 20 * MILLISECOND
"""More than the recorder's copy of a thousand virtual routers."""


@dataclass(slots=True)
class Takeovers:
    """From becoming Master to announcing the addresses: how often, and how long all together."""

    count: int = 0
    total: Duration = 0
    under_way: dict[Identity, Instant] = field(default_factory=dict)

    def begin(self, router: Identity, now: Instant) -> None:
        """It is Master."""
        self.under_way[router] = now

    def end(self, router: Identity, now: Instant) -> None:
        """Its addresses are there, if it was not finished before."""
        began_at = self.under_way.pop(router, None)
        if began_at is not None:
            self.count += 1
            self.total += now - began_at


class Runtime:
    """One engine on one event loop. Build it, `connect` its edges, then `configure`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, log: FilteringBoundLogger) -> None:
        self.engine = Engine()
        self.audience: Audience | None = None
        """Whom changes are told."""
        self.recorder = Recorder(self.engine)
        self.lag_max: Duration = 0
        """The latest that a timer has fired."""
        self.takeovers = Takeovers()
        self.on_idle: Callable[[], None] | None = None
        """Called once nothing is left to do after a stop."""
        self._teller = Teller(self.engine.records)
        self._loop = loop
        self._log = log
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: Instant = 0
        self._pacer = Pacer()
        self._pacing_timer: asyncio.TimerHandle | None = None
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._voices: dict[Identity, Voice] = {}
        self._network: Network
        self._kernel: Kernel
        self._watchers: Watchers
        self._queue: KernelQueue

    def connect(self, network: Network, kernel: Kernel, watchers: Watchers, ledger: Ledger, executor: Executor) -> None:
        """Give it its edges."""
        self._network, self._kernel, self._watchers = network, kernel, watchers
        self._queue = KernelQueue(
            self._loop, executor, kernel, ledger, self._log, self._on_results, self._on_followup, self._settle
        )

    def now(self) -> Instant:
        """The loop's clock in nanoseconds."""
        return round(self._loop.time() * SECOND)

    def masters(self) -> tuple[MasterHere, ...]:
        """Who would have to resign if this process were killed now."""
        return tuple(self._master_here(r) for r in self.engine.records.values() if isinstance(r.state, Master))

    def notified(self, kind: Kind, name: str) -> list[Json]:
        """How the commands that are told of it have ended."""
        return [] if self.audience is None else self.audience.status((kind, name))

    # --- in ---

    def configure(self, config: Config, why: Why) -> None:
        """Run this configuration; `why` is said of routers that are not in it."""
        static: list[Held] = [*config.static_addresses, *config.static_routes, *config.static_rules]
        moving = [thing for router in config.routers for thing in router.held]
        self._kernel.prepare([*(thing.bare for thing in static), *moving])
        self._pacer.configure(config.pacing)
        is_reload = not self.engine.idle
        self._teller.configure(config)
        self._turn(ConfigChanged(config, why))
        if is_reload and config.telling.tells_after_reload:
            self._tell(self._teller.repeat())
        self._watchers.watch(config)
        self._listen()

    def stop(self, why: Why) -> None:
        """Hand over and give up everything; `on_idle` says when that is done."""
        self._teller.stop()
        self._turn(ConfigChanged(Config(), why))
        self._queue.note_masters()

    def operate(self, event: Drain | Failover | Undrain) -> None:
        """An operator wants something of one router."""
        self._turn(event)

    async def until(self, is_so: Callable[[], bool], limit: Duration) -> bool:
        """Wait until it is so, for at most so long; whether it is."""
        if not is_so():
            waiter = (is_so, self._loop.create_future())
            self._waiters.append(waiter)
            try:
                async with asyncio.timeout(limit / SECOND):
                    await waiter[1]
            except TimeoutError:
                pass
            finally:
                self._waiters.remove(waiter)
        return is_so()

    def halt(self, why: Why) -> None:
        """Give up everything at once."""
        self._turn(Halt(why))

    def on_interface(self, name: str, interface: Interface | None) -> None:
        """The kernel says that an interface is so now."""
        self._turn(InterfaceChanged(name, interface))
        self._listen()

    def on_lost(self, things: Sequence[Held]) -> None:
        """Somebody has removed these routes and rules."""
        self._turn(ThingsLost(tuple(things)))

    def on_value(self, file: TrackedFile, value: int) -> None:
        """A tracked file has this number in it."""
        self._turn(FileRead(file, value))

    def on_count(self, process: TrackedProcess, count: int) -> None:
        """So many of these processes run."""
        self._turn(ProcessesCounted(process, count))

    def on_datagrams(self, device: str, packets: Sequence[Packet]) -> None:
        """All that waited in a socket, before any timer has its say."""
        now = self.now()
        for packet in packets:
            if isinstance(packet, Datagram):
                self._apply(self.recorder.receive_ipv6(device, packet, now))
            else:
                self._apply(self.recorder.receive(device, packet, now))
        self._rearm()

    def on_announcement(self, announcement: Announcement) -> None:
        """Somebody sent a gratuitous ARP."""
        at = self.now() - announcement.age
        self._turn(AddressAnnounced(announcement.interface, announcement.address, announcement.mac, at))

    def _on_timer(self) -> None:
        # asyncio may fire a tick early: time has passed when the timer says so.
        now = max(self.now(), self._timer_at)
        self.lag_max = max(self.lag_max, now - self._timer_at)
        self._timer = None
        self._apply(self.recorder.handle(TimePassed(), now))
        self._rearm()

    def _on_check_finished(self, asked: Asked, result: CheckResult) -> None:
        self._turn(CheckFinished(asked, result))

    def _on_results(self, results: Results) -> None:
        for thing, present, error in results:
            if error:
                event = "not added" if present else "not removed"
                self._log.error(event, what=str(thing), error=os.strerror(error))
        self._turn(AddressesApplied(results))

    # --- the turn ---

    def _turn(self, event: Event) -> None:
        self._apply(self.recorder.handle(event, self.now()))
        self._rearm()

    def _rearm(self) -> None:
        """After every turn: whoever waits for something is told, and the one timer set."""
        for is_so, waiter in self._waiters:
            if not waiter.done() and is_so():
                waiter.set_result(None)
        deadline = self.engine.deadline()
        if self.recorder.is_full and (deadline is None or deadline - self.now() > CHECKPOINT_TAKES):
            self.recorder.turn_over()
        if deadline is None:
            return
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline / SECOND, self._on_timer)

    def _apply(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case RouterAction(router, effect):
                    self._perform(router, effect)
                case NodeAction(effect):
                    present = isinstance(effect, AddAddresses)
                    self._queue.want(NODE, effect.addresses, present=present)
                case RunCheck(asked):
                    self._ask(asked)
                case CheckChanged(check):
                    self._log.info("check changed", check=str(check.subject), state=check.state, why=check.words)
                case FaultsChanged(router, faults):
                    words = [fault.words for fault in sorted(faults)]
                    self._log.info("faults changed", router=router.name, faults=words)
                case GroupChanged(group, old, new):
                    self._log.info("group changed", group=group.name, old=old, new=new)
                case PriorityChanged(router, priority):
                    self._log.info("priority changed", router=router.name, priority=priority)
                case LowerPriorityHeard() | RouterGone():
                    pass  # For those who are told.
                case ConflictSeen(router, conflict):
                    self._log.warning(
                        "peer disagrees",
                        router=router.name,
                        peer=conflict.peer,
                        field=conflict.field,
                        theirs=conflict.theirs,
                        ours=conflict.ours,
                        count=conflict.count,
                    )
                case _:
                    assert_never(action)
        self._tell(self._teller.hear(actions))

    def _tell(self, told: list[Told]) -> None:
        if self.audience is not None:
            self.audience.tell(told)

    def _perform(self, router: VirtualRouter, effect: Effect) -> None:
        match effect:
            case SendAdvertisement(message, is_retry):
                self._send(router, message, is_retry=is_retry)
            case AddAddresses(addresses):
                self._queue.want(router.identity, addresses, present=True)
            case RemoveAddresses(addresses):
                self._queue.want(router.identity, addresses, present=False)
            case AnnounceAddresses() | BidFarewell():
                self._queue.follow(router.identity, effect)
            case StateChanged():
                if isinstance(effect.new, Master):
                    self.takeovers.begin(router.identity, self.now())
                else:
                    self.takeovers.under_way.pop(router.identity, None)
                if isinstance(effect.old, Master):
                    self._pacer.purge(router.identity)
                self._log_transition(router, effect)
                self._queue.note_masters()
            case _:
                assert_never(effect)

    def _ask(self, asked: Asked) -> None:
        match asked:
            case Script():
                self._watchers.scripts.run(asked, partial(self._on_check_finished, asked))
            case TrackedHAProxy():
                self._watchers.haproxies.ask(asked, partial(self._on_check_finished, asked))
            case _:
                assert_never(asked)

    def _send(self, router: VirtualRouter, message: bytes, *, is_retry: bool) -> None:
        try:
            self._say(router.identity, message)
        except OSError:
            # Counted by the engine, which tries once more; not within this turn.
            self._loop.call_soon(self._turn, SendFailed(router.identity, is_retry))

    def _say(self, identity: Identity, message: bytes) -> None:
        """OSError when it did not leave."""
        record = self.engine.records.get(identity)
        voice = self._voices.get(identity) if record is None else record.voice
        if voice is None or voice.channel is None:
            raise OSError(errno.ENETDOWN, "nothing to advertise by")
        self._network.send(voice.channel, voice.say(message))
        if voice.outlived_its_testament:
            self._queue.note_masters()

    def _on_followup(self, identity: Identity, followup: Followup) -> None:
        match followup:
            case AnnounceAddresses(frames, repeat):
                self.takeovers.end(identity, self.now())
                self._pacer.push(identity, frames, repeat)
                self._announce()
            case BidFarewell(message, unless_by):
                if unless_by is None or self.now() > unless_by:
                    self._farewell(identity, message)
            case _:
                assert_never(followup)

    def _announce(self) -> None:
        """What may be sent now; the rest at its pace."""
        frames = self._pacer.due(self.now())
        for device in dict.fromkeys(frame.device for frame in frames):
            try:
                self._network.send_frames(device, [f.content for f in frames if f.device == device])
            except OSError as error:
                self._log.warning("gratuitous ARP not sent", device=device, error=error.strerror)
        if self._pacing_timer is not None:
            self._pacing_timer.cancel()
        next_at = self._pacer.next_at()
        self._pacing_timer = None if next_at is None else self._loop.call_at(next_at / SECOND, self._announce)

    def _farewell(self, identity: Identity, message: bytes) -> None:
        try:
            self._say(identity, message)
        except OSError as error:
            self._log.warning("farewell not sent", interface=identity.interface, error=error.strerror)

    # --- what is open, and what is on record ---

    def _settle(self) -> None:
        """The kernel has caught up."""
        self._listen()
        if self.engine.idle and self.on_idle is not None:
            self.on_idle()

    def _listen(self) -> None:
        """Sockets where routers are; a router that has just gone keeps its voice until its last word is said."""
        records = self.engine.records.values()
        voices = {record.identity: record.voice for record in records}
        self._voices = voices if self._queue.idle else self._voices | voices
        self._network.open(openings(records, self._voices.values(), self.engine.interfaces))

    def _master_here(self, record: Record) -> MasterHere:
        p, channel = record.parameters, record.voice.channel
        return MasterHere(
            name=record.router.name,
            interface=record.router.advertising_device,
            source="" if channel is None else str(channel.source),
            resignations=() if p is None else _hexadecimal(record.voice.testament(p.resignation)),
        )

    def _log_transition(self, router: VirtualRouter, change: StateChanged) -> None:
        self._log.info(
            "state changed",
            router=router.name,
            old=type(change.old).__name__.upper(),
            new=type(change.new).__name__.upper(),
            reason=change.why.reason,
            why=change.why.words,
        )


def _hexadecimal(packets: Iterable[Outgoing]) -> tuple[tuple[str, str], ...]:
    return tuple((str(packet.destination), packet.content.hex()) for packet in packets)
