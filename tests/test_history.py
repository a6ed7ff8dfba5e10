"""The history on disk: bounded, readable without a daemon, and never in the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from vrrpd import history
from vrrpd.history import FILE_MAX, History


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def event(number: int, words: str = "") -> dict[str, object]:
    return {"event": "state changed", "timestamp": "2026-01-02T03:04:05.000000Z", "number": number, "why": words}


def write(path: Path, *events: dict[str, object]) -> None:
    log = History(path)
    for one in events:
        log.add(one)
    log.close()
    assert log.dropped == 0


def numbers(path: Path) -> list[int]:
    return [one["number"] for one in history.read(path)]


def test_what_was_added_is_read_in_order_across_restarts(path: Path) -> None:
    write(path, event(1), event(2))
    write(path, event(3))
    assert numbers(path) == [1, 2, 3]


def test_only_its_owner_and_its_group_may_read_it(path: Path) -> None:
    write(path, event(1))
    assert path.stat().st_mode & 0o777 == 0o640


def test_it_never_grows_beyond_two_files_and_keeps_the_newest(path: Path) -> None:
    many = [event(number, "x" * 50_000) for number in range(60)]
    write(path, *many)
    kept = numbers(path)
    assert kept == list(range(kept[0], 60))
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["events.1.jsonl", "events.jsonl"]
    assert all(file.stat().st_size < FILE_MAX + (1 << 16) for file in files)


def test_lines_that_are_no_events_are_left_out(path: Path) -> None:
    write(path, event(1))
    with path.open("a", encoding="utf-8") as file:
        file.write('garbage\n[1]\n{"event": 3}\n{"event": "cut off", "timest')
    assert numbers(path) == [1]


def test_nothing_is_on_record_before_the_first_event(path: Path) -> None:
    assert list(history.read(path)) == []


def follow(path: Path, *happenings: Callable[[], None]) -> Iterator[history.Event]:
    """What is told while one thing after the other happens."""
    coming = iter(happenings)

    def wait() -> None:
        next(coming)()

    return history.follow(path, wait)


def test_who_follows_is_told_what_comes_and_not_what_was(path: Path) -> None:
    write(path, event(1))
    following = follow(path, lambda: write(path, event(2)), lambda: write(path, event(3), event(4)))
    assert [one["number"] for one in islice(following, 3)] == [2, 3, 4]


def test_who_follows_goes_on_in_the_next_file(path: Path) -> None:
    write(path, event(1))

    def turn() -> None:
        path.replace(history.older(path))
        write(path, event(2))

    following = follow(path, turn, lambda: write(path, event(3)))
    assert [one["number"] for one in islice(following, 2)] == [2, 3]


def test_a_symbolic_link_in_its_place_is_not_followed(path: Path) -> None:
    target = path.parent / "precious"
    target.write_text("kept")
    path.symlink_to(target)
    write(path, event(1))
    assert target.read_text() == "kept"


def test_an_event_is_one_line_of_json_whatever_it_holds(path: Path) -> None:
    write(path, event(1, 'line\nbreak "quote"'))
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["why"] == 'line\nbreak "quote"'
