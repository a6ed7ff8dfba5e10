"""Sync groups: virtual routers that are Master together or not at all (keepalived's vrrp_sync_group).

One member in a fault: all are. One member Backup under another Master: all leave. Master only when every member is
ready to be. A member that resigns still holds its addresses and counts as Backup: it leaves by its own heir.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice

from vrrpd.model import Config, Identity, Instant, SyncGroup, Tracker, VirtualRouter
from vrrpd.records import Fault, FaultKind, Record
from vrrpd.states import Backup, Initialize, Master, Reason, Resigning, State, Why


class GroupState(StrEnum):
    """What a group is told to be, in keepalived's words."""

    WAITING = "WAITING"
    """Nothing yet."""
    BACKUP = "BACKUP"
    MASTER = "MASTER"
    FAULT = "FAULT"


@dataclass(slots=True, eq=False)
class Group:
    """One sync group as the engine runs it."""

    plan: SyncGroup
    identities: tuple[Identity, ...]
    since: Instant
    state: GroupState = GroupState.WAITING
    ailing: tuple[Record, ...] = ()
    """The first two members that have a fault of their own: each member has to know of one that is not itself."""
    is_moving: bool = False
    """Its members follow one another within one turn."""


@dataclass(frozen=True, slots=True)
class Company:
    """What a member's sync group means for it now."""

    defeat: Why | None = None
    """Why it cannot stay Master: another member is Backup."""
    may_resume: bool = True
    """No member has an heir yet: all can be Master again."""


ALONE = Company()


class Groups:
    """The groups of a node, over the engine's records."""

    def __init__(self, records: Mapping[Identity, Record]) -> None:
        self._records = records
        self._groups: dict[str, Group] = {}
        self._by_member: dict[Identity, Group] = {}
        self._others: dict[Identity, tuple[VirtualRouter, ...]] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def configure(self, config: Config, now: Instant) -> None:
        """From now on these. A group that stays keeps its state, whoever is in it."""
        routers = {router.name: router for router in config.routers}
        before, self._groups = self._groups, {}
        self._by_member.clear()
        self._others.clear()
        for plan in config.groups:
            members = tuple(routers[name] for name in plan.members if name in routers)
            group = Group(plan, tuple(router.identity for router in members), now)
            if (known := before.get(plan.name)) is not None:
                group.state, group.since = known.state, known.since
            self._groups[plan.name] = group
            for router in members:
                self._by_member[router.identity] = group
                self._others[router.identity] = tuple(other for other in members if other is not router)

    def of(self, record: Record) -> Group | None:
        """None when it is in none, or leaves."""
        return self._by_member.get(record.identity) if record.wanted else None

    def others(self, router: VirtualRouter) -> tuple[VirtualRouter, ...]:
        """With whom it is Master."""
        return self._others.get(router.identity, ())

    def members(self, group: Group) -> list[Record]:
        """Those that are there and not leaving."""
        found = (self._records.get(identity) for identity in group.identities)
        return [record for record in found if record is not None and record.wanted]

    def together(self, record: Record) -> list[Record]:
        """All that move when it does."""
        group = self.of(record)
        return [record] if group is None else self.members(group)

    def company(self, record: Record) -> Company:
        """The same for every member: one that is beaten is not Master any more."""
        group = self.of(record)
        if group is None:
            return ALONE
        everybody = self.members(group)
        states = [member.state for member in everybody]
        whole = all(isinstance(s, Master) or (isinstance(s, Resigning) and s.heir_at is None) for s in states)
        beaten = next((member for member in everybody if is_beaten(member)), None)
        if beaten is None:
            return Company(may_resume=whole)
        words = f"{beaten.router.name} of sync group {group.plan.name} is Backup"
        return Company(Why(Reason.SYNC_GROUP, words), may_resume=whole)

    def shared_fault(self, record: Record) -> frozenset[Fault]:
        """What another member's fault is to this one. Who waits for a first result makes all wait."""
        group = self.of(record)
        other = None if group is None else next((r for r in group.ailing if r is not record), None)
        if group is None or other is None:
            return frozenset()
        pending = all(fault.kind is FaultKind.CHECK_PENDING for fault in other.own_faults)
        kind = FaultKind.CHECK_PENDING if pending else FaultKind.SYNC_GROUP
        words = ", ".join(fault.words for fault in sorted(other.own_faults))
        name = group.plan.name
        return frozenset({Fault(kind, name, f"{other.router.name} of sync group {name}: {words}")})

    def examine(self, group: Group) -> None:
        """See who is ailing. What an operator holds, he holds in all of them."""
        found = (r for r in self.members(group) if any(f.kind is not FaultKind.DRAINED for f in r.own_faults))
        group.ailing = tuple(islice(found, 2))

    def infected(self, group: Group) -> list[Record]:
        """Members whose faults are not what the group makes of them."""
        return [r for r in self.members(group) if r.own_faults | self.shared_fault(r) != r.faults]

    def may_take_over(self, group: Group) -> bool:
        """Every member is there and wants to be Master."""
        everybody = self.members(group)
        complete = len(everybody) == len(group.identities)
        return complete and all(isinstance(r.state, Master) or is_ready(r.state) for r in everybody)

    def waited_for(self, group: Group) -> list[Record]:
        """Who keeps a member that is ready from being Master."""
        everybody = self.members(group)
        if not any(is_ready(record.state) for record in everybody):
            return []
        return [r for r in everybody if not is_ready(r.state) and not isinstance(r.state, Master)]

    def state_of(self, group: Group) -> GroupState:
        """What it is now. While members still leave, it is what it was."""
        everybody = self.members(group)
        states = [record.state for record in everybody]
        if states and all(isinstance(state, Master) for state in states):
            return GroupState.MASTER
        if any(isinstance(state, Master | Resigning) for state in states):
            return group.state
        if states and all(isinstance(state, Backup) for state in states):
            return GroupState.BACKUP
        halted = all(isinstance(state, Initialize) for state in states)
        return GroupState.FAULT if halted and any(_is_told(r.faults) for r in everybody) else group.state


