"""What a fuzzer did, step by step, as values that a file can hold: a finding is replayed without the fuzzer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from .choices import Choices

Step: TypeAlias = tuple[Any, ...]
"""A verb and what belongs to it: numbers, text, bytes, addresses, and tuples of these."""
Tally: TypeAlias = Counter[tuple[str, ...]]
"""What was reached, how often."""


class Subject(Protocol):
    """What is fuzzed, with everything that must hold of it."""

    def take(self, step: Step) -> None:
        """Do this step. AssertionError, or whatever the code under test raises: a finding."""


class Target(Protocol):
    """One entry into vrrpd."""

    name: str
    unit: str
    """What is counted: packets, files."""

    def subject(self, tally: Tally) -> Subject:
        """A new one, as it is before anything has happened."""

    def steps(self, choices: Choices) -> Iterator[Step]:
        """What is done to it in one episode."""

    def count(self, tally: Tally) -> int:
        """How many of the unit."""

    def report(self, tally: Tally) -> Iterator[str]:
        """The tally for people, in lines of Markdown."""


class FindingError(Exception):
    """Something that must not be, and the steps that lead to it."""

    def __init__(self, target: str, steps: list[Step]) -> None:
        super().__init__(f"{target}: after {len(steps)} steps")
        self.target = target
        self.steps = steps

    def kept(self, directory: Path) -> str:
        """Keep it as a file that tests/test_found.py replays, and say so."""
        known = len(list(directory.glob(f"{self.target}-*.json")))
        path = directory / f"{self.target}-{known + 1:03}.json"
        lines = ",\n".join(json.dumps(step, default=_tagged) for step in self.steps)
        path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        return f"found: {self.__cause__!r}, kept as {path}"


def summary(target: Target, tally: Tally, seconds: float) -> Iterator[str]:
    """What was reached, for people."""
    yield from target.report(tally)
    count = target.count(tally)
    yield f"\n{target.name}: {count:,} {target.unit} in {seconds:.0f} s, {count / seconds:,.0f} a second"


def episode(target: Target, choices: Choices, tally: Tally) -> None:
    """One subject and what happens to it. Raises `FindingError`."""
    subject = target.subject(tally)
    done: list[Step] = []
    for step in target.steps(choices):
        done.append(step)
        try:
            subject.take(step)
        except Exception as error:  # whatever it is, it is what we look for
            raise FindingError(target.name, shrunk(target, done)) from error


def replay(target: Target, steps: list[Step]) -> None:
    """The same steps again; raises what they raise."""
    subject = target.subject(Counter())
    for step in steps:
        subject.take(step)


def shrunk(target: Target, steps: list[Step]) -> list[Step]:
    """Fewer steps that still lead to something that must not be."""
    size = len(steps) // 2
    while size:
        at = 0
        while at < len(steps):
            fewer = steps[:at] + steps[at + size :]
            if _fails(target, fewer):
                steps = fewer
            else:
                at += size
        size //= 2
    return steps


def _fails(target: Target, steps: list[Step]) -> bool:
    try:
        replay(target, steps)
    except Exception:  # noqa: BLE001  as in `episode`
        return True
    return False


def load(path: Path) -> list[Step]:
    """The steps of a kept finding."""
    content = json.loads(path.read_text(encoding="utf-8"), object_hook=_untagged)
    return [_tuples(step) for step in content]


def _tagged(value: object) -> dict[str, str]:
    return {"hex": value.hex()} if isinstance(value, bytes) else {"ip": str(value)}


def _untagged(value: dict[str, str]) -> object:
    return bytes.fromhex(value["hex"]) if "hex" in value else ip_address(value["ip"])


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
