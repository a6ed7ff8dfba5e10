"""Whatever the texts, reading them raises nothing, ends, and points at places that there are.

Besides, a file that is written otherwise is the same file: a part of it in an include, in a definition of several
lines, behind a condition, in a repetition of one round.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
from fuzz.shelf import Shelf
from hypothesis import given, settings
from hypothesis import strategies as st

from vrrpd.config.definitions import Setting
from vrrpd.config.keywords import build
from vrrpd.config.language import Limits, Parsed, parse
from vrrpd.config.node import Offline
from vrrpd.config.syntax import Statement

LIMITS = Limits(statements=2_000, words=8_000, made_lines=2_000, made_characters=500_000)
NODE = Setting("node", {"HOME": "/root"})
SOME = settings(max_examples=300, deadline=None)

NAMES = st.sampled_from(["A", "B", "n", "_PWD", "_HASH", "_INSTANCE", "_RANDOM 1 3", "_ENV HOME", "NOSUCH"])
PIECES = st.one_of(
    st.sampled_from(
        ["word", "10.0.0.1/24", '"a b"', '"', "{", "}", "#", "!", "\\", "@node ", "@^node ", "@x", "~", ","]
    ),
    st.sampled_from(["include part", "include *", "includea {part,none}", "include ", "~SEQ(n,1,2) "]),
    st.sampled_from(
        ["~LST({A,B},{1,2},{3}) ", "~LST(n,a,b", "vrrp_instance V {", "include_check match", "(", ")", "="]
    ),
    NAMES.map("${{{}}}".format),
    NAMES.map("${}".format),
    NAMES.map("${}=".format),
    st.sampled_from([" ", "\t", "\r", "\n", "\n", "\n", " \\\n", "\f", "\x1c", "\xa0", "é", "\ufeff", "\0", "\udcff"]),
)
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=80)


def read(text: str, part: str = "") -> Parsed:
    return parse(text, "/etc/f.conf", NODE, Shelf({"f.conf": text, "part": part}), LIMITS)


def words(statements: tuple[Statement, ...]) -> list[object]:
    return [([word.text for word in line.words], line.children and words(line.children)) for line in statements]


@SOME
@given(TEXTS, TEXTS)
def test_any_texts_are_read_with_all_places_inside_them(text: str, part: str) -> None:
    parsed = read(text, part)
    build(parsed.statements, Offline())
    sizes = {file: len(source.split("\n")) for file, source in parsed.sources.items()}

    def check(statements: tuple[Statement, ...]) -> None:
        for line in statements:
            for word in line.words:
                assert 1 <= word.line <= sizes[word.file]
                assert word.column >= 1
            check(line.children or ())

    check(parsed.statements)
    assert all(0 <= found.line <= sizes.get(found.file, 0) for found in parsed.diagnostics if found.line)


@SOME
@given(
    st.lists(st.sampled_from(["a", '"b c"', "d{", "}", "{", " ", "\t", "#e", "\n", "\r\n"]), max_size=30).map("".join)
)
def test_a_plain_word_stands_where_its_place_says(text: str) -> None:
    lines = text.split("\n")

    def check(statements: tuple[Statement, ...]) -> None:
        for line in statements:
            for word in line.words:
                assert lines[word.line - 1].startswith('"' if word.quoted else word.text, word.column - 1)
            check(line.children or ())

    check(read(text).statements)


Rewrite: TypeAlias = Callable[[list[str], int, int], tuple[list[str], list[str]]]
"""Lines, and those from here to there otherwise: a file and what it includes."""
LINES = st.sampled_from(
    [
        "a 1",
        'b "c d" e',
        "f {",
        "}",
        "f { a 1 }",
        "} g {",
        '"h" i',
        "  k  # no",
        "l#m",
        "$X=${Y}2",
        "$Y=1",
        "o ${X}$Y p",
    ]
)


def included(lines: list[str], start: int, stop: int) -> tuple[list[str], list[str]]:
    return [*lines[:start], "include part", *lines[stop:]], lines[start:stop]


def in_a_definition(lines: list[str], start: int, stop: int) -> tuple[list[str], list[str]]:
    body = [f"{line} \\" for line in lines[start : stop - 1]]
    return [*lines[:start], "$BODY= \\", *body, lines[stop - 1], " $BODY", *lines[stop:]], []


def behind_conditions(lines: list[str], start: int, stop: int) -> tuple[list[str], list[str]]:
    conditional = [f"@node {line}\n@^node {line}\n@other nothing" for line in lines[start:stop]]
    return [*lines[:start], *conditional, *lines[stop:]], []


def repeated_once(lines: list[str], start: int, stop: int) -> tuple[list[str], list[str]]:
    rounds = [f"~SEQ(ROUND, 7, 7) ~LST({{P,Q}},{{u,v}}) {line}" for line in lines[start:stop]]
    return [*lines[:start], *rounds, *lines[stop:]], []


@SOME
@given(lines=st.lists(LINES, min_size=1, max_size=12), data=st.data())
@pytest.mark.parametrize("rewrite", [included, in_a_definition, behind_conditions, repeated_once])
def test_a_file_written_otherwise_is_the_same_file(rewrite: Rewrite, lines: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(lines) - 1))
    stop = data.draw(st.integers(start + 1, len(lines)))
    otherwise, part = rewrite(lines, start, stop)
    expected, found = read("\n".join(lines)), read("\n".join(otherwise), "\n".join(part))
    assert words(found.statements) == words(expected.statements)
    assert {one.code for one in found.diagnostics} == {one.code for one in expected.diagnostics}
