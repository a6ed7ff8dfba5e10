"""keepalived's options that change what the machine does."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from sample import MAC, MS, OURS, STOP, THEIRS, VIP, S, router

from vrrpd.frames import Frame, gratuitous_arp
from vrrpd.fsm import deadline, step
from vrrpd.model import Announcing, InitialState
from vrrpd.packet import Advertisement
from vrrpd.states import (
    AdvertisementReceived,
    AnnounceAddresses,
    Backup,
    BidFarewell,
    Initialize,
    Master,
    Parameters,
    Reason,
    RemoveAddresses,
    Resign,
    Resigning,
    SendAdvertisement,
    Startup,
    StateChanged,
    Then,
    Tick,
    Why,
)

T = 1000 * S
STARTED = Why(Reason.STARTED, "started")
FRAME = Frame(VIP.ip, "eth0", gratuitous_arp(MAC, IPv4Address("10.230.137.100")))


def params(priority: int = 100, *, held_until: int = 0, **changes: Any) -> Parameters:
    ours = router(**({"priority": priority} | changes))
    return Parameters(ours, priority, OURS, held_until=held_until, announcement=(FRAME,))


def heard(priority: int, source: IPv4Address = THEIRS) -> AdvertisementReceived:
    return AdvertisementReceived(source, Advertisement(50, priority, S, (IPv4Address("10.230.137.100"),)))


def master(**changes: Any) -> Master:
    return Master(**({"adver_at": T + S, "since": 0, "sent_at": T} | changes))


# --- lower_prio_no_advert, garp_lower_prio_repeat ---


def test_with_lower_prio_no_advert_a_master_does_not_answer_and_announces_all_the_same() -> None:
    state, effects = step(params(answers_lower_priority=False), master(), heard(99), T + 500 * MS)
    assert effects == (AnnounceAddresses((FRAME,), 5),)
    assert state == master(announce_at=T + 5500 * MS, announce_repeat=5, answered_at=T + 500 * MS)


def test_with_lower_prio_no_advert_it_still_answers_who_gave_up() -> None:
    p = params(answers_lower_priority=False)
    effects = step(p, master(), heard(0), T + 500 * MS)[1]
    assert effects == (SendAdvertisement(p.advertisement), AnnounceAddresses((FRAME,), 5))


def test_with_garp_lower_prio_repeat_0_a_master_answers_and_announces_nothing() -> None:
    p = params(announcing=Announcing(lower_priority_repeat=0))
    state, effects = step(p, master(), heard(99), T + 500 * MS)
    assert (state, effects) == (master(sent_at=T + 500 * MS), (SendAdvertisement(p.advertisement),))


# --- higher_prio_send_advert ---


def test_with_higher_prio_send_advert_a_master_that_yields_advertises_once_more_first() -> None:
    p = params(announces_defeat=True)
    effects = step(p, master(), heard(101), T)[1]
    assert effects[0] == SendAdvertisement(p.advertisement)
    assert [type(e) for e in effects[1:]] == [RemoveAddresses, BidFarewell, StateChanged]


# --- vrrp_startup_delay, vrrp_delay_after_boot ---


def test_a_start_up_delay_comes_before_master_down() -> None:
    state, _ = step(params(held_until=T + 10 * S), Initialize(), Startup(STARTED), T)
    assert deadline(state) == T + 13_609_375_000


def test_after_the_start_up_delay_is_over_it_delays_nothing() -> None:
    state, _ = step(params(held_until=T - 1), Initialize(), Startup(STARTED), T)
    assert deadline(state) == T + 3_609_375_000


def test_an_owner_claims_when_its_start_up_delay_is_over() -> None:
    p = params(255, held_until=T + 10 * S, initial_state=InitialState.MASTER)
    state, effects = step(p, Initialize(), Startup(STARTED), T)
    assert isinstance(state, Backup)
    assert deadline(state) == T + 10 * S
    assert [type(e) for e in effects] == [StateChanged]
    assert isinstance(step(p, state, Tick(), T + 10 * S)[0], Master)


# --- timer_expired_backup ---


# A peer of priority 254 takes over 3.0078125 s after the last advertisement, one of 100 after 3.609375 s.
@pytest.mark.parametrize(("priority", "wait"), [(254, 3_007_812_500), (100, 3_609_375_000)])
def test_a_master_that_was_away_until_a_peer_took_over_does_not_preempt_it(priority: int, wait: int) -> None:
    p = params(yields_after_stall=priority, preempt=False)
    late = T + wait
    for event in (Tick(), heard(99)):
        state, effects = step(p, master(), event, late)
        assert state == Backup(late + 3_609_375_000, S, heard_at=late)
        assert effects[0] == RemoveAddresses((VIP,))
        assert isinstance(effects[1], StateChanged)
        assert effects[1].why.reason is Reason.STALLED
        assert isinstance(step(p, master(), event, late - 1)[0], Master)


@pytest.mark.parametrize("changes", [{"preempt": True}, {"yields_after_stall": None}])
def test_who_may_preempt_or_was_not_told_so_goes_on_after_a_stall(changes: dict[str, Any]) -> None:
    p = params(**({"yields_after_stall": 254, "preempt": False} | changes))
    assert isinstance(step(p, master(), Tick(), T + 60 * S)[0], Master)


# --- strict mode ---


@pytest.mark.parametrize("then", [Then.LEAVE, Then.FAULT])
def test_a_strict_master_leaves_as_the_rfc_says_and_keeps_nothing_for_an_heir(then: Then) -> None:
    p = params(strict=True)
    state, effects = step(p, master(), Resign(STOP, then), T)
    assert state == Initialize()
    assert effects[:2] == (SendAdvertisement(p.resignation), RemoveAddresses((VIP,)))


def test_a_strict_master_that_an_operator_hands_over_keeps_them() -> None:
    state, _ = step(params(strict=True), master(), Resign(STOP, Then.STAY), T)
    assert isinstance(state, Resigning)


# --- preempt_delay, to the microsecond ---


def test_preempt_delay_ends_so_long_after_the_first_lower_advertisement() -> None:
    p = params(preempt_delay=2_500_001_000)
    first, _ = step(p, Backup(T + 3 * S, S), heard(99), T)
    assert isinstance(first, Backup)
    assert first.preempt_at == T + 2_500_001_000
    within, _ = step(p, first, heard(99), T + 2_500_000_999)
    assert isinstance(within, Backup)
    assert deadline(within) == T + 2_500_000_999 + 3_609_375_000
    after, _ = step(p, within, heard(99), T + 2_500_001_000)
    assert deadline(after) == T + 2_500_000_999 + 3_609_375_000
    assert after == replace(
        within, master=THEIRS, master_priority=99, heard_at=T + 2_500_001_000, cause=Reason.PREEMPTING
    )
