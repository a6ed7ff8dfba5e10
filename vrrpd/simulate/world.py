"""A scenario that runs: it builds LANs and nodes, and lets befall them what the scenario says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import assert_never

from vrrpd.model import Config, Instant, IPAddress, VirtualRouter
from vrrpd.simulate.daemons import Listener, PeerDaemon, VrrpdDaemon
from vrrpd.simulate.lan import Content, Host, Lan
from vrrpd.simulate.node import Daemon, Node
from vrrpd.simulate.plan import (
    AddressTaken,
    CheckDisturbed,
    Cut,
    Drained,
    FailedOver,
    Fault,
    KernelRefuses,
    KernelSlow,
    Kill,
    Kind,
    LinkDown,
    Noise,
    PowerOff,
    Reload,
    Scenario,
    SendsFail,
    SourceGone,
    Stall,
    Stop,
)
from vrrpd.simulate.timeline import Timeline


class Observer(Listener):
    """Who judges a run. Each method is called when it has happened; by default nothing is thought of it."""

    world: World

    def begins(self, fault: Fault) -> None:
        """It is about to befall them."""

    def ended(self, fault: Fault) -> None:
        """It is over."""

    def started(self, node: Node) -> None:
        """Its daemon has begun."""

    def gone(self, node: Node) -> None:
        """Its daemon is not there any more."""

    def addresses(self, node: Node) -> None:
        """What its kernel holds has changed."""

    def served(self, host: Host, address: IPAddress, reached: bool) -> None:
        """From now on a host's packets reach somebody who has the address, or nobody."""

    def sent(self, node: Node, router: VirtualRouter, message: bytes) -> None:
        """An advertisement has left, or should have."""

    def changed(self, node: Node, router: VirtualRouter, change: tuple[str, str, str]) -> None:
        """A router's state: old, new, reason."""

    def heard(self, node: Node, device: str, content: Content) -> None:
        """A packet is about to be taken by a daemon."""

    def woken(self, node: Node, deadline: Instant | None) -> None:
        """A timer's turn is over."""


