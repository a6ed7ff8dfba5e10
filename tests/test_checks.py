"""The checks of a node: when they run, and what of them a reload keeps."""

from __future__ import annotations

from dataclasses import replace

from sample import BAD, GOOD, HAPROXY, S

from vrrpd.checks import Checks
from vrrpd.model import Config, Subject, TrackerKind
from vrrpd.tracking import CheckState

CHK = HAPROXY.subject


def watching() -> Checks:
    checks = Checks()
    checks.configure(Config(scripts=(HAPROXY,)), {}, 0, running=False)
    return checks


def test_runs_are_counted_from_start_to_start_and_never_overlap() -> None:
    checks = watching()
    assert checks.start(CHK, 10 * S) == HAPROXY
    assert checks.next_at(CHK) == 12 * S
    assert checks.start(CHK, 12 * S) is None, "it still runs"
    assert checks.next_at(CHK) == 14 * S
    checks.finish(HAPROXY, GOOD, 13 * S)
    assert checks.start(CHK, 13 * S) is None, "it is not due"
    assert checks.start(CHK, 14 * S) == HAPROXY


def test_what_is_not_watched_never_runs() -> None:
    assert watching().start(Subject(TrackerKind.SCRIPT, "somebody else"), 10 * S) is None


def test_only_a_change_of_mind_is_told() -> None:
    checks = watching()
    told = [checks.finish(HAPROXY, result, S) is not None for result in (GOOD, GOOD, BAD, BAD, BAD, BAD, GOOD)]
    assert told == [True, False, False, False, True, False, True]


def test_the_same_command_keeps_its_results_and_another_one_is_good_until_it_speaks() -> None:
    checks = watching()
    checks.finish(HAPROXY, BAD, S)
    states = []
    for script in (HAPROXY, replace(HAPROXY, fall=2), replace(HAPROXY, argv=("true",))):
        checks.configure(Config(scripts=(script,)), {}, 2 * S, running=True)
        states.append(checks[CHK].state)
    assert states == [CheckState.FAILING, CheckState.FAILING, CheckState.OK]


def test_a_shorter_interval_counts_from_the_reload() -> None:
    checks = watching()
    checks.start(CHK, 0)
    checks.configure(Config(scripts=(replace(HAPROXY, interval=60 * S),)), {}, S, running=True)
    checks.start(CHK, 2 * S)
    assert checks.next_at(CHK) == 62 * S
    checks.configure(Config(scripts=(HAPROXY,)), {}, 10 * S, running=True)
    assert checks.next_at(CHK) == 12 * S


def test_what_is_not_kept_is_forgotten_and_named() -> None:
    checks = watching()
    assert checks.keep({CHK}) == []
    assert checks.keep(set()) == [CHK]
    assert len(checks) == 0
