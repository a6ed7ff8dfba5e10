"""Diagnostics as text: for people, for editors that read a compiler's lines, for GitHub's annotations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from unicodedata import combining, east_asian_width

from vrrpd.config.diagnostics import Diagnostic, Severity

_GCC = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "warning", Severity.INFO: "note"}
_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "warning", Severity.INFO: "notice"}


def for_people(diagnostics: Iterable[Diagnostic]) -> str:
    """Each diagnostic, its line and a caret under its column, and how many there are of which kind."""
    shown = list(diagnostics)
    counts = Counter(found.severity for found in shown)
    total = ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])
    return "\n".join([*map(_with_line, shown), total or "nothing to say"]) + "\n"


def _with_line(found: Diagnostic) -> str:
    if not found.text:
        return str(found)
    caret = f"\n    {_margin(found.text[: found.column - 1])}^" if 0 < found.column <= len(found.text) else ""
    return f"{found}\n    {found.text}{caret}"


def _margin(text: str) -> str:
    """Blanks as wide as the text is on a terminal."""
    return "".join("\t" if character == "\t" else " " * _width(character) for character in text)


def _width(character: str) -> int:
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in ("W", "F") else 1


def for_gcc(diagnostics: Iterable[Diagnostic]) -> str:
    """`FILE:LINE:COLUMN: error|warning|note: MESSAGE (HINT) [CODE]`: what an editor's error list reads."""
    return "".join(
        f"{found.where}: {_GCC[found.severity]}: {found.message}{_hint(found)} [{found.code}]\n"
        for found in diagnostics
    )


def for_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Workflow commands: GitHub shows each at its line of a pull request."""
    return "".join(map(_annotation, diagnostics))


def _annotation(found: Diagnostic) -> str:
    place = f",line={found.line},col={found.column}" if found.line else ""
    where = f"file={_property(found.file)}{place},title={found.code}"
    return f"::{_GITHUB[found.severity]} {where}::{_data(found.message + _hint(found))}\n"


def _hint(found: Diagnostic) -> str:
    return f" ({found.hint})" if found.hint else ""


def _data(text: str) -> str:
    return re.sub(r"[%\r\n]", lambda match: f"%{ord(match[0]):02X}", text)


def _property(text: str) -> str:
    return re.sub(r"[%\r\n:,]", lambda match: f"%{ord(match[0]):02X}", text)


FORMATS: Mapping[str, Callable[[Sequence[Diagnostic]], str]] = {
    "people": for_people,
    "gcc": for_gcc,
    "github": for_github,
}
