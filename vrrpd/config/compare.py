"""The files of several nodes as one cluster: what must be the same and is not, and what must differ and does not.

A warning where the nodes will not hear each other, so that each is Master; advice where they will not move as meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, TypeAlias

from vrrpd.config.diagnostics import Diagnostic, Findings, Place
from vrrpd.config.lint.election import needed, priorities
from vrrpd.config.lint.rules import GROUP, Subject
from vrrpd.config.values import spoken
from vrrpd.model import AuthenticationType, Family, InitialState, IPAddress, TrackerKind, Version, VirtualRouter


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One node's router of a pair."""

    node: str
    """The name of its file, for messages."""
    subject: Subject
    router: VirtualRouter

    def at(self, keyword: str, entry: str = "") -> Place:
        return self.subject.at(self.router, keyword, entry)

    def priorities(self) -> tuple[int, int]:
        """While nothing fails, and when everything that is weighed does."""
        if self.router.is_owner:
            return self.router.priority, self.router.priority
        return priorities(self.router.priority, self.subject.trackers(self.router))


class Difference(NamedTuple):
    """What is wrong between two nodes, said at the second one."""

    at: Place
    message: str
    hint: str


Comparison: TypeAlias = Callable[[Side, Side], Iterator[Difference]]

_DEAF = "each ignores the other and is Master"


def _same(keyword: str, of: Callable[[VirtualRouter], object], what: str, consequence: str = _DEAF) -> Comparison:
    """A comparison of one thing that must be the same."""

    def compared(first: Side, second: Side) -> Iterator[Difference]:
        ours, theirs = of(second.router), of(first.router)
        if ours != theirs:
            message = f"{second.router.name}: {what} {ours} here and {theirs} in {first.node}: {consequence}"
            yield Difference(second.at(keyword), message, f"the same {what} on both nodes")

    return compared


def _interval(router: VirtualRouter) -> str:
    return f"{spoken(router.advertisement_interval)} s"


def _intervals(first: Side, second: Side) -> Iterator[Difference]:
    if first.router.version == second.router.version == Version.V2:
        yield from _same("advert_int", _interval, "advertisement interval")(first, second)


def _slower(first: Side, second: Side) -> Iterator[Difference]:
    """Version 3: a Backup goes by its Master's interval."""
    if first.router.version == second.router.version == Version.V3:
        consequence = "how soon a dead Master is noticed depends on which node it was"
        yield from _same("advert_int", _interval, "advertisement interval", consequence)(first, second)


def _authentication(first: Side, second: Side) -> Iterator[Difference]:
    here, there = second.router.authentication, first.router.authentication
    if here.type is not there.type:
        what = f"authentication {_named(here.type)} here and {_named(there.type)} in {first.node}"
    elif here.password != there.password:
        what = f"another password than in {first.node}"
    else:
        return
    at = second.at("authentication", "auth_pass" if here.type is there.type else "auth_type")
    yield Difference(at, f"{second.router.name}: {what}: {_DEAF}", "the same auth_type and auth_pass on both nodes")


def _named(kind: AuthenticationType) -> str:
    return "none" if kind is AuthenticationType.NONE else kind.name


def _way(first: Side, second: Side) -> Iterator[Difference]:
    """Multicast or unicast, and which group."""
    here, there = second.router.unicast, first.router.unicast
    if (here is None) is not (there is None):
        ways = ("multicast", "unicast") if here is None else ("unicast", "multicast")
        message = f"{second.router.name}: {ways[0]} here and {ways[1]} in {first.node}: {_DEAF}"
        yield Difference(second.at("unicast_peer"), message, "unicast_peer on both nodes or on neither")
    elif here is None:
        yield from _same("mcast_dst_ip", lambda router: router.group, "multicast group")(first, second)


