"""What holds whatever comes: of messages, of one machine over any history, of a node through any reload."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any

from driver import Node
from hypothesis import given, settings
from hypothesis import strategies as st
from sample import BAD, GOOD, MS, OURS, THEIRS, THIRD, S, interface, ipv4, message, router
from sample3 import GROUP6, OURS6, THEIRS6, THIRD6, interface6, message3

from vrrpd.actions import AddressAnnounced, CheckFinished, ConfigChanged, Drain, Failover, InterfaceChanged, Undrain
from vrrpd.engine import Engine
from vrrpd.frames import Datagram
from vrrpd.fsm import deadline, step
from vrrpd.model import (
    Authentication,
    AuthenticationType,
    Config,
    Family,
    Identity,
    InitialState,
    IPAddress,
    Script,
    ScriptResult,
    Tracker,
    Version,
    VirtualAddress,
    VirtualRouter,
)
from vrrpd.packet import Advertisement, ChecksumForm, PacketError, decode, encode
from vrrpd.states import Initialize, Reason, State, Tick, Why

THOROUGH = settings(derandomize=True, max_examples=200, deadline=None)
SPARING = settings(derandomize=True, max_examples=60, deadline=None)
WHY = Why(Reason.STOPPED, "vrrpd was stopped")

# --- messages ---

IPV4S = st.lists(st.integers(0, 2**32 - 1), max_size=8, unique=True)
IPV6S = st.lists(st.integers(0, 2**128 - 1), min_size=1, max_size=8, unique=True)
PASSWORDS = st.binary(max_size=8).filter(bool) | st.none()


def over_ipv4(hosts: Iterable[int]) -> tuple[VirtualAddress, ...]:
    return tuple(VirtualAddress(IPv4Interface((host, 32)), "eth0") for host in hosts)


def over_ipv6(hosts: Iterable[int]) -> tuple[VirtualAddress, ...]:
    return tuple(VirtualAddress(IPv6Interface((host, 128)), "eth0") for host in hosts)


VERSION_2 = st.builds(
    lambda vrid, seconds, hosts, password: router(
        vrid=vrid,
        advertisement_interval=seconds * S,
        addresses=over_ipv4(hosts),
        authentication=Authentication(AuthenticationType.PASS, password) if password else Authentication(),
    ),
    st.integers(1, 255),
    st.integers(1, 255),
    IPV4S,
    PASSWORDS,
)
VERSION_3 = st.builds(
    lambda vrid, centiseconds, addresses, plain: router(
        version=Version.V3,
        vrid=vrid,
        advertisement_interval=centiseconds * 10 * MS,
        addresses=addresses,
        plain_checksum=plain and addresses[0].ip.version == 4,
    ),
    st.integers(1, 255),
    st.integers(1, 4095),
    IPV4S.filter(bool).map(over_ipv4) | IPV6S.map(over_ipv6),
    st.booleans(),
)


def form(ours: VirtualRouter) -> ChecksumForm:
    plain = ours.version is Version.V2 or ours.plain_checksum
    return ChecksumForm.MESSAGE if plain else ChecksumForm.PSEUDO_HEADER


@THOROUGH
@given(VERSION_2 | VERSION_3, st.integers(0, 255))
def test_what_is_encoded_is_decoded_in_every_version_family_and_authentication(
    ours: VirtualRouter, priority: int
) -> None:
    source: IPAddress = OURS if ours.family is Family.IPV4 else OURS6
    expected = Advertisement(
        ours.vrid, priority, ours.advertisement_interval, tuple(a.ip for a in ours.addresses), form(ours)
    )
    found = decode(ours, Datagram(source, ours.group, 255, encode(ours, priority, source)))
    assert found == expected
    assert type(found.advertisement_interval) is int


@THOROUGH
@given(VERSION_2 | VERSION_3, st.data())
def test_any_bytes_are_an_advertisement_or_a_packet_error(ours: VirtualRouter, data: st.DataObject) -> None:
    source: IPAddress = OURS if ours.family is Family.IPV4 else OURS6
    whole = bytearray(encode(ours, 100, source))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)) | st.just(len(whole)))
    payload = data.draw(st.binary(max_size=60) | st.just(bytes(whole[:cut])))
    with contextlib.suppress(PacketError):
        found = decode(ours, Datagram(source, ours.group, data.draw(st.sampled_from([255, 255, 64])), payload))
        assert type(found) is Advertisement
        assert (found.vrid, found.priority) == (payload[1], payload[2])
        assert found.advertisement_interval > 0
        assert len(found.addresses) == payload[3]


# --- the whole receive path ---

SOURCES4, SOURCES6 = st.sampled_from([OURS, THEIRS, THIRD]), st.sampled_from([OURS6, THEIRS6, THIRD6])
TTLS = st.sampled_from([255, 255, 255, 254, 0])
PRIORITIES = st.sampled_from([0, 1, 99, 100, 101, 254, 255])
CENTISECONDS = st.sampled_from([0, 1, 100, 100, 100, 4095])

PACKETS = st.one_of(
    st.binary(max_size=80),
    st.builds(lambda p, s, ttl: ipv4(message(p), s, ttl=ttl), PRIORITIES, SOURCES4, TTLS),
    st.builds(
        lambda p, s, cs, plain: ipv4(message3(p, s, vrid=51, centiseconds=cs, plain=plain), s),
        PRIORITIES,
        SOURCES4,
        CENTISECONDS,
        st.booleans(),
    ),
    st.builds(
        lambda head, rest: ipv4(head + rest), st.sampled_from([b"\x21\x32", b"\x31\x33"]), st.binary(max_size=40)
    ),
)
DATAGRAMS = st.one_of(
    st.builds(Datagram, SOURCES6, st.sampled_from([GROUP6, OURS6]), TTLS, st.binary(max_size=60)),
    st.builds(
        lambda p, s, cs, ttl: Datagram(s, GROUP6, ttl, message3(p, s, centiseconds=cs)),
        PRIORITIES,
        SOURCES6,
        CENTISECONDS,
        TTLS,
    ),
)
R4, R3, R6 = (Identity("eth0", family, vrid) for family, vrid in ((4, 50), (4, 51), (6, 50)))  # type: ignore[arg-type]
ORDERS = st.one_of(
    st.sampled_from([R4, R3, R6]).flatmap(
        lambda identity: st.sampled_from(
            [
                Drain(identity),
                Drain(identity, force=True),
                Drain(identity, hard=True),
                Failover(identity),
                Undrain(identity),
                Undrain(identity),
            ]
        )
    ),
    st.sampled_from(
        [
            InterfaceChanged("eth0", interface6(up=False)),
            InterfaceChanged("eth0", interface6()),
            InterfaceChanged("eth0", interface6()),
            InterfaceChanged("eth0", interface("10.230.137.1/24")),
        ]
    ),
    st.builds(
        AddressAnnounced,
        st.just("eth0"),
        st.sampled_from([IPv4Address("10.230.137.100"), IPv6Address("fe80::5")]),
        st.just(bytes(6)),
        st.integers(0, 100 * S),
    ),
)


def three_routers(**changes: Any) -> tuple[VirtualRouter, ...]:
    two = over_ipv6([0xFE80 << 112 | 5, 0x20010DB8 << 96 | 5])
    return (
        router(**changes),
        router(name="R3", vrid=51, version=Version.V3, addresses=over_ipv4([0x0AE68965]), **changes),
        router(name="R6", version=Version.V3, addresses=two, **changes),
    )


@SPARING
@given(
    st.lists(st.tuples(PACKETS | DATAGRAMS | ORDERS, st.sampled_from([0, 1, 5 * MS, 700 * MS, S, 4 * S])), max_size=40),
    st.sampled_from([100, 255]),
    st.booleans(),
    st.sampled_from([0, 2 * S]),
)
def test_nothing_that_comes_raises_and_after_a_turn_the_deadline_lies_in_the_future(
    history: list[tuple[Any, int]], priority: int, preempt: bool, preempt_delay: int
) -> None:
    node = Node()
    node.tell(InterfaceChanged("eth0", interface6()))
    routers = three_routers(
        priority=priority, initial_state=InitialState.MASTER, preempt=preempt, preempt_delay=preempt_delay
    )
    node.configure(*routers)
    for event, pause in history:
        node.run(node.now + pause)
        match event:
            case bytes():
                node.hear_packet(event)
            case Datagram():
                node._take(node.engine.receive_ipv6("eth0", event, node.now))
            case _:
                node.tell(event)
        consistent(node.engine, node.now)


def consistent(engine: Engine, now: int) -> None:
    """Addresses are due exactly where a router is Master or Resigning; a spurious Tick changes nothing."""
    for record in engine.records.values():
        holds = type(record.state).__name__ in {"Master", "Resigning"}
        needs = {key for key, due in engine.book._due.items() if record.identity in due.needed_by}
        assert needs == ({address.key for address in record.router.addresses} if holds else set())
        p, at = record.parameters, deadline(record.state)
        assert isinstance(record.state, Initialize) is (at is None)
        if p is not None and at is not None and at > now:
            assert step(p, record.state, Tick(), now) == (record.state, ())


# --- effective priority ---

SCRIPTS = tuple(Script(name, ("check", name), rise=rise, fall=fall) for name, rise, fall in (("a", 1, 1), ("b", 2, 3)))
WEIGHTS = st.integers(-253, 253).filter(bool)
RESULTS = st.lists(st.tuples(st.sampled_from(SCRIPTS), st.sampled_from([GOOD, BAD])), max_size=30)


@SPARING
@given(RESULTS, st.lists(st.tuples(WEIGHTS, st.booleans()), min_size=2, max_size=2), st.integers(1, 254))
def test_effective_priority_is_a_function_of_the_present(
    results: list[tuple[Script, ScriptResult]], weights: list[tuple[int, bool]], base: int
) -> None:
    trackers = tuple(Tracker(s.name, w, reverse) for s, (w, reverse) in zip(SCRIPTS, weights, strict=True))
    node = Node()
    node.check = lambda _: None
    node.configure(router(priority=base, trackers=trackers), scripts=SCRIPTS)
    for script, result in results:
        node.tell(CheckFinished(script, result))
    states = {subject.name: str(check.state) for subject, check in node.engine.checks.items()}
    total = base
    for tracker in trackers:
        sign = -1 if tracker.reverse else 1
        if (states[tracker.name] == "ok" and tracker.weight > 0) or (
            states[tracker.name] == "failing" and tracker.weight < 0
        ):
            total += sign * tracker.weight
    p = node.record().parameters
    assert p is not None
    assert p.priority == min(max(total, 1), 254)
    # A node that never saw but the end of it says the same.
    fresh = Node()
    fresh.check = lambda _: None
    fresh.configure(router(priority=base, trackers=trackers), scripts=SCRIPTS)
    for script in SCRIPTS:
        if states[script.name] != "pending":
            fresh.tell(CheckFinished(script, GOOD if states[script.name] == "ok" else BAD))
    q = fresh.record().parameters
    assert q is not None
    assert q.priority == p.priority


# --- reconfigure ---

ADDRESSES = st.lists(st.integers(0x0AE68964, 0x0AE68967), min_size=1, max_size=3, unique=True).map(over_ipv4)
ROUTERS = st.builds(
    lambda vrid, priority, seconds, addresses, version, preempt, tracked: router(
        name=f"R{vrid}",
        vrid=vrid,
        priority=priority,
        advertisement_interval=seconds * S,
        addresses=addresses,
        version=version,
        preempt=preempt,
        trackers=(Tracker("a", -10),) if tracked else (),
    ),
    st.integers(50, 52),
    st.sampled_from([90, 100, 110]),
    st.sampled_from([1, 2]),
    ADDRESSES,
    st.sampled_from(Version),
    st.booleans(),
    st.booleans(),
)
CONFIGS = st.lists(ROUTERS, max_size=3, unique_by=lambda r: r.vrid).map(
    lambda routers: Config(tuple(routers), SCRIPTS[:1] if any(r.trackers for r in routers) else ())
)


def shape(node: Node) -> dict[str, Any]:
    engine = node.engine
    return {
        "states": {identity: type(record.state).__name__ for identity, record in engine.records.items()},
        "routers": {identity: record.router for identity, record in engine.records.items()},
        "priorities": {i: r.parameters and r.parameters.priority for i, r in engine.records.items()},
        "due": {key: frozenset(due.needed_by) for key, due in engine.book._due.items()},
        "checks": {subject: check.state for subject, check in engine.checks.items()},
        "faults": {identity: record.faults for identity, record in engine.records.items()},
    }


@SPARING
@given(CONFIGS, CONFIGS, st.sampled_from([0, 1, 3 * MS, 500 * MS, 2 * S, 30 * S]), st.sampled_from([None, 105]))
def test_a_configuration_that_is_changed_and_changed_back_ends_where_it_began(
    a: Config, b: Config, pause: int, master: int | None
) -> None:
    if master is not None:  # without preemption it is history that decides who is Master
        a, b = (replace(c, routers=tuple(replace(r, preempt=True) for r in c.routers)) for c in (a, b))
    node = Node()
    node.tell(ConfigChanged(a, WHY))

    def settle(until: int) -> None:
        while node.now < until:
            node.run(min(until, (node.now // S + 1) * S))
            for ours in () if master is None else a.routers:
                assert master is not None
                ips = tuple(str(address.ip) for address in ours.addresses)
                heard = (
                    message(master, vrid=ours.vrid, addresses=ips, interval=ours.advertisement_interval // S)
                    if ours.version is Version.V2
                    else message3(
                        master,
                        THEIRS,
                        vrid=ours.vrid,
                        addresses=ips,
                        centiseconds=ours.advertisement_interval // (10 * MS),
                    )
                )
                node.hear(heard)

    settle(30 * S)
    before = shape(node)
    node.tell(ConfigChanged(b, WHY))
    node.run(node.now + pause)
    node.tell(ConfigChanged(a, WHY))
    settle(node.now // S * S + 60 * S)
    assert shape(node) == before
    consistent(node.engine, node.now)


@SPARING
@given(CONFIGS, CONFIGS, st.sampled_from([0, 1, 3 * MS, 2 * S]))
def test_a_stop_after_any_reload_leaves_nothing(a: Config, b: Config, pause: int) -> None:
    node = Node()
    node.tell(ConfigChanged(a, WHY))
    node.run(20 * S)
    node.tell(ConfigChanged(b, WHY))
    node.run(node.now + pause)
    node.tell(ConfigChanged(Config(), WHY))
    node.run(node.now + 20 * S)
    assert node.engine.idle
    assert node.engine.book._due == {}
    assert len(node.engine.checks) == 0
    assert node.engine.deadline() is None


@SPARING
@given(CONFIGS)
def test_the_same_configuration_again_changes_nothing(a: Config) -> None:
    node = Node()
    node.tell(ConfigChanged(a, WHY))
    node.run(20 * S)
    states: dict[Identity, State] = {identity: record.state for identity, record in node.engine.records.items()}
    assert node.tell(ConfigChanged(replace(a), WHY)) == []
    assert {identity: record.state for identity, record in node.engine.records.items()} == states
