"""What must be true of a LAN, with bounds on time: who is Master, who serves, and for how long nobody may.

Bounds hold where the LAN has been without faults for long enough, among routers that hear and accept one another (a
party).
"""

from __future__ import annotations

from dataclasses import dataclass

from vrrpd.model import MILLISECOND, SECOND, Duration, Instant, IPAddress, Version, VirtualRouter
from vrrpd.simulate.daemons import VrrpdDaemon
from vrrpd.simulate.lan import Host
from vrrpd.simulate.node import Node
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
    LinkDown,
    Noise,
    PowerOff,
    Reload,
    SendsFail,
    SourceGone,
    Stall,
    Stop,
)

from .calm import SLACK
from .oracle import Member, Party, PartyKey, accept, asking, down, members, patience, record_of, skew
from .wire import WireCheckers

BLINK: Duration = 10 * MILLISECOND
"""A handover without an outage: no more than frames under way and a kernel at work."""
_PUT_BACK: Duration = 5 * SECOND
"""Until the last of several addresses that somebody takes at once is put back."""


@dataclass(slots=True)
class _Steady:
    """How it was when the last single disturbance came: what it may cost is known."""

    fault: Fault
    at: Instant
    served: bool
    """The node that it befalls was Master of something."""
    heirs: tuple[Member, ...]
    """Who heard that Master, as they were."""


