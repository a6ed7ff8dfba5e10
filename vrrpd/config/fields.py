"""Readers for the many keywords that say one thing: each puts it into a field of the block's draft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vrrpd.config.syntax import Statement
from vrrpd.config.table import Keyword, Reader, Reading
from vrrpd.config.values import boolean, seconds, whole
from vrrpd.model import SECOND, Duration


def on(field: str) -> Reader[Any]:
    """It stands there, so it is so."""

    def read(draft: Any, line: Statement, to: Reading) -> None:
        del line, to
        setattr(draft, field, True)

    return read


def at(field: str) -> Reader[Any]:
    """It stands there, and where."""

    def read(draft: Any, line: Statement, to: Reading) -> None:
        del to
        setattr(draft, field, line)

    return read


def off(field: str) -> Reader[Any]:
    """It stands there, so it is not so."""

    def read(draft: Any, line: Statement, to: Reading) -> None:
        del line, to
        setattr(draft, field, False)

    return read


def truth(field: str) -> Reader[Any]:
    """A boolean; without one it is true."""

    def read(draft: Any, line: Statement, to: Reading) -> None:
        found = boolean(line.values[0], to) if line.values else True
        if found is not None:
            setattr(draft, field, found)

    return read


def word(field: str) -> Reader[Any]:
    """The first value, with its place."""

    def read(draft: Any, line: Statement, to: Reading) -> None:
        del to
        setattr(draft, field, line.values[0])

    return read


def text(field: str) -> Reader[Any]:
    """The first value."""

    def read(draft: Any, line: Statement, to: Reading) -> None:
        del to
        setattr(draft, field, line.values[0].text)

    return read


def number(field: str, low: int, high: int, *, unit: int = 1, strict: bool = False) -> Reader[Any]:
    """A whole number from low to high, times unit."""

    def read(draft: Any, line: Statement, to: Reading) -> None:
        found = whole(line.values[0], low, high, to, strict=strict)
        if found is not None:
            setattr(draft, field, found * unit)

    return read


def count(field: str, high: int) -> Reader[Any]:
    """A whole number of which there is at least one: 0 becomes 1, as in keepalived."""

    def read(draft: Any, line: Statement, to: Reading) -> None:
        found = whole(line.values[0], 0, high, to)
        if found == 0:
            to.warning(line.values[0], "bad-number", f"{line.keyword} is at least 1: 1 is taken")
        if found is not None:
            setattr(draft, field, max(found, 1))

    return read


def time(field: str, low: Duration, high: Duration) -> Reader[Any]:
    """Decimal seconds, from low to high."""

    def read(draft: Any, line: Statement, to: Reading) -> None:
        found = seconds(line.values[0], low, high, to)
        if found is not None:
            setattr(draft, field, found)

    return read


def whole_seconds(field: str, low: int, high: int) -> Reader[Any]:
    """Seconds without a fraction."""
    return number(field, low, high, unit=SECOND)


def part(field: str, keywords: Mapping[str, Keyword[Any]]) -> dict[str, Keyword[Any]]:
    """Keywords of a draft that is a field of another one."""
    return {name: replace(keyword, read=_within(field, keyword.read)) for name, keyword in keywords.items()}


def _within(field: str, read: Reader[Any] | None) -> Reader[Any] | None:
    if read is None:
        return None

    def reader(draft: Any, line: Statement, to: Reading) -> None:
        read(getattr(draft, field), line, to)

    return reader
