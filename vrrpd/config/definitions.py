"""`$NAME=VALUE` and `$NAME`, `${NAME}`: what is defined, and lines with the values in place of the references.

A value is put in when the reference is read, not when the value is defined, and is searched for references again. The
names that begin with an underscore are keepalived's own, until a file defines them otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from vrrpd.config.text import Text, joined

MAX_REPLACEMENTS = 2_000
"""Of one line; definitions that need each other reach any number."""
MAX_CHARACTERS = 1 << 20
"""A line that definitions make may be as long as one that is written."""

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
DEFINITION = re.compile(rf"\$({_NAME})=[ \t]*")
"""The beginning of a line that defines something."""
_REFERENCE = re.compile(rf"\$(?:\{{({_NAME})((?: [A-Za-z0-9_ ]*)?)\}}|({_NAME})(?=[ \t,)]|\Z))")
_MOST_RANDOM = 32767

Lines: TypeAlias = tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a file can ask of the machine besides its files."""

    config_id: str = ""
    """-i, by default the first part of the node's name: what `@id` is compared with, and `${_INSTANCE}`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """For `${_ENV NAME}`."""


class ExpansionError(ValueError):
    """A line that its definitions make too long, or without end; the message says why."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A line with values put in."""

    line: Text
    further: Lines = ()
    """The other lines of definitions of several lines, in order."""


class Definitions:
    """The definitions of one reading; `spend` is told of every character they make."""

    def __init__(self, setting: Setting, directory: Callable[[], str], spend: Callable[[int], None]) -> None:
        self._setting = setting
        self._directory = directory
        self._spend = spend
        self._values: dict[str, str | Lines] = {}
        self.seed(0)

    def define(self, name: str, value: str | Lines) -> None:
        """Now and until it is defined again."""
        self._values[name] = value

    def seed(self, number: int) -> None:
        """`${_RANDOM}` draws the same numbers at each reading on a node: a reload changes nothing by itself."""
        self._random = Random(f"{number} {self._setting.config_id}")  # noqa: S311 - drawn to differ, not to be secret

    def expand(self, line: Text) -> Expanded | None:
        """The line with its references replaced, from left to right; None when nothing was. Raises ExpansionError."""
        done: list[Text] = []
        further: Lines = ()
        rest, length = line, 0
        reference = _REFERENCE.search(rest.text)
        while reference is not None:
            at, value = reference.start(), self._value(reference)
            if value is None:
                reference = _REFERENCE.search(rest.text, at + 1)
                continue
            if len(done) == MAX_REPLACEMENTS:
                raise ExpansionError("its definitions lead to each other without an end")
            if isinstance(value, str):
                made = rest.made(at, value, reference[1] or reference[3])
            else:
                made, further = value[0], value[1:] + further
            done.append(rest.cut(0, at))
            length += at
            rest = joined([made, rest.cut(reference.end())])
            self._spend(len(rest.text))
            if length + len(rest.text) > MAX_CHARACTERS:
                raise ExpansionError(f"its definitions make it longer than {MAX_CHARACTERS} characters")
            if made.text.lstrip(" \t").startswith("~"):
                break
            reference = _REFERENCE.search(rest.text)
        return Expanded(joined([*done, rest]), further) if done else None

    def _value(self, reference: re.Match[str]) -> str | Lines | None:
        name, parameters = reference[1] or reference[3], (reference[2] or "").split()
        value = self._values.get(name)
        if value is None:
            return self._own(name, parameters)
        if parameters or (not isinstance(value, str) and reference.end() != len(reference.string)):
            return None
        return value

    def _own(self, name: str, parameters: list[str]) -> str | None:
        match name, parameters:
            case "_PWD", []:
                return self._directory()
            case "_INSTANCE", []:
                return self._setting.config_id
            case "_HASH", []:
                return "#"
            case "_BANG", []:
                return "!"
            case "_ENV", [variable]:
                return self._setting.environment.get(variable, "")
            case "_RANDOM", [] | [_] | [_, _] if all(part.isdigit() for part in parameters):
                return str(self._drawn(*(int(part[:18]) for part in parameters)))
            case _:
                return None

    def _drawn(self, low: int = 0, high: int = _MOST_RANDOM) -> int:
        return self._random.randint(low, max(low, high))
