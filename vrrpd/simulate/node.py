"""A machine: devices, the kernel's addresses, health checks, and the turns that a daemon gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from vrrpd.model import (
    MILLISECOND,
    Asked,
    CheckResult,
    Duration,
    Held,
    Instant,
    Interface,
    IPAddress,
    ScriptResult,
    VirtualAddress,
)
from vrrpd.simulate.addressqueue import Changes
from vrrpd.simulate.lan import Content, Lan, Port, announced
from vrrpd.simulate.plan import Checks, NodePlan
from vrrpd.simulate.timeline import Timeline
from vrrpd.wanted import Results

MONITOR_DELAY: Duration = MILLISECOND // 5
"""Until the kernel's news of an address or a link is read."""
CHECK_TAKES: Duration = 5 * MILLISECOND
EADDRNOTAVAIL = 99


class Daemon(Protocol):
    """What runs on a node. Its times are the node's own."""

    def begin(self) -> None:
        """Start."""

    def end(self) -> None:
        """Stop as one should; `Node.daemon_gone` says when it has."""

    def packet(self, device: str, content: Content) -> None:
        """A VRRP packet has come."""

    def announcement(self, device: str, address: IPAddress, mac: bytes, at: Instant) -> None:
        """A gratuitous ARP has come."""

    def interface(self, name: str, interface: Interface) -> None:
        """The kernel says that a device is so."""

    def wake(self) -> None:
        """Time has passed."""


