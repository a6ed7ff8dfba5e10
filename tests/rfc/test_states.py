"""Sections 6.2 and 6.4: timers and the three states. State and effects, times in nanoseconds worked out by hand."""

from __future__ import annotations

import pytest
from sample import MS, START, STOP, VIP, S

from vrrpd.fsm import deadline, master_down_interval, skew_time, step
from vrrpd.model import Announcing, InitialState, Version
from vrrpd.states import (
    AddAddresses,
    AddressAnnounced,
    AnnounceAddresses,
    Backup,
    BidFarewell,
    Effects,
    Event,
    Initialize,
    Master,
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

from .dialect import (
    ALL,
    DOWN_100,
    HALF,
    SKEW_100,
    V2_IPV4,
    V3_IPV4,
    V3_IPV6,
    Dialect,
    T,
    due,
    every_dialect,
    master,
    over_ipv4,
    version_3,
)

OWNER = Why(Reason.OWNER, "it owns the addresses (priority 255)")


def sent(effects: Effects) -> list[int]:
    return [effect.message[2] for effect in effects if isinstance(effect, SendAdvertisement)]


# --- 6.1: arithmetic ---


@pytest.mark.rfc("5798-6.1-5")
@pytest.mark.parametrize(
    ("priority", "interval", "skew"),
    [(100, S, 609_375_000), (254, S, 7_812_500), (1, 5 * S, 4_980_468_750), (100, 10 * MS, 6_093_750)],
)
def test_skew_time_of_version_3_is_a_part_of_the_masters_interval(priority: int, interval: int, skew: int) -> None:
    found = skew_time(Version.V3, priority, interval)
    assert (found, type(found)) == (skew, int)


@pytest.mark.rfc_not("5798-6.1-5")
def test_skew_time_is_never_rounded_away_nor_equal_for_two_priorities() -> None:
    skews = [skew_time(Version.V3, priority, 10 * MS) for priority in range(1, 256)]
    assert (min(skews), len(set(skews))) == (39_062, 255)


@pytest.mark.rfc("3768-6.1-1")
@pytest.mark.parametrize(("priority", "skew"), [(100, 609_375_000), (1, 996_093_750), (255, 3_906_250)])
def test_skew_time_of_version_2_is_a_part_of_a_second(priority: int, skew: int) -> None:
    found = skew_time(Version.V2, priority, S)
    assert (found, type(found)) == (skew, int)


@pytest.mark.rfc_not("3768-6.1-1")
def test_skew_time_of_version_2_does_not_grow_with_the_interval() -> None:
    assert skew_time(Version.V2, 100, 255 * S) == 609_375_000


@pytest.mark.rfc("5798-6.1-6", "5798-6.1-4")
@pytest.mark.parametrize(
    ("priority", "learned", "down"),
    [(100, S, 3_609_375_000), (100, 5 * S, 18_046_875_000), (200, S, 3_218_750_000), (1, 10 * MS, 39_960_937)],
)
def test_master_down_interval_of_version_3_counts_the_learned_interval(priority: int, learned: int, down: int) -> None:
    found = master_down_interval(V3_IPV6.params(priority), learned)
    assert (found, type(found)) == (down, int)


@pytest.mark.rfc_not("5798-6.1-6", "5798-6.1-4")
def test_its_own_interval_plays_no_part_once_another_is_learned() -> None:
    assert master_down_interval(V3_IPV4.params(advertisement_interval=40 * S), S) == 3_609_375_000


@pytest.mark.rfc("3768-6.1-2")
@pytest.mark.parametrize(("interval", "down"), [(S, 3_609_375_000), (5 * S, 15_609_375_000)])
def test_master_down_interval_of_version_2_counts_its_own_interval(interval: int, down: int) -> None:
    state, _ = step(V2_IPV4.params(advertisement_interval=interval), Initialize(), Startup(START), T)
    assert due(state) == T + down


@pytest.mark.rfc_not("3768-6.1-2")
def test_version_2_takes_three_intervals_and_not_more_skew_for_longer_ones() -> None:
    found = master_down_interval(V2_IPV4.params(advertisement_interval=255 * S), 255 * S)
    assert (found, type(found)) == (765_609_375_000, int)


# --- 6.1: Preempt_Mode ---


@every_dialect
@pytest.mark.rfc("5798-6.1-7")
def test_a_backup_preempts_a_worse_master_by_default(d: Dialect) -> None:
    state, _ = step(d.params(), d.backup(master=None), d.heard(99), HALF)
    state, effects = step(d.params(), state, Tick(), T + DOWN_100)
    assert isinstance(state, Master)
    assert sent(effects) == [100]


@every_dialect
@pytest.mark.rfc_not("5798-6.1-7")
def test_without_preempt_mode_a_worse_master_stays(d: Dialect) -> None:
    state, effects = step(d.params(preempt=False), d.backup(), d.heard(1), HALF)
    assert (due(state), effects) == (HALF + DOWN_100, ())


@every_dialect
@pytest.mark.rfc("5798-6.1-8")
def test_an_owner_preempts_whatever_preempt_mode_says(d: Dialect) -> None:
    state, effects = step(d.params(255, preempt=False), d.backup(master=None), d.heard(254), HALF)
    assert (due(state), effects) == (T + DOWN_100, ())


@every_dialect
@pytest.mark.rfc_not("5798-6.1-8")
def test_254_is_no_owner_and_obeys_preempt_mode(d: Dialect) -> None:
    state, _ = step(d.params(254, preempt=False), d.backup(), d.heard(1), HALF)
    assert due(state) == HALF + 3_007_812_500


# --- 6.2 ---


@every_dialect
@pytest.mark.rfc("5798-6.2-1")
def test_master_down_fires_after_silence(d: Dialect) -> None:
    assert due(d.backup()) == T + DOWN_100
    assert isinstance(step(d.params(), d.backup(), Tick(), T + DOWN_100)[0], Master)


@every_dialect
@pytest.mark.rfc_not("5798-6.2-1")
def test_master_down_does_not_fire_one_nanosecond_early(d: Dialect) -> None:
    assert step(d.params(), d.backup(), Tick(), T + DOWN_100 - 1) == (d.backup(), ())


@every_dialect
@pytest.mark.rfc("5798-6.2-1", "5798-6.4.2-15")
def test_a_strict_router_lets_the_timer_run_on_when_its_master_falls(d: Dialect) -> None:
    state, effects = step(d.params(strict=True), d.backup(), d.heard(99), HALF)
    assert (due(state), effects) == (T + DOWN_100, ())


@every_dialect
@pytest.mark.rfc("5798-6.2-2", "5798-6.4.3-9")
def test_a_master_advertises_each_interval_of_its_own(d: Dialect) -> None:
    p = d.params(advertisement_interval=3 * S)
    state: State = Master(adver_at=999 * S, since=0, sent_at=996 * S)
    for n in range(5):
        assert due(state) == (999 + 3 * n) * S
        state, effects = step(p, state, Tick(), due(state))
        assert effects == (SendAdvertisement(p.advertisement),)


@every_dialect
@pytest.mark.rfc_not("5798-6.2-2", "5798-6.4.3-9")
def test_a_master_sends_nothing_before_its_interval_is_over_and_once_when_it_is_late(d: Dialect) -> None:
    assert step(d.params(), master(), Tick(), T + S - 1) == (master(), ())
    state, effects = step(d.params(), master(), Tick(), T + 7_200 * MS)
    assert (sent(effects), due(state)) == ([100], T + 8 * S)


@version_3
@pytest.mark.rfc_not("5798-6.2-2")
def test_a_learned_interval_does_not_become_its_own(d: Dialect) -> None:
    state, _ = step(d.params(), d.backup(), d.heard(200, interval=5 * S), T)
    at = T + 18_046_875_000
    state, _ = step(d.params(), state, Tick(), at)
    assert isinstance(state, Master)
    assert 0 < due(state) - at <= S


# --- 6.4.1: Initialize ---


@every_dialect
@pytest.mark.rfc("5798-6.4.1-1")
@pytest.mark.parametrize(
    "event",
    [
        Tick(),
        Shutdown(STOP),
        Resign(STOP, Then.LEAVE),
        Resume(START),
        SendFailed(was_retry=False),
        AddressAnnounced("02:00:00:00:00:02", T),
        "advertisement",
        "priority 0",
        "other parameters",
    ],
)
def test_initialize_waits_for_a_start_alone(d: Dialect, event: Event | str) -> None:
    match event:
        case "advertisement":
            event = d.heard(255)
        case "priority 0":
            event = d.heard(0)
        case "other parameters":
            event = ParametersChanged(d.params(50))
        case _:
            assert not isinstance(event, str)
    assert step(d.params(), Initialize(), event, T) == (Initialize(), ())
    assert deadline(Initialize()) is None


@every_dialect
@pytest.mark.rfc_not("5798-6.4.1-1")
@pytest.mark.rfc("5798-6.4.1-6")
def test_a_start_makes_a_backup_with_a_master_down_interval_of_its_own(d: Dialect) -> None:
    state, effects = step(d.params(), Initialize(), Startup(START), T)
    assert state == Backup(T + DOWN_100, S, heard_at=T)
    assert due(state) == T + 3_609_375_000
    assert effects == (RemoveAddresses(d.addresses), StateChanged(Initialize(), state, START))


@every_dialect
@pytest.mark.rfc_not("5798-6.4.1-6", "5798-6.4.1-2", "5798-6.4.1-5")
@pytest.mark.parametrize("state_word", InitialState)
def test_who_owns_nothing_sends_nothing_at_its_start_even_with_state_master(
    d: Dialect, state_word: InitialState
) -> None:
    state, effects = step(d.params(254, initial_state=state_word), Initialize(), Startup(START), T)
    assert isinstance(state, Backup)
    assert due(state) == T + 3_007_812_500
    assert [type(effect) for effect in effects] == [RemoveAddresses, StateChanged]


@every_dialect
@pytest.mark.rfc("5798-6.4.1-2", "5798-6.4.1-5")
def test_an_owner_advertises_first_and_is_master(d: Dialect) -> None:
    state, effects = step(d.params(255, initial_state=InitialState.MASTER), Initialize(), Startup(START), T)
    assert effects == (
        SendAdvertisement(d.message(255)),
        AddAddresses(d.addresses),
        AnnounceAddresses(d.announcement, 5),
        StateChanged(Initialize(), state, OWNER),
    )
    assert isinstance(state, Master)
    assert due(state) == T + S


@every_dialect
@pytest.mark.rfc_not("5798-6.4.1-2")
@pytest.mark.parametrize(("state_word", "first"), [(InitialState.BACKUP, True), (InitialState.MASTER, False)])
def test_an_owner_with_state_backup_or_after_a_fault_listens_first(
    d: Dialect, state_word: InitialState, first: bool
) -> None:
    state, effects = step(d.params(255, initial_state=state_word), Initialize(), Startup(START, first=first), T)
    assert state == Backup(T + 1_003_906_250, S, heard_at=T)
    assert [type(effect) for effect in effects] == [StateChanged]


@over_ipv4
@pytest.mark.rfc("5798-6.4.1-3")
def test_an_owner_announces_each_ipv4_address(d: Dialect) -> None:
    _, effects = step(d.params(255, initial_state=InitialState.MASTER), Initialize(), Startup(START), T)
    (announced,) = [effect for effect in effects if isinstance(effect, AnnounceAddresses)]
    assert [frame.content[28:32].hex() for frame in announced.frames] == ["0ae68964", "0ae68965"]


@pytest.mark.rfc("5798-6.4.1-4")
def test_an_owner_announces_each_ipv6_address() -> None:
    p = V3_IPV6.params(255, initial_state=InitialState.MASTER)
    _, effects = step(p, Initialize(), Startup(START), T)
    (announced,) = [effect for effect in effects if isinstance(effect, AnnounceAddresses)]
    assert [frame.content[62:78].hex() for frame in announced.frames] == [
        "fe800000000000000000000000000005",
        "20010db8000000000000000000000005",
    ]


@every_dialect
@pytest.mark.rfc_not("5798-6.4.1-3", "5798-6.4.1-4")
def test_nobody_else_announces_at_its_start(d: Dialect) -> None:
    effects = step(d.params(), Initialize(), Startup(START), T)[1]
    assert [type(effect) for effect in effects] == [RemoveAddresses, StateChanged]


# --- 6.4.2: Backup ---


@every_dialect
@pytest.mark.rfc("5798-6.4.2-6")
def test_a_backup_that_stops_is_in_initialize_and_waits_for_nothing(d: Dialect) -> None:
    state, effects = step(d.params(), d.backup(), Shutdown(STOP), T)
    assert (state, deadline(state)) == (Initialize(), None)
    assert effects == (StateChanged(d.backup(), Initialize(), STOP),)


@every_dialect
@pytest.mark.rfc_not("5798-6.4.2-6")
@pytest.mark.parametrize("then", Then)
def test_a_backup_that_is_asked_to_leave_does_not_resign_for_it_has_nothing(d: Dialect, then: Then) -> None:
    state, effects = step(d.params(), d.backup(), Resign(STOP, then), T)
    assert (state, effects) == (Initialize(), (StateChanged(d.backup(), Initialize(), STOP),))


@every_dialect
@pytest.mark.rfc("5798-6.4.2-7", "5798-6.4.2-8", "5798-6.4.2-10", "5798-6.4.2-11")
def test_master_down_an_advertisement_the_addresses_their_announcement_and_master(d: Dialect) -> None:
    state, effects = step(d.params(), d.backup(), Tick(), T + DOWN_100)
    why = Why(Reason.MASTER_SILENT, f"no advertisement from {d.theirs} for 3.61 s")
    assert effects == (
        SendAdvertisement(d.message(100)),
        AddAddresses(d.addresses),
        AnnounceAddresses(d.announcement, 5),
        StateChanged(d.backup(), state, why),
    )
    assert isinstance(state, Master)
    assert due(state) == 1004 * S, "the grid's next place, no more than an interval away"


@every_dialect
@pytest.mark.rfc_not("5798-6.4.2-7", "5798-6.4.2-8", "5798-6.4.2-10", "5798-6.4.2-11")
def test_without_master_down_a_backup_sends_holds_and_announces_nothing(d: Dialect) -> None:
    state: State = d.backup()
    for n, priority in enumerate((200, 100, 99, 0, 255, 100)):
        state, effects = step(d.params(), state, d.heard(priority), T + n * 100 * MS)
        assert effects == ()
        state, effects = step(d.params(), state, Tick(), T + n * 100 * MS + 1)
        assert effects == ()
        assert isinstance(state, Backup)


@every_dialect
@pytest.mark.rfc("5798-6.4.2-12", "5798-5.2.4-4")
@pytest.mark.parametrize("preempt", [True, False])
def test_priority_0_sets_the_timer_to_skew_time(d: Dialect, preempt: bool) -> None:
    state, effects = step(d.params(preempt=preempt), d.backup(), d.heard(0), HALF)
    assert (due(state), effects) == (HALF + SKEW_100, ())
    state, effects = step(d.params(preempt=preempt), state, Tick(), HALF + SKEW_100)
    assert isinstance(state, Master)
    assert effects[0] == SendAdvertisement(d.message(100))


@every_dialect
@pytest.mark.rfc_not("5798-6.4.2-12", "5798-5.2.4-4")
@pytest.mark.parametrize("priority", [1, 99, 100, 255])
def test_no_other_priority_sets_the_timer_to_skew_time(d: Dialect, priority: int) -> None:
    state, _ = step(d.params(preempt=False), d.backup(), d.heard(priority), HALF)
    assert due(state) == HALF + DOWN_100


@version_3
@pytest.mark.rfc("5798-6.4.2-12", "5798-6.1-4")
def test_priority_0_is_counted_in_the_learned_interval(d: Dialect) -> None:
    state, _ = step(d.params(), d.backup(), d.heard(200, interval=5 * S), T)
    state, _ = step(d.params(), state, d.heard(0, interval=5 * S), HALF)
    assert due(state) == HALF + 3_046_875_000


@version_3
@pytest.mark.rfc_not("5798-6.4.2-12", "5798-6.4.2-13")
def test_the_interval_of_a_priority_0_is_not_learned(d: Dialect) -> None:
    state, _ = step(d.params(), d.backup(), d.heard(0, interval=40 * S), HALF)
    assert isinstance(state, Backup)
    assert (due(state), state.master_adver_interval) == (HALF + SKEW_100, S)


@version_3
@pytest.mark.rfc("5798-6.4.2-13", "5798-6.4.2-14")
@pytest.mark.parametrize(("priority", "preempt"), [(100, True), (255, True), (1, False), (99, False), (200, False)])
def test_the_interval_of_a_master_that_may_live_is_learned(d: Dialect, priority: int, preempt: bool) -> None:
    state, effects = step(d.params(preempt=preempt), d.backup(), d.heard(priority, interval=5 * S), HALF)
    assert isinstance(state, Backup)
    assert (state.master_adver_interval, type(state.master_adver_interval)) == (5 * S, int)
    assert (due(state), effects) == (HALF + 18_046_875_000, ())


@version_3
@pytest.mark.rfc_not("5798-6.4.2-13", "5798-6.4.2-14")
def test_the_interval_of_a_worse_master_is_not_learned_by_one_that_preempts(d: Dialect) -> None:
    state, effects = step(d.params(), d.backup(master=None), d.heard(99, interval=5 * S), HALF)
    assert isinstance(state, Backup)
    assert (state.master_adver_interval, due(state), effects) == (S, T + DOWN_100, ())


@pytest.mark.rfc("5798-6.4.2-14")
def test_version_2_starts_a_new_master_down_interval() -> None:
    state, effects = step(V2_IPV4.params(), V2_IPV4.backup(), V2_IPV4.heard(100), HALF)
    assert (due(state), effects) == (HALF + DOWN_100, ())


@every_dialect
@pytest.mark.rfc("5798-6.4.2-15")
def test_a_worse_master_is_not_heard_by_one_that_preempts(d: Dialect) -> None:
    state: State = d.backup(master=None)
    for n in range(1, 4):
        state, effects = step(d.params(), state, d.heard(99), T + n * S)
        assert (due(state), effects) == (T + DOWN_100, ())


@every_dialect
@pytest.mark.rfc_not("5798-6.4.2-15")
def test_a_worse_master_is_not_relieved_at_once_not_even_one_that_fell(d: Dialect) -> None:
    state, effects = step(d.params(), d.backup(), d.heard(99), HALF)
    assert isinstance(state, Backup)
    assert (due(state), effects) == (HALF + SKEW_100, ())


@every_dialect
@pytest.mark.rfc_not("5798-6.2-1")
def test_who_holds_back_waits_longer_after_a_priority_0(d: Dialect) -> None:
    """Of itself it would take over from a Master that only asks, and is no better."""
    p = d.params()
    worse = type(p)(p.router, 100, p.primary_address, holds_back=True)
    state, _ = step(worse, d.backup(), d.heard(0), HALF)
    asking = {4: 4_250_000_000, 6: 1_250_000_000}[d.ours.version]
    assert due(state) == HALF + SKEW_100 + asking


@every_dialect
@pytest.mark.rfc("5798-6.4.2-16")
def test_its_own_priority_from_any_address_is_a_living_master(d: Dialect) -> None:
    for source in (d.theirs, d.below):
        state, effects = step(d.params(), d.backup(), d.heard(100, source), HALF)
        assert (due(state), effects) == (HALF + DOWN_100, ())


@every_dialect
@pytest.mark.rfc_not("5798-6.4.2-16")
def test_a_high_address_does_not_make_up_for_a_lower_priority(d: Dialect) -> None:
    state, _ = step(d.params(), d.backup(master=None), d.heard(99, d.theirs), HALF)
    assert due(state) == T + DOWN_100


# --- 6.4.3: Master ---


@every_dialect
@pytest.mark.rfc("5798-6.4.3-8")
def test_a_master_that_must_go_at_once_says_priority_0_and_is_in_initialize(d: Dialect) -> None:
    state, effects = step(d.params(), master(), Shutdown(STOP), HALF)
    assert (state, deadline(state)) == (Initialize(), None)
    assert effects == (
        SendAdvertisement(d.message(0)),
        RemoveAddresses(d.addresses),
        StateChanged(master(), Initialize(), STOP),
    )


@every_dialect
@pytest.mark.rfc_not("5798-6.4.3-8")
def test_a_master_that_is_asked_to_stop_says_priority_0_and_nothing_more_while_it_keeps_the_addresses(
    d: Dialect,
) -> None:
    state, effects = step(d.params(), master(), Resign(STOP, Then.LEAVE), HALF)
    assert isinstance(state, Resigning)
    assert effects == (SendAdvertisement(d.message(0)), StateChanged(master(), state, STOP))
    assert (state.until, type(state.until)) == (HALF + 1_250_000_000, int)
    state, effects = step(d.params(), state, Tick(), HALF + 5 * MS)
    assert effects == (SendAdvertisement(d.message(0)),), "in case the first was lost"
    state, effects = step(d.params(), state, Tick(), HALF + S)
    assert effects == ()
    state, effects = step(d.params(), state, Tick(), HALF + 1_250_000_000)
    assert state == Initialize()
    assert [type(effect) for effect in effects] == [RemoveAddresses, StateChanged]


@every_dialect
@pytest.mark.rfc("5798-6.4.3-10")
def test_a_priority_0_is_answered_at_once_and_the_master_stays(d: Dialect) -> None:
    state, effects = step(d.params(), master(), d.heard(0), HALF)
    assert effects == (SendAdvertisement(d.message(100)), AnnounceAddresses(d.announcement, 5))
    assert isinstance(state, Master)
    assert due(state) == T + S


@every_dialect
@pytest.mark.rfc_not("5798-6.4.3-10")
def test_a_storm_of_priority_0_is_answered_ten_times_in_an_interval(d: Dialect) -> None:
    state: State = master()
    answers = 0
    for n in range(1000):
        at = T + n * MS
        event = Tick() if due(state) <= at else d.heard(0)
        state, effects = step(d.params(), state, event, at)
        answers += len(sent(effects))
        assert isinstance(state, Master)
    assert answers == 9


@every_dialect
@pytest.mark.rfc("5798-6.4.3-11", "5798-5.2.4-1")
@pytest.mark.parametrize("preempt", [True, False])
@pytest.mark.parametrize("priority", [101, 255])
def test_a_better_priority_makes_a_master_a_backup(d: Dialect, preempt: bool, priority: int) -> None:
    interval, down = (S, DOWN_100) if d.version is Version.V2 else (5 * S, 18_046_875_000)
    state, effects = step(d.params(preempt=preempt), master(), d.heard(priority, interval=interval), HALF)
    assert state == Backup(HALF + down, interval, master=d.theirs, master_priority=priority, heard_at=HALF)
    assert due(state) == HALF + down
    reason = Why(Reason.PREEMPTED, f"{d.theirs} advertises priority {priority}, above our 100")
    farewell = BidFarewell(d.message(1), unless_by=None)
    assert effects == (RemoveAddresses(d.addresses), farewell, StateChanged(master(), state, reason))


@every_dialect
@pytest.mark.rfc("5798-6.4.3-12")
def test_its_own_priority_from_a_higher_address_makes_a_master_a_backup(d: Dialect) -> None:
    state, effects = step(d.params(), master(), d.heard(100), HALF)
    assert isinstance(state, Backup)
    assert due(state) == HALF + DOWN_100
    assert effects[0] == RemoveAddresses(d.addresses)


@every_dialect
@pytest.mark.rfc_not("5798-6.4.3-11", "5798-6.4.3-12", "5798-6.4.3-14", "5798-5.2.4-1")
def test_neither_a_worse_priority_nor_a_lower_or_its_own_address_makes_a_master_a_backup(d: Dialect) -> None:
    for priority, source in ((99, d.theirs), (1, d.theirs), (100, d.below), (100, d.ours)):
        state, effects = step(d.params(), master(), d.heard(priority, source), HALF)
        assert isinstance(state, Master)
        assert not any(isinstance(effect, RemoveAddresses) for effect in effects)


@every_dialect
@pytest.mark.rfc("5798-6.4.3-13", "5798-6.4.3-14")
def test_what_loses_is_answered_and_moves_no_timer(d: Dialect) -> None:
    for priority, source in ((99, d.theirs), (100, d.below), (100, d.ours)):
        state, effects = step(d.params(), master(), d.heard(priority, source), HALF)
        assert effects == (SendAdvertisement(d.message(100)), AnnounceAddresses(d.announcement, 5))
        assert due(state) == T + S


@every_dialect
@pytest.mark.rfc_not("5798-6.4.3-13")
def test_a_strict_master_discards_what_loses_silently(d: Dialect) -> None:
    for priority, source in ((99, d.theirs), (100, d.below), (100, d.ours)):
        assert step(d.params(strict=True), master(), d.heard(priority, source), HALF) == (master(), ())


# --- 8.1.2: addresses that a Master gets ---


@every_dialect
@pytest.mark.rfc("5798-8.1.2-4")
def test_an_address_that_a_master_gets_is_announced_behind_its_addition(d: Dialect) -> None:
    before, now = d.params(addresses=d.addresses[:1]), d.params()
    before = type(now)(before.router, 100, d.ours, announcement=d.announcement[:1])
    _, effects = step(now, master(), ParametersChanged(before), HALF)
    assert effects == (
        SendAdvertisement(d.message(100)),
        AddAddresses(d.addresses[1:]),
        AnnounceAddresses(d.announcement, 5),
    )


@every_dialect
@pytest.mark.rfc_not("5798-8.1.2-4")
def test_a_backup_that_gets_an_address_announces_nothing(d: Dialect) -> None:
    before = d.params(addresses=d.addresses[:1])
    _, effects = step(d.params(), d.backup(), ParametersChanged(before), HALF)
    assert effects == (RemoveAddresses(d.addresses[1:]),)


@every_dialect
@pytest.mark.rfc_not("5798-8.1.2-5")
def test_the_second_burst_belongs_to_a_master_alone(d: Dialect) -> None:
    p = d.params(announcing=Announcing(master_delay=700 * MS))
    state, _ = step(p, d.backup(), Tick(), T + DOWN_100)
    state, _ = step(p, state, d.heard(101), T + DOWN_100 + 100 * MS)
    state, effects = step(p, state, Tick(), T + DOWN_100 + 700 * MS)
    assert (isinstance(state, Backup), effects) == (True, ())


def test_the_rows_speak_of_all_dialects() -> None:
    assert [d.name for d in ALL] == ["v2", "v3-ipv4", "v3-ipv6"]
    assert VIP in V2_IPV4.addresses
