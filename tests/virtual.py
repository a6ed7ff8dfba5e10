"""Nodes without a network: the daemon's own Runtime on virtual time, with a LAN, kernels and scripts in memory.

Time jumps to the next deadline; work for the executor is done where it is asked for, or as late as the test says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
from sample import HAPROXY, MAC, OURS, START, STOP, THEIRS, guide

from vrrpd.channels import Channel, Outgoing
from vrrpd.ledger import Ledger
from vrrpd.model import (
    Answer,
    Config,
    Family,
    Held,
    Identity,
    Interface,
    IPInterface,
    Script,
    ScriptResult,
    TrackedFile,
    TrackedHAProxy,
    TrackedProcess,
    Undo,
    VirtualAddress,
    VirtualRouter,
    Way,
)
from vrrpd.ports import Announcement, Change, Openings, Watchers
from vrrpd.runtime import Runtime

R = TypeVar("R")
LATENCY_S = 0.0001
ENETDOWN = 100


class Deadlock(AssertionError):  # noqa: N818  it is the name of the thing
    """Nothing is scheduled, and the test still waits."""


class _Jump:
    """Instead of a selector: waiting is moving the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing is scheduled")
        self._loop.clock += timeout
        return []


class Worker(Executor):
    """The kernel's thread of one node: how long its work takes, in seconds; None: it hangs."""

    def __init__(self) -> None:
        self.takes: float | None = 0.0
        self.alive = True


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose clock jumps. What goes wrong in a callback fails the test."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0.0
        self.problems: list[BaseException] = []
        self._selector = _Jump(self)
        self.set_exception_handler(self._note)

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.problems.append(context.get("exception") or AssertionError(context["message"]))

    def time(self) -> float:
        return self.clock

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def run_in_executor(self, executor: Executor | None, func: Callable[..., R], *args: Any) -> asyncio.Future[R]:  # type: ignore[override]
        future: asyncio.Future[R] = self.create_future()
        assert isinstance(executor, Worker)

        def work() -> None:
            if executor.alive:
                future.set_result(func(*args))

        if executor.takes is not None:
            self.call_later(executor.takes, work)
        return future

    def run_until(self, moment: float) -> None:
        """Let time pass until then."""
        self.call_at(moment, self.stop)
        self.run_forever()
        if self.problems:
            raise self.problems[0]


@dataclass
class Lan:
    """One Ethernet: who hears whom, what hosts believe, and who has had which address when."""

    loop: VirtualLoop
    nodes: list[Node] = field(default_factory=list)
    neighbours: dict[IPv4Address, bytes] = field(default_factory=dict)
    """Each host's cache: the MAC that was announced last."""
    history: list[tuple[float, IPv4Address, frozenset[str]]] = field(default_factory=list)
    sent: list[tuple[float, str, int]] = field(default_factory=list)
    """(when, node, priority)"""
    loses: Callable[[str, bytes], bool] = lambda _node, _payload: False

    def others(self, sender: Node) -> list[Node]:
        return [node for node in self.nodes if node is not sender and node.linked and node.running]

    def holders(self, address: IPv4Address) -> frozenset[str]:
        return frozenset(n.name for n in self.nodes if n.linked and address in n.kernel.held())

    def note(self, addresses: Iterable[IPv4Address]) -> None:
        for address in addresses:
            self.history.append((self.loop.clock, address, self.holders(address)))

    def moves(self, address: IPv4Address, since: float = 0.0) -> list[str]:
        """The nodes that got the address, in order, without those that only kept it."""
        now: frozenset[str] = frozenset()
        got: list[str] = []
        for at, which, holders in self.history:
            if which == address:
                got += sorted(holders - now) if at >= since else []
                now = holders
        return got

    def unheld(self, address: IPv4Address, since: float) -> float:
        """For how long nobody had the address from then on."""
        at, total, empty = since, 0.0, not self.holders(address)
        spans = [(t, h) for t, a, h in self.history if a == address]
        before = [h for t, h in spans if t < since]
        empty = not before[-1] if before else True
        for moment, holders in [(t, h) for t, h in spans if t >= since]:
            total += moment - at if empty else 0.0
            at, empty = moment, not holders
        return total + (self.loop.clock - at if empty else 0.0)


