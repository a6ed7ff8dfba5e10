from __future__ import annotations

from ipaddress import IPv4Interface

import pytest

from vrrpd.config.diagnostics import Diagnostic, Severity, Spot
from vrrpd.config.lint import lint
from vrrpd.model import SECOND, Config, InitialState, Script, Tracker, VirtualAddress, VirtualRouter

ADDRESS = VirtualAddress(IPv4Interface("10.0.0.1/32"), "eth0")
OTHER = VirtualAddress(IPv4Interface("10.0.0.2/32"), "eth0")
CHECK = Script("chk", ("/bin/true",))


def router(
    name: str = "R1",
    priority: int = 100,
    state: InitialState = InitialState.BACKUP,
    addresses: tuple[VirtualAddress, ...] = (ADDRESS,),
    trackers: tuple[Tracker, ...] = (),
    *,
    nopreempt: bool = False,
) -> VirtualRouter:
    return VirtualRouter(
        name=name,
        interface="eth0",
        vrid=50,
        priority=priority,
        initial_state=state,
        preempt=not nopreempt,
        resigns_when_worse=nopreempt,
        addresses=addresses,
        trackers=trackers,
    )


def advice(*routers: VirtualRouter, scripts: tuple[Script, ...] = (CHECK,)) -> tuple[Diagnostic, ...]:
    return lint(
        Config(routers=routers, scripts=scripts),
        {found.name: Spot("f", number, 15) for number, found in enumerate(routers, start=1)},
        {found.name: Spot("f", 100, 13) for found in scripts},
    )


def codes(found: tuple[Diagnostic, ...]) -> list[str]:
    assert all(item.severity is Severity.ADVICE for item in found)
    return [item.code for item in found]


def test_an_ordinary_router_needs_no_advice() -> None:
    assert advice(router(trackers=(Tracker("chk", -2),))) == ()


def test_state_master_with_nopreempt_is_explained_where_it_stands() -> None:
    found = advice(router(state=InitialState.MASTER, nopreempt=True))
    assert codes(found) == ["nopreempt-with-master"]
    assert (found[0].file, found[0].line, found[0].column) == ("f", 1, 15)
    assert found[0].message.startswith("R1: state MASTER cancels nopreempt")


def test_nopreempt_with_a_weight_is_explained() -> None:
    found = advice(router(nopreempt=True, trackers=(Tracker("chk", -2),)))
    assert codes(found) == ["nopreempt-with-weight"]
    assert "chk" in found[0].message
    assert advice(router(nopreempt=True, trackers=(Tracker("chk", 0),))) == ()


@pytest.mark.parametrize(
    ("priority", "weight", "reverse", "speaks"),
    [
        (1, -5, False, True),
        (254, 5, False, True),
        (254, -5, True, True),
        (254, -5, False, False),
        (1, 5, False, False),
        (254, 5, True, False),
        (254, 0, False, False),
    ],
)
def test_a_weight_that_the_priority_has_no_room_for_changes_nothing(
    priority: int, weight: int, reverse: bool, speaks: bool
) -> None:
    found = advice(router(priority=priority, trackers=(Tracker("chk", weight, reverse),)))
    assert codes(found) == ["weight-without-effect"] * speaks


def test_a_timeout_above_the_interval_is_pointed_out_at_the_script() -> None:
    found = advice(router(), scripts=(Script("chk", ("/bin/true",), interval=SECOND, timeout=SECOND + 1),))
    assert codes(found) == ["timeout-above-interval"]
    assert found[0].line == 100
    assert advice(router(), scripts=(Script("chk", ("/bin/true",), interval=SECOND, timeout=SECOND),)) == ()


def test_an_address_that_stands_twice_is_pointed_out_once() -> None:
    assert codes(advice(router(addresses=(ADDRESS, OTHER, ADDRESS)))) == ["duplicate-address"]
    found = advice(router("A"), router("B"))
    assert codes(found) == ["duplicate-address"]
    assert found[0].line == 2
    assert "A and B" in found[0].message


def test_a_router_without_an_address_moves_nothing() -> None:
    assert codes(advice(router(addresses=()))) == ["no-address"]
