"""The status as Prometheus text (exposition format 0.0.4). Names and units are Prometheus's: seconds, totals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from vrrpd.packet import DropReason

Json: TypeAlias = dict[str, Any]
Labels: TypeAlias = dict[str, object]
Sample: TypeAlias = tuple[Labels, float | int | None]
"""Labels and a value; None: there is none now, and no line."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATES = ("INITIALIZE", "BACKUP", "MASTER", "RESIGNING", "FAULT")
_DROPS = frozenset(DropReason)
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name without the prefix, its kind, what it says, and where its samples come from."""

    name: str
    kind: str
    words: str
    samples: Callable[[Json], Iterable[Sample]]


def render(status: Json) -> Iterator[str]:
    """The text, a metric at a time, so that whoever writes it may pause in between."""
    for family in FAMILIES:
        lines = [_line(family.name, labels, value) for labels, value in family.samples(status) if value is not None]
        if lines:
            name = f"vrrpd_{family.name}"
            yield "".join((f"# HELP {name} {family.words}\n# TYPE {name} {family.kind}\n", *lines))


def _line(name: str, labels: Labels, value: float) -> str:
    text = ",".join(f'{key}="{str(content).translate(_ESCAPES)}"' for key, content in labels.items())
    return f"vrrpd_{name}{{{text}}} {value:.10g}\n" if text else f"vrrpd_{name} {value:.10g}\n"


def _unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _daemon(value: Callable[[Json], float | None]) -> Callable[[Json], Iterable[Sample]]:
    return lambda status: [({}, value(status))]


def _each(value: Callable[[Json], float | None]) -> Callable[[Json], Iterable[Sample]]:
    """One sample for each virtual router."""
    return lambda status: (({"router": router["name"]}, value(router)) for router in status["virtual_routers"])


def _trackers(value: Callable[[Json], float | None]) -> Callable[[Json], Iterable[Sample]]:
    return lambda status: (
        ({"router": router["name"], "tracker": tracker["name"], "kind": tracker["kind"]}, value(tracker))
        for router in status["virtual_routers"]
        for tracker in router["trackers"]
    )


def _info(status: Json) -> Iterator[Sample]:
    for router in status["virtual_routers"]:
        yield {key: router[key] for key in ("interface", "vrid")} | {"router": router["name"]}, 1


def _state(status: Json) -> Iterator[Sample]:
    for router in status["virtual_routers"]:
        for state in STATES:
            yield {"router": router["name"], "state": state.lower()}, int(router["state"] == state)


def _transitions(status: Json) -> Iterator[Sample]:
    for router in status["virtual_routers"]:
        for move in router["moves"]:
            yield {"router": router["name"], "to": move["to"].lower(), "reason": move["reason"]}, move["count"]


def _dropped(status: Json) -> Iterator[Sample]:
    for router in status["virtual_routers"]:
        for reason, count in router["counters"].items():
            if reason in _DROPS:
                yield {"router": router["name"], "reason": reason}, count


def _conflicts(status: Json) -> Iterator[Sample]:
    for router in status["virtual_routers"]:
        for conflict in router["conflicts"]:
            yield (
                {"router": router["name"], "peer": conflict["peer"], "field": conflict["field"]},
                conflict["count"],
            )


def _strays(status: Json) -> Iterator[Sample]:
    for reason, count in status["drops"].items():
        yield {"reason": reason}, count


def _counter(name: str) -> Callable[[Json], Iterable[Sample]]:
    return _each(lambda router: router["counters"][name])


FAMILIES = (
    Family("build_info", "gauge", "The version that runs.", lambda s: [({"version": s["version"]}, 1)]),
    Family("start_time_seconds", "gauge", "When the daemon was started.", _daemon(lambda s: _unix(s["started"]))),
    Family(
        "loop_lag_max_seconds",
        "gauge",
        "The latest that a timer has fired since the start.",
        _daemon(lambda s: _seconds(s["loop_lag_ms"])),
    ),
    Family(
        "reload_duration_seconds",
        "gauge",
        "How long the last reload took to read and to apply.",
        _daemon(lambda s: _seconds(s["reload_ms"])),
    ),
    Family(
        "takeover_seconds_total",
        "counter",
        "From becoming Master to announcing the addresses, all takeovers together.",
        _daemon(lambda s: _seconds(s["takeovers"]["total_ms"])),
    ),
    Family("takeovers_total", "counter", "How many takeovers that were.", _daemon(lambda s: s["takeovers"]["count"])),
    Family("stray_advertisements_total", "counter", "Datagrams that belong to no virtual router here.", _strays),
    Family("router_info", "gauge", "The virtual routers that there are.", _info),
    Family("router_state", "gauge", "1 for the state that it is in, 0 for the others.", _state),
    Family(
        "router_state_since_seconds",
        "gauge",
        "When it got into its state.",
        _each(lambda router: _unix(router["since"])),
    ),
    Family("router_priority", "gauge", "The effective priority.", _each(lambda router: router["priority"])),
    Family("router_base_priority", "gauge", "The priority in the file.", _each(lambda router: router["base_priority"])),
    Family("router_drained", "gauge", "1 when an operator has drained it.", _each(lambda r: int(r["drained"]))),
    Family("router_transitions_total", "counter", "Changes of state, by the new one and the reason.", _transitions),
    Family(
        "router_master_age_seconds",
        "gauge",
        "How long ago the Master advertised; absent when none is known.",
        _each(lambda router: router["master"] and router["master"]["advertised_ms_ago"] / 1000),
    ),
    Family(
        "router_addresses_due",
        "gauge",
        "How many addresses it should hold now.",
        _each(lambda r: len(r["addresses"]) if r["state"] in {"MASTER", "RESIGNING"} else 0),
    ),
    Family(
        "router_addresses_present",
        "gauge",
        "How many of its addresses are in the kernel.",
        _each(lambda router: sum(address["present"] for address in router["addresses"])),
    ),
    Family("router_addresses_lost_total", "counter", "Addresses that others took away.", _counter("addresses_lost")),
    Family("advertisements_sent_total", "counter", "Advertisements that left.", _counter("sent")),
    Family("advertisements_send_failed_total", "counter", "Those that did not leave.", _counter("send_failed")),
    Family("advertisements_received_total", "counter", "Advertisements that were taken.", _counter("received")),
    Family(
        "advertisements_received_priority_zero_total",
        "counter",
        "How many of them said that their Master is leaving.",
        _counter("received_priority_0"),
    ),
    Family("advertisements_dropped_total", "counter", "Advertisements that were not taken, by reason.", _dropped),
    Family("conflicts_total", "counter", "How often a peer disagreed, and in what.", _conflicts),
    Family(
        "tracker_failing", "gauge", "1 while what is tracked is bad.", _trackers(lambda t: int(t["state"] == "failing"))
    ),
    Family(
        "tracker_contribution", "gauge", "What it adds to the priority now.", _trackers(lambda t: t["contribution"])
    ),
    Family(
        "tracker_duration_seconds",
        "gauge",
        "How long its last check took.",
        _trackers(lambda t: _seconds(t["duration_ms"])),
    ),
)
