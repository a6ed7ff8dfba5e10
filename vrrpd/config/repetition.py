"""`~SEQ(…)` and `~LST(…)`: the rest of a line once for each value of one variable or several."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vrrpd.config.text import Text

_SEQUENCE = re.compile(r"~SEQ(?P<hex>x?)[ \t]*\([ \t]*(?P<name>[^ \t,)]+)[ \t]*,(?P<numbers>[^)]*)\)[ \t]*")
_NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<digits>0[xX][0-9a-fA-F]+|[0-9]*)")
_LIST = re.compile(r"~LST[ \t]*\([ \t]*(?:\{(?P<names>[^{}]*)\}|(?P<name>[^ \t,{}()]*))[ \t]*,[ \t]*")
_SET = re.compile(r"(?:\{(?P<values>[^{}]*)\}|(?P<value>[^ \t,{}()]*))[ \t]*(?P<end>[,)])[ \t]*")
_FURTHEST = (1 << 63) - 1
_MOST_NUMBERS = 3


class RepetitionError(ValueError):
    """A repetition that cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """What is repeated, and with which values."""

    names: tuple[str, ...]
    values: Iterable[tuple[str, ...]]
    """One value for each name, in order; may be very many."""
    rest: Text


def read_repetition(line: Text, expand: Callable[[str], str]) -> Repetition:
    """Take a line that begins with ~SEQ or ~LST apart. Raises RepetitionError.

    `expand` puts values in for the references among the numbers of a sequence; those of a list stay as written.
    """
    return _list(line) if line.text.startswith("~LST") else _sequence(line, expand)


def _sequence(line: Text, expand: Callable[[str], str]) -> Repetition:
    form = _SEQUENCE.match(line.text)
    if form is None:
        raise RepetitionError("a sequence is written ~SEQ(NAME, START, STEP, END) REST; START and STEP may be left out")
    numbers = [_number(part) for part in expand(form["numbers"]).split(",")]
    if len(numbers) > _MOST_NUMBERS:
        raise RepetitionError("a sequence has at most a start, a step and an end")
    end = numbers[-1]
    start = numbers[0] if len(numbers) > 1 else (-1 if end < 0 else 1)
    step = numbers[1] if len(numbers) == _MOST_NUMBERS else _default_step(start, end)
    if step == 0 or (end - start) * step < 0:
        raise RepetitionError(f"a sequence from {start} by steps of {step} never comes to {end}")
    if form["hex"] and min(start, end) < 0:
        raise RepetitionError("~SEQx counts from 0 on: no negative numbers in hexadecimal")
    style = "x" if form["hex"] else "d"
    count = range(start, end + (1 if step > 0 else -1), step)
    return Repetition((form["name"],), ((format(n, style),) for n in count), line.cut(form.end()))


def _default_step(start: int, end: int) -> int:
    return 1 if end >= start else -1


def _number(text: str) -> int:
    """As C's strtol reads it: 0x10 is 16, 010 is 8, nothing is 0."""
    form = _NUMBER.fullmatch(text.strip(" \t"))
    if form is None:
        raise RepetitionError("the bounds of a sequence are whole numbers")
    digits = form["digits"] or "0"
    if digits[:2].lower() == "0x":
        number = int(digits, 16)
    elif digits.startswith("0"):
        octal = re.match(r"[0-7]*", digits)
        if octal is None or octal.end() != len(digits):
            raise RepetitionError("the bounds of a sequence are whole numbers; one that begins with 0 is octal")
        number = int(digits, 8)
    else:
        number = int(digits[:20])
    return min(number, _FURTHEST) * (-1 if form["sign"] == "-" else 1)


def _list(line: Text) -> Repetition:
    form = _LIST.match(line.text)
    if form is None:
        raise RepetitionError("a list is written ~LST(NAME, VALUE, …) REST or ~LST({A, B}, {1, 2}, …) REST")
    names = _parts(form["names"]) if form["names"] is not None else (form["name"],)
    sets: list[tuple[str, ...]] = []
    at = form.end()
    while True:
        one = _SET.match(line.text, at)
        if one is None:
            raise RepetitionError("the values of a list are words with commas between them, and a ) after the last")
        values = _parts(one["values"]) if one["values"] is not None else (one["value"],)
        if len(values) > len(names):
            raise RepetitionError(f"{len(values)} values for {len(names)} of the list's names")
        sets.append(values + ("",) * (len(names) - len(values)))
        at = one.end()
        if one["end"] == ")":
            return Repetition(names, sets, line.cut(at))


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip(" \t") for part in text.split(","))
    if any(" " in part or "\t" in part for part in parts):
        raise RepetitionError("the values of a list are single words")
    return parts


def repeated(repetition: Repetition, define: Callable[[str, str], None]) -> Iterator[Text]:
    """The rest of the line, once for each set of values, each time after its names have been defined."""
    for values in repetition.values:
        for name, value in zip(repetition.names, values, strict=True):
            define(name, value)
        yield repetition.rest
