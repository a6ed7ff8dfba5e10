"""Health checks: rise and fall, what they add to a priority, and what they say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample import BAD, GOOD, HAPROXY, MS, S, router

from vrrpd.model import Script, ScriptResult, Tracker
from vrrpd.tracking import (
    CheckState,
    Poll,
    contribution,
    effective_priority,
    finished,
    forbids,
    lowering_words,
    lowers,
)

OK, FAILING, PENDING, DISABLED = CheckState.OK, CheckState.FAILING, CheckState.PENDING, CheckState.DISABLED
STATES = (OK, FAILING, PENDING)


def check(state: CheckState = OK, script: Script = HAPROXY) -> Poll:
    last = {OK: GOOD, FAILING: BAD}.get(state)
    return Poll(script, state, since=0, next_at=0, last=last)


def after(first: Poll, *results: ScriptResult) -> Poll:
    for second, result in enumerate(results, 1):
        first = finished(first, result, second * S)
    return first


@pytest.mark.parametrize(("result", "state"), [(GOOD, OK), (BAD, FAILING)])
def test_the_very_first_result_decides_at_once(result: ScriptResult, state: CheckState) -> None:
    assert after(check(PENDING), result).state is state


def test_it_fails_after_fall_failures_in_a_row() -> None:
    assert after(check(), BAD, BAD).state is OK
    failed = after(check(), BAD, BAD, BAD)
    assert (failed.state, failed.since) == (FAILING, 3 * S)


def test_a_success_between_starts_the_count_again() -> None:
    assert after(check(), BAD, BAD, GOOD, BAD, BAD).state is OK


def test_it_rises_after_rise_successes_in_a_row() -> None:
    slow = check(FAILING, Script("slow", ("true",), rise=2, fall=1))
    assert after(slow, GOOD).state is FAILING
    assert after(slow, GOOD, BAD, GOOD).state is FAILING
    assert after(slow, GOOD, GOOD).state is OK


@pytest.mark.parametrize("code", [1, 2, 127, 255, None])
def test_only_exit_code_0_is_success(code: int | None) -> None:
    assert after(check(PENDING), ScriptResult(code, MS)).state is FAILING


# keepalived: weight > 0 is added while good, weight < 0 while bad, reverse turns the sign of the effect.
@pytest.mark.parametrize(
    ("weight", "reverse", "while_ok", "while_failing"),
    [
        (5, False, 5, 0),
        (-2, False, 0, -2),
        (5, True, -5, 0),
        (-2, True, 0, 2),
        (0, False, 0, 0),
        (0, True, 0, 0),
        (253, False, 253, 0),
        (-253, False, 0, -253),
    ],
)
def test_weights_are_keepaliveds(weight: int, reverse: bool, while_ok: int, while_failing: int) -> None:
    tracker = Tracker("chk_haproxy", weight, reverse)
    assert contribution(tracker, check(OK)) == while_ok
    assert contribution(tracker, check(FAILING)) == while_failing
    assert contribution(tracker, check(PENDING)) == 0


@pytest.mark.parametrize(
    ("weight", "reverse", "bad"), [(5, False, FAILING), (-2, False, FAILING), (5, True, OK), (-2, True, OK)]
)
def test_a_weighted_tracker_lowers_in_its_bad_state_only(weight: int, reverse: bool, bad: CheckState) -> None:
    tracker = Tracker("chk_haproxy", weight, reverse)
    assert [state for state in STATES if lowers(tracker, check(state))] == [bad]
    assert not any(forbids(tracker, check(state)) for state in STATES)


@pytest.mark.parametrize(("reverse", "bad"), [(False, FAILING), (True, OK)])
def test_weight_0_forbids_and_does_not_lower(reverse: bool, bad: CheckState) -> None:
    tracker = Tracker("chk_haproxy", 0, reverse)
    assert [state for state in STATES if forbids(tracker, check(state))] == [bad]
    assert not any(lowers(tracker, check(state)) for state in STATES)


@pytest.mark.parametrize(
    ("base", "weight", "state", "effective"),
    [
        (100, -2, OK, 100),
        (100, -2, FAILING, 98),
        (100, 5, OK, 105),
        (100, 5, FAILING, 100),
        (100, -253, FAILING, 1),
        (200, 253, OK, 254),
        (254, 1, OK, 254),
        (1, -1, FAILING, 1),
    ],
)
def test_the_effective_priority_is_the_sum_kept_between_1_and_254(
    base: int, weight: int, state: CheckState, effective: int
) -> None:
    ours = router(priority=base, trackers=(Tracker("chk_haproxy", weight),))
    assert effective_priority(ours, {HAPROXY.subject: check(state)}) == effective


def test_it_is_clamped_after_adding_up_not_between() -> None:
    scripts = (Tracker("a", -253), Tracker("b", 253))
    checks = {scripts[0].subject: check(FAILING), scripts[1].subject: check(OK)}
    assert effective_priority(router(priority=100, trackers=scripts), checks) == 100


def test_an_owners_255_never_changes() -> None:
    owner = router(priority=255, trackers=(Tracker("chk_haproxy", -50),))
    assert effective_priority(owner, {HAPROXY.subject: check(FAILING)}) == 255


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.booleans(), max_size=30))
def test_the_effective_priority_is_a_function_of_the_present(results: list[bool]) -> None:
    now = check(PENDING)
    for result in results:
        now = finished(now, GOOD if result else BAD, 0)
    ours = router(trackers=(Tracker("chk_haproxy", -2),))
    fresh = check(now.state)
    assert effective_priority(ours, {HAPROXY.subject: now}) == effective_priority(ours, {HAPROXY.subject: fresh})


def test_words_count_failures_while_it_is_still_good() -> None:
    assert check(PENDING).words == "chk_haproxy has not run yet"
    assert after(check(), BAD, BAD).words == "chk_haproxy failing 2 of 3 (exit 1)"
    assert after(check(), BAD, BAD, BAD).words == "chk_haproxy failed 3 times (exit 1)"
    assert after(check(), GOOD).words == "chk_haproxy ok"


def test_words_say_what_happened_when_it_was_not_an_exit_code() -> None:
    once = Script("chk", ("x",), fall=1)
    killed = after(check(OK, once), ScriptResult(None, 2 * S, "timed out after 2 s"))
    assert killed.words == "chk failed (timed out after 2 s)"


def test_words_count_successes_on_the_way_back() -> None:
    slow = Script("slow", ("true",), rise=3, fall=1)
    assert after(check(FAILING, slow), GOOD).words == "slow succeeding 1 of 3"


def test_lowering_words_name_only_what_lowers() -> None:
    trackers = (Tracker("good", -2), Tracker("bad", -2), Tracker("fatal", 0))
    once = Script("bad", ("x",))
    states = (check(OK), after(check(OK, once), BAD), check(FAILING))
    checks = {tracker.subject: state for tracker, state in zip(trackers, states, strict=True)}
    assert lowering_words(trackers, checks) == "bad failed (exit 1)"


def test_a_first_failure_is_not_told_as_three() -> None:
    assert "3 times" not in after(check(PENDING), BAD).words
