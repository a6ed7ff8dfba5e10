"""The lines that diagnostics are about, for people: without secrets, end or anything that steers a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from vrrpd.config.diagnostics import Diagnostic, printable

LONGEST_SHOWN = 200
_SECRET = re.compile(r"(\S*pass\S*\s+)([^{}]+)", re.IGNORECASE)
"""auth_pass, however it is spelt, and what follows it."""
_DEFINITION = re.compile(r"(\s*(?:@\S*\s+)*\$(\w+)\s*=)(.*)", re.ASCII)
_TELLING_NAME = re.compile(r"pass|pw|secret|key|auth", re.IGNORECASE)
_LIST = re.compile(r"(~LST\s*\(\s*(?:\{[^}]*\}|[^,]*),)([^)]*)", re.IGNORECASE)


def with_lines(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], secret_names: AbstractSet[str]
) -> tuple[Diagnostic, ...]:
    """Diagnostics with the line that each stands at. A secret name is a definition that a password is made of."""
    wanted: dict[str, set[int]] = {}
    for found in diagnostics:
        wanted.setdefault(found.file, set()).add(found.line)
    lines = {
        (file, number): _shown(line, secret_names)
        for file, numbers in wanted.items()
        for number, line in _lines(sources.get(file, ""), numbers)
    }
    return tuple(replace(found, text=lines.get((found.file, found.line), "")) for found in diagnostics)


def _lines(text: str, numbers: AbstractSet[int]) -> list[tuple[int, str]]:
    """Some lines of a text, without taking all of it apart."""
    last = max(numbers, default=0)
    found = []
    start = 1 if text.startswith("\ufeff") else 0
    for number in range(1, last + 1):
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop
        if number in numbers:
            found.append((number, text[start : min(stop, start + LONGEST_SHOWN + 1)]))
        if stop == len(text):
            break
        start = stop + 1
    return found


def _shown(line: str, secret_names: AbstractSet[str]) -> str:
    masked = _SECRET.sub(lambda match: match[1] + _stars(match[2]), line[:LONGEST_SHOWN])
    if secret_names:
        masked = _LIST.sub(lambda match: match[1] + _stars(match[2]), masked)
    definition = _DEFINITION.match(masked)
    if definition and (definition[2] in secret_names or _TELLING_NAME.search(definition[2])):
        masked = definition[1] + _stars(definition[3])
    return printable(masked.rstrip()) + ("…" if len(line) > LONGEST_SHOWN else "")


def _stars(text: str) -> str:
    return re.sub(r"\S", "*", text)
