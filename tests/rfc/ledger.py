"""The rows, the tests that stand for them, and what is wrong between the two. Imports no test: it reads their text.

A test says which rows it shows: `@pytest.mark.rfc("5798-6.4.2-12")`, what is asked is done; `rfc_not`, what is not
asked, or not allowed, is not done.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
ROWS = Path(__file__).with_name("rows.toml")
TESTS = REPOSITORY / "tests"
DOCUMENT = REPOSITORY / "docs" / "rfc.md"

PARTS = ("Language", "Wire", "Watching", "Operating")
"""Of vrrpd, that are still to come."""


class Level(StrEnum):
    """How binding it is; MUST and SHOULD include their negations."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"
    DEFINES = "defines"
    ADVICE = "advice"


class Applies(StrEnum):
    """To which version of the protocol."""

    V2 = "v2"
    V3 = "v3"
    BOTH = "both"


class Verdict(StrEnum):
    """What vrrpd does about it."""

    KEPT = "kept"
    DIFFERS = "differs"
    NOT_APPLICABLE = "not applicable"
    LATER = "later"


class Row(NamedTuple):
    """One requirement. `why`: how it differs, why it does not apply, or what will bring it."""

    id: str
    section: str
    level: Level
    applies: Applies
    requirement: str
    verdict: Verdict
    why: str


@dataclass(slots=True)
class Shown:
    """The tests of a row, by name."""

    positive: list[str] = field(default_factory=list)
    negative: list[str] = field(default_factory=list)


def rows() -> dict[str, Row]:
    """By id, in the order of the file. ValueError or KeyError when it is not well formed."""
    with ROWS.open("rb") as file:
        read = [_row(entry) for entry in tomllib.load(file)["row"]]
    found = {row.id: row for row in read}
    if len(found) != len(read):
        raise ValueError(f"{ROWS.name}: an id stands there twice")
    return found


def _row(entry: Mapping[str, str]) -> Row:
    return Row(
        entry["id"],
        entry["section"],
        Level(entry["level"]),
        Applies(entry["applies"]),
        entry["requirement"],
        Verdict(entry["verdict"]),
        entry.get("why", ""),
    )


def shown() -> dict[str, Shown]:
    """Which tests say that they show which row; an id may be unknown."""
    found: dict[str, Shown] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.rfc" not in text:
            continue
        for test, mark, ids in _marks(ast.parse(text)):
            for id_ in ids:
                entry = found.setdefault(id_, Shown())
                (entry.positive if mark == "rfc" else entry.negative).append(test)
    return found


def _marks(module: ast.Module) -> Iterator[tuple[str, str, list[str]]]:
    for function in module.body:
        if not isinstance(function, ast.FunctionDef):
            continue
        for decorator in function.decorator_list:
            match decorator:
                case ast.Call(func=ast.Attribute(attr="rfc" | "rfc_not" as mark), args=ids):
                    yield function.name, mark, [str(ast.literal_eval(id_)) for id_ in ids]
                case _:
                    pass


def problems() -> list[str]:
    """What is wrong, in words; nothing: every row that is acted on is shown by a test of either kind."""
    known, tested = rows(), shown()
    found = [f"{id_}: there is no such row" for id_ in tested.keys() - known.keys()]
    for row in known.values():
        tests = tested.get(row.id, Shown())
        acted_on = row.verdict in {Verdict.KEPT, Verdict.DIFFERS}
        if acted_on and not tests.positive:
            found.append(f"{row.id} ({row.level}, {row.verdict}): no test shows that it is done")
        if acted_on and not tests.negative:
            found.append(f"{row.id} ({row.level}, {row.verdict}): no test shows what is not done")
        if not acted_on and (tests.positive or tests.negative):
            found.append(f"{row.id}: {row.verdict}, and yet there are tests of it")
        if (row.verdict is Verdict.KEPT) is bool(row.why):
            found.append(f"{row.id}: a row that is kept needs no reason, and any other needs one")
        if row.verdict is Verdict.LATER and not row.why.startswith(PARTS):
            found.append(f"{row.id}: which part will bring it?")
    return sorted(found)


def document() -> str:
    """docs/rfc.md, whole."""
    known, tested = rows(), shown()
    verdicts = [row.verdict for row in known.values()]
    count = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict)
    lines = [
        "# The RFCs, row by row",
        "",
        "<!-- Made by `python -m tests.rfc` from tests/rfc/rows.toml and the marks of the tests: do not edit. -->",
        "",
        "RFC 5798 asks for this, RFC 3768 where version 2 differs, and RFC 9568 where it changes something. The words",
        "are ours: where one decides, read the RFC. An id is the RFC, its section and a number of ours. Tests: how",
        "many show that it is done, and how many show what is not done. What vrrpd does beyond the RFCs stands in",
        "[architecture.md](architecture.md) and, for users, in [keepalived.md](keepalived.md).",
        "Version 3 and IPv6 are shown here as the core has them; their sockets and keywords come with Wire.",
        "",
        f"{len(known)} rows: {count}.",
    ]
    section = ""
    for row in known.values():
        if row.section != section:
            section = row.section
            lines += [
                "",
                f"## {section}",
                "",
                "| Row | Level | Version | Asks | vrrpd | Tests |",
                "|---|---|---|---|---|---|",
            ]
        verdict = f"**{row.verdict}**: {row.why}" if row.why else row.verdict
        tests = tested.get(row.id)
        counts = f"{len(tests.positive)} + {len(tests.negative)}" if tests else ""
        lines.append(f"| {row.id} | {row.level} | {row.applies} | {row.requirement} | {verdict} | {counts} |")
    return "\n".join(lines) + "\n"
