"""Checks, priorities, and a Master that is worse and asks to be relieved (hazards A2, A3, C6)."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address

import pytest
from driver import Node, guide_node, priorities
from hypothesis import given, settings
from hypothesis import strategies as st
from sample import BAD, GONE, GOOD, HAPROXY, MS, OURS, THEIRS, S, guide, password_message, router

from vrrpd.actions import CheckChanged, CheckFinished, ConfigChanged, RunCheck
from vrrpd.fsm import deadline
from vrrpd.model import Config, Script, ScriptResult, Tracker
from vrrpd.states import Master, Resigning
from vrrpd.tracking import CheckState

FATAL = Script("fatal", ("true",), interval=S, timeout=S, fall=2, rise=2)


def fail(node: Node, times: int = 3, name: str = "chk_haproxy") -> None:
    for _ in range(times):
        node.tell(CheckFinished(node.poll(name).asked, BAD))


def good(node: Node, name: str = "chk_haproxy") -> None:
    node.tell(CheckFinished(node.poll(name).asked, GOOD))


def quiet(node: Node) -> Node:
    """Its scripts are started and never end by themselves: the test says how they end."""
    node.check = lambda _: None
    return node


def serving(priority: int = 100, heard: int | None = None) -> Node:
    """A Master of the guide's pair, that has heard the other one advertise this priority."""
    node = quiet(guide_node(priority))
    good(node)
    if heard is not None:
        node.hear(password_message(heard), THEIRS if priority == 100 else OURS)
    node.run(10 * S)
    assert node.state() == "Master"
    return node


# --- running checks ---


def test_a_check_runs_at_start_and_then_from_start_to_start() -> None:
    node = guide_node()
    node.run(10 * S)
    assert [at for at, a in node.done if isinstance(a, RunCheck)] == [0, 2 * S, 4 * S, 6 * S, 8 * S, 10 * S]


def test_a_check_that_still_runs_is_not_started_again() -> None:
    node = quiet(guide_node())
    node.run(9 * S)
    assert [at for at, a in node.done if isinstance(a, RunCheck)] == [0]
    good(node)
    node.run(11 * S)
    assert [at for at, a in node.done if isinstance(a, RunCheck)] == [0, 10 * S]


def test_a_result_of_a_script_that_is_gone_is_of_no_interest() -> None:
    node = guide_node()
    assert node.tell(CheckFinished(Script("somebody else", ("true",)), BAD)) == []


def test_two_routers_share_one_check() -> None:
    node = Node(guide(100), guide(90, name="R2", vrid=51), scripts=(HAPROXY,))
    node.run(S)
    assert sum(isinstance(a, RunCheck) for _, a in node.done) == 1
    fail(node)
    assert [p.priority for r in node.engine.records.values() if (p := r.parameters)] == [98, 88]


def test_a_change_of_mind_is_told_once() -> None:
    node = quiet(guide_node())
    good(node)
    fail(node, 5)
    told = [a.check.state for _, a in node.done if isinstance(a, CheckChanged)]
    assert told == [CheckState.OK, CheckState.FAILING]


# --- weight 0: FAULT ---


def fatal_node() -> Node:
    ours = router(trackers=(Tracker("fatal", 0),))
    node = quiet(Node(ours, scripts=(FATAL,)))
    assert node.state() == "Initialize"
    return node


def test_a_router_waits_for_the_first_result_of_a_weight_0_check() -> None:
    node = fatal_node()
    node.run(60 * S)
    assert (node.state(), node.sent()) == ("Initialize", [])
    good(node, "fatal")
    assert deadline(node.record().state) == 60 * S + 3_609_375_000


def test_a_weight_0_check_that_fails_hands_over_and_is_a_fault() -> None:
    node = fatal_node()
    good(node, "fatal")
    node.run(10 * S)
    fail(node, 2, "fatal")
    assert node.state() == "Resigning"
    assert [f.words for f in node.record().faults] == ["fatal failed 2 times (exit 1)"]
    node.run(20 * S)
    assert node.state() == "Initialize"
    assert [priority for _, priority in node.sent(10 * S + 1)] == [0]


