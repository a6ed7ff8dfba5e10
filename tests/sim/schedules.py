"""Scenarios by chance: one seed, one scenario."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Interface, IPv6Interface
from random import Random

from vrrpd.model import (
    MILLISECOND,
    OWNER_PRIORITY,
    SECOND,
    Announcing,
    Authentication,
    AuthenticationType,
    Config,
    Duration,
    Family,
    InitialState,
    Instant,
    IPInterface,
    Script,
    Tracker,
    Version,
    VirtualAddress,
    VirtualRouter,
)
from vrrpd.simulate.plan import (
    AddressTaken,
    CheckDisturbed,
    Checks,
    Cut,
    Drained,
    FailedOver,
    Fault,
    KernelRefuses,
    KernelSlow,
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
    SendsFail,
    SourceGone,
    Stall,
    Stop,
)

SECRETS = (AuthenticationType.PASS, AuthenticationType.AH)
INTERVALS = 600
"""How many advertisement intervals a run lasts."""


@dataclass(frozen=True, slots=True)
class _Taste:
    """What all routers of a scenario share."""

    version: Version
    family: Family
    interval: Duration
    vrids: int
    second_lan: bool
    script: Script | None
    priorities: str
    announcing: Announcing
    strict: bool
    authentication: Authentication


def scenario(seed: int) -> Scenario:
    """The scenario of this seed."""
    random = Random(f"scenario {seed}")  # noqa: S311  repeatable
    taste = _taste(random)
    count = random.choice((2, 2, 2, 3, 3, 4, 5))
    mixed = random.random() < 0.3 and taste.family is Family.IPV4
    nodes = tuple(_node(random, taste, n, mixed=mixed) for n in range(count))
    asks = random.choice((10, 30, 60)) * SECOND
    latency = random.choice(((20_000, 300_000), (100_000, 2_000_000), (50_000, 50_000)))
    lans = tuple(
        LanPlan(name, tuple(f"{name}host{n}" for n in range(random.choice((1, 1, 2)))), latency, asks)
        for name in (("a", "b") if taste.second_lan else ("a",))
    )
    lasts = INTERVALS * taste.interval
    faults = _faults(random, taste, nodes, lans, lasts)
    return Scenario(f"seed {seed}", seed, lasts, lans, nodes, tuple(sorted(faults, key=lambda f: f.at)))


def _taste(random: Random) -> _Taste:
    script = None
    if random.random() < 0.5:
        script = Script(
            "chk",
            ("true",),
            interval=random.choice((1, 2, 2, 5)) * SECOND,
            timeout=random.choice((1, 3)) * SECOND,
            weight=random.choice((-2, -2, -30, 0, 0, 2, 20)),
            rise=random.choice((1, 1, 2)),
            fall=random.choice((1, 1, 3)),
        )
    version = random.choice((Version.V2, Version.V2, Version.V3))
    family = random.choice((Family.IPV4, Family.IPV6)) if version is Version.V3 else Family.IPV4
    interval = random.choice((1, 1, 1, 1, 2, 3)) * SECOND
    password = random.choice((Authentication(), *(Authentication(kind, b"passwd") for kind in SECRETS)))
    if version is Version.V3:
        interval = random.choice((10, 50, 100, 100, 250, 1000)) * MILLISECOND
        password = Authentication()
    return _Taste(
        version=version,
        family=family,
        interval=interval,
        vrids=random.choice((1, 1, 1, 2)),
        second_lan=random.random() < 0.2,
        script=script,
        priorities=random.choice(("distinct", "distinct", "guide", "equal", "any", "owner")),
        announcing=Announcing(
            master_delay=random.choice((5, 5, 5, 1, 0)) * SECOND,
            master_repeat=random.choice((5, 5, 1)),
            lower_priority_delay=random.choice((5, 5, 0)) * SECOND,
        ),
        strict=random.random() < 0.1,
        authentication=password,
    )


def _node(random: Random, taste: _Taste, n: int, *, mixed: bool) -> NodePlan:
    kind = random.choice((Kind.VRRPD, Kind.RFC, Kind.KEEPALIVED)) if mixed and n else Kind.VRRPD
    links = [Link(f"eth{i}", lan, bytes((2, 0, 0, 0, i, n + 1)), _own(i, n)) for i, lan in enumerate("ab")]
    return NodePlan(
        f"n{n + 1}",
        tuple(links if taste.second_lan else links[:1]),
        config(random, taste, n, kind),
        kind,
        starts_at=random.choice((0, random.randrange(3 * taste.interval))),
        clock_offset=random.randrange(1000 * SECOND),
        lag=random.choice((0, 50_000, random.randrange(MILLISECOND))),
        kernel_delay=random.choice((200_000, MILLISECOND, 3 * MILLISECOND)),
    )


def _own(lan: int, n: int) -> tuple[IPInterface, ...]:
    return IPv4Interface(f"10.0.{lan}.{n + 1}/24"), IPv6Interface(f"fe80::{lan}:{n + 1}/64")


def config(random: Random, taste: _Taste, n: int, kind: Kind) -> Config:
    """What node n runs."""
    routers = tuple(_router(random, taste, n, vrid, kind) for vrid in range(taste.vrids))
    tracked = any(router.trackers for router in routers)
    return Config(routers, (taste.script,) if tracked and taste.script is not None else ())


def _router(random: Random, taste: _Taste, n: int, number: int, kind: Kind) -> VirtualRouter:
    priority = {
        "distinct": 100 - 10 * n if number == 0 else 60 + 10 * n,
        "guide": 100 - n,
        "equal": 100,
        "any": random.randint(1, 254),
        "owner": OWNER_PRIORITY if n == 0 else 100 - n,
    }[taste.priorities]
    addresses = [_virtual(taste, 0, number)]
    if taste.second_lan:
        addresses.append(_virtual(taste, 1, number))
    first = random.random() < 0.3
    says_nopreempt = random.random() < (0.7 if taste.priorities == "guide" else 0.25)
    owner = priority == OWNER_PRIORITY
    scripts: tuple[Tracker, ...] = ()
    if taste.script is not None and kind is Kind.VRRPD and not (owner and taste.script.weight):
        scripts = (Tracker(taste.script.name, taste.script.weight),)
    return VirtualRouter(
        name=f"R{number + 1}",
        interface="eth0",
        vrid=50 + number,
        priority=priority,
        version=taste.version,
        initial_state=InitialState.MASTER if first else InitialState.BACKUP,
        advertisement_interval=_interval(random, taste),
        preempt=owner or first or not says_nopreempt,
        resigns_when_worse=says_nopreempt,
        preempt_delay=0 if first or taste.strict else random.choice((0, 0, 0, random.randrange(1, 15) * SECOND)),
        strict=taste.strict,
        addresses=tuple(addresses),
        authentication=taste.authentication,
        announcing=taste.announcing,
        trackers=scripts,
    )


def _virtual(taste: _Taste, lan: int, number: int) -> VirtualAddress:
    last = 100 + 10 * number
    if taste.family is Family.IPV6:
        return VirtualAddress(IPv6Interface(f"2001:db8:{lan}::{last}/64"), f"eth{lan}")
    return VirtualAddress(IPv4Interface(f"10.0.{lan}.{last}/32"), f"eth{lan}")


def _interval(random: Random, taste: _Taste) -> Duration:
    """Version 3 learns its Master's interval, so they need not be the same."""
    if taste.version is Version.V3 and random.random() < 0.2:
        return taste.interval * 2
    return taste.interval


