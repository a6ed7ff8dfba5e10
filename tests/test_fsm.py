"""The state machine, row by row (RFC 5798 section 6.4, RFC 3768 where version 2 differs), and its departures.

Times are nanoseconds worked out by hand: Skew_Time of priority 100 is 156/256 s.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample import MAC, MS, OURS, START, STOP, THEIRS, THIRD, VIP, VIP2, S, message, router

from vrrpd.frames import Frame, gratuitous_arp
from vrrpd.fsm import asking_time, deadline, leaving_time, master_down_interval, skew_time, step
from vrrpd.model import Announcing, InitialState, Version
from vrrpd.packet import Advertisement
from vrrpd.states import (
    AddAddresses,
    AddressAnnounced,
    AdvertisementReceived,
    AnnounceAddresses,
    Backup,
    BidFarewell,
    Effect,
    Effects,
    Event,
    Initialize,
    Master,
    Parameters,
    ParametersChanged,
    Reason,
    RemoveAddresses,
    Resign,
    Resigning,
    Resume,
    SendAdvertisement,
    SendFailed,
    Shutdown,
    Startup,
    State,
    StateChanged,
    Then,
    Tick,
    Why,
)

SKEW_100, SKEW_99, SKEW_98 = 609_375_000, 613_281_250, 617_187_500
DOWN_100, DOWN_99, DOWN_98 = 3_609_375_000, 3_613_281_250, 3_617_187_500
FRAME = Frame(VIP.ip, "eth0", gratuitous_arp(MAC, IPv4Address("10.230.137.100")))
FRAME2 = Frame(VIP2.ip, "eth0", gratuitous_arp(MAC, IPv4Address("10.230.137.101")))
WORSE = Why(Reason.TRACKER_FAILED, "chk_haproxy failed 3 times (exit 1)")
FAULT = Why(Reason.FAULT, "eth0 is down")
RFC = "RFC 5798 section 6.4"
T = 1000 * S


def params(
    priority: int = 100, *, holds_back: bool = False, phase: int = 0, crowd: int = 1, **changes: Any
) -> Parameters:
    frames = tuple(f for f in (FRAME, FRAME2) if f.address in {a.ip for a in changes.get("addresses", (VIP,))})
    ours = router(**({"priority": priority} | changes))
    return Parameters(ours, priority, OURS, phase=phase, crowd=crowd, holds_back=holds_back, announcement=frames)


def heard(priority: int, source: IPv4Address = THEIRS, interval: int = S) -> AdvertisementReceived:
    return AdvertisementReceived(source, Advertisement(50, priority, interval, (IPv4Address("10.230.137.100"),)))


def backup(master_down_at: int = T + DOWN_100, **changes: Any) -> Backup:
    values: dict[str, Any] = {"master_adver_interval": S, "master": THEIRS, "master_priority": 200, "heard_at": T}
    return Backup(**({"master_down_at": master_down_at} | values | changes))


def master(**changes: Any) -> Master:
    """Master since long ago, which has just advertised on the grid, at T."""
    return Master(**({"adver_at": T + S, "since": 0, "sent_at": T} | changes))


def resigning(then: Then = Then.LEAVE, **changes: Any) -> Resigning:
    values: dict[str, Any] = {
        "until": T + 1_250_000_000,
        "then": then,
        "why": STOP,
        "resigned_at": T,
        "repeat_at": T + 5 * MS,
    }
    return Resigning(**(values | {"last_priority": 100} | changes))


def kinds(effects: Effects) -> list[type[Effect]]:
    return [type(effect) for effect in effects]


def why(effects: Effects) -> Why:
    return next(effect.why for effect in effects if isinstance(effect, StateChanged))


def priorities(effects: Effects) -> list[int]:
    return [effect.message[2] for effect in effects if isinstance(effect, SendAdvertisement)]


# --- time (section 6.1) ---


@pytest.mark.parametrize(
    ("version", "priority", "interval", "expected"),
    [
        (Version.V2, 100, S, 609_375_000),
        (Version.V2, 100, 5 * S, 609_375_000),  # RFC 3768: in parts of a second, whatever the interval
        (Version.V2, 1, S, 996_093_750),
        (Version.V2, 254, S, 7_812_500),
        (Version.V2, 255, S, 3_906_250),
        (Version.V3, 100, S, 609_375_000),
        (Version.V3, 254, S, 7_812_500),
        (Version.V3, 1, 5 * S, 4_980_468_750),
        (Version.V3, 100, 10 * MS, 6_093_750),
        (Version.V3, 255, 10 * MS, 39_062),
        (Version.V3, 100, 40_950 * MS, 24_953_906_250),
    ],
)
def test_skew_time(version: Version, priority: int, interval: int, expected: int) -> None:
    assert skew_time(version, priority, interval) == expected


@pytest.mark.parametrize(
    ("version", "priority", "interval", "expected"),
    [
        (Version.V2, 100, S, 3_609_375_000),
        (Version.V2, 100, 5 * S, 15_609_375_000),
        (Version.V3, 100, S, 3_609_375_000),
        (Version.V3, 100, 5 * S, 18_046_875_000),
        (Version.V3, 200, S, 3_218_750_000),
    ],
)
def test_master_down_interval(version: Version, priority: int, interval: int, expected: int) -> None:
    p = params(priority, version=version, advertisement_interval=interval)
    assert master_down_interval(p, interval) == expected


def test_a_higher_priority_waits_shorter_and_nobody_waits_nothing() -> None:
    for version in Version:
        skews = [skew_time(version, priority, 10 * MS) for priority in range(1, 256)]
        assert skews == sorted(skews, reverse=True)
        assert len(set(skews)) == 255
        assert skews[-1] > 0


def test_down_timer_adverts_replaces_the_three() -> None:
    assert master_down_interval(params(down_timer_adverts=5), S) == 5_609_375_000


@pytest.mark.parametrize(
    ("version", "interval", "leaving", "asking"),
    [
        (Version.V2, S, 1_250_000_000, 4_250_000_000),
        (Version.V2, 5 * S, 1_250_000_000, 16_250_000_000),
        (Version.V3, 10 * MS, 260_000_000, 290_000_000),
        (Version.V3, 10 * S, 10 * S, 40 * S),
    ],
)
def test_a_resigning_router_waits_longer_than_the_largest_skew(
    version: Version, interval: int, leaving: int, asking: int
) -> None:
    p = params(version=version, advertisement_interval=interval)
    assert leaving_time(p) == leaving
    assert asking_time(p) >= asking


# --- Initialize (section 6.4.1) ---


def test_initialize_starts_as_backup_and_sends_nothing() -> None:
    state, effects = step(params(), Initialize(), Startup(START), T)
    assert state == Backup(T + DOWN_100, S, heard_at=T)
    assert effects == (RemoveAddresses((VIP,)), StateChanged(Initialize(), state, START))


def test_initialize_with_state_master_is_a_backup_too_as_in_keepalived() -> None:
    state, _ = step(params(initial_state=InitialState.MASTER), Initialize(), Startup(START), T)
    assert state == Backup(T + DOWN_100, S, heard_at=T)


def test_an_owner_is_master_at_once_in_the_order_of_the_rfc() -> None:
    state, effects = step(params(255, initial_state=InitialState.MASTER), Initialize(), Startup(START), T)
    assert effects == (
        SendAdvertisement(message(255)),
        AddAddresses((VIP,)),
        AnnounceAddresses((FRAME,), 5),
        StateChanged(Initialize(), state, Why(Reason.OWNER, "it owns the addresses (priority 255)")),
    )
    assert isinstance(state, Master)
    assert (state.adver_at, state.announce_at) == (1001 * S, 1005 * S)


def test_an_owner_with_state_backup_is_a_backup_first() -> None:
    state, effects = step(params(255), Initialize(), Startup(START), T)
    assert state == Backup(T + 1_003_906_250, S, heard_at=T)
    assert kinds(effects) == [StateChanged], "an owner's addresses are its own: nothing is swept"


def test_an_owner_waits_one_interval_and_its_skew_after_a_fault() -> None:
    p = params(255, initial_state=InitialState.MASTER)
    state, _ = step(p, Initialize(), Startup(START, first=False), T)
    assert deadline(state) == T + 1_003_906_250


@pytest.mark.parametrize(
    "event",
    [
        Shutdown(STOP),
        Resign(STOP, Then.LEAVE),
        Resume(START),
        Tick(),
        heard(0),
        heard(255),
        AddressAnnounced("02:00:00:00:00:02", T),
        ParametersChanged(params(99)),
        SendFailed(was_retry=False),
    ],
)
def test_initialize_ignores_everything_else(event: Event) -> None:
    assert step(params(), Initialize(), event, T) == (Initialize(), ())
    assert deadline(Initialize()) is None


# --- Backup (section 6.4.2) ---


def test_a_backup_takes_over_when_master_down_fires_in_the_order_of_the_rfc() -> None:
    state, effects = step(params(), backup(), Tick(), T + DOWN_100)
    assert effects == (
        SendAdvertisement(message(100)),
        AddAddresses((VIP,)),
        AnnounceAddresses((FRAME,), 5),
        StateChanged(backup(), state, Why(Reason.MASTER_SILENT, "no advertisement from 10.230.137.2 for 3.61 s")),
    )
    assert isinstance(state, Master)
    assert state.adver_at == 1004 * S, "the next advertisement is the next on the grid, no more than an interval away"
    assert state.announce_at == T + DOWN_100 + 5 * S, "garp_master_delay"


def test_a_tick_before_the_time_changes_nothing() -> None:
    assert step(params(), backup(), Tick(), T + DOWN_100 - 1) == (backup(), ())


def test_a_backup_that_heard_nobody_says_so() -> None:
    _, effects = step(params(), backup(master=None), Tick(), T + DOWN_100)
    assert why(effects).words == "nobody advertised for 3.61 s"


def test_without_garp_master_delay_there_is_no_second_burst() -> None:
    state, _ = step(params(announcing=Announcing(master_delay=0)), backup(), Tick(), T + DOWN_100)
    assert isinstance(state, Master)
    assert state.announce_at is None


@pytest.mark.parametrize("priority", [100, 101, 254, 255])
@pytest.mark.parametrize("preempt", [True, False])
def test_an_advertisement_of_at_least_our_priority_restarts_master_down(priority: int, preempt: bool) -> None:
    state, effects = step(params(preempt=preempt), backup(), heard(priority, THIRD), T + S)
    assert state == Backup(T + S + DOWN_100, S, master=THIRD, master_priority=priority, heard_at=T + S)
    assert effects == ()


def test_an_equal_priority_from_a_lower_address_is_a_living_master_too() -> None:
    state, _ = step(params(), backup(), heard(100, IPv4Address("10.230.136.1")), T + S)
    assert deadline(state) == T + S + DOWN_100


@pytest.mark.parametrize("priority", [1, 50, 99])
def test_without_preempt_a_lower_advertisement_restarts_master_down(priority: int) -> None:
    state, effects = step(params(preempt=False), backup(), heard(priority), T + S)
    assert (deadline(state), effects) == (T + S + DOWN_100, ())


def test_with_preempt_a_lower_advertisement_is_discarded_and_the_timer_runs_on() -> None:
    state, effects = step(params(), backup(master=THIRD), heard(99), T + S)
    assert (deadline(state), effects) == (T + DOWN_100, ())
    _, effects = step(params(), state, Tick(), T + DOWN_100)
    assert why(effects) == Why(Reason.PREEMPTING, "our priority 100 is above 10.230.137.2's 99")


@pytest.mark.parametrize("preempt", [True, False])
def test_priority_0_sets_the_timer_to_skew_time_whatever_preempt_mode_says(preempt: bool) -> None:
    state, effects = step(params(preempt=preempt), backup(), heard(0), T + S)
    assert (deadline(state), effects) == (T + S + SKEW_100, ())
    _, effects = step(params(), state, Tick(), T + S + SKEW_100)
    assert why(effects) == Why(Reason.MASTER_GAVE_UP, "10.230.137.2 gave up (priority 0)")


def test_priority_0_twice_counts_from_the_second_and_not_a_whole_master_down() -> None:
    state, _ = step(params(), backup(), heard(0), T)
    state, _ = step(params(), state, heard(0), T + 5 * MS)
    assert deadline(state) == T + 5 * MS + SKEW_100


def test_priority_0_does_not_bring_its_interval_along() -> None:
    p = params(version=Version.V3)
    state, _ = step(p, backup(), heard(0, interval=40 * S), T)
    assert deadline(state) == T + SKEW_100


def test_version_3_learns_the_masters_interval() -> None:
    p = params(version=Version.V3)
    state, _ = step(p, backup(), heard(200, interval=5 * S), T)
    assert deadline(state) == T + 18_046_875_000
    state, _ = step(p, state, heard(0, interval=5 * S), T + S)
    assert deadline(state) == T + S + 3_046_875_000, "and counts its skew in it"
    state, effects = step(p, state, Tick(), T + 4_046_875_000)
    assert isinstance(state, Master)
    assert state.adver_at == 1005 * S, "as Master it has its own again"
    assert effects[0] == SendAdvertisement(p.advertisement)


@pytest.mark.parametrize("event", [Shutdown(STOP), Resign(STOP, Then.LEAVE), Resign(STOP, Then.STAY)])
def test_a_backup_that_stops_sends_nothing(event: Event) -> None:
    state, effects = step(params(), backup(), event, T)
    assert state == Initialize()
    assert effects == (StateChanged(backup(), Initialize(), STOP),)


@pytest.mark.parametrize(
    "event", [Startup(START), Resume(START), AddressAnnounced("02:00:00:00:00:02", T), SendFailed(was_retry=True)]
)
def test_a_backup_ignores_what_does_not_concern_it(event: Event) -> None:
    assert step(params(), backup(), event, T) == (backup(), ())


# --- Backup: preempt_delay (keepalived) ---


def test_preempt_delay_lets_a_lower_master_live_and_then_counts_one_master_down() -> None:
    p = params(preempt_delay=2 * S)
    state: State = backup()
    for n in range(3):
        state, _ = step(p, state, heard(99), T + n * S)
        assert deadline(state) == T + n * S + DOWN_100 if n < 2 else T + S + DOWN_100
    state, _ = step(p, state, heard(99), T + 3 * S)
    assert deadline(state) == T + S + DOWN_100, "identical advertisements do not prolong it"


def test_preempt_delay_begins_anew_when_a_better_master_was_heard() -> None:
    p = params(preempt_delay=2 * S)
    state, _ = step(p, backup(), heard(99), T)
    state, _ = step(p, state, heard(100, THIRD), T + S)
    state, _ = step(p, state, heard(99), T + 10 * S)
    assert deadline(state) == T + 10 * S + DOWN_100


def test_preempt_delay_does_not_delay_taking_over_from_a_dead_or_leaving_master() -> None:
    p = params(preempt_delay=1000 * S)
    assert isinstance(step(p, backup(), Tick(), T + DOWN_100)[0], Master)
    assert deadline(step(p, backup(), heard(0), T)[0]) == T + SKEW_100


# --- Backup: our own priority changes ---


def test_a_new_priority_shifts_the_running_timer_by_the_difference() -> None:
    state, effects = step(params(98), backup(), ParametersChanged(params(100)), T + S)
    assert (deadline(state), effects) == (T + DOWN_98, ())


def test_a_new_priority_shifts_a_skew_by_the_difference_of_skews() -> None:
    waiting, _ = step(params(), backup(), heard(0), T)
    state, _ = step(params(98), waiting, ParametersChanged(params(100)), T)
    assert deadline(state) == T + SKEW_98


def test_whoever_falls_to_the_masters_priority_while_it_preempts_lets_it_live() -> None:
    p = params()
    state, _ = step(p, backup(), heard(99), T + S)
    state, _ = step(params(98), state, ParametersChanged(p), T + 1_100 * MS)
    assert deadline(state) == T + S + DOWN_98, "a whole interval from when it was heard"


def test_whoever_rises_above_an_unchanged_master_preempts() -> None:
    """Hazard A1a: the same 99 each second refreshes a 98 and must not refresh a 100."""
    low = params(98)
    state, _ = step(low, backup(), heard(99), T)
    state, _ = step(params(100), state, ParametersChanged(low), T + 500 * MS)
    assert deadline(state) == T + DOWN_100
    for n in range(1, 4):
        state, _ = step(params(100), state, heard(99), T + n * S)
    assert deadline(state) == T + DOWN_100


def test_a_backup_that_gets_another_address_removes_it_if_a_predecessor_left_it() -> None:
    _, effects = step(params(addresses=(VIP, VIP2)), backup(), ParametersChanged(params()), T)
    assert effects == (RemoveAddresses((VIP2,)),)


# --- Backup: early takeover (departure) ---


def fallen(p: Parameters, at: int = T + S) -> State:
    """The Master advertised 200 and says 99 now."""
    return step(p, backup(), heard(99), at)[0]


def test_a_master_that_falls_below_us_is_relieved_after_skew_time() -> None:
    state = fallen(params())
    assert deadline(state) == T + S + SKEW_100
    _, effects = step(params(), state, Tick(), T + S + SKEW_100)
    assert why(effects) == Why(Reason.MASTER_WORSE, "10.230.137.2 fell to priority 99, below our 100")


def test_it_is_not_prolonged_by_hearing_the_fallen_master_again() -> None:
    state, _ = step(params(), fallen(params()), heard(99), T + 1_500 * MS)
    assert deadline(state) == T + S + SKEW_100


def test_any_advertisement_at_or_above_ours_cancels_it() -> None:
    for source in (THEIRS, THIRD):
        state, _ = step(params(), fallen(params()), heard(100, source), T + 1_200 * MS)
        assert deadline(state) == T + 1_200 * MS + DOWN_100
        _, effects = step(params(), state, Tick(), T + 1_200 * MS + DOWN_100)
        assert why(effects).reason is Reason.MASTER_SILENT


def test_only_the_masters_fall_counts_not_our_own_rise() -> None:
    low = params(98)
    state, _ = step(low, backup(), heard(99), T)
    state, _ = step(params(100), state, ParametersChanged(low), T)
    state, _ = step(params(100), state, heard(99), T + S)
    assert deadline(state) == T + DOWN_100


def test_another_source_below_us_is_not_a_master_that_fell() -> None:
    state, _ = step(params(), backup(), heard(99, THIRD), T + S)
    assert deadline(state) == T + DOWN_100


@pytest.mark.parametrize("changes", [{"strict": True}, {"preempt_delay": 1}, {"preempt": False}])
def test_no_early_takeover_where_it_is_not_allowed(changes: dict[str, Any]) -> None:
    assert (deadline(fallen(params(**changes))) or 0) >= T + DOWN_100


def test_no_early_takeover_for_ten_minutes_after_one_that_was_undone_within_one() -> None:
    p = params()
    taken, _ = step(p, fallen(p), Tick(), T + S + SKEW_100)
    undone, _ = step(p, taken, heard(101), T + 30 * S)
    assert isinstance(undone, Backup)
    again, _ = step(p, undone, heard(99), T + 40 * S)
    assert deadline(again) == T + 30 * S + DOWN_100, "the ordinary way, as RFC 5798 has it"
    refreshed, _ = step(p, undone, heard(101), T + 631 * S)
    later, _ = step(p, refreshed, heard(99), T + 632 * S)
    assert deadline(later) == T + 632 * S + SKEW_100


def test_an_early_takeover_undone_after_a_minute_or_by_another_costs_nothing() -> None:
    p = params()
    taken, _ = step(p, fallen(p), Tick(), T + S + SKEW_100)
    for source, at in ((THEIRS, T + 62 * S), (THIRD, T + 30 * S)):
        undone, _ = step(p, taken, heard(101, source), at)
        again, _ = step(p, undone, heard(99, source), at + S)
        assert deadline(again) == at + S + SKEW_100


# --- Backup: holding back (departure) ---


def test_who_holds_back_does_not_preempt() -> None:
    state, _ = step(params(100, holds_back=True), backup(), heard(50), T)
    assert deadline(state) == T + DOWN_100


def test_who_holds_back_waits_until_a_master_that_only_asks_is_back() -> None:
    state, _ = step(params(97, holds_back=True), backup(), heard(0), T)
    assert deadline(state) == T + 4_250_000_000 + 621_093_750
    state, _ = step(params(97, holds_back=True), state, heard(98), T + 4_250_000_000)
    assert deadline(state) == T + 4_250_000_000 + 3_621_093_750


def test_who_holds_back_still_takes_over_from_a_dead_master() -> None:
    state, _ = step(params(97, holds_back=True), backup(), Tick(), T + DOWN_100)
    assert isinstance(state, Master)


# --- Master (section 6.4.3) ---


def test_a_master_advertises_on_its_grid() -> None:
    assert deadline(master()) == T + S
    state, effects = step(params(), master(), Tick(), T + S)
    assert effects == (SendAdvertisement(message(100)),)
    assert deadline(state) == T + 2 * S


def test_a_late_tick_does_not_shift_the_grid_and_sends_once() -> None:
    state, effects = step(params(), master(), Tick(), T + 5_300_000_000)
    assert effects == (SendAdvertisement(message(100)),)
    assert deadline(state) == T + 6 * S


def test_a_master_keeps_its_place_on_the_grid() -> None:
    state, _ = step(params(phase=14 * MS), master(adver_at=T + 14 * MS), Tick(), T + 14 * MS)
    assert deadline(state) == T + 1_014 * MS


def test_the_second_burst_follows_garp_master_delay() -> None:
    state, effects = step(params(), master(announce_at=T + 700 * MS, announce_repeat=5), Tick(), T + 700 * MS)
    assert effects == (AnnounceAddresses((FRAME,), 5),)
    assert deadline(state) == T + S


def test_a_master_gives_way_to_a_higher_priority_with_a_last_word_once_its_addresses_are_gone() -> None:
    state, effects = step(params(), master(), heard(101), T + 500 * MS)
    assert state == Backup(T + 500 * MS + DOWN_100, S, master=THEIRS, master_priority=101, heard_at=T + 500 * MS)
    expected = Why(Reason.PREEMPTED, "10.230.137.2 advertises priority 101, above our 100")
    farewell = BidFarewell(bytes.fromhex("213201010001" + "4981" + "0ae68964" + "0000000000000000"), unless_by=None)
    assert effects == (RemoveAddresses((VIP,)), farewell, StateChanged(master(), state, expected))


def test_a_strict_master_gives_way_without_a_word() -> None:
    effects = step(params(strict=True), master(), heard(101), T)[1]
    assert [type(effect) for effect in effects] == [RemoveAddresses, StateChanged]


def test_preempt_mode_plays_no_part_in_giving_way() -> None:
    assert isinstance(step(params(preempt=False), master(), heard(101), T)[0], Backup)


def test_a_master_that_gives_way_learns_the_interval_in_version_3() -> None:
    state, _ = step(params(version=Version.V3), master(), heard(101, interval=5 * S), T)
    assert deadline(state) == T + 18_046_875_000


def test_of_two_masters_of_one_priority_the_higher_address_stays() -> None:
    state, effects = step(params(), master(), heard(100, THEIRS), T)
    assert isinstance(state, Backup)
    assert why(effects) == Why(Reason.TIE_LOST, "10.230.137.2 advertises our priority 100 and has the higher address")
    assert isinstance(step(params(), master(), heard(100, IPv4Address("10.230.136.255")), T)[0], Master)
    assert isinstance(step(params(), master(), heard(100, OURS), T)[0], Master)


def test_addresses_are_compared_as_numbers_not_as_text() -> None:
    assert isinstance(step(params(), master(), heard(100, IPv4Address("10.230.137.10")), T)[0], Backup)
    assert isinstance(step(params(), master(), heard(100, IPv4Address("9.255.255.255")), T)[0], Master)


def test_two_owners_are_settled_by_address_as_in_keepalived() -> None:
    assert isinstance(step(params(255), master(), heard(255, THEIRS), T)[0], Backup)


def test_a_losing_advertisement_is_answered_at_once_and_announced() -> None:
    state, effects = step(params(), master(), heard(99), T + 500 * MS)
    assert effects == (SendAdvertisement(message(100)), AnnounceAddresses((FRAME,), 5))
    assert isinstance(state, Master)
    assert (state.adver_at, state.announce_at) == (T + S, T + 5_500 * MS)


def test_a_strict_router_discards_a_losing_advertisement_silently() -> None:
    assert step(params(strict=True), master(), heard(99), T + 500 * MS) == (master(), ())


def test_a_strict_master_answers_priority_0_at_once_and_stays() -> None:
    state, effects = step(params(strict=True), master(), heard(0), T + 500 * MS)
    assert effects == (SendAdvertisement(message(100)),)
    assert isinstance(state, Master)


def test_a_master_answers_priority_0_and_announces_because_hosts_may_have_been_with_who_left() -> None:
    state, effects = step(params(), master(), heard(0), T + 500 * MS)
    assert effects == (SendAdvertisement(message(100)), AnnounceAddresses((FRAME,), 5))
    assert isinstance(state, Master)


def test_a_rivals_last_word_within_a_second_of_an_answer_is_answered_by_an_announcement_when_that_is_over() -> None:
    """It drew hosts to itself after we had announced."""
    quiet = params(announcing=Announcing(lower_priority_delay=0))
    state, _ = step(quiet, master(), heard(99), T + 500 * MS)
    state, effects = step(quiet, state, heard(1), T + 501 * MS)
    assert (effects, deadline(state)) == ((), T + 600 * MS)
    state, _ = step(quiet, state, Tick(), T + 600 * MS)
    state, _ = step(quiet, state, Tick(), T + S)
    assert deadline(state) == T + 1_500 * MS
    assert step(quiet, state, Tick(), T + 1_499 * MS) == (state, ())
    state, effects = step(quiet, state, Tick(), T + 1_500 * MS)
    assert effects == (AnnounceAddresses((FRAME,), 5),)
    assert isinstance(state, Master)
    assert (state.answered_at, state.answer_at, deadline(state)) == (T + 1_500 * MS, None, T + 2 * S)


def test_an_announcement_that_waits_is_not_made_twice() -> None:
    late = master(answered_at=T - 600 * MS, answer_at=T + 400 * MS)
    state, effects = step(params(), late, heard(99), T + 400 * MS)
    assert effects == (SendAdvertisement(message(100)), AnnounceAddresses((FRAME,), 5))
    assert isinstance(state, Master)
    assert state.answer_at is None


def test_a_flood_of_losing_advertisements_is_answered_ten_times_an_interval_and_announced_once_a_second() -> None:
    state: State = master()
    sent = announced = 0
    for n in range(10_000):
        now = T + n * 100_000
        tick = Tick() if (deadline(state) or 0) <= now else heard(99)
        state, effects = step(params(), state, tick, now)
        sent += kinds(effects).count(SendAdvertisement)
        announced += kinds(effects).count(AnnounceAddresses)
    assert 9 <= sent <= 11
    assert announced == 1


def test_a_new_priority_is_advertised_at_once() -> None:
    _, effects = step(params(98), master(), ParametersChanged(params(100)), T + 500 * MS)
    assert effects == (SendAdvertisement(message(98)),)


def test_priorities_in_quick_succession_share_a_slot_and_the_newest_is_sent() -> None:
    state, effects = step(params(98), master(), ParametersChanged(params(100)), T + 10 * MS)
    assert (effects, deadline(state)) == ((), T + 100 * MS)
    state, effects = step(params(97), state, ParametersChanged(params(98)), T + 20 * MS)
    assert (effects, deadline(state)) == ((), T + 100 * MS)
    state, effects = step(params(97), state, Tick(), T + 100 * MS)
    assert (effects, deadline(state)) == ((SendAdvertisement(message(97)),), T + S)


def test_a_slot_that_the_grid_reaches_first_is_not_needed() -> None:
    state, effects = step(params(98), master(sent_at=T + 950 * MS), ParametersChanged(params(100)), T + 960 * MS)
    assert (effects, deadline(state)) == ((), T + S)


def test_at_ten_milliseconds_extra_advertisements_are_ten_apart() -> None:
    p = params(98, version=Version.V3, advertisement_interval=100 * MS)
    before = params(100, version=Version.V3, advertisement_interval=100 * MS)
    state = master(adver_at=T + 100 * MS)
    assert kinds(step(p, state, ParametersChanged(before), T + 10 * MS)[1]) == [SendAdvertisement]
    assert step(p, state, ParametersChanged(before), T + 9 * MS)[1] == ()


def test_a_new_interval_is_said_at_once_and_has_its_own_grid() -> None:
    """Hazard C3: peers still count by the old interval, so the next word may not wait for the new one."""
    now = params(advertisement_interval=10 * S)
    state: State = master()
    state, effects = step(now, state, ParametersChanged(params()), T + 500 * MS)
    if not effects:
        assert (deadline(state) or 0) <= T + S
        state, effects = step(now, state, Tick(), deadline(state) or 0)
    assert effects == (SendAdvertisement(message(100, interval=10)),)
    assert deadline(state) == 1010 * S


def test_a_master_changes_its_addresses_in_place_and_says_so() -> None:
    now = params(addresses=(VIP2,))
    state, effects = step(now, master(), ParametersChanged(params()), T + 500 * MS)
    assert isinstance(state, Master)
    assert effects == (
        SendAdvertisement(message(100, addresses=("10.230.137.101",))),
        RemoveAddresses((VIP,)),
        AddAddresses((VIP2,)),
        AnnounceAddresses((FRAME2,), 5),
    )


def test_an_address_that_goes_is_not_announced_again() -> None:
    _, effects = step(params(), master(), ParametersChanged(params(addresses=(VIP, VIP2))), T + 500 * MS)
    assert kinds(effects) == [SendAdvertisement, RemoveAddresses]


def test_what_the_lan_cannot_see_changes_nothing() -> None:
    renamed = params(name="another name")
    assert step(renamed, master(), ParametersChanged(params()), T + 500 * MS) == (master(), ())


def test_a_master_that_is_shut_down_sends_priority_0_and_removes_its_addresses() -> None:
    state, effects = step(params(), master(), Shutdown(FAULT), T)
    assert state == Initialize()
    assert effects == (
        SendAdvertisement(message(0)),
        RemoveAddresses((VIP,)),
        StateChanged(master(), Initialize(), FAULT),
    )


def test_an_advertisement_that_did_not_leave_is_tried_once_more_after_2_ms() -> None:
    state, effects = step(params(), master(), SendFailed(was_retry=False), T)
    assert (effects, deadline(state)) == ((), T + 2 * MS)
    state, effects = step(params(), state, Tick(), T + 2 * MS)
    assert effects == (SendAdvertisement(message(100), is_retry=True),)
    assert step(params(), state, SendFailed(was_retry=True), T + 2 * MS) == (state, ())
    assert deadline(state) == T + S


@pytest.mark.parametrize("event", [Startup(START), Resume(START), AddressAnnounced("02:00:00:00:00:02", T)])
def test_a_master_ignores_what_does_not_concern_it(event: Event) -> None:
    assert step(params(), master(), event, T) == (master(), ())


# --- Resigning (departure: make before break) ---


def test_resigning_says_priority_0_and_keeps_the_addresses() -> None:
    before = master(announce_at=T + S, extra_at=T + 50 * MS)
    state, effects = step(params(), before, Resign(STOP, Then.LEAVE), T)
    assert effects == (SendAdvertisement(message(0)), StateChanged(before, state, STOP))
    assert isinstance(state, Resigning)
    assert (state.until, deadline(state)) == (T + 1_250_000_000, T + 5 * MS)


@pytest.mark.parametrize("then", [Then.STAY, Then.FAULT])
def test_whoever_may_stay_waits_for_a_lost_packet_too(then: Then) -> None:
    state, _ = step(params(), master(), Resign(WORSE, then), T)
    assert isinstance(state, Resigning)
    assert state.until == T + 4_250_000_000


def test_priority_0_goes_out_twice_5_ms_apart_and_never_again() -> None:
    state, effects = step(params(), resigning(), Tick(), T + 5 * MS)
    assert effects == (SendAdvertisement(message(0)),)
    assert deadline(state) == T + 1_250_000_000
    for at in range(T + 10 * MS, T + 1_250_000_000, 100 * MS):
        assert step(params(), state, Tick(), at) == (state, ())


def test_the_second_is_not_sent_once_the_heir_was_heard() -> None:
    state, _ = step(params(), resigning(), heard(101), T + MS)
    state, effects = step(params(), state, Tick(), T + 5 * MS)
    assert effects == ()


@pytest.mark.parametrize(
    "event",
    [
        heard(0),
        heard(99),
        ParametersChanged(params(98)),
        ParametersChanged(params(advertisement_interval=2 * S)),
        Startup(START),
        SendFailed(was_retry=False),
        Resign(STOP, Then.LEAVE),
        Resign(WORSE, Then.STAY),
    ],
)
def test_nothing_follows_the_priority_0(event: Event) -> None:
    state, effects = step(params(), resigning(), event, T + 10 * MS)
    assert (state, effects) == (resigning(), ())


def test_a_second_request_sharpens_what_follows_and_neither_sends_nor_extends() -> None:
    state, effects = step(params(), resigning(Then.STAY), Resign(FAULT, Then.FAULT), T + 100 * MS)
    assert (state, effects) == (resigning(Then.FAULT, why=FAULT), ())
    state, effects = step(params(), state, Resign(STOP, Then.LEAVE), T + 200 * MS)
    assert (state, effects) == (resigning(Then.LEAVE), ())
    assert step(params(), state, Resign(WORSE, Then.STAY), T + 300 * MS) == (state, ())


@pytest.mark.parametrize(
    ("priority", "after", "is_heir"),
    [
        (101, 0, True),  # above what we said last: an owner or a preemptor crossed our 0
        (255, 700_000, True),
        (100, SKEW_100 - 1, False),  # a Master that lost to us, or a reflection
        (100, SKEW_100, True),
        (99, SKEW_99 - 1, False),
        (99, SKEW_99, True),
        (1, 996_093_749, False),
        (1, 996_093_750, True),
        (0, 900 * MS, False),
    ],
)
def test_the_heir_is_above_us_or_comes_no_earlier_than_its_skew(priority: int, after: int, is_heir: bool) -> None:
    state, effects = step(params(), resigning(repeat_at=None), heard(priority), T + after)
    assert effects == (), "the addresses wait for its gratuitous ARP"
    assert isinstance(state, Resigning)
    assert (state.heir == THEIRS) is is_heir
    assert deadline(state) == (min(T + after + 50 * MS, T + 1_250_000_000) if is_heir else T + 1_250_000_000)


def test_the_heirs_skew_is_counted_in_the_interval_it_learned_from_us_in_version_3() -> None:
    p = params(version=Version.V3)
    early, _ = step(p, resigning(repeat_at=None), heard(99, interval=2 * S), T + SKEW_99 - 1)
    there, _ = step(p, resigning(repeat_at=None), heard(99, interval=2 * S), T + SKEW_99)
    assert isinstance(early, Resigning)
    assert isinstance(there, Resigning)
    assert (early.heir, there.heir) == (None, THEIRS)


def test_many_that_resign_together_keep_their_places_on_the_grid() -> None:
    p = params(phase=14 * MS, crowd=255)
    waiting, nothing = step(p, master(), Resign(WORSE, Then.LEAVE), T)
    assert [type(effect) for effect in nothing] == [StateChanged]
    assert deadline(waiting) == T + 14 * MS
    assert step(p, waiting, Tick(), T + 14 * MS - 1) == (waiting, ())
    said, first = step(p, waiting, Tick(), T + 14 * MS)
    assert first == (SendAdvertisement(p.resignation),)
    assert deadline(said) == T + 19 * MS
    again, second = step(p, said, Tick(), T + 19 * MS)
    assert second == (SendAdvertisement(p.resignation),)
    assert deadline(again) == T + 14 * MS + 6_330_000_000


def heir_heard(then: Then = Then.LEAVE) -> State:
    return step(params(), resigning(then, repeat_at=None), heard(99), T + SKEW_99)[0]


def test_the_addresses_go_with_the_heirs_gratuitous_arp() -> None:
    at = T + SKEW_99 + 3 * MS
    state, effects = step(params(), heir_heard(), AddressAnnounced("02:00:00:00:00:02", at), at)
    assert state == Initialize()
    assert kinds(effects) == [RemoveAddresses, BidFarewell, StateChanged]
    assert effects[0] == RemoveAddresses((VIP,))
    assert effects[1] == BidFarewell(message(1), at + 2 * MS)
    assert why(effects) == Why(Reason.STOPPED, "vrrpd was stopped, handed over to 10.230.137.2")


def test_the_addresses_go_50_ms_after_the_heirs_first_advertisement_at_the_latest() -> None:
    assert deadline(heir_heard()) == T + SKEW_99 + 50 * MS
    state, effects = step(params(), heir_heard(), Tick(), T + SKEW_99 + 50 * MS)
    assert state == Initialize()
    assert kinds(effects) == [RemoveAddresses, BidFarewell, StateChanged]


def test_a_gratuitous_arp_alone_is_the_heir_too() -> None:
    at = T + 700 * MS
    state, effects = step(params(), resigning(), AddressAnnounced("02:00:00:00:00:02", at), at)
    assert state == Initialize()
    assert why(effects).words == "vrrpd was stopped, handed over to 02:00:00:00:00:02"


def test_whoever_asked_and_was_relieved_is_a_backup_of_the_heir() -> None:
    at = T + SKEW_99 + MS
    state, effects = step(params(98), heir_heard(Then.STAY), AddressAnnounced("02:00:00:00:00:02", at), at)
    assert isinstance(state, Backup)
    assert (state.master, state.master_priority, deadline(state)) == (THEIRS, 99, at + DOWN_98)
    assert kinds(effects) == [RemoveAddresses, BidFarewell, StateChanged]


def test_who_stays_although_nobody_came_enters_master_anew() -> None:
    asking = resigning(Then.STAY, until=T + 4_250_000_000, repeat_at=None, why=WORSE)
    state, effects = step(params(98), asking, Tick(), T + 4_250_000_000)
    assert effects == (
        SendAdvertisement(message(98)),
        AddAddresses((VIP,)),
        AnnounceAddresses((FRAME,), 5),
        StateChanged(
            asking,
            state,
            Why(
                Reason.NOBODY_TOOK_OVER,
                "chk_haproxy failed 3 times (exit 1); nobody took over, so it stays Master",
            ),
        ),
    )
    assert isinstance(state, Master)
    assert state.announce_at == T + 9_250_000_000, "hosts may hold the MAC of an heir that gave way again"


@pytest.mark.parametrize("then", [Then.LEAVE, Then.FAULT])
def test_who_leaves_although_nobody_came_removes_and_says_nothing(then: Then) -> None:
    state, effects = step(params(), resigning(then, repeat_at=None), Tick(), T + 1_250_000_000)
    assert state == Initialize()
    assert kinds(effects) == [RemoveAddresses, StateChanged]


@pytest.mark.parametrize("then", [Then.STAY, Then.FAULT])
def test_a_cause_that_ends_before_anybody_came_makes_it_master_again(then: Then) -> None:
    state, effects = step(params(), resigning(then), Resume(START), T + 300 * MS)
    assert isinstance(state, Master)
    assert kinds(effects) == [SendAdvertisement, AddAddresses, AnnounceAddresses, StateChanged]
    assert priorities(effects) == [100]


def test_neither_a_leaver_nor_one_whose_heir_is_there_resumes() -> None:
    assert step(params(), resigning(), Resume(START), T) == (resigning(), ())
    handing_over = heir_heard(Then.STAY)
    assert step(params(), handing_over, Resume(START), T + SKEW_99) == (handing_over, ())


def test_a_resigning_router_that_is_shut_down_only_removes() -> None:
    state, effects = step(params(), resigning(), Shutdown(STOP), T + 10 * MS)
    assert state == Initialize()
    assert kinds(effects) == [RemoveAddresses, StateChanged]


def test_addresses_that_a_reload_takes_away_go_at_once_while_resigning() -> None:
    _, effects = step(params(), resigning(), ParametersChanged(params(addresses=(VIP, VIP2))), T)
    assert effects == (RemoveAddresses((VIP2,)),)


def test_resigning_keeps_the_patience_of_an_undone_takeover() -> None:
    state, _ = step(params(), master(patience_until=T + 500 * S), Resign(WORSE, Then.STAY), T)
    back, _ = step(params(), state, Resume(START), T + S)
    assert isinstance(back, Master)
    assert back.patience_until == T + 500 * S


# --- whatever happens ---

EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.sampled_from(
        [
            Startup(START),
            Startup(START, first=False),
            Shutdown(STOP),
            Resume(START),
            Tick(),
            SendFailed(was_retry=False),
            SendFailed(was_retry=True),
            *(Resign(STOP, then) for then in Then),
        ]
    ),
    st.builds(heard, st.integers(0, 255), st.sampled_from([THEIRS, THIRD])),
    st.builds(lambda old: ParametersChanged(params(old)), st.sampled_from([97, 98, 99, 100, 101])),
)
HISTORIES = st.lists(st.tuples(EVENTS, st.integers(0, 2 * S)), max_size=25)


@settings(derandomize=True, max_examples=250, deadline=None)
@given(HISTORIES, st.booleans(), st.booleans(), st.sampled_from([0, 2 * S]))
def test_any_history_keeps_the_invariants(
    history: list[tuple[Event, int]], preempt: bool, holds_back: bool, preempt_delay: int
) -> None:
    p = params(preempt=preempt, holds_back=holds_back, preempt_delay=preempt_delay)
    state: State = Initialize()
    now = T
    for event, pause in history:
        now += pause
        before = state
        state, effects = step(p, state, event, now)
        if isinstance(before, Resigning) and isinstance(state, Resigning):
            assert all(priority == 0 for priority in priorities(effects)), "nothing follows the priority 0"
        if isinstance(state, Initialize | Backup) and isinstance(before, Master | Resigning):
            assert RemoveAddresses((VIP,)) in effects
        if isinstance(state, Master) and not isinstance(before, Master | Resigning):
            assert AddAddresses((VIP,)) in effects
        changed = [e for e in effects if isinstance(e, StateChanged)]
        assert len(changed) == (type(state) is not type(before))
        after_tick, _ = step(p, state, Tick(), now)
        assert (deadline(after_tick) or now + 1) > now, "no deadline stays in the past"
        early = step(p, state, Tick(), now) if (deadline(state) or now + 1) > now else None
        assert early in (None, (state, ())), "a spurious Tick changes nothing"


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 254), st.integers(0, 3 * S)), min_size=1, max_size=20))
def test_a_backup_never_waits_longer_than_one_master_down_interval_from_the_last_word(
    heard_so_far: list[tuple[int, int]],
) -> None:
    state: State = Backup(T + DOWN_100, S, heard_at=T)
    now = T
    for priority, pause in heard_so_far:
        now += pause
        if (deadline(state) or 0) <= now:
            return
        state, _ = step(params(), state, heard(priority), now)
        assert now < (deadline(state) or 0) <= now + DOWN_100


# --- defects, until they are gone ---


def test_a_farewell_makes_the_heir_announce_again_although_it_has_just_announced() -> None:
    """Hazard B3: hosts may have heard the leaver's reply after the heir's burst."""
    state, _ = step(params(99), backup(), Tick(), T + DOWN_99)
    at = T + DOWN_99 + 4 * MS
    announced = 0
    for event in (heard(1), Tick()):
        state, effects = step(params(99), state, event, at)
        announced += kinds(effects).count(AnnounceAddresses)
        at = T + DOWN_99 + 1_500 * MS
    assert announced


def test_a_backup_that_recovers_while_the_master_asks_takes_over_without_the_wait_of_holding_back() -> None:
    worse = params(97, holds_back=True)
    state, _ = step(worse, backup(), heard(0), T)
    state, _ = step(params(99), state, ParametersChanged(worse), T + S)
    assert (deadline(state) or 0) <= T + S


def test_an_announcement_that_no_heir_can_have_made_yet_is_a_losers() -> None:
    """The shortest Skew_Time of version 2, an owner's, is 1/256 s: 3.90625 ms after our 0."""
    early = AddressAnnounced("02:00:00:00:00:02", T + 3_906_249)
    assert step(params(), resigning(), early, T + 4 * MS) == (resigning(), ())
    state, _ = step(params(), resigning(), AddressAnnounced("02:00:00:00:00:02", T + 3_906_250), T + 4 * MS)
    assert isinstance(state, Initialize)


def test_an_announcement_older_than_the_resignation_is_not_the_heirs() -> None:
    """It waited in the socket while another router lost to us."""
    state, effects = step(params(), resigning(), AddressAnnounced("02:00:00:00:00:02", T - 30 * MS), T + MS)
    assert (state, effects) == (resigning(), ())


def test_an_owner_that_is_backup_keeps_an_address_that_a_reload_adds() -> None:
    _, effects = step(params(255, addresses=(VIP, VIP2)), backup(), ParametersChanged(params(255)), T)
    assert effects == ()


def test_a_retry_is_not_put_off_by_an_answer() -> None:
    state, _ = step(params(), master(), SendFailed(was_retry=False), T)
    state, _ = step(params(), state, heard(99), T + MS)
    assert deadline(state) == T + 2 * MS