def test_a_weight_0_check_that_recovers_makes_a_backup_with_a_full_master_down() -> None:
    node = fatal_node()
    good(node, "fatal")
    node.run(10 * S)
    fail(node, 2, "fatal")
    node.run(20 * S)
    good(node, "fatal")
    assert node.state() == "Initialize", "rise is 2"
    good(node, "fatal")
    assert deadline(node.record().state) == 23_609_375_000


def test_a_fault_that_ends_while_resigning_makes_it_master_again_with_an_advertisement() -> None:
    """Hazard B7."""
    node = fatal_node()
    good(node, "fatal")
    node.run(10 * S)
    fail(node, 2, "fatal")
    node.run(11 * S)
    good(node, "fatal")
    good(node, "fatal")
    assert node.state() == "Master"
    assert node.sent(11 * S) == [(11 * S, 100)]


def test_two_weight_0_checks_are_two_faults() -> None:
    other = Script("other", ("true",), interval=S, timeout=S)
    node = quiet(Node(router(trackers=(Tracker("fatal", 0), Tracker("other", 0))), scripts=(FATAL, other)))
    fail(node, 1, "fatal")
    fail(node, 1, "other")
    good(node, "other")
    assert (node.state(), len(node.record().faults)) == ("Initialize", 1)


def test_a_weight_0_check_added_by_a_reload_is_no_outage() -> None:
    """Hazard C6: keepalived takes it for good until its first result."""
    node = quiet(Node(router()))
    node.run(10 * S)
    node.configure(router(trackers=(Tracker("fatal", 0),)), scripts=(FATAL,))
    node.run(60 * S)
    assert node.state() == "Master"
    assert [state for _, state, _ in node.story()] == ["Backup", "Master"]


# --- priorities ---


def test_a_failing_check_lowers_what_is_advertised_at_once() -> None:
    node = quiet(Node(router(trackers=(Tracker("chk_haproxy", -2),)), scripts=(HAPROXY,)))
    node.run(10_500 * MS)
    fail(node)
    assert node.sent(10_500 * MS) == [(10_500 * MS, 98)]
    assert node.state() == "Master", "its block does not say nopreempt"


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3 * S)), max_size=25))
def test_the_priority_is_a_function_of_the_present_whatever_came_before(results: list[tuple[bool, int]]) -> None:
    node = quiet(guide_node())
    for succeeds, pause in results:
        node.run(node.now + pause)
        node.tell(CheckFinished(node.poll().asked, GOOD if succeeds else BAD))
        p = node.record().parameters
        failing = node.poll().state is CheckState.FAILING
        assert p is not None
        assert p.priority == (98 if failing else 100)


# --- a Master that is worse asks (departure) ---


def test_the_guides_first_node_resigns_when_its_haproxy_dies() -> None:
    """Hazard A2: `state MASTER` cancels nopreempt for preemption, and it resigns all the same."""
    node = serving()
    node.now += 500 * MS
    fail(node)
    assert node.state() == "Resigning"
    assert node.sent(node.now) == [(10_500 * MS, 98), (10_500 * MS, 0)], "98 and then 0, never 0 and then 98 (A4)"
    state = node.record().state
    assert isinstance(state, Resigning)
    assert state.until == 14_750_000_000
    assert node.story()[-1][2] == "chk_haproxy failed 3 times (exit 1)"


def test_right_after_an_advertisement_only_the_0_is_sent() -> None:
    node = serving()
    node.now += 10 * MS
    fail(node)
    node.run(12 * S)
    assert [priority for _, priority in node.sent(10_010 * MS)] == [0, 0]


