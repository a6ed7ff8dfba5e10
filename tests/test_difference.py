"""What a reload would do, in words."""

from __future__ import annotations

from typing import Any

from sample import VIP, VIP2, router

from vrrpd.difference import describe
from vrrpd.model import Authentication, AuthenticationType, Config, VirtualRouter

S = 1_000_000_000


def said(old: tuple[VirtualRouter, ...], new: tuple[VirtualRouter, ...], state: str = "MASTER") -> list[str]:
    return describe(Config(routers=old), Config(routers=new), {one.identity: state for one in old})


def changed(**changes: Any) -> list[str]:
    return said((router(),), (router(**changes),))


def test_nothing_changes() -> None:
    assert changed() == ["R1 stays MASTER: nothing changes"]


def test_addresses_that_come_and_go_are_named() -> None:
    assert changed(addresses=(VIP2,)) == [f"R1 stays MASTER: + {VIP2}; - {VIP}"]


def test_parameters_are_told_with_both_values() -> None:
    assert changed(priority=120) == ["R1 stays MASTER: priority 100 -> 120"]
    assert changed(advertisement_interval=2 * S) == ["R1 stays MASTER: interval 1 s -> 2 s"]
    assert changed(preempt=False) == ["R1 stays MASTER: preempt yes -> no"]


def test_a_password_is_not_told() -> None:
    (line,) = changed(authentication=Authentication(AuthenticationType.PASS, b"secret"))
    assert line == "R1 stays MASTER: authentication changes"


def test_a_renamed_router_stays_what_it_is() -> None:
    assert said((router(),), (router(name="WEB"),), "BACKUP") == ["WEB stays BACKUP: it was R1"]


def test_another_vrid_is_another_router() -> None:
    assert said((router(),), (router(vrid=51),)) == [
        "R1 is recreated (VRID 50 -> 51): it hands over first; without a peer its addresses are gone for up to 3.6 s"
    ]
    assert said((router(),), (router(vrid=51),), "BACKUP") == ["R1 is recreated (VRID 50 -> 51): it starts as Backup"]


def test_new_and_removed_routers_are_told() -> None:
    assert said((), (router(),)) == ["R1 is new: it starts as Backup and takes over after 3.6 s"]
    assert said((router(),), ()) == [f"R1 is removed: it hands over and gives up {VIP}"]
    assert said((router(),), (), "BACKUP") == ["R1 is removed"]