class MemoryNetwork:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._openings = Openings()
        self._alive = True
        self.frames: list[bytes] = []

    def open(self, openings: Openings) -> None:
        self._openings = openings if self._alive else Openings()

    def send(self, channel: Channel, packets: Sequence[Outgoing]) -> None:
        node, lan = self._node, self._node.lan
        if channel not in self._openings.channels or not node.linked or not node.running:
            raise OSError(ENETDOWN, "Network is down")
        for _, packet in packets:
            payload = packet[20:]
            lan.sent.append((lan.loop.clock, node.name, payload[2]))
            if lan.loses(node.name, payload):
                continue
            for other in lan.others(node):
                lan.loop.call_later(LATENCY_S, other.network.arrive, channel.device, packet)

    def _hears(self, device: str) -> bool:
        return any(ear.device == device for ear in self._openings.ears)

    def arrive(self, device: str, packet: bytes) -> None:
        if self._node.running and self._node.linked and self._hears(device):
            self._node.runtime.on_datagrams(device, [packet])

    def send_frames(self, device: str, frames: Sequence[bytes]) -> None:
        node, lan = self._node, self._node.lan
        if not node.linked or not self._alive:
            raise OSError(ENETDOWN, "Network is down")
        self.frames += frames
        for frame in dict.fromkeys(frames):
            address, mac = IPv4Address(frame[28:32]), frame[6:12]
            lan.neighbours[address] = mac
            for other in lan.others(node):
                lan.loop.call_later(LATENCY_S, other.network.hear, Announcement(device, address, mac, 0))

    def hear(self, announcement: Announcement) -> None:
        if self._node.running and self._hears(announcement.interface):
            self._node.runtime.on_announcement(announcement)

    def close(self) -> None:
        self._alive, self._openings = False, Openings()


class MemoryKernel:
    """One interface and its addresses; it may refuse to add."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.addresses: list[IPInterface] = [IPv4Interface(f"{node.host}/24")]
        self.errno = 0

    def held(self) -> set[IPv4Address]:
        return {a.ip for a in self.addresses if isinstance(a.ip, IPv4Address)}

    def shown(self) -> Interface:
        return Interface("eth0", 2, self._node.linked, self._node.mac, tuple(self.addresses))

    def prepare(self, things: Sequence[Held]) -> None:
        del things

    def apply(self, changes: Sequence[Change]) -> list[int]:
        return [self._apply(change.thing, present=change.present) for change in changes]

    def _apply(self, thing: Held, *, present: bool) -> int:
        assert isinstance(thing, VirtualAddress)
        interface = thing.interface
        if present and self.errno:
            return self.errno
        if present != (interface in self.addresses):
            self.addresses = [a for a in self.addresses if a != interface] + [interface] * present
            self._changed(interface)
        return 0

    def take_away(self, interface: str) -> None:
        """Somebody else removes an address."""
        self.addresses.remove(IPv4Interface(interface))
        self._changed(IPv4Interface(interface))

    def _changed(self, interface: IPInterface) -> None:
        assert isinstance(interface, IPv4Interface)
        self._node.lan.note([interface.ip])
        self._node.lan.loop.call_soon(self._node.show)

    def deletion(self, thing: Held) -> Undo:
        return Undo(Way.ROUTE, f"delete {thing}".encode())


class MemoryScripts:
    """`killall -0 haproxy` on this node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def run(self, script: Script, done: Callable[[ScriptResult], None]) -> None:
        del script
        result = ScriptResult(0 if self._node.haproxy else 1, 3_000_000)
        self._node.lan.loop.call_later(0.003, done, result)

    def stop(self) -> None:
        """Nothing runs on."""


class MemoryHAProxies:
    """HAProxy on this node, if it runs."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def ask(self, haproxy: TrackedHAProxy, done: Callable[[Answer], None]) -> None:
        problem = "" if self._node.haproxy else f"there is no socket {haproxy.socket}"
        self._node.lan.loop.call_later(0.003, done, Answer(3_000_000, problem))

    def stop(self) -> None:
        """Nothing is asked any more."""


class MemoryFiles:
    """Numbers by path; what is not there is 0."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._watched: tuple[TrackedFile, ...] = ()

    def watch(self, files: Sequence[TrackedFile]) -> None:
        self._watched = tuple(files)
        for file in files:
            self._node.runtime.on_value(file, self._node.numbers.get(file.path, 0))

    def write(self, path: str, number: int) -> None:
        self._node.numbers[path] = number
        for file in self._watched:
            if file.path == path:
                self._node.runtime.on_value(file, number)

    def close(self) -> None:
        self._watched = ()


