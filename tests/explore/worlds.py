"""The worlds that are explored. Their clocks are multiples of 250 ms, and so are most of their Skew_Times.

Priorities 192, 128 and 64 have Skew_Times of 250, 500 and 750 ms at an interval of one second: time in quarters of an
interval then meets nearly every deadline, and the number of states is finite without rounding anything.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface
from typing import Any

from vrrpd.model import SECOND, Announcing, InitialState, Tracker, Version, VirtualAddress, VirtualRouter

from .node import DEVICE, SCRIPT, Op, Setting
from .world import QUARTER, Kind, World

_ADDRESS = VirtualAddress(IPv4Interface("10.0.0.100/32"), DEVICE)
_QUIETLY = Announcing(master_delay=0, lower_priority_delay=0)
_NETWORK = frozenset({Kind.LOSE, Kind.DUPLICATE, Kind.DELAY})
_DAEMON = frozenset({Op.KILL, Op.POWER_OFF, Op.STOP})
_OPERATOR = frozenset({Op.STOP, Op.DRAIN, Op.FAILOVER})


def _router(priority: int, **changes: Any) -> VirtualRouter:
    values: dict[str, Any] = {
        "name": "R1",
        "interface": DEVICE,
        "vrid": 50,
        "priority": priority,
        "addresses": (_ADDRESS,),
        "announcing": _QUIETLY,
    }
    return VirtualRouter(**(values | changes))


def _says_nopreempt(priority: int, *, master: bool = False, weight: int = -96) -> VirtualRouter:
    """As in many a guide: both blocks say nopreempt, and `state MASTER` cancels it on the first node."""
    return _router(
        priority,
        preempt=master,
        resigns_when_worse=True,
        initial_state=InitialState.MASTER if master else InitialState.BACKUP,
        trackers=(Tracker(SCRIPT.name, weight),),
    )


def _settings(*routers: VirtualRouter) -> tuple[Setting, ...]:
    """Each node's grid begins a quarter later than the one's before."""
    return tuple(Setting(router, clock=n * QUARTER) for n, router in enumerate(routers))


_PAIR = _settings(_router(192), _router(128))
_EQUAL = _settings(_router(128), _router(128))
_GUIDE = _settings(_says_nopreempt(192, master=True), _says_nopreempt(128))
_TRIO = _settings(_router(192), _router(128), _router(64))


def _tracked(weight: int) -> tuple[Setting, ...]:
    trackers = (Tracker(SCRIPT.name, weight),)
    return tuple(replace(s, router=replace(s.router, trackers=trackers)) for s in _PAIR)


_CHECKED, _FORBIDDEN = _tracked(-96), _tracked(0)
_HORIZON = 6 * SECOND

WORLDS = {
    world.name: world
    for world in (
        World("pair", "two nodes that preempt", _PAIR, _NETWORK | _DAEMON, 2),
        World("equal", "two nodes of one priority", _EQUAL, _NETWORK | _DAEMON | {Op.UNPLUG}, 2),
        World(
            "cut",
            "two nodes, cut off from one another or without a link",
            _PAIR,
            frozenset({Op.UNPLUG, Op.LINK_DOWN, Op.KILL, Op.STOP}),
            3,
        ),
        World(
            "operator",
            "two nodes, drained, failed over, stopped",
            _PAIR,
            _OPERATOR | {Kind.LOSE, Op.KILL},
            2,
            horizon=_HORIZON,
        ),
        World(
            "checked",
            "two nodes that preempt, with checks of weight -96",
            _CHECKED,
            frozenset({Op.CHECK_FAILS, Op.STOP, Op.KILL, Kind.LOSE}),
            3,
            horizon=_HORIZON,
        ),
        World(
            "forbidden",
            "two nodes that preempt, with checks of weight 0",
            _FORBIDDEN,
            frozenset({Op.CHECK_FAILS, Op.STOP, Op.KILL, Kind.LOSE}),
            2,
        ),
        World(
            "guide",
            "the guide's pair: nopreempt in both blocks, cancelled on the first node",
            _GUIDE,
            frozenset({Op.CHECK_FAILS, Op.STOP, Op.KILL, Op.DRAIN, Kind.LOSE}),
            3,
            horizon=_HORIZON,
        ),
        World(
            "nopreempt",
            "two nodes that do not preempt",
            _settings(_says_nopreempt(192), _says_nopreempt(128)),
            frozenset({Op.CHECK_FAILS, Op.KILL, Op.UNPLUG, Kind.LOSE}),
            2,
            horizon=_HORIZON,
        ),
        World(
            "delay",
            "a first node with preempt_delay 2",
            _settings(_router(192, preempt_delay=2 * SECOND), _router(128)),
            _NETWORK | _DAEMON,
            2,
        ),
        World(
            "owner",
            "an owner and a spare",
            _settings(_router(255, initial_state=InitialState.MASTER), _router(128)),
            _NETWORK | _DAEMON,
            2,
        ),
        World(
            "again",
            "two nodes that announce their addresses again later",
            _settings(*(replace(s.router, announcing=Announcing(SECOND, 5, SECOND, 5)) for s in _PAIR)),
            frozenset({Op.UNPLUG, Op.STOP, Op.KILL, Kind.LOSE}),
            2,
        ),
        World(
            "v3",
            "version 3, intervals of 1 s and 0.5 s",
            _settings(
                _router(192, version=Version.V3), _router(128, version=Version.V3, advertisement_interval=SECOND // 2)
            ),
            _NETWORK | _DAEMON,
            2,
        ),
        World("trio", "three nodes that preempt", _TRIO, frozenset({Op.KILL, Op.STOP, Kind.LOSE}), 1, remembers=False),
        World("trio-cut", "three nodes, one cut off", _TRIO, frozenset({Op.UNPLUG, Op.STOP}), 2, remembers=False),
    )
}
