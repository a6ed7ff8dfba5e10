"""What runs on a node: the real engine as `Runtime` drives it, or a peer's model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, IPv4Interface
from typing import Protocol

from vrrpd import ah
from vrrpd.actions import (
    Action,
    AddressAnnounced,
    AddressesApplied,
    CheckFinished,
    ConfigChanged,
    Drain,
    Event,
    Failover,
    Halt,
    InterfaceChanged,
    NodeAction,
    RouterAction,
    RunCheck,
    SendFailed,
    TimePassed,
    Undrain,
)
from vrrpd.channels import Outgoing
from vrrpd.engine import Engine
from vrrpd.frames import Datagram, ip_header
from vrrpd.installed import NODE
from vrrpd.model import (
    IPV4_GROUP,
    SECOND,
    Asked,
    CheckResult,
    Config,
    Duration,
    Identity,
    Instant,
    Interface,
    IPAddress,
    VirtualRouter,
)
from vrrpd.packet import TTL
from vrrpd.peers import Announce, Hold, KeepalivedRouter, LetGo, Outputs, PeerRouter, Send, StrictRouter
from vrrpd.simulate.addressqueue import AddressQueue, Changes
from vrrpd.simulate.lan import Content, as_received, ipv4_packet
from vrrpd.simulate.node import Node
from vrrpd.simulate.plan import Kind
from vrrpd.states import (
    AddAddresses,
    AnnounceAddresses,
    BidFarewell,
    Effect,
    Master,
    Reason,
    RemoveAddresses,
    SendAdvertisement,
    StateChanged,
    Why,
)
from vrrpd.voice import Voice
from vrrpd.wanted import Followup, Results

STOP_LIMIT: Duration = 12 * SECOND
STOPPED = Why(Reason.STOPPED, "vrrpd was stopped")
_GONE = Why(Reason.STOPPED, "it is no longer in the configuration")


class Listener(Protocol):
    """Who is told what daemons do."""

    def sent(self, node: Node, router: VirtualRouter, message: bytes) -> None:
        """An advertisement, or what the machine asked to be sent and the node could not."""

    def changed(self, node: Node, router: VirtualRouter, change: tuple[str, str, str]) -> None:
        """A router's state: old, new, and the reason."""

    def heard(self, node: Node, device: str, content: Content) -> None:
        """A packet has reached a daemon."""

    def woken(self, node: Node, deadline: Instant | None) -> None:
        """A timer's turn is over, and this is the next deadline."""