class Checkers(WireCheckers):
    """All of them, always on."""

    def __init__(self) -> None:
        super().__init__()
        self._pending = False
        self._due: set[Instant] = set()
        self._parties: dict[PartyKey, Party] = {}
        self._outages: dict[tuple[str, IPAddress], Instant] = {}
        self._steady: _Steady | None = None
        self._reloaded: dict[str, Instant] = {}
        self._apart: dict[tuple[str, str], Instant] = {}
        """Groups of which some still hold their addresses and others do not, since when."""

    @property
    def _grace(self) -> Duration:
        """What a sync group may take longer: its last member is asked for, and then is ready."""
        configs = [node.config for node in self.world.nodes.values()]
        grouped = [router for config in configs if config.groups for router in config.routers]
        return max((asking(r, self._longest(r)) + down(r, 1, self._longest(r)) for r in grouped), default=0)

    def _longest(self, router: VirtualRouter) -> Duration:
        everybody = [r for node in self.world.nodes.values() for r in node.config.routers]
        return max(router.advertisement_interval, *(r.advertisement_interval for r in everybody))

    # --- when to look ---

    def begins(self, fault: Fault) -> None:
        self._note_steady(fault)
        if isinstance(fault, Reload):
            self._reloaded[fault.node] = self.now
        super().begins(fault)

    def ended(self, fault: Fault) -> None:
        self._steady = None
        super().ended(fault)

    def started(self, node: Node) -> None:
        self._steady = None
        super().started(node)

    def unsettle(self) -> None:
        super().unsettle()
        self._touch()

    def gone(self, node: Node) -> None:
        super().gone(node)
        self._touch()

    def changed(self, node: Node, router: VirtualRouter, change: tuple[str, str, str]) -> None:
        super().changed(node, router, change)
        self._touch()

    def addresses(self, node: Node) -> None:  # noqa: ARG002  whichever it is
        self._touch()

    def _touch(self) -> None:
        """Look again once everything of this moment has happened."""
        if not self._pending:
            self._pending = True
            self.world.timeline.at(self.now, self._look)

    def _look(self) -> None:
        self._pending = False
        parties, murky = self._find_parties()
        if murky is not self.murky:
            self.murky = murky
            self.quiet_since = self.now
        for key, party in parties.items():
            if (before := self._parties.get(key)) is not None:
                party.since = before.since
        self._parties = parties
        if murky:
            return
        for party in parties.values():
            self._judge_party(party)
        for party in parties.values():
            self._judge_conflicts(party)
        for node in self.world.nodes.values():
            self._judge_addresses(node)
            self._judge_groups(node)

    def _look_at(self, at: Instant) -> None:
        """Look again then, whatever happens until then."""
        if at > self.now and at not in self._due:
            self._due.add(at)
            self.world.timeline.at(at, self._look_due, at)

    def _look_due(self, at: Instant) -> None:
        self._due.discard(at)
        self._look()

    def glance_every(self, pause: Duration) -> None:
        """Look now and then, although nothing has changed."""
        self._look()
        self.world.timeline.at(self.now + pause, self.glance_every, pause)

    # --- service ---

    def served(self, host: Host, address: IPAddress, reached: bool) -> None:
        key = (host.name, address)
        if reached:
            self._outages.pop(key, None)
            return
        self._outages[key] = self.now
        steady = self._steady
        if steady is not None:
            cap = self._cap(steady, address)
            if cap is not None:
                self.counts[f"cap {type(steady.fault).__name__}"] += 1
                counts_from_now = cap <= BLINK or isinstance(steady.fault, Kill)
                at = (self.now if counts_from_now else steady.at) + cap
                self.world.timeline.at(at + 1, self._judge_cap, key, self.now, steady, cap)
        self._touch()

    def _judge_cap(self, key: tuple[str, IPAddress], since: Instant, steady: _Steady, cap: Duration) -> None:
        if self._outages.get(key) == since and self._steady is steady:
            host, address = key
            words = f"{host} has not reached {address} since {since / SECOND:.6f} s"
            self.fail("outage", f"{words}, allowed {cap / SECOND:.6f} s after {type(steady.fault).__name__}")

    def _note_steady(self, fault: Fault) -> None:
        """Before it is felt: was all well, so that what follows is this fault's alone?"""
        longest = max((self._settles_within(p) for p in self._parties.values()), default=0)
        left = any(node.daemon is None and node.held() for node in self.world.nodes.values())
        alone = all(len(party.masters()) == 1 for party in self._parties.values())
        steady = bool(self._parties) and self.quiet_for(longest) and not self._outages and alone and not left
        self._steady = None
        if steady and not isinstance(fault, Noise | Cut | Stall | KernelSlow | KernelRefuses | SendsFail | Reload):
            concerned = [
                party
                for party in self._parties.values()
                if any(m.serves and m.node.name == fault.node for m in party.members)
            ]
            heirs = tuple(m for party in concerned for m in party.members if m.node.name != fault.node)
            self._steady = _Steady(fault, self.now, bool(concerned), heirs)

    def _cap(self, steady: _Steady, address: IPAddress) -> Duration | None:
        """How long this fault may keep a host from an address; None: no bound."""
        fault = steady.fault
        if isinstance(fault, CheckDisturbed) and fault.how is not Checks.FAIL:
            return None
        if any(node.plan.kind is not Kind.VRRPD for node in self.world.nodes.values()):
            return None
        if self._disagreeing:
            return None
        if isinstance(fault, AddressTaken):
            return _PUT_BACK
        if not steady.served:
            return BLINK
        heirs = [m for m in steady.heirs if any(a.ip == address for a in m.router.addresses) and m.state == "Backup"]
        ready = [m for m in heirs if not m.worse]
        if not ready:
            return None
        router = ready[0].router
        interval = self._interval(ready)
        match fault:
            case PowerOff() | LinkDown() | SourceGone():
                return max(down(m.router, m.priority, interval) for m in ready) + self._grace + SLACK
            case Kill():
                return max(down(m.router, m.priority, interval) for m in ready) + self._grace + SLACK
            case Stop() | Drained() if router.strict:
                return max(skew(m.router, m.priority, interval) for m in ready) + self._grace + SLACK
            case Stop() | Drained() | FailedOver():
                return BLINK
            case CheckDisturbed():
                return BLINK if router.strict is False else None
        return None

    @property
    def _disagreeing(self) -> bool:
        """Some routers of one VRID do not accept one another: both serve, and hosts are torn between them."""
        everybody = [(n, r) for n in self.world.nodes.values() for r in n.config.routers]
        first: dict[tuple[str, int], VirtualRouter] = {}
        return not all(accept(r, first.setdefault((r.interface, r.vrid), r)) for _, r in everybody)

    # --- parties ---

    def _find_parties(self) -> tuple[dict[PartyKey, Party], bool]:
        """Groups of members that hear and accept one another; True: hearing is not mutual or not transitive."""
        by_vrid: dict[tuple[str, int], list[Member]] = {}
        for node in self.world.nodes.values():
            for member in members(node):
                by_vrid.setdefault((node.lans[member.router.interface].name, member.router.vrid), []).append(member)
        parties: dict[PartyKey, Party] = {}
        for (lan, vrid), everybody in by_vrid.items():
            left = [m for m in everybody if m.node.ports[m.router.interface].up]
            while left:
                first = left[0]
                group = [m for m in left if m is first or (accept(m.router, first.router) and self._hears(m, first))]
                for a in group:
                    for b in everybody:
                        both = self._hears(a, b) and self._hears(b, a)
                        either = self._hears(a, b) or self._hears(b, a)
                        if accept(a.router, b.router) and a is not b and either and not (both and b in group):
                            return {}, True
                left = [m for m in left if m not in group]
                key = (lan, vrid, frozenset(m.node.name for m in group))
                parties[key] = Party(tuple(group), self._interval(group))
        return parties, False

    def _interval(self, group: list[Member]) -> Duration:
        longest = max(m.router.advertisement_interval for m in group)
        if group[0].router.version == Version.V2:
            return longest
        # A Backup may have learned that of a router that is not there any more, or configured otherwise since.
        reloads = [fault.config for fault in self.world.scenario.faults if isinstance(fault, Reload)]
        configs = [*reloads, *(node.config for node in self.world.scenario.nodes)]
        return max(longest, *(router.advertisement_interval for config in configs for router in config.routers))

    def _hears(self, a: Member, b: Member) -> bool:
        lan = a.node.lans[a.router.interface]
        sender, receiver = b.node.ports[b.router.interface], a.node.ports[a.router.interface]
        return lan.connects(sender, receiver)

    def _since(self, party: Party, what: str, value: object) -> Instant:
        """Since when this is so."""
        known = party.since.get(what)
        if known is None or known[1] != value:
            known = party.since[what] = (self.now, value)
        return known[0]

    def _judge_party(self, party: Party) -> None:
        self._judge_rivals(party)
        self._judge_vacancy(party)
        self._judge_rank(party)
        self._judge_service(party)
        self._judge_flap(party)
        self._judge_silence(party)

    def _judge_rivals(self, party: Party) -> None:
        """At most one Master, within an interval of the moment when they could hear each other."""
        masters = party.masters()
        since = self._since(party, "rivals", len(masters) > 1)
        if len(masters) < 2 or self.disturbed:
            return
        bound = max(since, self.quiet_since) + party.interval + SLACK
        self.counts["rivals"] += 1
        if self.now > bound:
            self.fail("rivals", party.names())
        self._look_at(bound + 1)

    def _judge_vacancy(self, party: Party) -> None:
        """Somebody is Master within a Master_Down_Interval."""
        vacant = not any(m.serves for m in party.members)
        states = tuple((m.key, m.state, m.priority, m.worse, id(m.router)) for m in party.members)
        since = self._since(party, "vacancy", states if vacant else None)
        backups = [m for m in party.members if m.state == "Backup"]
        if not vacant or not backups or self.disturbed:
            return
        bound = max(since, self.quiet_since) + min(patience(m, party.interval) for m in backups) + self._grace + SLACK
        self.counts["vacancy"] += 1
        if self.now > bound:
            self.fail("vacancy", f"nobody serves: {party.names()}")
        self._look_at(bound + 1)

    def _judge_rank(self, party: Party) -> None:
        """A better router that may preempt has done so; one that is worse and says nopreempt has been relieved."""
        masters = party.masters()
        facts = tuple((m.key, m.state, m.priority, m.worse, id(m.router)) for m in party.members)
        since = self._since(party, "rank", facts)
        if len(masters) != 1 or self.disturbed:
            return
        master = masters[0]
        since = max(since, self.quiet_since)
        for m in party.members:
            if m.state != "Backup" or m.priority <= master.priority or self._is_held(m):
                continue
            if m.preempts():
                bound = (
                    since + m.router.preempt_delay + patience(m, party.interval) + party.interval + self._grace + SLACK
                )
                self.counts["rank"] += 1
                words = f"{m.node.name} does not preempt: {party.names()}"
            elif master.worse and not master.drained and not m.worse:
                bound = (
                    since
                    + 60 * SECOND
                    + 20 * party.interval
                    + 2 * asking(master.router, party.interval)
                    + self._grace
                    + SLACK
                )
                self.counts["relief"] += 1
                words = f"{master.node.name} is worse, says nopreempt and is not relieved: {party.names()}"
            else:
                continue
            if self.now > bound:
                self.fail("rank", words)
            self._look_at(bound + 1)

    def _is_held(self, member: Member) -> bool:
        """Another member of its sync group has a Master that it may not preempt."""
        groups = [group for group in member.node.config.groups if member.router.name in group.members]
        return any(
            other.node is member.node and other.router.name in group.members and master.priority >= other.priority
            for group in groups
            for party in self._parties.values()
            for other in party.members
            for master in party.masters()
            if master.node is not member.node
        )

    def _judge_service(self, party: Party) -> None:
        """Where one Master serves, every host reaches it."""
        masters = party.masters()
        stable = len(masters) == 1 and sum(m.serves for m in party.members) == 1
        since = self._since(party, "service", masters[0].key if stable else None)
        if not stable or self.disturbed or self._disagreeing or self._outnumbered(party):
            return
        master = masters[0]
        if any(m.state == "Initialize" for m in party.members):
            return
        # A host that was drawn elsewhere while nobody could tell it, or by a silent loser, finds out when it asks.
        silent = any(m.node.plan.kind is not Kind.VRRPD or m.router.strict for m in party.members)
        asks = max(plan.asks_every for plan in self.world.scenario.lans) + 2 * SECOND
        bounds = []
        for address in master.router.addresses:
            port = master.node.ports[address.device]
            lan = master.node.lans[address.device]
            if address.device != master.router.interface and self._was_cut:
                continue  # Those who could not hear each other both announced there.
            for host in lan.hosts:
                lost = self._outages.get((host.name, address.ip))
                if lost is None or not (lan.connects(port, host.port) and lan.connects(host.port, port)):
                    continue
                told = lost > self.quiet_since and not silent
                wait = 2 * SECOND + SLACK if told else asks
                bound = max(since, self.quiet_since + party.interval, lost) + wait
                self.counts["told" if told else "asks"] += 1
                self.counts["service"] += 1
                if self.now > bound:
                    words = f"{host.name} does not reach {address.ip} since {lost / SECOND:.6f} s"
                    self.fail("service", f"{words}, and {master.node.name} is Master since {since / SECOND:.6f} s")
                bounds.append(bound)
        if bounds:
            self._look_at(min(bounds) + 1)

    @property
    def _was_cut(self) -> bool:
        return any(isinstance(fault, Cut) for fault in self.world.scenario.faults)

    def _outnumbered(self, party: Party) -> bool:
        """Others hold these addresses as well: routers that do not accept ours, or another part of the LAN."""
        ours = {a.key for m in party.members for a in m.router.addresses}
        nodes = {m.node.name for m in party.members}
        return any(
            (ip, device) in ours
            for node in self.world.nodes.values()
            if node.name not in nodes
            for device, port in node.ports.items()
            for ip in port.addresses
        )

    def _judge_flap(self, party: Party) -> None:
        """Once settled, it stays."""
        masters = party.masters()
        if len(masters) != 1:
            return
        before = party.since.get("flap")
        since = self._since(party, "flap", masters[0].key)
        if before is None or before[0] == since or self.disturbed:
            return
        self.counts["flap"] += 1
        if self.now - self.quiet_since > self._settles_within(party):
            quiet = (self.now - self.quiet_since) / SECOND
            self.fail("flap", f"after {quiet:.3f} s without a fault it moves: {party.names()}")

    def _settles_within(self, party: Party) -> Duration:
        """The longest that anything takes that begins with a fault: checks, asking, preemption, in a row."""
        router, interval = party.members[0].router, party.interval
        scripts = [script for m in party.members for script in m.node.config.scripts]
        checks = max((s.interval * max(s.rise, s.fall) + s.timeout for s in scripts), default=0)
        delay = max(m.router.preempt_delay for m in party.members)
        asks = any(m.router.resigns_when_worse and m.router.trackers for m in party.members)
        asking_apart = 60 * SECOND + 20 * interval if asks else 0
        return asking_apart + 3 * (asking(router, interval) + down(router, 1, interval)) + delay + checks + self._grace

    def _judge_silence(self, party: Party) -> None:
        """A Master that has stopped advertising shows at its next advertisement; one that never sends another, here."""
        for m in party.masters():
            last = self.last_sent.get(m.key)
            if last is None or m.node.plan.kind is not Kind.VRRPD or not self.quiet_for(party.interval + SLACK):
                continue
            if self.now - last > m.router.advertisement_interval + SLACK:
                self.fail("gap", f"{m.node.name} {m.router.name} is Master and silent")

    def _judge_conflicts(self, party: Party) -> None:
        """Masters that do not accept each other have said so, by name."""
        for m in party.masters():
            record = record_of(m.node, m.router.identity)
            patient = self.now - party.since["rank"][0] > 3 * party.interval
            if record is None or not patient or not self.quiet_for(4 * party.interval + SLACK):
                continue
            rivals = [
                other
                for rest in self._parties.values()
                if rest is not party and self.now - rest.since.get("rank", (self.now, None))[0] > 3 * rest.interval
                for other in rest.masters()
                if other.key[1:] == m.key[1:] and self._hears(m, other) and not accept(m.router, other.router)
            ]
            self.counts["conflicts"] += bool(rivals)
            if rivals and not record.conflicts:
                self.fail("conflicts", f"{m.node.name} does not name {rivals[0].node.name}, which is Master as well")

    def _judge_addresses(self, node: Node) -> None:
        """What its kernel holds is what its Masters should hold."""
        daemon = node.daemon
        if not isinstance(daemon, VrrpdDaemon) or node.stalls or not daemon.queue.idle:
            return
        if self.disturbing[KernelRefuses] or self.disturbing[KernelSlow] or not self.quiet_for(5 * SECOND):
            return
        due = {
            address.key
            for record in daemon.engine.records.values()
            if type(record.state).__name__ in {"Master", "Resigning"}
            for address in record.router.addresses
        }
        held = {(ip, device) for device, port in node.ports.items() for ip in port.addresses}
        self.counts["held"] += 1
        if held != due:
            self.fail("held", f"{node.name} holds {sorted(map(str, held))}, due {sorted(map(str, due))}")

    def _judge_groups(self, node: Node) -> None:
        """Master together: beside one that is Backup or in fault no member is Master, and none stays long."""
        daemon = node.daemon
        if not isinstance(daemon, VrrpdDaemon) or node.stalls or daemon.ending:
            return
        states = {r.router.name: type(r.state).__name__ for r in daemon.engine.records.values() if r.wanted}
        for group in node.config.groups:
            of_members = [states.get(name, "absent") for name in group.members]
            apart = any(state not in {"Master", "Resigning"} for state in of_members)
            self.counts["group"] += 1
            joins = self.now <= self._reloaded.get(node.name, -self._grace) + self._grace
            if apart and "Master" in of_members and not joins:
                self.fail("group", f"{node.name} {group.name}: {of_members}")
            since = self._apart.setdefault((node.name, group.name), self.now)
            if not apart or "Resigning" not in of_members:
                del self._apart[node.name, group.name]
                continue
            bound = since + self._grace + SLACK
            if self.now > bound and not self.disturbed:
                self.fail("group", f"{node.name} {group.name} stays so: {of_members}")
            self._look_at(bound + 1)

    def finish(self) -> None:
        """What is judged once, at the end."""
        super().finish()
        self._look()
