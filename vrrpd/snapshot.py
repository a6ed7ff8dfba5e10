"""The engine as `vrrpd status` tells it: plain dictionaries, one schema (docs/status.md), no formula of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from vrrpd import fsm, tracking
from vrrpd.engine import Engine
from vrrpd.model import (
    MILLISECOND,
    SECOND,
    Family,
    Instant,
    Route,
    Rule,
    ScriptResult,
    Version,
    VirtualAddress,
)
from vrrpd.packet import ChecksumForm, DropReason
from vrrpd.reception import Stray
from vrrpd.records import Record
from vrrpd.states import Backup, Initialize, Master
from vrrpd.tracking import Poll

Json: TypeAlias = dict[str, Any]
_COUNTERS = ("received", "received_priority_0", "received_plain_checksum", "sent", "send_failed", "addresses_lost")


def wall_clock(now: Instant, wall_now_ns: int) -> Callable[[Instant], str]:
    """From the monotonic clock to RFC 3339 in UTC, as both stand now."""

    def at(instant: Instant) -> str:
        moment = datetime.fromtimestamp((wall_now_ns + instant - now) / SECOND, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    return at


def sync_groups(engine: Engine, wall: Callable[[Instant], str]) -> list[Json]:
    """Every sync group, in the order of the file."""
    return [
        {
            "name": group.plan.name,
            "state": group.state,
            "since": wall(group.since),
            "members": list(group.plan.members),
            "waits_for": [record.router.name for record in engine.groups.waited_for(group)],
        }
        for group in engine.groups
    ]


def strays(engine: Engine, wall: Callable[[Instant], str]) -> list[Json]:
    """Advertisements that belong to no router here."""
    return [_stray(stray, wall) for stray in engine.strays]


def router(engine: Engine, record: Record, now: Instant, wall: Callable[[Instant], str]) -> Json:
    """One virtual router."""
    configured, machine, p = record.router, record.state, record.parameters
    counters = {name: record.counters[name] for name in (*_COUNTERS, *DropReason)}
    return {
        "name": configured.name,
        "vrid": configured.vrid,
        "interface": configured.interface,
        "state": state(record),
        "since": wall(record.since),
        "reason": _reason(record),
        "priority": tracking.effective_priority(configured, engine.checks) if p is None else p.priority,
        "base_priority": configured.priority,
        "advert_interval_ms": configured.advertisement_interval // MILLISECOND,
        "source": None if p is None else str(p.primary_address),
        "master": _master(record, now),
        "takeover_in_ms": _until(machine.master_down_at, now) if isinstance(machine, Backup) else None,
        "preempt": p is not None and fsm.preempts(p),
        "preempt_in_ms": _until(machine.preempt_at, now) if isinstance(machine, Backup) else None,
        "drained": record.drained,
        "addresses": [_address(engine, address) for address in configured.addresses],
        "excluded_addresses": [_address(engine, address) for address in configured.excluded],
        "routes": [_held(engine, route) for route in configured.routes],
        "rules": [_held(engine, rule) for rule in configured.rules],
        "trackers": [_tracker(engine, record, n, now, wall) for n in range(len(configured.trackers))],
        "blocked_by": [fault.words for fault in sorted(record.faults)],
        "notify": [],
        "conflicts": [
            {
                "peer": conflict.peer,
                "field": conflict.field,
                "theirs": conflict.theirs,
                "ours": conflict.ours,
                "count": conflict.count,
                "last": wall(conflict.last),
            }
            for conflict in record.conflicts.values()
        ],
        "counters": counters,
        "moves": [
            {"to": new.upper(), "reason": reason, "count": count} for (new, reason), count in record.moves.items()
        ],
        "transitions": [
            {"at": wall(t.at), "from": t.old.upper(), "to": t.new.upper(), "reason": t.why.words}
            for t in record.transitions
        ],
    }


def state(record: Record) -> str:
    """Its state in status's word for it: FAULT is Initialize with a cause."""
    if isinstance(record.state, Initialize) and record.faults:
        return "FAULT"
    return type(record.state).__name__.upper()


def _reason(record: Record) -> str:
    if isinstance(record.state, Initialize) and record.faults:
        return ", ".join(fault.words for fault in sorted(record.faults))
    return record.why.words


def _master(record: Record, now: Instant) -> Json | None:
    state, p = record.state, record.parameters
    if isinstance(state, Master) and p is not None:
        address, priority, at = p.primary_address, p.priority, state.sent_at
    elif isinstance(state, Backup) and state.master is not None and state.master_priority:
        address, priority, at = state.master, state.master_priority, state.heard_at
    else:
        return None
    return {
        "address": str(address),
        "priority": priority,
        "advertised_ms_ago": (now - at) // MILLISECOND,
        "checksum": _checksum(record),
    }


def _checksum(record: Record) -> str | None:
    """Which of its two forms the Master uses; None where there is only one."""
    router = record.router
    if router.version is not Version.V3 or router.family is not Family.IPV4:
        return None
    if isinstance(record.state, Master):
        return ChecksumForm.MESSAGE if router.plain_checksum else ChecksumForm.PSEUDO_HEADER
    return record.checksum_form


def _address(engine: Engine, address: VirtualAddress) -> Json:
    interface = engine.interfaces.get(address.place)
    # The kernel shows an address that has a peer with the peer's prefix.
    prefix = (address.peer or address.interface).network.prefixlen
    seen = () if interface is None else ((a.ip, a.network.prefixlen) for a in interface.addresses)
    return {"address": str(address.interface), "device": address.place, "present": (address.ip, prefix) in seen}


def _held(engine: Engine, thing: Route | Rule) -> Json:
    error = engine.book.error((thing,))
    problem = os.strerror(error) if error else ""
    return {"what": thing.text or str(thing), "present": engine.book.is_confirmed(thing.key), "problem": problem}


def _tracker(engine: Engine, record: Record, n: int, now: Instant, wall: Callable[[Instant], str]) -> Json:
    tracker = record.router.trackers[n]
    check = engine.checks[tracker.subject]
    last = check.last if isinstance(check, Poll) else None
    return {
        "name": tracker.name,
        "kind": tracker.kind,
        "state": tracking.state(tracker, check),
        "words": check.words,
        "weight": tracker.weight,
        "reverse": tracker.reverse,
        "contribution": tracking.contribution(tracker, check),
        "output": last.problem if last is not None else "",
        "exit_code": last.exit_code if isinstance(last, ScriptResult) else None,
        "duration_ms": None if last is None else last.duration // MILLISECOND,
        "next_in_ms": _until(engine.checks.next_at(tracker.subject), now),
        "since": wall(check.since),
    }


def _until(at: Instant | None, now: Instant) -> int | None:
    return None if at is None else max(0, at - now) // MILLISECOND


def _stray(stray: Stray, wall: Callable[[Instant], str]) -> Json:
    return {
        "interface": stray.interface,
        "vrid": stray.vrid,
        "peer": stray.peer,
        "count": stray.count,
        "last": wall(stray.last),
    }