def _peers(first: Side, second: Side) -> Iterator[Difference]:
    """Each must send to where the other one speaks from."""
    if first.router.unicast is None or second.router.unicast is None:
        return
    for speaker, listener in ((first, second), (second, first)):
        source = speaker.router.source_address
        peers = listener.router.unicast.peers if listener.router.unicast else ()
        if source is None or any(peer.address == source for peer in peers):
            continue
        listed = ", ".join(str(peer.address) for peer in peers) or "nobody"
        yield Difference(
            listener.at("unicast_peer"),
            f"{listener.router.name}: the peers here are {listed}, while {speaker.node} speaks from {source}: it never"
            " hears this node",
            f"unicast_peer {{ {source} }}",
        )


def _sources(first: Side, second: Side) -> Iterator[Difference]:
    source = second.router.source_address
    if source is not None and source == first.router.source_address:
        keyword = "unicast_src_ip" if second.router.unicast else "mcast_src_ip"
        message = f"{second.router.name}: the source address {source} is that of {first.node} too: a node takes what"
        message += " comes from its own address for its own and ignores it"
        yield Difference(second.at(keyword), message, "each node's own address")


def _addresses(first: Side, second: Side) -> Iterator[Difference]:
    here, there = ({address.ip for address in side.router.addresses} for side in (second, first))
    if here != there:
        message = f"{second.router.name}: {_unlike(here, there, first.node)}: keepalived before 2.3.3 drops such"
        message += " advertisements, so that each node is Master; what only one node has moves nowhere"
        yield Difference(second.at("virtual_ipaddress"), message, "the same addresses on both nodes")


def _excluded(first: Side, second: Side) -> Iterator[Difference]:
    here, there = ({address.ip for address in side.router.excluded} for side in (second, first))
    if here != there:
        message = f"{second.router.name}: {_unlike(here, there, first.node)}: what only one node has moves nowhere"
        yield Difference(second.at("virtual_ipaddress_excluded"), message, "the same addresses on both nodes")


def _unlike(here: set[IPAddress], there: set[IPAddress], node: str) -> str:
    parts = []
    for only, where in ((here - there, "only here"), (there - here, f"only in {node}")):
        if only:
            listed = ", ".join(str(ip) for ip in sorted(only, key=lambda ip: (ip.version, int(ip)))[:_LISTED])
            more = f" and {len(only) - _LISTED} more" if len(only) > _LISTED else ""
            parts.append(f"{listed}{more} {where}")
    return "; ".join(parts)


_LISTED = 4


def _prefixes(first: Side, second: Side) -> Iterator[Difference]:
    there = {address.ip: address for address in first.router.addresses + first.router.excluded}
    for address in second.router.addresses + second.router.excluded:
        other = there.get(address.ip)
        if other and other.interface != address.interface:
            yield Difference(
                second.subject.places.address(second.router.name, address.ip),
                f"{second.router.name}: {address.interface} here and {other.interface} in {first.node}: what the"
                " address reaches depends on where it is",
                "the same prefix on both nodes",
            )


def _equal_priority(first: Side, second: Side) -> Iterator[Difference]:
    if first.priorities()[0] == second.priorities()[0]:
        yield Difference(
            second.at("priority"),
            f"{second.router.name}: priority {second.priorities()[0]} as in {first.node}: which of them is Master is"
            " left to chance, and to the higher source address when both are",
            "a higher priority on the node that is to be Master",
        )


def _both_masters(first: Side, second: Side) -> Iterator[Difference]:
    if first.router.initial_state is second.router.initial_state is InitialState.MASTER:
        yield Difference(
            second.at("state"),
            f"{second.router.name}: state MASTER here and in {first.node}: the word decides nothing, the priority does;"
            " but it cancels nopreempt and preempt_delay on both",
            "state BACKUP on all nodes but the one with the highest priority, or on all",
        )


def _nopreempt(first: Side, second: Side) -> Iterator[Difference]:
    higher, lower = sorted((first, second), key=lambda side: -side.priorities()[0])
    if higher.priorities()[0] == lower.priorities()[0] or higher.router.is_owner:
        return
    if lower.router.resigns_when_worse and not higher.router.resigns_when_worse:
        yield Difference(
            lower.at("nopreempt"),
            f"{lower.router.name}: nopreempt stands only on the node with the lower priority, which preempts nobody"
            f" anyway; {higher.node} takes the addresses back whenever it can",
            "nopreempt and state BACKUP on both nodes",
        )


