"""How a block is read: a table of keywords, what vrrpd does with each, and one loop over the statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from itertools import count
from typing import Any, Generic, TypeAlias, TypeVar

from vrrpd.config.diagnostics import Findings, Place, Severity
from vrrpd.config.node import Node
from vrrpd.config.pending import REFUSED, WAITING
from vrrpd.config.syntax import Statement, Word, quoted

Draft = TypeVar("Draft")

FALSE = frozenset({"false", "off", "no"})
BOOLEANS = FALSE | {"true", "on", "yes"}

_NONE: Mapping[str, str] = {}
_FIRST_PREFERENCE = 0x4000
_LONGEST_MISSPELLING = 64
"""Nothing longer is compared with the known keywords."""


class Does(StrEnum):
    """What vrrpd does with a keyword."""

    ACTED_ON = "acted on"
    SHOWN = "read and shown"
    REFUSED = "read, refused for now"
    WAITING = "read, not acted on yet"
    IGNORED = "ignored"


class Reading(Findings):
    """What every reader is given: where to report, the machine, and which blocks know a keyword."""

    def __init__(self, node: Node, homes: Mapping[str, str]) -> None:
        super().__init__()
        self.node = node
        self.homes = homes
        self.preferences = count(_FIRST_PREFERENCE, -1)
        """For rules that have none, in the order in which they are read."""

    def pending(self, at: Place, block: str, what: str) -> None:
        """Say that a keyword, or a form of it, is not acted on yet, if so."""
        if about := REFUSED.get(block, _NONE).get(what):
            self.error(
                at,
                "not-yet",
                f"{what} ({about}) is not acted on yet; vrrpd refuses the file, since half a configuration beside a"
                " live cluster is a split brain",
                "leave keepalived on this node until it is, or take it out",
            )
        elif about := WAITING.get(block, _NONE).get(what):
            self.info(at, "not-yet", f"{what} ({about}) is read and not acted on yet")


Reader: TypeAlias = Callable[[Draft, Statement, Reading], None]


@dataclass(frozen=True, slots=True)
class Keyword(Generic[Draft]):
    """One keyword of one block; whether it is acted on yet stands in `vrrpd.config.pending`."""

    does: Does
    tier: int
    """1: in nearly every real configuration, 2: common, 3: rare, 4: exotic."""
    read: Reader[Draft] | None = None
    """None where nothing is read: what is ignored."""
    block: bool = False
    """It takes braces."""
    least: int = 0
    """Values it needs; keepalived refuses to start without them."""
    most: int | None = None
    """Values it looks at, None: all."""
    note: str = ""
    """Why it is ignored, or what is particular."""
    harmless: frozenset[str] = frozenset()
    """First values with which it changes nothing, acted on or not."""
    severity: Severity = Severity.INFO
    """How much it matters that it is ignored."""


def value(
    tier: int,
    read: Reader[Draft],
    most: int | None = 1,
    note: str = "",
    least: int = 1,
    harmless: frozenset[str] = frozenset(),
) -> Keyword[Draft]:
    """A line with one value or more."""
    return Keyword(Does.ACTED_ON, tier, read, least=least, most=most, note=note, harmless=harmless)


def flag(tier: int, read: Reader[Draft], note: str = "") -> Keyword[Draft]:
    """A line without values."""
    return Keyword(Does.ACTED_ON, tier, read, most=0, note=note)


def switch(tier: int, read: Reader[Draft], note: str = "") -> Keyword[Draft]:
    """A line with a boolean, or without any, which is true."""
    return Keyword(Does.ACTED_ON, tier, read, most=1, note=note, harmless=FALSE)


def block(tier: int, read: Reader[Draft], note: str = "") -> Keyword[Draft]:
    """A keyword with braces after it."""
    return Keyword(Does.ACTED_ON, tier, read, block=True, most=0, note=note)


def named_block(tier: int, read: Reader[Draft], note: str = "") -> Keyword[Draft]:
    """A keyword with a name and braces after it; the reader sees to the name."""
    return Keyword(Does.ACTED_ON, tier, read, block=True, note=note)


def shown(tier: int, read: Reader[Draft], least: int = 1, most: int | None = 1, note: str = "") -> Keyword[Draft]:
    """A line that is kept for people to see."""
    return Keyword(Does.SHOWN, tier, read, least=least, most=most, note=note)


def shown_block(tier: int, read: Reader[Draft], note: str = "") -> Keyword[Draft]:
    """A block that is kept for people to see."""
    return Keyword(Does.SHOWN, tier, read, block=True, most=0, note=note)


def ignored(tier: int, why: str, severity: Severity = Severity.INFO) -> Keyword[Draft]:
    """Recognised, skipped with its block, and said why."""
    return Keyword(Does.IGNORED, tier, note=why, severity=severity)


@dataclass(frozen=True, slots=True)
class Block(Generic[Draft]):
    """A block's name and its keywords."""

    name: str
    keywords: Mapping[str, Keyword[Draft]]
    secret: bool = False
    """What stands in it by mistake may be a password: it is not repeated."""


