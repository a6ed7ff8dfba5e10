"""Scenarios by chance in which the routers of each node are a sync group, in the same order of priority on all nodes.

Crossed priorities make a group of keepalived's be elected again and again; what ours does then is a hazard of its own.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface
from random import Random

from vrrpd.model import (
    MILLISECOND,
    SECOND,
    Config,
    Duration,
    Instant,
    Script,
    SyncGroup,
    Tracker,
    Version,
    VirtualAddress,
    VirtualRouter,
)
from vrrpd.simulate.plan import (
    CheckDisturbed,
    Checks,
    Cut,
    Drained,
    FailedOver,
    Fault,
    Kill,
    Kind,
    LanPlan,
    Link,
    LinkDown,
    NodePlan,
    Noise,
    PowerOff,
    Reload,
    Scenario,
    Stall,
    Stop,
)

INTERVALS = 400
"""How many advertisement intervals a run lasts."""


def scenario(seed: int) -> Scenario:
    """The scenario of this seed."""
    random = Random(f"group {seed}")  # noqa: S311  repeatable
    version = random.choice((Version.V2, Version.V2, Version.V3))
    interval = SECOND if version is Version.V2 else random.choice((50, 100, 1000)) * MILLISECOND
    lans = random.choice((("a",), ("a", "b")))
    members = random.choice((2, 2, 3))
    weight = random.choice((0, 0, -30, -2))
    script = Script("chk", ("true",), timeout=SECOND, weight=weight, fall=random.choice((1, 3)))
    nopreempt = random.random() < 0.3
    mixed = random.random() < 0.3 and not nopreempt
    nodes = tuple(
        _node(
            n,
            lans,
            _config(n, lans, members, version, interval, script, nopreempt=nopreempt),
            Kind.KEEPALIVED if n and mixed else Kind.VRRPD,
            starts_at=random.choice((0, random.randrange(3 * interval))),
        )
        for n in range(random.choice((2, 2, 3)))
    )
    lasts = INTERVALS * interval
    plans = tuple(LanPlan(name, (f"{name}host",)) for name in lans)
    faults = _faults(random, nodes, lans, interval, lasts)
    return Scenario(f"group seed {seed}", seed, lasts, plans, nodes, faults)


def _config(
    n: int,
    lans: tuple[str, ...],
    members: int,
    version: Version,
    interval: Duration,
    script: Script,
    *,
    nopreempt: bool,
) -> Config:
    routers = tuple(
        VirtualRouter(
            name=f"R{number}",
            interface=f"eth{number % len(lans)}",
            vrid=50 + number,
            priority=100 - 10 * n,
            version=version,
            advertisement_interval=interval,
            preempt=not nopreempt,
            resigns_when_worse=nopreempt,
            addresses=(
                VirtualAddress(IPv4Interface(f"10.0.{number % len(lans)}.{100 + number}/32"), _device(number, lans)),
            ),
            trackers=(Tracker(script.name, script.weight),) if script.weight or not number else (),
        )
        for number in range(members)
    )
    return Config(routers, (script,), (SyncGroup("G", tuple(router.name for router in routers)),))


def _device(number: int, lans: tuple[str, ...]) -> str:
    return f"eth{number % len(lans)}"


def _node(n: int, lans: tuple[str, ...], config: Config, kind: Kind, *, starts_at: Instant) -> NodePlan:
    links = tuple(
        Link(
            f"eth{i}",
            lan,
            bytes((2, 0, 0, 0, i, n + 1)),
            (IPv4Interface(f"10.0.{i}.{n + 1}/24"), IPv6Interface(f"fe80::{n + 1}/64")),
        )
        for i, lan in enumerate(lans)
    )
    if kind is Kind.KEEPALIVED:
        config = Config(tuple(replace(router, trackers=()) for router in config.routers), groups=config.groups)
    return NodePlan(f"n{n + 1}", links, config, kind, starts_at=starts_at, clock_offset=(n + 1) * 137 * MILLISECOND)


def _faults(
    random: Random, nodes: tuple[NodePlan, ...], lans: tuple[str, ...], interval: Duration, lasts: Duration
) -> tuple[Fault, ...]:
    faults: list[Fault] = []
    at: Instant = random.randrange(10 * interval, 60 * interval)
    while at < lasts * 8 // 10 and len(faults) < 8:
        fault = _fault(random, random.choice(nodes), nodes, random.choice(lans), at, interval)
        # Cut off on one LAN only, a group serves nowhere: what is due then is judged by no bound.
        faults += [_with_host(random, fault, lan) for lan in lans] if isinstance(fault, Cut) else [fault]
        at += random.choice((random.randrange(2 * interval), random.randrange(20 * interval, 150 * interval)))
    return tuple(sorted(faults, key=lambda fault: fault.at))


def _with_host(random: Random, cut: Cut, lan: str) -> Cut:
    """A host is on one side or the other."""
    host = (f"{lan}host",)
    if random.random() < 0.5:
        return replace(cut, lan=lan, sources=cut.sources + host)
    return replace(cut, lan=lan, destinations=cut.destinations + host)


def _fault(
    random: Random, node: NodePlan, nodes: tuple[NodePlan, ...], lan: str, at: Instant, interval: Duration
) -> Fault:
    short = random.randrange(1, 6 * interval)
    either = random.choice((short, random.randrange(interval, 100 * interval)))
    device = random.choice(node.links).device
    name = node.name
    others = tuple(other.name for other in nodes if other is not node)
    of_all: tuple[Fault, ...] = (
        PowerOff(at, either, name),
        Kill(at, either, name, random.choice((None, 50 * MILLISECOND))),
        Stop(at, either, name),
        LinkDown(at, either, name, device),
        Stall(at, short, name),
        Noise(at, short, lan, loss=random.choice((0.1, 0.5)), delay=random.choice((0, interval))),
        Cut(at, either, lan, (name,), others, both=random.random() < 0.8),
    )
    of_ours: tuple[Fault, ...] = (
        Drained(at, either, name, hard=random.random() < 0.2, force=random.random() < 0.2),
        FailedOver(at, name),
        CheckDisturbed(at, either, name, "chk", random.choice((Checks.FAIL, Checks.FAIL, Checks.FLAP))),
        Reload(at, name, node.config),
    )
    return random.choice(of_all + of_ours if node.kind is Kind.VRRPD else of_all)