class MemoryProcesses:
    """Every process runs that HAProxy is."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._watched: tuple[TrackedProcess, ...] = ()

    def watch(self, processes: Sequence[TrackedProcess]) -> None:
        self._watched = tuple(processes)
        self.count()

    def count(self) -> None:
        for process in self._watched:
            self._node.runtime.on_count(process, int(self._node.haproxy))

    def close(self) -> None:
        self._watched = ()


class Node:
    """One machine, and the daemon on it when it runs."""

    def __init__(self, lan: Lan, name: str, host: IPv4Address, config: Config, directory: Path) -> None:
        self.lan, self.name, self.host, self.config = lan, name, host, config
        self.mac = MAC[:5] + host.packed[3:]
        self.haproxy = self.linked = True
        self.running = self.idle = self.stopping = False
        self.numbers: dict[str, int] = {}
        self.ledger = directory / f"{name}.json"
        self.worker = Worker()
        self.kernel = MemoryKernel(self)
        self.lines: list[dict[str, Any]] = []
        lan.nodes.append(self)

    def start(self) -> None:
        loop = self.lan.loop
        self.running, self.idle, self.stopping = True, False, False
        self.runtime = Runtime(loop, self._logger())
        self.network = MemoryNetwork(self)
        ledger = Ledger(self.ledger, self.runtime.masters)
        self.files, self.processes = MemoryFiles(self), MemoryProcesses(self)
        watchers = Watchers(MemoryScripts(self), MemoryHAProxies(self), self.files, self.processes)
        self.runtime.connect(self.network, self.kernel, watchers, ledger, self.worker)
        self.runtime.on_idle = self._on_idle
        self.runtime.on_interface("eth0", self.kernel.shown())
        self.runtime.configure(self.config, START)

    def _logger(self) -> Any:
        def keep(_logger: object, level: str, event: Any) -> Any:
            self.lines.append({"at": self.lan.loop.clock, "level": level, **event})
            raise structlog.DropEvent

        return structlog.wrap_logger(None, [keep], wrapper_class=structlog.make_filtering_bound_logger(0))

    def _on_idle(self) -> None:
        self.idle = True

    def stop(self) -> None:
        """A planned stop; `idle` says when it is over."""
        self.stopping = True
        self.runtime.stop(STOP)

    def crash(self) -> None:
        """The machine is off."""
        self.running = False
        self.network.close()
        self.worker.alive = False
        self.worker = Worker()
        self.kernel.addresses = self.kernel.addresses[:1]
        self.lan.note(a.ip for router in self.config.routers for a in router.addresses if isinstance(a.ip, IPv4Address))

    def link(self, *, up: bool) -> None:
        self.linked = up
        self.lan.note(a.ip for router in self.config.routers for a in router.addresses if isinstance(a.ip, IPv4Address))
        self.show()

    def show(self) -> None:
        """The kernel says what eth0 is now."""
        if self.running:
            self.runtime.on_interface("eth0", self.kernel.shown())

    def reload(self, *routers: VirtualRouter) -> None:
        self.config = Config(routers=routers, scripts=(HAPROXY,))
        self.runtime.configure(self.config, STOP)

    def state(self, vrid: int = 50) -> str:
        return type(self.runtime.engine.records[Identity("eth0", Family.IPV4, vrid)].state).__name__

    def story(self, since: float = 0.0) -> list[tuple[str, str]]:
        """(new state, why) of each transition."""
        return [(li["new"], li["why"]) for li in self.lines if li["event"] == "state changed" and li["at"] >= since]


class Pair:
    """The guide's two nodes on one LAN."""

    def __init__(self, directory: Path, **changes: Any) -> None:
        self.loop = VirtualLoop()
        self.lan = Lan(self.loop)
        self.lb1 = Node(self.lan, "lb1", OURS, self._config(100, changes), directory)
        self.lb2 = Node(self.lan, "lb2", THEIRS, self._config(99, changes), directory)

    @staticmethod
    def _config(priority: int, changes: dict[str, Any]) -> Config:
        return Config(routers=(guide(priority, **changes),), scripts=(HAPROXY,))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loop.set_exception_handler(lambda _loop, _context: None)
        self.loop.close()

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        self.loop.run_until(self.loop.clock + seconds)

    @property
    def now(self) -> float:
        return self.loop.clock
