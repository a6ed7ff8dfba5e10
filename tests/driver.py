"""One engine, driven by hand: events in, actions kept, a kernel that answers as it is told."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import TypeVar

from sample import GONE, GOOD, HAPROXY, OURS, THEIRS, guide, interface, ipv4, message

from vrrpd.actions import (
    Action,
    AddressesApplied,
    CheckFinished,
    ConfigChanged,
    Event,
    InterfaceChanged,
    NodeAction,
    RouterAction,
    RunCheck,
    TimePassed,
)
from vrrpd.engine import Engine
from vrrpd.model import (
    Asked,
    CheckResult,
    Config,
    Family,
    Held,
    Identity,
    Script,
    Subject,
    TrackerKind,
    VirtualRouter,
)
from vrrpd.records import Record
from vrrpd.states import AddAddresses, AnnounceAddresses, RemoveAddresses, SendAdvertisement, StateChanged
from vrrpd.tracking import Poll

Moment = tuple[int, Action]
E = TypeVar("E")


class Node:
    """An engine with eth0, in virtual time. `errno` is the kernel's answer to additions, None when it does not."""

    def __init__(self, *routers: VirtualRouter, scripts: tuple[Script, ...] = (), host: IPv4Address = OURS) -> None:
        self.engine = Engine()
        self.now = 0
        self.errno: int | None = 0
        self.check: Callable[[Asked], CheckResult | None] = lambda _: GOOD
        self.done: list[Moment] = []
        self.tell(InterfaceChanged("eth0", interface(f"{host}/24")))
        self.configure(*routers, scripts=scripts)

    def configure(self, *routers: VirtualRouter, scripts: tuple[Script, ...] = ()) -> list[Action]:
        return self.tell(ConfigChanged(Config(routers=routers, scripts=scripts), GONE))

    def tell(self, event: Event) -> list[Action]:
        return self._take(self.engine.handle(event, self.now))

    def hear(
        self, priority: int | bytes, source: IPv4Address = THEIRS, name: str = "eth0", **header: int
    ) -> list[Action]:
        content = priority if isinstance(priority, bytes) else message(priority)
        return self.hear_packet(ipv4(content, source, **header), name)  # type: ignore[arg-type]

    def hear_packet(self, packet: bytes, name: str = "eth0") -> list[Action]:
        return self._take(self.engine.receive(name, packet, self.now))

    def run(self, until: int) -> None:
        """Let time pass."""
        while (at := self.engine.deadline()) is not None and at <= until:
            self.now = max(self.now, at)
            self.tell(TimePassed())
            assert (self.engine.deadline() or self.now + 1) > self.now, "a deadline after a turn lies in the future"
        self.now = until

    def run_hearing(self, until: int, priority: int | bytes, source: IPv4Address = THEIRS) -> None:
        """Let time pass while a Master advertises each second."""
        while self.now < until:
            self.run(min(until, self.now + 10**9))
            self.hear(priority, source)

    def _take(self, actions: list[Action]) -> list[Action]:
        self.done += [(self.now, action) for action in actions]
        for action in actions:
            match action:
                case RunCheck(asked):
                    result = self.check(asked)
                    if result is not None:
                        self.tell(CheckFinished(asked, result))
                case RouterAction(_, AddAddresses(addresses)) | NodeAction(AddAddresses(addresses)) if (
                    self.errno is not None
                ):
                    self._answer(addresses, present=True, errno=self.errno)
                case RouterAction(_, RemoveAddresses(addresses)) | NodeAction(RemoveAddresses(addresses)) if (
                    self.errno is not None
                ):
                    self._answer(addresses, present=False, errno=0)
                case _:
                    pass
        return actions

    def _answer(self, addresses: tuple[Held, ...], *, present: bool, errno: int) -> None:
        self.tell(AddressesApplied(tuple((address, present, errno) for address in addresses)))

    # --- what was seen ---

    def record(self, vrid: int = 50) -> Record:
        return self.engine.records[Identity("eth0", Family.IPV4, vrid)]

    def poll(self, name: str = "chk_haproxy") -> Poll:
        """The check that runs this script."""
        check = self.engine.checks[Subject(TrackerKind.SCRIPT, name)]
        assert isinstance(check, Poll)
        return check

    def state(self, vrid: int = 50) -> str:
        return type(self.record(vrid).state).__name__

    def effects(self, kind: type[E], since: int = 0) -> list[tuple[int, E]]:
        return [
            (at, action.effect)
            for at, action in self.done
            if isinstance(action, RouterAction) and isinstance(action.effect, kind) and at >= since
        ]

    def sent(self, since: int = 0) -> list[tuple[int, int]]:
        """(when, priority) of each advertisement."""
        return [
            (at, e.message[2]) for at, e in self.effects(SendAdvertisement, since) if isinstance(e, SendAdvertisement)
        ]

    def story(self, since: int = 0) -> list[tuple[int, str, str]]:
        """(when, new state, why in words)."""
        return [
            (at, type(e.new).__name__, e.why.words)
            for at, e in self.effects(StateChanged, since)
            if isinstance(e, StateChanged)
        ]


def priorities(actions: list[Action]) -> list[int]:
    """Of the advertisements among them."""
    return [
        action.effect.message[2]
        for action in actions
        if isinstance(action, RouterAction) and isinstance(action.effect, SendAdvertisement)
    ]


def removed(actions: list[Action]) -> list[Held]:
    """The addresses that they take away."""
    return [
        address
        for action in actions
        if isinstance(action, RouterAction) and isinstance(action.effect, RemoveAddresses)
        for address in action.effect.addresses
    ]


def added(actions: list[Action]) -> list[Held]:
    """The addresses that they put there."""
    return [
        address
        for action in actions
        if isinstance(action, RouterAction) and isinstance(action.effect, AddAddresses)
        for address in action.effect.addresses
    ]


def announced(actions: list[Action]) -> int:
    """How many announcements are among them."""
    return sum(isinstance(a, RouterAction) and isinstance(a.effect, AnnounceAddresses) for a in actions)


def guide_node(priority: int = 100) -> Node:
    """Node 1 of the guide's pair, or node 2."""
    return Node(guide(priority), scripts=(HAPROXY,), host=OURS if priority == 100 else THEIRS)