def _trackers(first: Side, second: Side) -> Iterator[Difference]:
    here, there = _watched(second), _watched(first)
    for only, where, sideways in ((here - there, "here", first.node), (there - here, f"in {first.node}", "here")):
        if only:
            yield Difference(
                second.subject.at(second.router),
                f"{second.router.name}: {', '.join(sorted(only))} is watched {where} and not"
                f" {sideways if sideways == 'here' else 'in ' + sideways}: the node that does not look takes over"
                " although it may be no better",
                "the same checks on both nodes",
            )


def _watched(side: Side) -> set[str]:
    """What is looked at, in words that do not depend on the names of blocks or interfaces."""
    config = side.subject.config
    seen: Mapping[tuple[TrackerKind, str], str] = {
        **{(TrackerKind.SCRIPT, script.name): " ".join(script.argv) for script in config.scripts},
        **{(TrackerKind.FILE, file.name): file.path for file in config.files},
        **{(TrackerKind.PROCESS, process.name): f"process {process.process}" for process in config.processes},
        **{(TrackerKind.HAPROXY, haproxy.name): f"HAProxy at {haproxy.socket}" for haproxy in config.haproxies},
    }
    keys = ((tracker.kind, tracker.name) for tracker in side.subject.trackers(side.router))
    return {seen[key] for key in keys if key in seen}


WARNINGS: Mapping[str, Comparison] = {
    "cluster-version": _same("version", lambda router: int(router.version), "VRRP version"),
    "cluster-interval": _intervals,
    "cluster-authentication": _authentication,
    "cluster-way": _way,
    "cluster-peers": _peers,
    "cluster-source": _sources,
    "cluster-addresses": _addresses,
}
"""Between two nodes' routers of one VRID, by stable codes."""

ADVICE: Mapping[str, Comparison] = {
    "cluster-excluded": _excluded,
    "cluster-prefix": _prefixes,
    "cluster-pace": _slower,
    "cluster-priority": _equal_priority,
    "cluster-state": _both_masters,
    "cluster-nopreempt": _nopreempt,
    "cluster-trackers": _trackers,
}


def compare(nodes: Mapping[str, Subject]) -> tuple[Diagnostic, ...]:
    """What is to be said of these nodes together, by the names of their files. One node alone is not compared."""
    findings = Findings()
    sides = [[Side(name, subject, router) for router in subject.config.routers] for name, subject in nodes.items()]
    peers: dict[Side, list[Side]] = defaultdict(list)
    for ours, theirs in combinations(sides, 2):
        pairs, others = _pairs(ours, theirs)
        for first, second in pairs:
            _judge(first, second, findings)
        for first, second in others:
            _another_vrid(first, second, findings)
        _groups(pairs, findings)
        for first, second in pairs + others:
            peers[first].append(second)
            peers[second].append(first)
    for side in (side for node in sides for side in node):
        _among(side, peers[side], findings)
    return findings.all() if len(nodes) > 1 else ()


def _among(side: Side, peers: Sequence[Side], findings: Findings) -> None:
    """Whether somebody takes over from it: when its node is gone, and when what it weighs fails."""
    router = side.router
    if not peers:
        message = f"{router.name} (VRID {router.vrid}) is on {side.node} only: nobody takes over from it"
        findings.advice(side.at(""), "cluster-alone", message, "the same virtual_router_id on the other nodes")
        return
    good, bad = side.priorities()
    next_best = max(peers, key=lambda peer: (peer.priorities()[0] < good, peer.priorities()[0]))
    peer = next_best.priorities()[0]
    if bad < good and peer < needed(router, bad) and not router.is_owner:
        findings.advice(
            side.at("priority"),
            "cluster-weights",
            f"{router.name}: when everything that it weighs fails, its priority falls from {good} to {bad}, and"
            f" {next_best.node} has {peer}: the addresses stay where the failure is",
            f"weights of more than {good - peer} together, or a smaller gap between the priorities",
        )