def test_a_backup_whose_check_fails_moves_nothing() -> None:
    node = quiet(guide_node(99))
    node.run_hearing(5 * S, password_message(100), OURS)
    fail(node)
    node.run_hearing(60 * S, password_message(100), OURS)
    assert (node.state(), node.sent()) == ("Backup", [])


@pytest.mark.parametrize("changes", [{"strict": True}, {"resigns_when_worse": False}])
def test_who_does_not_say_nopreempt_or_is_strict_does_not_ask(changes: dict[str, bool]) -> None:
    node = quiet(Node(guide(100, **changes), scripts=(HAPROXY,)))
    node.run(10 * S)
    fail(node)
    node.run(120 * S)
    assert node.state() == "Master"
    assert 0 not in dict(node.sent()).values()


def test_an_owner_does_not_ask() -> None:
    node = quiet(Node(guide(255), scripts=(HAPROXY,)))
    node.run(10 * S)
    fail(node)
    assert node.state() == "Master"


def asked(node: Node, since: int = 0) -> list[int]:
    return [at for at, state, _ in node.story(since) if state == "Resigning"]


def test_who_asks_in_vain_stays_says_so_and_asks_again_after_10_20_20_intervals() -> None:
    """The pauses count from when it became Master again, each asking takes 4.25 s."""
    node = serving()
    fail(node)
    node.run(100 * S)
    assert asked(node) == [10 * S, 24_250 * MS, 48_500 * MS, 72_750 * MS, 97 * S]
    assert "nobody took over, so it stays Master" in node.story()[-2][2]


def test_who_became_master_with_the_check_failing_asks_after_ten_intervals() -> None:
    """Hazard A3c: not at once, or two such nodes pass the address to and fro."""
    node = quiet(guide_node())
    fail(node, 1)
    node.run(60 * S)
    assert node.story()[1][:2] == (3_617_187_500, "Master")
    assert asked(node) == [13_617_187_500, 37_867_187_500]


def test_a_check_that_flaps_asks_once_a_minute() -> None:
    """Hazard A3d."""
    node = serving()
    for _ in range(60):
        fail(node)
        node.run(node.now + S)
        good(node)
        node.run(node.now + S)
    times = asked(node)
    assert all(b - a >= 60 * S for a, b in itertools.pairwise(times))
    assert len(times) == 2


def test_a_spare_that_is_worse_still_is_not_asked() -> None:
    """Hazard A3e: weights that say that 98 is better than a spare's 50."""
    node = quiet(guide_node())
    node.hear(password_message(50))
    node.run(10 * S)
    fail(node)
    node.run(60 * S)
    assert (node.state(), asked(node)) == ("Master", [])


def test_the_best_rival_ever_heard_decides_not_the_last() -> None:
    node = quiet(guide_node())
    node.hear(password_message(99))
    node.hear(password_message(50), IPv4Address("10.230.137.3"))
    node.run(10 * S)
    fail(node)
    assert node.state() == "Resigning"


def test_a_check_that_recovers_while_it_asks_ends_the_asking_with_an_advertisement() -> None:
    node = serving()
    fail(node)
    node.run(12 * S)
    good(node)
    assert node.state() == "Master"
    assert node.sent(12 * S) == [(12 * S, 100)]
    node.run(120 * S)
    assert asked(node) == [10 * S]


def relieved() -> Node:
    """Node 1 has handed over to 10.230.137.2 with priority 99."""
    node = serving()
    fail(node)
    node.run(10_650 * MS)
    node.hear(password_message(99))
    node.run(10_750 * MS)
    assert node.state() == "Backup"
    return node


def test_who_was_relieved_does_not_come_back_while_the_check_fails() -> None:
    """Hazard A3b: the heir's priority is below ours, and still it may stay."""
    node = relieved()
    node.run_hearing(120 * S, password_message(90))
    assert node.state() == "Backup"
    assert node.story()[-1][2] == "chk_haproxy failed 3 times (exit 1), handed over to 10.230.137.2"