def with_trackers(config: Config) -> Config:
    """A group's trackers are trackers of each of its members.

    What a member tracks itself it tracks once, with the group's weight unless its own is 0, as in keepalived.
    """
    added = {name: group.trackers for group in config.groups for name in group.members if group.trackers}
    routers = (replace(r, trackers=_together(r.trackers, added.get(r.name, ()))) for r in config.routers)
    return replace(config, routers=tuple(routers)) if added else config


def _together(own: tuple[Tracker, ...], groups: tuple[Tracker, ...]) -> tuple[Tracker, ...]:
    theirs = {tracker.subject: tracker for tracker in groups}
    merged = [theirs.get(tracker.subject, tracker) if tracker.weight else tracker for tracker in own]
    mine = {tracker.subject for tracker in own}
    return (*merged, *(tracker for tracker in groups if tracker.subject not in mine))


def is_beaten(record: Record) -> bool:
    """It is Backup under another Master, and no new member that has yet to find out."""
    is_new = record.why.reason in (Reason.STARTED, Reason.RECOVERED)
    return _is_under(record.state) or (isinstance(record.state, Backup) and not is_new and not record.state.ready)


def is_ready(state: State) -> bool:
    """It waits only for its group."""
    return isinstance(state, Backup) and state.ready


def matters(before: State, after: State) -> bool:
    """A step of a member that its group has to look at."""
    if type(before) is not type(after):
        return True
    return (is_ready(before), _is_under(before)) != (is_ready(after), _is_under(after))


def _is_under(state: State) -> bool:
    if not isinstance(state, Backup) or state.ready:
        return False
    return state.master is not None and state.cause is Reason.MASTER_SILENT


def _is_told(faults: frozenset[Fault]) -> bool:
    return any(fault.kind is not FaultKind.CHECK_PENDING for fault in faults)
