"""`vrrpd status` for people: from the status JSON to text that can be read at 3 a.m. Imports nothing of vrrpd."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

_BAD_STATES = ("FAULT", "INITIALIZE")
_BAD_TRACKERS = ("failing", "disabled")
_CONFLICT_RECENT_S = 60.0
_RED, _GREEN, _YELLOW, _PLAIN = "\x1b[31m", "\x1b[1;32m", "\x1b[33m", "\x1b[0m"
_COLOURS = {"MASTER": _GREEN, "RESIGNING": _YELLOW, "INITIALIZE": _RED, "FAULT": _RED}


def is_degraded(status: Json) -> bool:
    """Something needs a person: the exit status of `vrrpd status`."""
    return any(problems(router, status["now"]) for router in status["virtual_routers"])


def problems(router: Json, now: str) -> list[str]:
    """What is wrong with a router, in words."""
    found = []
    holds = router["state"] in ("MASTER", "RESIGNING")
    if router["state"] in _BAD_STATES:
        found.append("does not run")
    found += [t["words"] for t in router["trackers"] if t["state"] in _BAD_TRACKERS]
    for address in (*router["addresses"], *router["excluded_addresses"]):
        if address["present"] != holds:
            found.append(f"{address['address']} is {'missing' if holds else 'here, and should not be'}")
    for held in (*router["routes"], *router["rules"]) if holds else ():
        if not held["present"]:
            found.append(f"{held['what']} is missing{': ' if held['problem'] else ''}{held['problem']}")
    found += [
        f"{c['peer']} disagrees about {c['field']}"
        for c in router["conflicts"]
        if _seconds(c["last"], now) < _CONFLICT_RECENT_S
    ]
    return found


def render(status: Json, *, colour: bool = False) -> str:
    """The whole status. `colour`: for a terminal, what is well in green and what is not in red."""
    text = _render(status)
    return "\n".join(map(_coloured, text.split("\n"))) if colour else text


def _coloured(line: str) -> str:
    if line.startswith(("  problem:", "  conflict:")):
        return f"{_RED}{line}{_PLAIN}"
    name, _, rest = line.partition(" ")
    state = rest.split(" ", 1)[0]
    if name and state in _COLOURS:
        return f"{name} {_COLOURS[state]}{state}{_PLAIN}{rest[len(state) :]}"
    return line


def _render(status: Json) -> str:
    head = f"vrrpd {status['version']}, pid {status['pid']}, running since {_clock(status['started'], status['now'])}"
    parts = [f"{head}, {status['config']}"]
    parts += [_router(router, status["now"]) for router in status["virtual_routers"]]
    parts += [_group(group, status["now"]) for group in status["sync_groups"]]
    parts += [_stray(stray) for stray in status["strays"]]
    if not status["virtual_routers"]:
        parts.append("no virtual router is configured")
    return "\n".join(parts)


def _router(router: Json, now: str) -> str:
    since = _clock(router["since"], now)
    lines = [f"\n{router['name']} {router['state']} since {since}: {router['reason']}"]
    lines.append(f"  {router['interface']}, VRID {router['vrid']}, priority {priority_words(router)}")
    lines += [f"  {words}" for words in master_words(router)]
    for address in router["addresses"]:
        where = "present" if address["present"] else "not here"
        lines.append(f"  address {address['address']} dev {address['device']}: {where}")
    for address in router["excluded_addresses"]:
        where = "present" if address["present"] else "not here"
        lines.append(f"  not advertised: {address['address']} dev {address['device']}: {where}")
    for held in (*router["routes"], *router["rules"]):
        lines.append(f"  {held['what']}: {'present' if held['present'] else 'not here'}")
    lines += [f"  check {tracker_words(tracker)}" for tracker in router["trackers"]]
    if lost := router["counters"]["addresses_lost"]:
        lines.append(f"  somebody else took addresses away {lost} times; they were put back")
    lines += [
        f"  conflict: {c['peer']}: {c['theirs']}, we: {c['ours']} ({c['count']} times, last {_clock(c['last'], now)})"
        for c in router["conflicts"]
    ]
    lines += [f"  problem: {problem}" for problem in problems(router, now)]
    return "\n".join(lines)


def priority_words(router: Json) -> str:
    """As a sum, "98 = 100 - 2 chk_haproxy"; only the number when nothing is added."""
    parts = [
        f" {'-' if t['contribution'] < 0 else '+'} {abs(t['contribution'])} {t['name']}"
        for t in router["trackers"]
        if t["contribution"]
    ]
    if not parts:
        return str(router["priority"])
    return f"{router['priority']} = {router['base_priority']}{''.join(parts)}"


def master_words(router: Json) -> list[str]:
    """Who is Master, and what this router waits for."""
    lines = []
    master = router["master"]
    if router["state"] == "MASTER" and master is not None:
        every = router["advert_interval_ms"] / 1000
        lines.append(f"advertises from {master['address']} every {every:g} s")
    elif master is not None:
        ago = master["advertised_ms_ago"] / 1000
        lines.append(f"Master is {master['address']}, priority {master['priority']}, heard {ago:.1f} s ago")
    if router["takeover_in_ms"] is not None:
        lines.append(f"takes over in {router['takeover_in_ms'] / 1000:.1f} s unless it hears a Master")
    if router["drained"]:
        lines.append("drained by an operator: serves only when nobody else does (vrrpd resume)")
    elif not router["preempt"]:
        lines.append("does not preempt a living Master")
    return lines


def tracker_words(tracker: Json) -> str:
    """What a tracker says, weighs and does next."""
    took = "" if tracker["duration_ms"] is None else f", took {tracker['duration_ms']} ms"
    runs = "" if tracker["next_in_ms"] is None else f", again in {tracker['next_in_ms'] / 1000:.1f} s"
    weight = f"{tracker['weight']} reverse" if tracker["reverse"] else str(tracker["weight"])
    return f"{tracker['words']}, weight {weight}{took}{runs}"


def _group(group: Json, now: str) -> str:
    line = f"\nsync group {group['name']} {group['state']} since {_clock(group['since'], now)}"
    waits = f"\n  waits for {', '.join(group['waits_for'])}" if group["waits_for"] else ""
    return f"{line}: {', '.join(group['members'])}{waits}"


def _stray(stray: Json) -> str:
    which = "not understood" if stray["vrid"] is None else f"for VRID {stray['vrid']}, which is not configured here"
    return f"\n{stray['interface']}: {stray['count']} advertisements {which}, last from {stray['peer']}"


def _clock(moment: str, now: str) -> str:
    """The local time of day; with the date when it is not today's."""
    local, today = local_time(moment), local_time(now)
    same_day = local.date() == today.date()
    return f"{local:%H:%M:%S}" if same_day else f"{local:%Y-%m-%d %H:%M:%S}"


def _seconds(moment: str, now: str) -> float:
    return (_parse(now) - _parse(moment)).total_seconds()


def local_time(moment: str) -> datetime:
    """An RFC 3339 moment on this machine's clock."""
    return _parse(moment).astimezone()


def _parse(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(UTC)
