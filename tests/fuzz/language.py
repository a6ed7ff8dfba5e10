"""Small files in the whole of the language, made after its grammar from the reader's own tables, then bent.

Definitions, conditions, repetitions and includes (of files in memory) stand around blocks with the keywords that belong
into them, and values of every kind behind these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any

from vrrpd.config.definitions import Setting
from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.config.keywords import BLOCKS, TOP, build
from vrrpd.config.language import Limits, parse
from vrrpd.config.lint import Subject as Linted
from vrrpd.config.lint import lint
from vrrpd.config.node import Offline
from vrrpd.config.places import Places
from vrrpd.config.table import Block
from vrrpd.model import Config

from .choices import Choices
from .shelf import Shelf
from .steps import Step, Subject, Tally

SLOWEST = 5.0
"""Seconds for a file of some thousand characters: far above what any takes, far below what a person would bear."""
VALUES = (
    *("0", "1", "-1", "2", "100", "254", "255", "256", "99999999999999999999", "1.5", "0.00001", "1e9", "nan", "inf"),
    *("0x10", "010", "+5", "²", "٣", "MASTER", "PASS", "AH", "true", "off", "eth0", "lo", "chk", "R1", "reverse"),
    *("10.0.0.1", "10.0.0.1/33", "10.0.0.1/0", "::1", "fe80::1/64", "224.0.0.1", "1.2.3", "a" * 300, "é", "\0"),
    *('""', '"a b"', '"', "'", "{", "}", "#", "!", "\\", "@node", "$X=1", "$X", "${_PWD}", "include", "~SEQ(a, 1, 2)"),
)
CHARACTERS = "{}\"'#!\\\t\r\f\v \n$@~=()0aé\0\x1b\x1c\x85\xa0\ufeff\u2028\U0001f4a5\udcff"

_EPISODE = 20
_LIMITS = Limits(statements=400, words=2_000, made_lines=400, made_characters=100_000)
_NODE = Setting("node", {"HOME": "/root"})
_BLOCKS: Mapping[str, Block[Any]] = {block.name: block for block in BLOCKS}
_TOP = tuple(sorted(TOP.keywords))
_USUAL = ("global_defs", "vrrp_instance", "vrrp_instance", "vrrp_script", "vrrp_sync_group")
_NAMES = ("A", "B", "n", "_PWD", "_INSTANCE", "_HASH", "_RANDOM 1 9", "_RANDOM", "_ENV HOME", "_ENV", "NONE")
_PREFIXES = (
    *("@node ", "@^node ", "@other ", "@^other ", "@node\t@", "@", "$A ", "${B}", "# ", "include "),
    *("~SEQ(n, 1, 3) ", "~SEQ(n,3,-1,1) ", "~SEQx(n, 9, 0xb) ", "~SEQ(n, ${A}) ", "~SEQ(n,1,1000000000) ", "~SEQ(n"),
    *("~LST(n,a,b) ", "~LST({A,B},{eth0,1},{eth1,2}) ", "~LST(n,", "~SEQ(A,1,2) ~LST(B,c,d) ", "~ ", "} ", "{ "),
)
_LINES = (
    *("$A=100", "$B=eth0", "$A=${B}${B}", "$B=${A}${A}", "$A=$A", "$n=#", "$A=@node", "$B={", "$A=}", "$n=~SEQ(A,1,2)"),
    *(
        "$_PWD=x",
        "$A=",
        "$A= \\",
        "$A=x \\",
        "$ A=1",
        "$A =1",
        "random_seed 3",
        "include_check",
        "include_check -match",
    ),
    *(
        "include part",
        "include p*",
        "include {part,none}",
        "includea part",
        "includer /etc/",
        "include none",
        "$A",
        "$n",
    ),
    *(
        "include f",
        "include ${A}",
        'include "part"',
        "include part }",
        "include " + "{a,b}" * 12,
        "includew n*",
        "}",
        "{",
    ),
)


def examined(text: str, part: str) -> tuple[Config, tuple[Diagnostic, ...]]:
    """What the reader makes of two files, the second of which the first may include, with all that must hold of it."""
    started = perf_counter()
    parsed = parse(text, "/etc/f", _NODE, Shelf({"f": text, "part": part}), _LIMITS)
    built = build(parsed.statements, Offline())
    advice = lint(Linted(built.config, Places(parsed.statements, "/etc/f"), Offline(), alone=True))
    found = parsed.diagnostics + built.diagnostics + advice
    assert perf_counter() - started < SLOWEST, "too slow"
    for diagnostic in found:
        lines = parsed.sources.get(diagnostic.file, "").count("\n") + 1
        assert 0 <= diagnostic.line <= lines, f"{diagnostic} of {lines} lines"
        assert diagnostic.column >= 0
        assert str(diagnostic).isprintable() or "\t" in str(diagnostic)
    return built.config, found


class _Reader:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def take(self, step: Step) -> None:
        _, text, part = step
        _, found = examined(text, part)
        self._tally.update({(diagnostic.code,) for diagnostic in found})
        broken = any(diagnostic.severity is Severity.ERROR for diagnostic in found)
        self._tally["refused" if broken else "runs",] += 1


class LanguageTarget:
    """Texts to `parse`, `build` and `lint`."""

    name = "language"
    unit = "files"

    def subject(self, tally: Tally) -> Subject:
        return _Reader(tally)

    def steps(self, choices: Choices) -> Iterator[Step]:
        for _ in range(_EPISODE):
            if not choices.more():
                return
            yield "read", _file(choices), _file(choices) if choices.chance(0.3) else ""

    def count(self, tally: Tally) -> int:
        return tally["refused",] + tally["runs",]

    def report(self, tally: Tally) -> Iterator[str]:
        yield "| | |"
        yield "|---|---|"
        for (outcome,), count in sorted(tally.items()):
            yield f"| {outcome} | {count:,} |"


def _file(choices: Choices) -> str:
    lines: list[str] = []
    for _ in range(1 + choices.below(4)):
        keyword = choices.pick(_USUAL if choices.chance(0.8) else _TOP)
        lines += _block(keyword, choices, depth=0)
    while choices.chance(0.6):
        _bend(lines, choices)
    text = ("\r\n" if choices.chance(0.05) else "\n").join(lines)
    while choices.chance(0.15):
        at = choices.below(len(text) + 1)
        text = text[:at] + choices.pick(CHARACTERS) + text[at + choices.below(2) :]
    return text


def _block(keyword: str, choices: Choices, depth: int) -> list[str]:
    """A keyword with values, and with the keywords that belong into it, if any do."""
    margin = "    " * depth
    known = _BLOCKS.get(keyword)
    if known is None and not choices.chance(0.2):
        return [margin + " ".join([keyword, *_values(choices)])]
    head = f"{margin}{keyword} {choices.pick(('R1', 'R2', 'chk', '')) if depth == 0 else ''}"
    inner = tuple(known.keywords) if known else VALUES
    body = [line for _ in range(choices.below(7)) for line in _block(choices.pick(inner), choices, depth + 1)]
    match choices.below(4):
        case 0:
            return [head, margin + "{", *body, margin + "}"]
        case 1:
            return [f"{head} {{ {' '.join(body)} }}"]
        case _:
            return [f"{head}{{", *body, margin + "}"]


def _values(choices: Choices) -> list[str]:
    return [_value(choices) for _ in range(choices.below(4))]


def _value(choices: Choices) -> str:
    if choices.chance(0.85):
        return choices.pick(VALUES)
    name = choices.pick(_NAMES)
    return choices.pick((f"${{{name}}}", f"${name}", f"a${{{name}}}b", f'"${{{name}}}"'))


def _bend(lines: list[str], choices: Choices) -> None:
    """Put something of the language around what stands there."""
    at = choices.below(len(lines))
    match choices.below(4):
        case 0:
            lines[at] = choices.pick(_PREFIXES) + lines[at].lstrip()
        case 1:
            lines.insert(at, choices.pick(_LINES))
        case 2:
            lines[at] += choices.pick((" \\", " # x", "#x", " !", " {", " }", ' "', " $A", "\t", "\r"))
        case _:
            stop = min(at + 1 + choices.below(8), len(lines))
            name = choices.pick(_NAMES)
            body = [f"{line} \\" for line in lines[at : stop - 1]]
            use = choices.pick((f"${name}", f"${{{name}}}", f"~SEQ(n,1,3) ${name}", f"@node ${name}"))
            lines[at:stop] = [f"${name}= \\", *body, lines[stop - 1], use]