class Node:
    """One machine. `note(node, text)` writes the trace, `on_addresses(node)` and `on_gone(node)` tell the world."""

    def __init__(
        self,
        plan: NodePlan,
        lans: dict[str, Lan],
        timeline: Timeline,
        note: Callable[[Node, str], None],
        on_addresses: Callable[[Node], None],
        on_gone: Callable[[Node], None],
    ) -> None:
        self.name = plan.name
        self.plan = plan
        self.config = plan.config
        self.timeline = timeline
        self.note = note
        self.on_addresses = on_addresses
        self.on_gone = on_gone
        self.powered = False
        self.daemon: Daemon | None = None
        self.kernel_delay = plan.kernel_delay
        self.kernel_errno = 0
        self.sends_fail = False
        self.stalls = 0
        self.checks: dict[str, Checks] = {}
        """Those that are disturbed."""
        self.without_source: set[str] = set()
        self.lans = {link.device: lans[link.lan] for link in plan.links}
        self.ports: dict[str, Port] = {}
        self._links_down: dict[str, int] = {}
        self._under_way: list[Changes] = []
        self._flaps = 0
        self._backlog: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        for link in plan.links:
            self.ports[link.device] = self._plug(link.device, link.mac)

    def _plug(self, device: str, mac: bytes) -> Port:
        port = Port(
            self.name,
            device,
            mac,
            on_packet=lambda content: self._on_packet(device, content),
            on_frame=lambda content: self._on_frame(device, content),
            up=False,
        )
        self.lans[device].plug(port)
        return port

    # --- time ---

    def clock(self) -> Instant:
        """The node's monotonic clock."""
        return self.timeline.now + self.plan.clock_offset

    def at(self, when: Instant, call: Callable[..., object], *arguments: Any) -> None:
        """Give its daemon a turn then, on the node's clock."""
        self.timeline.at(when - self.plan.clock_offset, self.turn, self.daemon, call, *arguments)

    def turn(self, daemon: Daemon | None, call: Callable[..., object], *arguments: Any) -> None:
        """A turn of this daemon, if it is still there; later, if it gets none now."""
        if daemon is not self.daemon or daemon is None:
            return
        if self.stalls:
            self._backlog.append((call, arguments))
        else:
            call(*arguments)

    def stall(self) -> None:
        """No turn from now on."""
        self.stalls += 1

    def resume(self) -> None:
        """All turns at once: datagrams first, then the rest in their order, timers last."""
        self.stalls -= 1
        if self.stalls or self.daemon is None:
            return
        daemon, backlog, self._backlog = self.daemon, self._backlog, []
        rank = {daemon.packet: 0, daemon.wake: 2}
        for call, arguments in sorted(backlog, key=lambda turn: rank.get(turn[0], 1)):
            self.turn(daemon, call, *arguments)

    # --- in ---

    def _on_packet(self, device: str, content: Content) -> None:
        daemon = self.daemon
        if daemon is None or not self.ports[device].up:
            return
        if self.stalls:
            self._backlog.append((daemon.packet, (device, content)))
        else:
            daemon.packet(device, content)

    def _on_frame(self, device: str, frame: Content) -> None:
        announcement = announced(frame)
        if self.daemon is None or announcement is None or not self.ports[device].up:
            return
        mac, address = announcement
        self.turn(self.daemon, self.daemon.announcement, device, address, mac, self.clock())

    def interface(self, device: str) -> Interface:
        """The device as the kernel shows it now."""
        port = self.ports[device]
        index, link = next((n, link) for n, link in enumerate(self.plan.links, 2) if link.device == device)
        own = () if device in self.without_source else link.addresses
        return Interface(device, index, port.up, port.mac, (*own, *port.addresses.values()))

    def show(self, device: str) -> None:
        """The kernel tells the daemon how the device is now, a little later."""
        if self.daemon is not None:
            daemon = self.daemon
            self.at(self.clock() + MONITOR_DELAY, daemon.interface, device, self.interface(device))

    # --- power, links and the daemon ---

    def power(self, *, on: bool) -> None:
        """Boot the machine, or take its power away and with it all that it held."""
        self.powered = on
        for port in self.ports.values():
            port.addresses.clear()
            port.up = on and not self._links_down.get(port.device)
        if not on:
            self.lose_daemon()
        self.on_addresses(self)

    def link(self, device: str, *, up: bool) -> None:
        """The carrier comes or goes."""
        self._links_down[device] = self._links_down.get(device, 0) + (-1 if up else 1)
        self.ports[device].up = self.powered and not self._links_down[device]
        self.show(device)
        self.on_addresses(self)

    def run_daemon(self, daemon: Daemon) -> None:
        """It starts now."""
        self.daemon = daemon
        daemon.begin()

    def lose_daemon(self) -> None:
        """It is gone, and nothing that waited for it happens any more. The kernel finishes what it was told."""
        for changes in self._under_way:
            self.apply(changes)
        self._under_way.clear()
        self.daemon = None
        self._backlog.clear()

    def daemon_gone(self) -> None:
        """It has ended by itself."""
        self.lose_daemon()
        self.on_gone(self)

    # --- the kernel ---

    def submit(self, changes: Changes, done: Callable[[Results], None]) -> None:
        """Change addresses; `done` is called with the results."""
        self._under_way.append(changes)
        self.timeline.at(self.timeline.now + self.kernel_delay, self._commit, changes, done, self.daemon)

    def _commit(self, changes: Changes, done: Callable[[Results], None], daemon: Daemon | None) -> None:
        if changes not in self._under_way:
            return
        self._under_way.remove(changes)
        self.turn(daemon, done, self.apply(changes))

    def apply(self, changes: Changes) -> Results:
        """Make it so at once."""
        results: list[tuple[Held, bool, int]] = []
        touched = set()
        for address, present in changes:
            if not isinstance(address, VirtualAddress):
                results.append((address, present, 0))
                continue
            addresses = self.ports[address.device].addresses
            error = self.kernel_errno if present and address.ip not in addresses else 0
            if present and not error and address.ip not in addresses:
                addresses[address.ip] = address.interface
                touched.add(address.device)
            elif not present and addresses.get(address.ip) == address.interface:
                del addresses[address.ip]
                touched.add(address.device)
            results.append((address, present, error))
        for device in sorted(touched):
            self.show(device)
        if touched:
            self.note(self, f"holds {self.held()}")
            self.on_addresses(self)
        return tuple(results)

    def take_away(self) -> None:
        """Somebody else removes every virtual address."""
        everything = [
            VirtualAddress(interface, device)
            for device, port in self.ports.items()
            for interface in port.addresses.values()
        ]
        self.apply([(address, False) for address in everything])

    def held(self) -> list[str]:
        """Its virtual addresses, in words."""
        return [f"{ip}@{device}" for device, port in self.ports.items() for ip in port.addresses]

    # --- checks ---

    def check(self, asked: Asked, done: Callable[[CheckResult], None]) -> None:
        """Run a health check."""
        how = self.checks.get(asked.name)
        takes = asked.timeout if how is Checks.HANG else min(CHECK_TAKES, asked.timeout)
        self._flaps += how is Checks.FLAP
        good = how is None or (how is Checks.FLAP and self._flaps % 3 == 0)
        code = None if how is Checks.HANG else int(not good)
        self.at(self.clock() + takes, done, ScriptResult(code, takes, "timed out" if code is None else ""))