# --- faults ---


def _faults(
    random: Random, taste: _Taste, nodes: tuple[NodePlan, ...], lans: tuple[LanPlan, ...], lasts: Duration
) -> list[Fault]:
    faults: list[Fault] = []
    at: Instant = random.randrange(5 * taste.interval, 100 * taste.interval)
    while at < lasts * 8 // 10 and len(faults) < 12:
        node = random.choice(nodes)
        faults.append(_fault(random, taste, node, nodes, random.choice(lans), at))
        at += _gap(random, taste.interval)
    return faults


def _gap(random: Random, interval: Duration) -> Duration:
    """Some come together, some long after."""
    return random.choice(
        (
            random.randrange(2 * interval),
            random.randrange(20 * interval),
            random.randrange(20 * interval, 250 * interval),
            random.randrange(20 * interval, 250 * interval),
        )
    )


def _fault(
    random: Random, taste: _Taste, node: NodePlan, nodes: tuple[NodePlan, ...], lan: LanPlan, at: Instant
) -> Fault:
    short = random.randrange(1, 6 * taste.interval)
    either = random.choice((short, random.randrange(taste.interval, 200 * taste.interval)))
    kinds = ["lan", "lan", "lan", "machine", "machine", "machine", "machine", "machine", "machine", "machine"]
    if node.kind is Kind.VRRPD:
        kinds += ["kernel", "kernel", "kernel", "kernel", "operator", "operator", "operator", "reload"]
        kinds += ["check", "check", "check"] if taste.script is not None else []
    match random.choice(kinds):
        case "lan":
            return _lan_fault(random, taste, nodes, lan, at, short=short, either=either)
        case "machine":
            return _machine_fault(random, taste, node, at, short=short, either=either)
        case "kernel":
            slow = KernelSlow(at, short, node.name, random.randrange(MILLISECOND, 3 * taste.interval + MILLISECOND))
            others = KernelRefuses(at, short, node.name), SendsFail(at, short, node.name), AddressTaken(at, node.name)
            return random.choice((slow, *others))
        case "operator":
            drained = Drained(at, either, node.name, hard=random.random() < 0.2, force=random.random() < 0.2)
            return random.choice((drained, drained, FailedOver(at, node.name)))
        case "reload":
            return Reload(at, node.name, _other(random, taste, node))
        case _:
            how = random.choice((Checks.FAIL, Checks.FAIL, Checks.FLAP, Checks.HANG))
            return CheckDisturbed(at, either, node.name, "chk", how)


