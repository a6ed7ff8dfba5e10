"""What a reader has to say about a file: a value per problem, and the collector that gathers them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

SHOWN_OF_A_SEVERITY = 1_000
"""A file of a million wrong lines is still answered in bounded memory; the rest is counted."""


class Severity(StrEnum):
    """How much a diagnostic matters, worst first."""

    ERROR = "error"
    """The daemon refuses the file."""
    WARNING = "warning"
    """keepalived runs it, not as written; the message says what is taken instead."""
    ADVICE = "advice"
    """Runs as written, not as meant."""
    INFO = "info"
    """Nothing to do."""


class Place(Protocol):
    """Where something stands. Lines and columns count from 1, in characters; line 0 is the file as a whole."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Spot:
    """A place and nothing else."""

    file: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem. `code` is stable: people silence and search by it."""

    severity: Severity
    code: str
    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    text: str = ""
    """The line itself, secrets masked; empty when the file as a whole is meant."""

    @property
    def where(self) -> str:
        """`FILE:LINE:COLUMN`, or `FILE` for the file as a whole."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.where}: {self.severity}: {self.message}{hint}"


def printable(text: str) -> str:
    """Nothing that a file holds can steer a terminal or forge a line of a log."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character == "\t" else "�" for character in text)


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By file, line and column; what was found first comes first where these are equal."""
    return tuple(sorted(diagnostics, key=lambda found: (found.file, found.line, found.column)))


class Findings:
    """Collects diagnostics, at most SHOWN_OF_A_SEVERITY of each severity."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []
        self._counts: Counter[Severity] = Counter()

    def error(self, at: Place, code: str, message: str, hint: str = "") -> None:
        self._add(Severity.ERROR, at, code, message, hint)

    def warning(self, at: Place, code: str, message: str, hint: str = "") -> None:
        self._add(Severity.WARNING, at, code, message, hint)

    def advice(self, at: Place, code: str, message: str, hint: str = "") -> None:
        self._add(Severity.ADVICE, at, code, message, hint)

    def info(self, at: Place, code: str, message: str, hint: str = "") -> None:
        self._add(Severity.INFO, at, code, message, hint)

    def say(self, severity: Severity, at: Place, code: str, message: str, hint: str = "") -> None:
        """What is as severe as the caller says."""
        self._add(severity, at, code, message, hint)

    def has_room(self, severity: Severity) -> bool:
        """Whether another one would be shown."""
        return self._counts[severity] < SHOWN_OF_A_SEVERITY

    def all(self) -> tuple[Diagnostic, ...]:
        """Everything found, in order, and how many more there were."""
        unshown = [
            Diagnostic(severity, "too-many", self._found[-1].file, 0, 0, f"{count - SHOWN_OF_A_SEVERITY} more of these")
            for severity, count in self._counts.items()
            if count > SHOWN_OF_A_SEVERITY
        ]
        return in_order(self._found + unshown)

    def _add(self, severity: Severity, at: Place, code: str, message: str, hint: str) -> None:
        if self.has_room(severity):
            self._found.append(
                Diagnostic(severity, code, at.file, at.line, at.column, printable(message), printable(hint))
            )
        self._counts[severity] += 1
