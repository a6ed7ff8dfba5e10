"""Who wants to be called when: perhaps too early, never too late, never twice."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vrrpd.agenda import Agenda


def test_nobody_is_due_when_nobody_asked() -> None:
    agenda: Agenda[str] = Agenda()
    assert agenda.next_at() is None
    assert list(agenda.due(10**12)) == []


def test_keys_come_due_in_the_order_of_time_and_only_once() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.set("late", 30)
    agenda.set("early", 10)
    agenda.set("between", 20)
    assert agenda.next_at() == 10
    assert list(agenda.due(20)) == ["early", "between"]
    assert list(agenda.due(20)) == []
    assert agenda.next_at() == 30


def test_an_earlier_date_replaces_a_later_one() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.set("a", 30)
    agenda.set("a", 10)
    assert list(agenda.due(10)) == ["a"]
    assert agenda.next_at() is None, "the later one is gone"


def test_a_later_date_does_not_make_a_key_late() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.set("a", 10)
    agenda.set("a", 30)
    assert agenda.next_at() == 10, "too early is harmless"
    assert list(agenda.due(10)) == ["a"]
    agenda.set("a", 30)
    assert agenda.next_at() == 30


def test_none_takes_a_key_out() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.set("a", 10)
    agenda.set("a", None)
    agenda.set("never there", None)
    assert agenda.next_at() is None
    agenda.set("a", 10)
    assert list(agenda.due(10)) == ["a"]
    assert agenda.next_at() is None, "an entry taken out earlier does not come back"


def test_a_key_may_set_itself_again_while_it_is_due() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.set("a", 10)
    for key in agenda.due(10):
        agenda.set(key, 20)
    assert agenda.next_at() == 20


def test_two_keys_at_one_time_come_in_the_order_they_asked() -> None:
    agenda: Agenda[str | tuple[str, int]] = Agenda()
    agenda.set(("eth0", 1), 10)
    agenda.set("check", 10)
    assert list(agenda.due(10)) == [("eth0", 1), "check"], "keys need not be comparable"


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 50) | st.none()), max_size=40))
def test_nobody_is_forgotten(requests: list[tuple[int, int | None]]) -> None:
    agenda: Agenda[int] = Agenda()
    wanted: dict[int, int] = {}
    for key, at in requests:
        agenda.set(key, at)
        if at is None:
            wanted.pop(key, None)
        else:
            wanted[key] = min(at, wanted.get(key, at))
    assert agenda.next_at() == min(wanted.values(), default=None)
    assert sorted(agenda.due(50)) == sorted(wanted)