def read_block(block: Block[Draft], statements: Sequence[Statement], draft: Draft, to: Reading) -> None:
    """Read statements into a draft. What is wrong with one never keeps the others from being read."""
    for statement in statements:
        name = statement.keyword
        keyword = block.keywords.get(name)
        if keyword is None:
            _unknown(block, statement, to)
            continue
        if keyword.does is Does.IGNORED:
            to.say(keyword.severity, statement, "ignored", f"{statement.keyword} is ignored: {keyword.note}")
            continue
        if keyword.read is not None and _well_formed(keyword, statement, to):
            keyword.read(draft, statement, to)
        if not (statement.values and statement.values[0].text in keyword.harmless):
            to.pending(statement, block.name, name)


def answer(block: Block[Any], name: str) -> Does:
    """What vrrpd does with a keyword now."""
    if name in REFUSED.get(block.name, _NONE):
        return Does.REFUSED
    if name in WAITING.get(block.name, _NONE):
        return Does.WAITING
    return block.keywords[name].does


def _well_formed(keyword: Keyword[Draft], statement: Statement, to: Reading) -> bool:
    if keyword.block and statement.children is None:
        to.error(statement, "missing-brace", f"{statement.keyword} needs a block in braces after it", "add the {")
        return False
    if not keyword.block and statement.children is not None:
        to.warning(statement, "unexpected-block", f"{statement.keyword} takes no block; what is in it is skipped")
    if len(statement.values) < keyword.least:
        to.error(statement, "missing-value", f"{statement.keyword} needs a value; keepalived does not start either")
        return False
    if keyword.most is not None and len(statement.values) > keyword.most:
        _surplus(statement.values[keyword.most], statement, to)
    return True


def _surplus(word: Word, statement: Statement, to: Reading) -> None:
    if word is statement.values[0] and word.text in BOOLEANS:
        message = f"{statement.keyword} takes no value: it is on whatever stands after it"
    else:
        message = f"what stands here after {statement.keyword} is not read; one keyword a line"
    to.advice(word, "surplus-words", message)


def _unknown(block: Block[Draft], statement: Statement, to: Reading) -> None:
    name = statement.keyword
    skipped = ", skipped with its block" if statement.children is not None else ", skipped"
    if not statement.words:
        to.warning(statement, "unexpected-brace", "a block without a keyword before it" + skipped)
        return
    hint = ""
    if home := to.homes.get(name):
        hint = f"it belongs in {home}: is a brace missing before it, or one too many?"
    elif len(name) <= _LONGEST_MISSPELLING and to.has_room(Severity.WARNING):
        near = get_close_matches(name, block.keywords, n=1)
        hint = f"did you mean {near[0]}?" if near else ""
    cited = "" if block.secret else f" {quoted(statement.words[0])}"
    to.warning(statement.words[0], "unknown-keyword", f"unknown keyword{cited} in {block.name}{skipped}", hint)