class World:
    """One run. `remembers`: engines may use their refresh memory; the trace is the same without it."""

    def __init__(self, scenario: Scenario, observer: Observer, *, remembers: bool = True) -> None:
        self.scenario = scenario
        self.observer = observer
        self.timeline = Timeline()
        self.random = Random(scenario.seed)  # noqa: S311  a repeatable run, not a secret
        self.trace: list[str] = []
        self._remembers = remembers
        self._left: dict[str, VrrpdDaemon] = {}
        """Daemons that were killed, as their ledgers show them."""
        self._absent: dict[str, list[Fault]] = {node.name: [] for node in scenario.nodes}
        """What keeps each node's daemon from running."""
        self.lans = {plan.name: Lan(plan, self.timeline, self.random, self._on_service) for plan in scenario.lans}
        self.nodes = {
            plan.name: Node(plan, self.lans, self.timeline, self.note, self._on_addresses, self._on_gone)
            for plan in scenario.nodes
        }
        for lan in self.lans.values():
            for host in lan.hosts:
                lan.plug(host.port)
        self._watch()
        observer.world = self
        for node in self.nodes.values():
            node.power(on=True)
            self.timeline.at(node.plan.starts_at, self._start, node)
        for fault in scenario.faults:
            self.timeline.at(fault.at, self._befall, fault)

    @property
    def now(self) -> Instant:
        """The simulation's clock."""
        return self.timeline.now

    def run(self) -> None:
        """To its end."""
        self.timeline.run(self.scenario.lasts)

    def note(self, node: Node | None, text: str) -> None:
        """A line of the trace."""
        self.trace.append(f"{self.timeline.now} {node.name if node else '*'} {text}")

    def _watch(self) -> None:
        """The hosts of each LAN use the virtual addresses that stand on it."""
        for node in self.nodes.values():
            for router in node.config.routers:
                for address in router.addresses:
                    for host in node.lans[address.device].hosts:
                        host.watch(address.ip)

    # --- what daemons and LANs say ---

    def _on_service(self, host: Host, address: IPAddress, reached: bool) -> None:
        self.note(None, f"{host.name} {'reaches' if reached else 'cannot reach'} {address}")
        self.observer.served(host, address, reached)

    def _on_addresses(self, node: Node) -> None:
        for lan in dict.fromkeys(node.lans.values()):
            lan.review()
        self.observer.addresses(node)

    def _on_gone(self, node: Node) -> None:
        self.note(node, "its daemon is gone")
        self.observer.gone(node)
        if not self._absent[node.name]:
            self._start(node)

    def _start(self, node: Node) -> None:
        if self._absent[node.name] or node.daemon is not None or not node.powered:
            return
        self._release(node)
        self.note(node, "its daemon starts")
        node.run_daemon(self._daemon(node))
        self.observer.started(node)

    def _daemon(self, node: Node) -> Daemon:
        if node.plan.kind is Kind.VRRPD:
            return VrrpdDaemon(node, self.observer, remembers=self._remembers)
        return PeerDaemon(node, self.observer)

    # --- faults ---

    def _befall(self, fault: Fault) -> None:
        self.note(None, f"begins: {fault}")
        self.observer.begins(fault)
        undo = self._begin(fault)
        if undo is not None:
            self.timeline.at(self.now + fault.lasts, self._relent, fault, undo)

    def _relent(self, fault: Fault, undo: Callable[[], object]) -> None:
        self.note(None, f"ends: {type(fault).__name__} of {fault.at}")
        undo()
        self.observer.ended(fault)

    def _begin(self, fault: Fault) -> Callable[[], object] | None:
        """Do it, and return how it is undone."""
        match fault:
            case Noise(lan=name):
                noises = self.lans[name].noises
                noises.append(fault)
                return lambda: noises.remove(fault)
            case Cut():
                return self._cut(fault)
            case PowerOff() | Kill() | Stop():
                return self._remove_daemon(fault)
            case Stall(node=name):
                self.nodes[name].stall()
                return self.nodes[name].resume
            case LinkDown(node=name, device=device):
                self.nodes[name].link(device, up=False)
                return lambda: self.nodes[name].link(device, up=True)
            case AddressTaken(node=name):
                self.nodes[name].take_away()
                return None
            case Drained() | FailedOver():
                return self._operate(self.nodes[fault.node], fault)
            case Reload(node=name, config=config):
                self._reload(self.nodes[name], config)
                return None
            case SourceGone() | CheckDisturbed() | KernelSlow() | KernelRefuses() | SendsFail():
                return self._hamper(self.nodes[fault.node], fault)
            case _:
                assert_never(fault)

    def _cut(self, fault: Cut) -> Callable[[], object]:
        lan = self.lans[fault.lan]
        pairs = [(a, b) for a in fault.sources for b in fault.destinations]
        if fault.both:
            pairs += [(b, a) for a, b in pairs]
        lan.cuts.update(pairs)
        lan.review()

        def heal() -> None:
            lan.cuts.subtract(pairs)
            lan.cuts += type(lan.cuts)()  # Only what still is cut stays.
            lan.review()

        return heal

    def _remove_daemon(self, fault: PowerOff | Kill | Stop) -> Callable[[], object]:
        node, absent = self.nodes[fault.node], self._absent[fault.node]
        absent.append(fault)
        match fault:
            case PowerOff():
                node.power(on=False)
                self.observer.gone(node)
                self._left.pop(node.name, None)
            case Kill():
                self._kill(node, fault)
            case Stop():
                if node.daemon is not None:
                    node.turn(node.daemon, node.daemon.end)

        def bring_back() -> None:
            absent.remove(fault)
            if isinstance(fault, PowerOff) and not any(isinstance(f, PowerOff) for f in absent):
                node.power(on=True)
            self._start(node)

        return bring_back

    def _kill(self, node: Node, fault: Kill) -> None:
        daemon = node.daemon
        node.lose_daemon()
        self.observer.gone(node)
        if isinstance(daemon, VrrpdDaemon):
            self._left[node.name] = daemon
            if fault.release_after is not None:
                self.timeline.at(self.now + fault.release_after, self._release, node)

    def _release(self, node: Node) -> None:
        """`vrrpd release`: addresses first, then priority 0. It refuses beside a running daemon."""
        dead = self._left.get(node.name)
        if node.daemon is None and node.powered and dead is not None:
            del self._left[node.name]
            self.note(node, "releases what its daemon left")
            node.take_away()
            dead.resign()

    def _reload(self, node: Node, config: Config) -> None:
        """Peers only read their configuration when they start."""
        node.config = config
        self._watch()
        if isinstance(node.daemon, VrrpdDaemon) and not node.daemon.ending:
            node.turn(node.daemon, node.daemon.configure, config)

    def _operate(self, node: Node, fault: Drained | FailedOver) -> Callable[[], object] | None:
        daemon = node.daemon
        if not isinstance(daemon, VrrpdDaemon):
            return None
        if isinstance(fault, FailedOver):
            node.turn(daemon, daemon.fail_over)
            return None
        node.turn(daemon, partial(daemon.drain, hard=fault.hard, force=fault.force))
        return lambda: node.turn(daemon, daemon.undrain)

    def _hamper(
        self, node: Node, fault: SourceGone | CheckDisturbed | KernelSlow | KernelRefuses | SendsFail
    ) -> Callable[[], object]:
        """What ends by putting things back as they were."""
        match fault:
            case SourceGone(device=device):
                node.without_source.add(device)
                node.show(device)

                def undo() -> None:
                    node.without_source.discard(device)
                    node.show(device)

            case CheckDisturbed(script=script, how=how):
                node.checks[script] = how

                def undo() -> None:
                    node.checks.pop(script, None)

            case KernelSlow(delay=delay):
                node.kernel_delay = delay

                def undo() -> None:
                    node.kernel_delay = node.plan.kernel_delay

            case KernelRefuses(errno=errno):
                node.kernel_errno = errno

                def undo() -> None:
                    node.kernel_errno = 0

            case SendsFail():
                node.sends_fail = True

                def undo() -> None:
                    node.sends_fail = False

            case _:
                assert_never(fault)
        return undo
