"""What is watched besides scripts: what files, processes and interfaces add to a priority, and what they say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sample import BAD, GOOD, HAPROXY, MS, S, router

from vrrpd.model import Answer, Script, TrackedFile, TrackedHAProxy, TrackedProcess, Tracker, TrackerKind
from vrrpd.tracking import (
    Check,
    CheckState,
    FileValue,
    LinkState,
    Poll,
    ProcessCount,
    contribution,
    counted,
    effective_priority,
    finished,
    forbids,
    lowers,
    settled,
    state,
)

OK, FAILING, PENDING, DISABLED = CheckState.OK, CheckState.FAILING, CheckState.PENDING, CheckState.DISABLED
MAINTENANCE = TrackedFile("maintenance", "/run/maintenance")
RUNNING = TrackedProcess("haproxy", "haproxy")
WEB = TrackedHAProxy("haproxy", "/run/haproxy/admin.sock", backend="web", fall=2)


def number(value: int | None) -> FileValue:
    return FileValue(MAINTENANCE, value, since=0)


def running(count: int, process: TrackedProcess = RUNNING, was: CheckState = OK) -> ProcessCount:
    return ProcessCount(process, was, count, since=0)


def file_tracker(weight: int, reverse: bool = False) -> Tracker:
    return Tracker("maintenance", weight, reverse, TrackerKind.FILE)


# --- interfaces ---


# keepalived: as scripts, OK is up.
@pytest.mark.parametrize(
    ("weight", "reverse", "while_up", "while_down"),
    [(30, False, 30, 0), (-30, False, 0, -30), (30, True, -30, 0), (-30, True, 0, 30), (0, False, 0, 0)],
)
def test_an_interface_weighs_what_a_script_weighs(weight: int, reverse: bool, while_up: int, while_down: int) -> None:
    tracker = Tracker("eth1", weight, reverse, TrackerKind.INTERFACE)
    assert contribution(tracker, LinkState("eth1", up=True, since=0)) == while_up
    assert contribution(tracker, LinkState("eth1", up=False, since=0)) == while_down
    assert contribution(tracker, LinkState("eth1", up=None, since=0)) == while_down


def test_an_interface_that_is_not_there_is_down_and_says_so() -> None:
    tracker = Tracker("eth1", 0, kind=TrackerKind.INTERFACE)
    gone = LinkState("eth1", up=None, since=0)
    assert forbids(tracker, gone)
    assert gone.words == "there is no interface eth1"
    assert [LinkState("eth1", up=up, since=0).words for up in (True, False)] == ["eth1 is up", "eth1 is down"]


# --- files ---


# keepalived: weight times number; 254 below is a fault, 253 is the most.
@pytest.mark.parametrize(
    ("weight", "reverse", "value", "adds", "fault"),
    [
        (1, False, 0, 0, False),
        (1, False, 20, 20, False),
        (1, False, -20, -20, False),
        (-2, False, 20, -40, False),
        (-2, True, 20, 40, False),
        (1, False, -253, -253, False),
        (1, False, -254, 0, True),
        (1, False, -255, 0, True),
        (-254, False, 1, 0, True),
        (254, False, 1, 253, False),
        (1, False, 2_147_483_647, 253, False),
        (254, True, 2_147_483_647, 0, True),
        (0, False, 0, 0, False),
        (0, False, 1, 0, True),
        (0, False, -1, 0, True),
        (0, True, 0, 0, True),
        (0, True, 1, 0, False),
    ],
)
def test_a_file_adds_its_number_times_its_weight(
    weight: int, reverse: bool, value: int, adds: int, fault: bool
) -> None:
    tracker = file_tracker(weight, reverse)
    assert contribution(tracker, number(value)) == adds
    assert forbids(tracker, number(value)) is fault
    assert lowers(tracker, number(value)) is (adds < 0)
    assert state(tracker, number(value)) is (FAILING if fault or adds < 0 else OK)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_file_that_is_not_read_yet_adds_nothing_and_forbids_nothing(reverse: bool) -> None:
    for weight in (0, 5, -5):
        tracker = file_tracker(weight, reverse)
        assert (contribution(tracker, number(None)), forbids(tracker, number(None))) == (0, False)
        assert state(tracker, number(None)) is PENDING


def test_a_file_says_its_number() -> None:
    assert number(1).words == "file maintenance is 1"
    assert number(None).words == "file maintenance has not been read yet"


# --- processes ---


@pytest.mark.parametrize(
    ("quorum", "most", "good"),
    [
        (1, None, [1, 2, 3, 4]),
        (3, None, [3, 4]),
        (2, 3, [2, 3]),
        (1, 1, [1]),
        (1, 0, [0]),
    ],
)
def test_enough_run_and_not_too_many(quorum: int, most: int | None, good: list[int]) -> None:
    process = TrackedProcess("haproxy", "haproxy", quorum=quorum, quorum_max=most)
    assert [count for count in range(5) if process.suffices(count)] == good


def test_the_first_count_decides_at_once() -> None:
    slow = replace(RUNNING, fork_delay=S, terminate_delay=S)
    assert counted(running(1, slow, PENDING), 0, 5 * S).state is FAILING
    assert counted(running(1, slow, PENDING), 1, 5 * S).state is OK


def test_without_a_delay_a_change_counts_at_once() -> None:
    gone = counted(running(2), 0, 5 * S)
    assert (gone.state, gone.since, gone.words) == (FAILING, 5 * S, "haproxy: 0 of 1 processes run")
    back = counted(gone, 1, 6 * S)
    assert (back.state, back.since, back.words) == (OK, 6 * S, "haproxy: 1 process runs")


def test_too_few_count_once_they_have_lasted_and_not_if_they_come_back() -> None:
    """A reload of HAProxy."""
    patient = replace(RUNNING, terminate_delay=2 * S)
    gone = counted(running(1, patient), 0, 10 * S)
    assert (gone.state, gone.change_at) == (OK, 12 * S)
    assert gone.words == "haproxy: 0 of 1 processes run, which counts after 2 s"
    assert settled(gone, 12 * S - 1).state is OK
    assert settled(gone, 12 * S).state is FAILING
    back = counted(gone, 1, 11 * S)
    assert (back.state, back.change_at) == (OK, None)
    assert settled(back, 12 * S).state is OK


def test_more_that_go_meanwhile_do_not_begin_the_delay_again() -> None:
    patient = replace(RUNNING, quorum=3, terminate_delay=2 * S)
    gone = counted(counted(running(3, patient), 2, 10 * S), 1, 11 * S)
    assert gone.change_at == 12 * S


def test_a_start_counts_once_it_has_lasted() -> None:
    slow = replace(RUNNING, fork_delay=3 * S)
    begun = counted(running(0, slow, FAILING), 1, 10 * S)
    assert (begun.state, begun.change_at) == (FAILING, 13 * S)
    assert begun.words == "haproxy: 1 process runs, which counts after 3 s"


def test_too_many_wait_for_the_delay_of_those_that_start() -> None:
    few = replace(RUNNING, quorum_max=1, fork_delay=S, terminate_delay=9 * S)
    many = counted(running(1, few), 2, 10 * S)
    assert many.change_at == 11 * S
    assert settled(many, 11 * S).words == "haproxy: 2 processes run, at most 1 may"


# --- scripts and HAProxy ---


def test_haproxy_says_what_is_wrong_with_it() -> None:
    none_up = Answer(3 * MS, "backend web has 0 of 3 servers up")
    check = Poll(WEB, OK, since=0, next_at=0, last=Answer(MS))
    once = finished(check, none_up, S)
    assert once.words == "haproxy failing 1 of 2 (backend web has 0 of 3 servers up)"
    twice = finished(once, none_up, 2 * S)
    assert twice.words == "haproxy failed 2 times (backend web has 0 of 3 servers up)"
    assert finished(twice, Answer(MS), 3 * S).words == "haproxy ok"


def test_who_starts_failed_needs_all_its_successes() -> None:
    """`init_fail` as it is documented; keepalived takes the first success for enough."""
    check = Poll(replace(HAPROXY, starts_failed=True, rise=2), FAILING, since=0, next_at=0)
    assert check.words == "chk_haproxy has not succeeded yet"
    once = finished(check, GOOD, S)
    assert (once.state, once.words) == (FAILING, "chk_haproxy succeeding 1 of 2")
    assert finished(once, BAD, 2 * S).words == "chk_haproxy failed (exit 1)"
    assert finished(once, GOOD, 2 * S).state is OK


@pytest.mark.parametrize(("weight", "reverse", "adds"), [(-5, False, -5), (5, False, 0), (5, True, -5), (-5, True, 0)])
def test_a_disabled_check_counts_as_bad_whichever_way_it_is_tracked(weight: int, reverse: bool, adds: int) -> None:
    insecure = replace(HAPROXY, disabled="/opt is writable by user web")
    check = Poll(insecure, DISABLED, since=0, next_at=None)
    tracker = Tracker("chk_haproxy", weight, reverse)
    assert check.words == "chk_haproxy is disabled: /opt is writable by user web"
    assert (contribution(tracker, check), lowers(tracker, check), state(tracker, check)) == (adds, True, DISABLED)
    assert forbids(replace(tracker, weight=0), check)


def test_every_kind_adds_to_one_sum() -> None:
    checks: tuple[Check, ...] = (
        Poll(HAPROXY, FAILING, since=0, next_at=0, last=BAD),
        Poll(WEB, OK, since=0, next_at=0, last=Answer(MS)),
        number(-7),
        running(0, was=FAILING),
        LinkState("eth1", up=True, since=0),
    )
    weights = (-2, 10, 1, -20, 30)
    trackers = tuple(
        Tracker(check.subject.name, weight, kind=check.subject.kind)
        for check, weight in zip(checks, weights, strict=True)
    )
    # 100 - 2 + 10 - 7 - 20 + 30
    assert effective_priority(router(trackers=trackers), {check.subject: check for check in checks}) == 111


def test_two_of_one_name_and_other_kinds_are_two() -> None:
    script = Poll(Script("haproxy", ("true",)), FAILING, since=0, next_at=0, last=BAD)
    trackers = (Tracker("haproxy", -2), Tracker("haproxy", -20, kind=TrackerKind.PROCESS))
    checks: dict[object, Check] = {c.subject: c for c in (script, running(1))}
    assert effective_priority(router(trackers=trackers), checks) == 98  # type: ignore[arg-type]
