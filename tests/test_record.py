"""The flight recorder: what was recorded does the same again, and tells no password."""

from __future__ import annotations

import json

import pytest
from driver import Moment, Node, guide_node
from sample import BAD, HAPROXY, PASSWORD, THEIRS, guide, ipv4, message, password_message

from vrrpd import record
from vrrpd.actions import Action, Drain, Event
from vrrpd.engine import Engine
from vrrpd.record import EVENTS_MAX, Recorder, RecordingError, replay

S = 1_000_000_000


class Recorded(Node):
    """A node with a recorder before its engine, once it has begun."""

    def begin(self) -> None:
        self.recorder = Recorder(self.engine)

    def tell(self, event: Event) -> list[Action]:
        if not hasattr(self, "recorder"):
            return super().tell(event)
        return self._take(self.recorder.handle(event, self.now))

    def hear_packet(self, packet: bytes, name: str = "eth0") -> list[Action]:
        return self._take(self.recorder.receive(name, packet, self.now))


def incident() -> tuple[Recorded, list[Moment]]:
    """A node that has served for a while; then a check fails, it hands over, and is drained."""
    node = Recorded(guide(100), scripts=(HAPROXY,))
    node.run(10 * S)
    node.begin()
    since = len(node.done)
    node.check = lambda _: BAD
    node.run(17 * S)
    node.run_hearing(25 * S, password_message(99))
    node.hear(message(99, auth_type=1, auth_data=b"guess"))
    node.tell(Drain(node.record().identity))
    node.run(40 * S)
    return node, node.done[since:]


def lines(node: Recorded) -> list[str]:
    return list(node.recorder.lines())


def without_times(moments: list[Moment]) -> list[str]:
    return [f"{at} {action}" for at, action in moments]


def test_a_recording_replayed_does_what_was_done() -> None:
    node, done = incident()
    again = [(at, action) for at, actions in replay(lines(node)) for action in actions]
    # Advertisements carry the zeroed password, so what is compared is who became what, when and why.
    assert len(again) == len(done)
    assert story(again) == story(done)
    assert len(story(done)) == 4


def story(moments: list[Moment]) -> list[str]:
    return [f"{at} {action.effect}" for at, action in moments if "StateChanged" in repr(action)]  # type: ignore[union-attr]


def test_the_recording_goes_on_from_where_it_began_and_not_from_where_the_engine_is() -> None:
    node, done = incident()
    first = lines(node)
    node.run(60 * S)
    assert lines(node)[: len(first)] == first
    assert story([(at, a) for at, actions in replay(first) for a in actions]) == story(done)


def test_no_password_is_in_it() -> None:
    node, _ = incident()
    text = "\n".join(lines(node))
    assert PASSWORD.password.hex() not in text
    assert PASSWORD.password.decode() not in text
    assert b"guess".hex() not in text


def test_a_wrong_password_is_wrong_in_the_replay_too() -> None:
    node, _ = incident()
    replayed = record.decode(json.loads(lines(node)[1]))
    assert isinstance(replayed, Engine)
    for line in lines(node)[2:]:
        now, method, arguments = json.loads(line)
        record._METHODS[method](replayed, *map(record.decode, arguments), now)
    counters = replayed.records[node.record().identity].counters
    assert counters["authentication"] == 1
    assert counters == node.record().counters


def test_two_segments_are_kept_and_the_older_one_is_the_beginning() -> None:
    node = Recorded(guide(100), scripts=(HAPROXY,))
    node.begin()
    node.run(10 * S)
    node.recorder.turn_over()
    node.run(20 * S)
    node.recorder.turn_over()
    since = len(node.done)
    node.run(30 * S)
    times = [json.loads(line)[0] for line in lines(node)[2:]]
    assert min(times) > 10 * S
    replayed = [(at, action) for at, actions in replay(lines(node)) for action in actions if at > 20 * S]
    assert len(replayed) == len(node.done[since:])


def test_it_is_bounded_when_nobody_turns_it_over() -> None:
    recorder = Recorder(guide_node().engine)
    packet = ipv4(message(99), THEIRS)
    for now in range(3 * EVENTS_MAX):
        recorder.receive("eth0", packet, now)
    assert recorder.is_full
    assert sum(1 for _ in recorder.lines()) == 2 + 2 * EVENTS_MAX


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "nonsense",
        '{"vrrpd": "recording", "format": 99}',
        '{"vrrpd": "recording", "format": 1}',
        '{"vrrpd": "recording", "format": 1}\n{"$": "os:system"}',
        '{"vrrpd": "recording", "format": 1}\n{"$": "engine:Callable"}\n[0, "handle", []]',
        '{"vrrpd": "recording", "format": 1}\n{"$": "engine:Engine"}\n[0, "__init__", []]',
    ],
)
def test_what_is_no_recording_is_refused(text: str) -> None:
    with pytest.raises(RecordingError):
        list(replay(text.splitlines()))
