"""The machine in version 3: intervals down to a centisecond, learned and changed; owners; what IPv6 alters."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from sample import MS, OURS, START, STOP, THEIRS, THIRD, VIP, S, router
from sample3 import GLOBAL6, OURS6, THEIRS6, THIRD6, VIP6, message3, router6

from vrrpd.fsm import asking_time, deadline, leaving_time, master_down_interval, skew_time, step
from vrrpd.model import InitialState, IPAddress, Version
from vrrpd.packet import Advertisement
from vrrpd.states import (
    AdvertisementReceived,
    Backup,
    BidFarewell,
    Initialize,
    Master,
    Parameters,
    ParametersChanged,
    Reason,
    RemoveAddresses,
    Resign,
    Resigning,
    SendAdvertisement,
    Shutdown,
    Startup,
    State,
    StateChanged,
    Then,
    Tick,
    Why,
)

CS = 10 * MS
T = 1000 * S
HANDED_OVER = Why(Reason.FAILED_OVER, "handed over by an operator")


def params(priority: int = 100, *, handed_over: bool = False, holds_back: bool = False, **changes: Any) -> Parameters:
    ours = router(**({"version": Version.V3, "priority": priority} | changes))
    return Parameters(ours, priority, OURS, handed_over=handed_over, holds_back=holds_back)


def params6(priority: int = 100, **changes: Any) -> Parameters:
    return Parameters(router6(**({"priority": priority} | changes)), priority, OURS6)


def heard(priority: int, source: IPAddress = THEIRS, interval: int = S) -> AdvertisementReceived:
    return AdvertisementReceived(source, Advertisement(50, priority, interval, (VIP.ip,)))


def backup(master_down_at: int = T + 3_609_375_000, **changes: Any) -> Backup:
    values: dict[str, Any] = {"master_adver_interval": S, "master": THEIRS, "master_priority": 200, "heard_at": T}
    return Backup(**({"master_down_at": master_down_at} | values | changes))


def master(**changes: Any) -> Master:
    return Master(**({"adver_at": T + S, "since": 0, "sent_at": T} | changes))


def due(state: State) -> int:
    at = deadline(state)
    assert type(at) is int, "never a float: 609375000.0 equals 609375000"
    return at


# --- one centisecond ---


@pytest.mark.parametrize(
    ("priority", "skew", "down"),
    [
        (1, 9_960_937, 39_960_937),  # 255/256 of 10 ms, the half nanosecond cut off
        (100, 6_093_750, 36_093_750),
        (101, 6_054_687, 36_054_687),
        (254, 78_125, 30_078_125),
        (255, 39_062, 30_039_062),
    ],
)
def test_at_one_centisecond_the_skew_keeps_the_order_of_priorities(priority: int, skew: int, down: int) -> None:
    found = (
        skew_time(Version.V3, priority, CS),
        master_down_interval(params(priority, advertisement_interval=CS), CS),
    )
    assert found == (skew, down)
    assert all(type(value) is int for value in found)


def test_at_one_centisecond_a_master_advertises_each_ten_milliseconds() -> None:
    p = params(advertisement_interval=CS)
    state: State = Master(adver_at=T + CS, since=T, sent_at=T)
    for n in range(1, 201):
        assert due(state) == T + n * CS
        state, effects = step(p, state, Tick(), T + n * CS)
        assert effects == (SendAdvertisement(message3(centiseconds=1)),)


def test_at_one_centisecond_an_answer_waits_for_the_grid() -> None:
    p = params(advertisement_interval=CS)
    state, effects = step(p, Master(adver_at=T + CS, since=T, sent_at=T), heard(99, interval=CS), T + 5 * MS)
    assert [e for e in effects if isinstance(e, SendAdvertisement)] == []
    assert due(state) == T + CS


def test_the_largest_interval_is_waited_out() -> None:
    p = params(1, advertisement_interval=40_950 * MS)
    state, _ = step(p, Initialize(), Startup(START), T)
    assert due(state) == T + 3 * 40_950 * MS + 40_790_039_062


# --- the learned interval (sections 6.1 and 6.4.2) ---


def test_a_slow_masters_interval_is_learned_and_forgotten_as_master() -> None:
    p = params(advertisement_interval=CS)
    state, _ = step(p, backup(T + 36_093_750, master_adver_interval=CS), heard(200, interval=2 * S), T + MS)
    assert due(state) == T + MS + 7_218_750_000
    state, _ = step(p, state, Tick(), T + MS + 7_218_750_000)
    assert isinstance(state, Master)
    assert due(state) - (T + MS + 7_218_750_000) <= CS


def test_a_fast_masters_interval_is_learned() -> None:
    state, _ = step(params(advertisement_interval=10 * S), backup(), heard(200, interval=CS), T)
    assert due(state) == T + 36_093_750


def test_version_2_learns_nothing() -> None:
    p = params(version=Version.V2)
    state, _ = step(p, backup(), heard(200), T)
    assert due(state) == T + 3_609_375_000


@pytest.mark.parametrize("learned", [CS, 5 * S])
def test_priority_0_counts_the_skew_of_the_learned_interval_and_not_that_of_its_own(learned: int) -> None:
    known, _ = step(params(), backup(), heard(200, interval=learned), T)
    state, _ = step(params(), known, heard(0, interval=17 * S), T + MS)
    assert due(state) == T + MS + {CS: 6_093_750, 5 * S: 3_046_875_000}[learned]
    again, _ = step(params(), state, heard(0, interval=CS), T + 6 * MS)
    assert due(again) == T + 6 * MS + {CS: 6_093_750, 5 * S: 3_046_875_000}[learned]


def test_after_a_lost_priority_0_the_heir_of_a_slow_master_still_has_the_learned_interval() -> None:
    state, _ = step(params(), backup(), heard(200, interval=5 * S), T)
    state, _ = step(params(101), state, ParametersChanged(params()), T + S)
    assert due(state) == T + 15 * S + 3_027_343_750, "155/256 of the learned interval, not of ours"


def test_a_lower_masters_interval_is_not_learned_by_one_that_preempts() -> None:
    state, _ = step(params(), backup(), heard(99, THIRD, interval=10 * S), T + MS)
    assert isinstance(state, Backup)
    assert (state.master_adver_interval, due(state)) == (S, T + 3_609_375_000)


@pytest.mark.parametrize("changes", [{"preempt": False}, {"preempt_delay": 100 * S}])
def test_a_lower_masters_interval_is_learned_by_one_that_lets_it_live(changes: dict[str, Any]) -> None:
    state, _ = step(params(**changes), backup(), heard(99, THIRD, interval=10 * S), T)
    assert due(state) == T + 36_093_750_000


def test_a_preempt_delay_ends_with_one_learned_master_down_interval() -> None:
    p = params(preempt_delay=2 * S)
    state, _ = step(p, backup(), heard(99, interval=2 * S), T)
    state, _ = step(p, state, heard(99, interval=2 * S), T + 2 * S - 1)
    assert due(state) == T + 2 * S - 1 + 7_218_750_000
    state, _ = step(p, state, heard(99, interval=2 * S), T + 2 * S)
    assert due(state) == T + 2 * S - 1 + 7_218_750_000
    preempts, effects = step(p, state, Tick(), due(state))
    assert isinstance(preempts, Master)
    assert [e.why.reason for e in effects if isinstance(e, StateChanged)] == [Reason.PREEMPTING]


def test_a_preempt_delay_does_not_outlive_a_priority_0() -> None:
    p = params(preempt_delay=1000 * S)
    state, _ = step(p, backup(), heard(99, interval=5 * S), T)
    state, _ = step(p, state, heard(0), T + S)
    assert due(state) == T + S + 3_046_875_000


def test_an_operators_handover_is_not_preempted_and_ends_with_silence() -> None:
    p = params(handed_over=True)
    state, _ = step(p, backup(), heard(1, interval=2 * S), T)
    assert due(state) == T + 7_218_750_000
    assert isinstance(step(p, state, Tick(), T + 7_218_750_000)[0], Master)


# --- a new interval of our own (hazard C3) ---


@pytest.mark.parametrize(
    ("before", "after", "latest"),
    [(CS, S, 36 * MS), (CS, 40_950 * MS, 36 * MS), (S, 40_950 * MS, 3_600 * MS), (40_950 * MS, CS, 10 * MS)],
)
def test_a_new_interval_is_said_before_peers_that_know_the_old_one_take_over(
    before: int, after: int, latest: int
) -> None:
    old, new = params(advertisement_interval=before), params(advertisement_interval=after)
    state: State = Master(adver_at=T + before, since=0, sent_at=T)
    state, effects = step(new, state, ParametersChanged(old), T + MS)
    at = T + MS
    if not effects:
        at = due(state)
        state, effects = step(new, state, Tick(), at)
    assert effects == (SendAdvertisement(message3(centiseconds=after // CS)),)
    assert at < T + latest + (latest == 10 * MS)


# --- owners ---


@pytest.mark.parametrize(("interval", "wait"), [(S, 1_003_906_250), (CS, 10_039_062), (10 * S, 10_039_062_500)])
@pytest.mark.parametrize("first", [True, False])
def test_an_owner_that_does_not_start_as_master_waits_an_interval_and_its_skew(
    interval: int, wait: int, first: bool
) -> None:
    state_word = InitialState.BACKUP if first else InitialState.MASTER
    p = params(255, advertisement_interval=interval, initial_state=state_word)
    state, effects = step(p, Initialize(), Startup(START, first=first), T)
    assert (state, due(state)) == (Backup(T + wait, interval, heard_at=T), T + wait)
    assert [type(effect) for effect in effects] == [StateChanged]


@pytest.mark.parametrize("preempt", [True, False])
def test_an_owner_takes_over_from_any_lower_master_whatever_preempt_mode_says(preempt: bool) -> None:
    p = params(255, preempt=preempt)
    state, _ = step(p, Initialize(), Startup(START, first=False), T)
    for n in range(1, 4):
        state, _ = step(p, state, heard(254), T + n * 300 * MS)
    assert due(state) == T + 1_003_906_250


@pytest.mark.parametrize(
    ("source", "stays"), [(THEIRS, False), (IPv4Address("10.230.137.0"), True), (IPv4Address("9.255.255.255"), True)]
)
def test_of_two_owners_the_higher_address_stays(source: IPv4Address, stays: bool) -> None:
    state, effects = step(params(255), master(), heard(255, source), T + 500 * MS)
    assert isinstance(state, Master) is stays
    assert (RemoveAddresses((VIP,)) in effects) is not stays
    if not stays:
        state, _ = step(params(255), state, Tick(), due(state) - 1)
        assert isinstance(state, Backup)
        assert due(state) == T + 500 * MS + 3_003_906_250


def test_over_ipv6_link_local_sources_decide_between_equals_as_numbers() -> None:
    assert isinstance(step(params6(), master(), heard(100, IPv6Address("fe80::10")), T)[0], Backup)
    assert isinstance(step(params6(), master(), heard(100, IPv6Address("fe80::0")), T)[0], Master)
    assert isinstance(step(params6(), master(), heard(100, IPv6Address("fe80::a:0:0:0:1")), T)[0], Backup)


# --- make before break ---


@pytest.mark.parametrize(
    ("interval", "leaving", "asking4", "asking6"),
    [
        (CS, 260 * MS, 290 * MS, 260 * MS),
        (S, 1_250 * MS, 4_250 * MS, 1_250 * MS),
        (9_750 * MS, 10 * S, 39_250 * MS, 10 * S),
        (20 * S, 10 * S, 80_250 * MS, 20_250 * MS),
        (40_950 * MS, 10 * S, 164_050 * MS, 41_200 * MS),
    ],
)
def test_who_leaves_waits_for_the_largest_skew_up_to_ten_seconds_and_who_asks_as_long_as_it_takes(
    interval: int, leaving: int, asking4: int, asking6: int
) -> None:
    found = (
        leaving_time(params(advertisement_interval=interval)),
        leaving_time(params6(advertisement_interval=interval)),
        asking_time(params(advertisement_interval=interval)),
        asking_time(params6(advertisement_interval=interval)),
    )
    assert found == (leaving, leaving, asking4, asking6)
    assert all(type(value) is int for value in found)


def test_over_ipv6_the_heirs_first_advertisement_ends_it_and_the_heirs_interval_is_learned() -> None:
    state, effects = step(params6(), master(), Resign(HANDED_OVER, Then.STAY), T)
    assert effects[0] == SendAdvertisement(message3(0, OURS6))
    assert due(state) == T + 5 * MS
    state, effects = step(params6(), state, Tick(), T + 5 * MS)
    assert effects == (SendAdvertisement(message3(0, OURS6)),)
    state, effects = step(params6(), state, heard(90, THEIRS6, interval=3 * S), T + 648_437_500)
    assert state == Backup(
        master_down_at=T + 648_437_500 + 10_828_125_000,
        master_adver_interval=3 * S,
        master=THEIRS6,
        master_priority=90,
        heard_at=T + 648_437_500,
    )
    farewell = BidFarewell(message3(1, OURS6), T + 650_437_500)
    assert effects[:2] == (RemoveAddresses((VIP6, GLOBAL6)), farewell)


def test_over_ipv6_an_earlier_loser_or_a_reflection_is_not_the_heir() -> None:
    state, _ = step(params6(), master(), Resign(STOP, Then.LEAVE), T)
    for priority, after in ((90, 648_437_499), (100, 609_374_999), (0, 900 * MS)):
        assert step(params6(), state, heard(priority, THIRD6), T + after) == (state, ())
    gone, _ = step(params6(), state, heard(101, THIRD6), T + 1)
    assert gone == Initialize()


def test_over_ipv4_the_heir_is_measured_by_the_shorter_of_both_intervals() -> None:
    """It counts its Skew_Time in the interval that it learned from us, or in its own if it never heard us."""
    p = params(advertisement_interval=2 * S)
    resigning, _ = step(p, master(adver_at=T + 2 * S), Resign(STOP, Then.LEAVE), T)
    for interval, skew in ((2 * S, 1_218_750_000), (S, 609_375_000), (5 * S, 1_218_750_000)):
        early, _ = step(p, resigning, heard(100, interval=interval), T + skew - 1)
        there, _ = step(p, resigning, heard(100, interval=interval), T + skew)
        assert isinstance(early, Resigning)
        assert isinstance(there, Resigning)
        assert (early.heir, there.heir) == (None, THEIRS)


def test_who_must_go_at_once_before_its_place_came_to_resign_still_says_priority_0() -> None:
    """Of many routers that resign together each waits for its place on the grid."""
    p = Parameters(router(), 100, OURS, phase=14 * MS)
    resigning, effects = step(p, master(), Resign(STOP, Then.LEAVE), T)
    assert [type(effect) for effect in effects] == [StateChanged]
    state, effects = step(p, resigning, Shutdown(STOP), T + 5 * MS)
    assert state == Initialize()
    assert effects == (SendAdvertisement(p.resignation), RemoveAddresses((VIP,)), StateChanged(resigning, state, STOP))
    said, _ = step(p, resigning, Tick(), T + 14 * MS)
    _, effects = step(p, said, Shutdown(STOP), T + 15 * MS)
    assert effects[0] == RemoveAddresses((VIP,)), "and no more often than it must"