def test_who_was_relieved_comes_back_by_the_files_rules_when_the_check_is_good() -> None:
    node = relieved()
    node.run_hearing(20 * S, password_message(99))
    good(node)
    node.run_hearing(26 * S, password_message(99))
    assert node.state() == "Master"
    assert node.story()[-1][2] == "our priority 100 is above 10.230.137.2's 99"


def test_a_stop_while_it_asks_sharpens_and_sends_nothing_more() -> None:
    """Hazard B2."""
    node = serving()
    fail(node)
    node.run(11 * S)
    node.configure()
    node.run(30 * S)
    assert [priority for _, priority in node.sent(10 * S + 10 * MS)] == []
    assert node.engine.idle


def test_a_fault_while_it_asks_sharpens_too() -> None:
    ours = guide(100, trackers=(Tracker("chk_haproxy", -2), Tracker("fatal", 0)))
    node = quiet(Node(ours, scripts=(HAPROXY, FATAL)))
    good(node, "fatal")
    node.run(10 * S)
    fail(node)
    fail(node, 2, "fatal")
    node.run(30 * S)
    assert node.state() == "Initialize"
    assert [priority for _, priority in node.sent(10 * S + 10 * MS)] == []


# --- reload ---


def test_a_check_that_a_reload_leaves_as_it_is_keeps_its_result() -> None:
    node = relieved()
    node.configure(guide(100), scripts=(HAPROXY,))
    assert node.poll().state is CheckState.FAILING
    assert node.record().parameters is not None
    assert node.record().parameters.priority == 98  # type: ignore[union-attr]


def test_a_new_weight_counts_at_once() -> None:
    node = quiet(Node(router(trackers=(Tracker("chk_haproxy", -2),)), scripts=(HAPROXY,)))
    node.run(10_500 * MS)
    fail(node)
    node.now += 500 * MS
    actions = node.configure(router(trackers=(Tracker("chk_haproxy", -20),)), scripts=(HAPROXY,))
    assert priorities(actions) == [80]


def test_a_router_that_leaves_keeps_what_it_is_tracked_by_until_it_has_gone() -> None:
    node = serving()
    node.configure()
    assert HAPROXY.subject in node.engine.checks
    node.run(20 * S)
    assert (node.engine.idle, list(node.engine.checks), node.engine.deadline()) == (True, [], None)


# --- defects, until they are gone ---


def test_a_check_that_a_reload_takes_away_runs_no_more() -> None:
    node = guide_node()
    node.run(10 * S)
    node.configure(guide(100, trackers=()))
    node.run(60 * S)
    assert [at for at, a in node.done if isinstance(a, RunCheck) and at > 10 * S] == []


def test_the_first_result_of_a_check_that_a_reload_changed_decides() -> None:
    """Good until its first result, so a failing node does not take the address back for `fall` runs."""
    node = relieved()
    node.configure(guide(100), scripts=(Script("chk_haproxy", ("pidof", "haproxy"), interval=2 * S, fall=3),))
    fail(node, 1)
    assert node.poll().state is CheckState.FAILING


def test_a_rival_only_ever_heard_while_it_was_as_ill_as_we_are_now_may_be_well_by_now() -> None:
    """Node 1 booted while node 2 served with a dead HAProxy (97). Later node 1's dies: node 2 is silent and fine."""
    node = serving(heard=97)
    fail(node)
    node.run(60 * S)
    assert asked(node) != []


def test_a_run_of_the_check_as_it_was_says_nothing_of_the_check_as_it_is() -> None:
    node = serving()
    node.tell(ConfigChanged(Config(routers=(guide(100),), scripts=(Script("chk_haproxy", ("new",), fall=1),)), GONE))
    node.tell(CheckFinished(HAPROXY, ScriptResult(None, 0, "killed by SIGTERM")))
    running = [a.asked.looks_at for _, a in node.done if isinstance(a, RunCheck)]
    assert isinstance(node.record().state, Master), running