class VrrpdDaemon:
    """The engine, with `Runtime`'s turn around it. `remembers`: it may use the refresh memory."""

    def __init__(self, node: Node, listener: Listener, *, remembers: bool) -> None:
        self.engine = Engine()
        self.queue = AddressQueue(self)
        self.ending = False
        self._node = node
        self._listener = listener
        self._remembers = remembers
        self._timer_at: Instant | None = None
        self._identification = 0
        self._voices: dict[Identity, Voice] = {}

    # --- in ---

    def begin(self) -> None:
        """Interfaces first, then the configuration, as in `daemon`."""
        for device in self._node.ports:
            self._turn(InterfaceChanged(device, self._node.interface(device)))
        self.configure(self._node.config)

    def configure(self, config: Config) -> None:
        """Run this configuration."""
        self._turn(ConfigChanged(config, _GONE))

    def end(self) -> None:
        """Hand over, then go."""
        self.ending = True
        self._turn(ConfigChanged(Config(), STOPPED))
        self._node.at(self._node.clock() + STOP_LIMIT, self._node.daemon_gone)
        if self.queue.idle:
            self.on_idle()

    def halt(self) -> None:
        """Give up everything at once."""
        self._turn(Halt(STOPPED))

    def packet(self, device: str, content: Content) -> None:
        """A datagram."""
        self._listener.heard(self._node, device, content)
        now = self._node.clock()
        if isinstance(content, Datagram):
            actions = self.engine.receive_ipv6(device, content, now)
        else:
            actions = self.engine.receive(device, content, now)
        if not self._remembers:
            for record in self.engine.records.values():
                record.memory = None
        if actions:
            self._apply(actions)
        self._rearm()

    def announcement(self, device: str, address: IPAddress, mac: bytes, at: Instant) -> None:
        """A gratuitous ARP."""
        self._turn(AddressAnnounced(device, address, mac, at))

    def interface(self, name: str, interface: Interface) -> None:
        """A device is so now."""
        self._turn(InterfaceChanged(name, interface))

    def wake(self) -> None:
        """The timer."""
        now, due = self._node.clock(), self._timer_at
        if due is None or now < due:
            return  # A timer that was set again since.
        self._timer_at = None
        self._apply(self.engine.handle(TimePassed(), now))
        self._rearm()
        self._listener.woken(self._node, self.engine.deadline())

    # --- the turn ---

    def _turn(self, event: Event) -> None:
        self._apply(self.engine.handle(event, self._node.clock()))
        self._rearm()

    def _rearm(self) -> None:
        deadline = self.engine.deadline()
        if deadline is not None and (self._timer_at is None or deadline < self._timer_at):
            self._timer_at = deadline
            self._node.at(deadline + self._node.plan.lag, self.wake)

    def _apply(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case RouterAction(router, effect):
                    self._perform(router, effect)
                case NodeAction(effect):
                    self.queue.want(NODE, effect.addresses, present=isinstance(effect, AddAddresses))
                case RunCheck(asked):
                    self._node.check(asked, partial(self._on_check_finished, asked))
                case _:
                    self._node.note(self._node, type(action).__name__)

    def _perform(self, router: VirtualRouter, effect: Effect) -> None:
        match effect:
            case SendAdvertisement(message, is_retry):
                if self._node.sends_fail:
                    self._soon(SendFailed(router.identity, is_retry))
                else:
                    self._send(router.identity, message)
                self._listener.sent(self._node, router, message)
            case AddAddresses(addresses):
                self.queue.want(router.identity, addresses, present=True)
            case RemoveAddresses(addresses):
                self.queue.want(router.identity, addresses, present=False)
            case AnnounceAddresses() | BidFarewell():
                self.queue.follow(router.identity, effect)
            case StateChanged(old, new, why):
                change = (type(old).__name__, type(new).__name__, why.reason.value)
                self._node.note(self._node, f"{router.name} {change[0]} -> {change[1]}: {why.words}")
                self._listener.changed(self._node, router, change)

    def _soon(self, event: Event) -> None:
        self._node.at(self._node.clock(), self._turn, event)

    def _send(self, identity: Identity, message: bytes) -> None:
        record = self.engine.records.get(identity)
        if record is not None:
            self._voices[identity] = record.voice  # It outlives its router: a farewell still leaves.
        self._put(identity, message, self._voices[identity].say(message))

    def _put(self, identity: Identity, message: bytes, packets: tuple[Outgoing, ...]) -> None:
        self._node.note(self._node, f"sends priority {message[2]} of {message[1]}")
        for _, content in packets:
            self._identification = (self._identification + 1) & 0xFFFF
            arriving = as_received(content, self._identification)
            self._node.lans[identity.interface].send_packet(self._node.ports[identity.interface], arriving)

    def _on_check_finished(self, asked: Asked, result: CheckResult) -> None:
        self._turn(CheckFinished(asked, result))

    # --- the address queue's owner ---

    def soon(self, call: Callable[[], None]) -> None:
        """In a turn of its own."""
        self._node.at(self._node.clock(), call)

    def submit(self, changes: Changes, done: Callable[[Results], None]) -> None:
        """To the kernel."""
        self._node.submit(changes, done)

    def on_results(self, results: Results) -> None:
        """From the kernel."""
        self._turn(AddressesApplied(results))

    def on_followup(self, identity: Identity, followup: Followup) -> None:
        """It is true now, so it may be said."""
        match followup:
            case AnnounceAddresses(frames, repeat):
                for frame in frames:
                    self._node.note(self._node, f"announces {frame.address} {repeat} times")
                    port = self._node.ports[frame.device]
                    self._node.lans[frame.device].send_frames(port, frame.content, repeat)
            case BidFarewell(message, unless_by):
                if (unless_by is None or self._node.clock() > unless_by) and not self._node.sends_fail:
                    self._send(identity, message)

    def on_idle(self) -> None:
        """The kernel has caught up."""
        if self.ending and self.engine.idle:
            self._node.daemon_gone()

    # --- what a crash leaves ---

    def resign(self) -> None:
        """Say priority 0 for those that were Master: the ledger holds the packets."""
        for record in self.engine.records.values():
            if isinstance(record.state, Master) and record.parameters is not None:
                message = record.parameters.resignation
                self._put(record.identity, message, record.voice.testament(message))

    # --- an operator's requests ---

    def drain(self, *, hard: bool, force: bool) -> None:
        """Every router serves only if nobody else does."""
        for identity in self._moved():
            self._turn(Drain(identity, force=force, hard=hard))

    def undrain(self) -> None:
        """As configured again."""
        for identity in self._moved():
            self._turn(Undrain(identity))

    def fail_over(self) -> None:
        """Others are to be Master now."""
        for identity in self._moved():
            self._turn(Failover(identity))

    def _moved(self) -> list[Identity]:
        """Of a sync group its first member is named."""
        first = {
            id(self.engine.groups.of(record) or record): record for record in reversed(self.engine.records.values())
        }
        return [record.identity for record in reversed(first.values())]


class PeerDaemon:
    """Routers that are not ours. Their kernel work is done within the turn."""

    def __init__(self, node: Node, listener: Listener) -> None:
        self._node = node
        self._listener = listener
        self._timer_at: Instant | None = None
        self._identification = 0
        macs = {device: port.mac for device, port in node.ports.items()}
        model: type[PeerRouter] = StrictRouter if node.plan.kind is Kind.RFC else KeepalivedRouter
        self.routers = [model(r, self._address(r.interface), macs) for r in node.config.routers]
        self._group()

    def _group(self) -> None:
        """Strict routers have no groups."""
        for group in self._node.config.groups:
            members = [p for p in self.routers if p.router.name in group.members and isinstance(p, KeepalivedRouter)]
            for peer in members:
                peer.company = tuple(other for other in members if other is not peer)

    def _address(self, device: str) -> IPv4Address:
        own = next(link.addresses for link in self._node.plan.links if link.device == device)
        return next(address.ip for address in own if isinstance(address, IPv4Interface))

    def begin(self) -> None:
        """Start every router; what a predecessor left is removed."""
        for peer in self.routers:
            self._do(peer, [LetGo()])
            self._run(peer, peer.start)

    def end(self) -> None:
        """Stop every router."""
        for peer in self.routers:
            self._run(peer, partial(_stop, peer))
        self._node.daemon_gone()

    def packet(self, device: str, content: Content) -> None:
        """A datagram."""
        self._listener.heard(self._node, device, content)
        if isinstance(content, Datagram):
            return  # The models speak IPv4.
        for peer in self.routers:
            if peer.router.interface == device:
                self._run(peer, partial(peer.receive, content))

    def announcement(self, device: str, address: IPAddress, mac: bytes, at: Instant) -> None:
        """They do not look at gratuitous ARP."""

    def interface(self, name: str, interface: Interface) -> None:
        """A fault of its device stops a router, and its end starts it."""
        for peer in (p for p in self.routers if p.router.interface == name):
            together = (peer, *peer.company)
            if not interface.up:
                self._run(peer, partial(_stop, peer))
            elif all(self._node.ports[one.router.interface].up for one in together):
                for one in together:
                    if one.state == "Initialize":
                        self._run(one, one.start)

    def wake(self) -> None:
        """The timer."""
        self._timer_at = None
        for peer in self.routers:
            self._run(peer, peer.tick)

    def _run(self, peer: PeerRouter, call: Callable[[Instant], Outputs]) -> None:
        self._turn(peer, call)
        for other in peer.company:
            self._turn(other, other.follow)

    def _turn(self, peer: PeerRouter, call: Callable[[Instant], Outputs]) -> None:
        before = peer.state
        self._do(peer, call(self._node.clock()))
        if peer.state != before:
            self._node.note(self._node, f"{peer.router.name} {before} -> {peer.state}")
            self._listener.changed(self._node, peer.router, (before, peer.state, ""))
        deadline = min((at for p in self.routers if (at := p.deadline()) is not None), default=None)
        if deadline is not None and (self._timer_at is None or deadline < self._timer_at):
            self._timer_at = deadline
            self._node.at(deadline + self._node.plan.lag, self.wake)

    def _do(self, peer: PeerRouter, outputs: Outputs) -> None:
        device = peer.router.interface
        for output in outputs:
            match output:
                case Send(message):
                    self._identification = (self._identification + 1) & 0xFFFF
                    packet = self._packet(peer, message)
                    self._node.note(self._node, f"sends priority {message[2]} of {message[1]}")
                    self._node.lans[device].send_packet(self._node.ports[device], packet)
                    self._listener.sent(self._node, peer.router, message)
                case Hold():
                    self._node.apply([(address, True) for address in peer.router.addresses])
                case LetGo():
                    self._node.apply([(address, False) for address in peer.router.addresses])
                case Announce(frames, repeat):
                    for name, frame in frames:
                        self._node.lans[name].send_frames(self._node.ports[name], frame, repeat)

    def _packet(self, peer: PeerRouter, message: bytes) -> Content:
        if not peer.router.is_sealed:
            return ipv4_packet(peer.address, IPV4_GROUP, self._identification, message)
        peer.sequence += 1
        length = ah.SIZE + len(message)
        header = ip_header(peer.address, IPV4_GROUP, TTL, ah.PROTOCOL, length, self._identification)
        return header + ah.seal(header, message, peer.router.authentication.password, peer.sequence, unicast=False)


def _stop(peer: PeerRouter, _now: Instant) -> Outputs:
    return peer.stop()