def _lan_fault(
    random: Random,
    taste: _Taste,
    nodes: tuple[NodePlan, ...],
    lan: LanPlan,
    at: Instant,
    *,
    short: Duration,
    either: Duration,
) -> Fault:
    if random.random() < 0.3:
        delay = random.choice((0, random.randrange(1, 2 * taste.interval)))
        return Noise(at, short, lan.name, random.choice((0.0, 0.1, 0.5)), random.choice((0.0, 0.3)), delay)
    names = [n.name for n in nodes] + list(lan.hosts)
    side = random.sample(names, random.randint(1, len(names) - 1))
    rest = tuple(n for n in names if n not in side)
    return Cut(at, either, lan.name, tuple(side), rest, both=random.random() < 0.8)


def _machine_fault(
    random: Random, taste: _Taste, node: NodePlan, at: Instant, *, short: Duration, either: Duration
) -> Fault:
    name, device = node.name, random.choice(node.links).device
    release_after = random.choice((None, random.randrange(100 * MILLISECOND), 20 * taste.interval))
    kill, stop = Kill(at, either, name, release_after), Stop(at, either, name)
    others = LinkDown(at, either, name, device), SourceGone(at, either, name, device)
    return random.choice((PowerOff(at, either, name), kill, kill, stop, stop, Stall(at, short, name), *others))


def _other(random: Random, taste: _Taste, node: NodePlan) -> Config:
    """What a node may be told instead."""
    n = int(node.name[1:]) - 1
    match random.randrange(5):
        case 0:
            other = replace(taste, priorities=random.choice(("any", "equal", "distinct")))
        case 1:
            other = replace(taste, interval=taste.interval * random.choice((1, 2)))
        case 2:
            other = replace(taste, vrids=3 - taste.vrids)
        case 3:
            other = replace(taste, script=None if taste.script is None else replace(taste.script, fall=2))
        case _ if taste.version is Version.V2:
            other = replace(taste, authentication=Authentication(random.choice(SECRETS), b"other"))
        case _:
            other = taste
    return config(random, other, n, node.kind)