def _judge(first: Side, second: Side, findings: Findings) -> None:
    for code, comparison in WARNINGS.items():
        for found in comparison(first, second):
            findings.warning(found.at, code, found.message, found.hint)
    for code, comparison in ADVICE.items():
        for found in comparison(first, second):
            findings.advice(found.at, code, found.message, found.hint)


Pairs: TypeAlias = list[tuple[Side, Side]]


def _pairs(ours: Sequence[Side], theirs: Sequence[Side]) -> tuple[Pairs, Pairs]:
    """Which routers are one: those of one VRID and family, whatever they are called and wherever they are; and then
    those that only their addresses or their name show to be meant as one.
    """
    left, right = list(ours), list(theirs)
    pairs = [pair for likeness in _LIKENESSES for pair in _taken(left, right, likeness)]
    others = [pair for likeness in (_addresses_of, _name_of) for pair in _taken(left, right, likeness)]
    return pairs, others


def _taken(
    left: list[Side], right: list[Side], likeness: Callable[[Side], Hashable | None]
) -> Iterator[tuple[Side, Side]]:
    """Take out of both lists what is alike."""
    there: dict[Hashable, list[Side]] = defaultdict(list)
    for side in right:
        there[likeness(side)].append(side)
    for side in list(left):
        key = likeness(side)
        if key is not None and there[key]:
            other = there[key].pop(0)
            left.remove(side)
            right.remove(other)
            yield side, other


def _vrid_of(side: Side) -> tuple[int, Family]:
    return side.router.vrid, side.router.family


def _addresses_of(side: Side) -> frozenset[IPAddress] | None:
    return frozenset(address.ip for address in side.router.addresses) or None


def _name_of(side: Side) -> tuple[str, Family]:
    return side.router.name, side.router.family


_LIKENESSES: tuple[Callable[[Side], Hashable], ...] = (
    lambda side: (_vrid_of(side), _addresses_of(side)),
    lambda side: (_vrid_of(side), side.router.interface),
    lambda side: (_vrid_of(side), side.router.name),
    _vrid_of,
)


def _another_vrid(first: Side, second: Side, findings: Findings) -> None:
    findings.warning(
        second.at("virtual_router_id"),
        "cluster-vrid",
        f"{second.router.name}: virtual_router_id {second.router.vrid} here and {first.router.vrid} in {first.node}:"
        f" {_DEAF}",
        "the same virtual_router_id on both nodes",
    )


def _groups(pairs: Pairs, findings: Findings) -> None:
    """Routers that move together must do so on both nodes, and all of them the same way."""
    if not pairs:
        return
    first, second = pairs[0]
    known_as = {here.router.name: there.router.name for there, here in pairs}
    groups_there = {frozenset(group.members): group for group in first.subject.config.groups}
    groups_here = {
        frozenset(known_as.get(name, name) for name in group.members): group for group in second.subject.config.groups
    }
    for members in groups_here.keys() ^ groups_there.keys():
        group = groups_here.get(members) or groups_there[members]
        only = f"here and not in {first.node}" if members in groups_here else f"in {first.node} and not here"
        findings.advice(
            second.subject.places.find(GROUP, group.name, "group"),
            "cluster-groups",
            f"{group.name}: {', '.join(group.members)} move together {only}",
            "the same vrrp_sync_group on both nodes",
        )
    for group in groups_here.values():
        gaps = [
            here.router.priority - there.router.priority for there, here in pairs if here.router.name in group.members
        ]
        if gaps and min(gaps) < 0 < max(gaps):
            findings.warning(
                second.subject.places.find(GROUP, group.name, "group"),
                "cluster-split",
                f"{group.name}: some of its members are higher here and some in {first.node}: the group never settles",
                "all members higher on the same node",
            )
