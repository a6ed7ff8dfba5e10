"""keepalived.conf's language put together: files to lines, lines to statements, statements to a tree.

A line may be one of a file, of a definition of several lines, of a repetition, or what stands behind a brace; each
is treated alike: its comment goes, its condition is asked, then it defines, repeats or includes something, or its
references are replaced and its statement is taken. What a line brings with it is read before the next one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vrrpd.config.definitions import DEFINITION, Definitions, ExpansionError, Setting
from vrrpd.config.diagnostics import Diagnostic, Findings, Place, Spot
from vrrpd.config.includes import (
    ALL_CHECKS,
    KEYWORDS,
    WORDS,
    Check,
    Disk,
    Files,
    Found,
    UnfitFileError,
    find,
)
from vrrpd.config.repetition import RepetitionError, read_repetition, repeated
from vrrpd.config.sources import Sources
from vrrpd.config.syntax import BLANKS, End, Part, Statement, continues, parts_of, simple_part, without_comment
from vrrpd.config.text import Text, line_of
from vrrpd.config.tree import MAX_DEPTH, Tree

_SPECIAL = re.compile(r"[#!$@~\\\x1c-\x1f]|include")
_CONDITION = re.compile(r"@(?P<negated>\^?)(?P<config_id>[^ \t]*)(?P<blanks>[ \t]*)")
_INCLUDE = re.compile(r"(include[rmwba]?)[ \t\f\v\r]+(.*)", re.DOTALL)
_BARE_NAME = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")
_DIRECTIVES = frozenset({"random_seed", "include_check"})
_UNDECODED = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one reading may come to; beyond it the rest is not read."""

    statements: int = 1_000_000
    words: int = 4_000_000
    made_lines: int = 1_000_000
    """By definitions and repetitions."""
    made_characters: int = 1 << 27
    """Copied while references are replaced and lines are cut at braces."""
    lines: int = 3_000_000
    """Of files, empty ones too."""


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the files say, and what was wrong with their form."""

    statements: tuple[Statement, ...]
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str] = field(default_factory=dict)
    """Each file's text."""
    secret_names: frozenset[str] = frozenset()
    """The definitions that a password is made of."""


def parse(
    text: str, file: str, setting: Setting | None = None, files: Files | None = None, limits: Limits = LIMITS
) -> Parsed:
    """Read a text. Raises nothing, whatever the text."""
    reader = _Reader(files or Disk(), setting or Setting(), limits)
    reader.open_text(text, file)
    return reader.read()


def read(path: str, setting: Setting, files: Files | None = None) -> Parsed:
    """Read a file and those it includes. Raises nothing, whatever they hold."""
    reader = _Reader(files or Disk(), setting, LIMITS)
    reader.open_file(path)
    return reader.read()


class _TooMuchError(Exception):
    """A limit of the whole reading; the message names it."""


@dataclass(slots=True)
class _Frame:
    """Lines that are being read; `file` is empty where a line has brought them with it."""

    lines: Iterator[Text]
    file: str = ""
    identity: str = ""
    checks: Check = Check.NONE
    """What was asked of includes when the file was opened."""


@dataclass(slots=True)
class _Body:
    """A definition of several lines that is not at its end."""

    name: str
    lines: list[Text]


class _Reader:
    def __init__(self, files: Files, setting: Setting, limits: Limits) -> None:
        self._setting = setting
        self._limits = limits
        self._findings = Findings()
        self._sources = Sources(files, self._findings)
        self._definitions = Definitions(setting, self._directory, self._spend)
        self._stack: list[_Frame] = []
        self._open: list[_Frame] = []
        self._made_depth = 0
        self._behind_brace: Text | None = None
        self._body: _Body | None = None
        self._checks = Check.NONE
        self._secret_names: set[str] = set()
        self._statements_left = limits.statements
        self._words_left = limits.words
        self._lines_left = limits.lines
        self._made_lines_left = limits.made_lines
        self._characters_left = limits.made_characters
        self._at: Place = Spot("")

    def open_text(self, text: str, file: str) -> None:
        frame = _Frame(self._sources.lines(text, file), file, self._sources.files.identity(file))
        self._stack.append(frame)
        self._open.append(frame)

    def open_file(self, path: str) -> None:
        """Raises nothing: what cannot be read is an error at the file."""
        try:
            text = self._sources.open(path)
        except UnfitFileError as error:
            self._findings.error(Spot(path), error.code, error.message, error.hint)
        else:
            self.open_text(text, path)

    def read(self) -> Parsed:
        tree = Tree(self._findings)
        try:
            for statement, end, _ in self._parts():
                self._count(statement)
                if statement.words and statement.words[0].text in _DIRECTIVES:
                    self._follow(statement)
                if self._sources.has_undecoded:
                    self._require_text(statement)
                tree.add(statement, end)
        except _TooMuchError as error:
            self._findings.error(self._at, "too-long", f"{error}; the rest is not read")
        statements = tree.finish()
        return Parsed(statements, self._findings.all(), self._sources.texts, frozenset(self._secret_names))

    def _count(self, statement: Statement) -> None:
        self._statements_left -= 1
        self._words_left -= len(statement.words)
        if self._statements_left < 0 or self._words_left < 0:
            raise _TooMuchError(f"more than {self._limits.statements} statements or {self._limits.words} words")

    def _parts(self) -> Iterator[Part]:
        while self._stack:
            line = self._next_line()
            if line is None:
                continue
            if self._body is not None:
                self._continue(self._body, line)
            elif line.text.lstrip(BLANKS)[:1] in "#!" and not continues(line.text.rstrip("\r")):
                continue  # nothing, or a comment
            elif _SPECIAL.search(line.text) is None:
                self._at = line.pieces[0]
                part = simple_part(line)
                yield from parts_of(line, self._findings) if part is None else (part,)
            else:
                yield from self._special(line)

    def _next_line(self) -> Text | None:
        if self._behind_brace is not None:
            rest, self._behind_brace = self._behind_brace, None
            return rest
        frame = self._stack[-1]
        line = next(frame.lines, None)
        if line is None:
            self._close(self._stack.pop())
        elif frame.file:
            self._lines_left -= 1
            if self._lines_left < 0:
                self._at = line.at()
                raise _TooMuchError(f"more than {self._limits.lines} lines")
        else:
            self._made_lines_left -= 1
            if self._made_lines_left < 0:
                raise _TooMuchError(f"definitions and repetitions make more than {self._limits.made_lines} lines")
        return line

    def _close(self, frame: _Frame) -> None:
        if not frame.file:
            self._made_depth -= 1
        elif self._open[-1:] == [frame]:
            self._open.pop()
            self._checks = frame.checks
            if self._body is not None:
                self._define(self._body)

    def _special(self, line: Text) -> Iterator[Part]:
        self._at = line.at()
        whole = without_comment(line, self._findings)
        settled = self._settled(whole) if whole.text else None
        if settled is None:
            return
        include = _INCLUDE.fullmatch(settled.text)
        if include is not None:
            self._include(include[2], KEYWORDS[include[1]], settled.at())
            return
        part = next(parts_of(settled, self._findings), None)
        if part is None:
            return
        if part.end is not End.LINE and settled.text[part.rest :].strip(" \t"):
            self._behind_brace = settled.cut(part.rest)
            self._spend(len(settled.text) - part.rest)
        if not part.statement.words and part.end is End.LINE:
            return
        self._remark(part.statement, settled)
        if not (part.end is End.LINE and part.statement.text.strip() == "\\"):
            yield part

    def _settled(self, line: Text) -> Text | None:
        """A line with its references replaced; None when it was a condition that is not met, or not a statement."""
        for _ in range(MAX_DEPTH):
            condition = _CONDITION.match(line.text)
            if condition is not None:
                if not self._is_met(condition, line):
                    return None
                line = line.cut(condition.end())
            if self._is_definition(line) or self._is_repetition(line):
                return None
            if line.text.startswith("~") or "$" not in line.text:
                return line
            try:
                expanded = self._definitions.expand(line)
            except ExpansionError as error:
                self._findings.error(self._at, "endless-definition", f"this line cannot be read: {error}")
                return None
            if expanded is None:
                return line
            if expanded.further:
                self._push(iter(expanded.further))
            line = without_comment(expanded.line, self._findings)
            if not line.text:
                return None
        self._findings.error(self._at, "endless-definition", "the definitions of this line lead to each other")
        return None

    def _is_met(self, condition: re.Match[str], line: Text) -> bool:
        if not condition["blanks"]:
            self._findings.advice(
                line.at(), "empty-condition", "a line that begins with @ is a condition; nothing follows this one"
            )
            return False
        return (condition["config_id"] == self._setting.config_id) is not bool(condition["negated"])

    def _is_definition(self, line: Text) -> bool:
        definition = DEFINITION.match(line.text)
        if definition is None:
            return False
        if continues(line.text):
            self._body = _Body(definition[1], [])
            self._extend(self._body, line.cut(definition.end(), max(len(line.text) - 1, definition.end())))
        else:
            self._definitions.define(definition[1], line.text[definition.end() :])
        return True

    def _continue(self, body: _Body, line: Text) -> None:
        """Another line of a definition: the last one unless it goes on too."""
        text = without_comment(line, self._findings)
        if not text.text:
            self._findings.advice(
                line.at(),
                "definition-cut",
                f"the definition ${body.name} ends here, though the line before goes on: a line without text ends it",
                "take this line out, or the \\ before it",
            )
            self._define(body)
        elif continues(text.text):
            self._extend(body, text.cut(0, len(text.text) - 1))
        else:
            self._extend(body, text)
            self._define(body)

    def _extend(self, body: _Body, line: Text) -> None:
        if line.text.strip(" \t"):
            body.lines.append(line)

    def _define(self, body: _Body) -> None:
        self._definitions.define(body.name, tuple(body.lines) or "")
        self._body = None

    def _is_repetition(self, line: Text) -> bool:
        if not line.text.startswith(("~SEQ", "~LST")):
            return False
        try:
            repetition = read_repetition(line, self._numbers)
        except (RepetitionError, ExpansionError) as error:
            self._findings.error(line.at(), "bad-repetition", f"{error}; the line is not read")
        else:
            self._push(repeated(repetition, self._definitions.define))
        return True

    def _numbers(self, text: str) -> str:
        expanded = self._definitions.expand(line_of(text, self._at.file, self._at.line))
        return text if expanded is None else expanded.line.text

    def _push(self, lines: Iterator[Text]) -> None:
        if self._made_depth >= MAX_DEPTH:
            message = f"definitions and repetitions use each other more than {MAX_DEPTH} deep; not read"
            self._findings.error(self._at, "too-deep", message)
            return
        self._made_depth += 1
        self._stack.append(_Frame(lines))

    def _remark(self, statement: Statement, line: Text) -> None:
        """What is to be said of a statement whose line was special."""
        if line.names and "pass" in statement.keyword.lower():
            self._secret_names |= line.names
        for word in statement.words:
            if not word.quoted and _BARE_NAME.fullmatch(word.text):
                self._findings.advice(
                    word,
                    "undefined-name",
                    "nothing defines this $NAME before it is used: it is taken as it stands",
                    "a definition is written $NAME=VALUE, without a blank before the =",
                )
        if continues(statement.text):
            self._findings.advice(
                statement,
                "stray-backslash",
                "only a definition goes on in the next line: the \\ that ends this one is taken as it stands",
                "take it out",
            )

    def _require_text(self, statement: Statement) -> None:
        if _UNDECODED.search(statement.text):
            self._findings.error(
                statement, "not-utf-8", "this is not UTF-8 text", "convert the file, for instance with iconv"
            )

    def _follow(self, statement: Statement) -> None:
        """Two keywords of global_defs speak to the reader itself."""
        if statement.keyword == "random_seed" and statement.values and statement.values[0].text.isdecimal():
            self._definitions.seed(int(statement.values[0].text[:20]))
        elif statement.keyword == "include_check":
            self._checks = self._check_of(statement)

    def _check_of(self, statement: Statement) -> Check:
        changed = statement.values and statement.values[0].text.startswith(("+", "-"))
        checks = self._checks if changed else Check.NONE
        for word in statement.values:
            asked = WORDS.get(word.text.lstrip("+-"))
            if asked is None:
                self._findings.warning(word, "unknown-option", f"include_check knows {', '.join(sorted(WORDS))}")
            elif word.text.startswith("-"):
                checks &= ~asked
            else:
                checks |= asked
        return checks if statement.values else ALL_CHECKS

    def _include(self, pattern: str, checks: Check, at: Place) -> None:
        """Have the files that a pattern names read next. keepalived is silent about those it does not find."""
        checks |= self._checks
        try:
            found = find(pattern, self._directory(), self._sources.files)
        except UnfitFileError as error:
            self._findings.error(at, error.code, f"{pattern[:80]} {error.message}", error.hint)
            return
        if self._is_complete(pattern, found, checks, at):
            for path in reversed(found.paths):
                self._stack.append(_Frame(self._included(path, checks, at), path))

    def _is_complete(self, pattern: str, found: Found, checks: Check, at: Place) -> bool:
        """Say what an include does not find; False when nothing of it is to be read therefore."""
        required = Check.BRACE_MATCH if "{" in pattern else Check.MATCH
        for path in found.missing:
            message = f"there is no file {path[:80]}"
            if required in checks:
                self._findings.error(at, "missing-include", message, "keepalived does not start without it either")
            else:
                hint = "without the quotes: they are part of the name" if '"' in path else ""
                self._findings.warning(at, "missing-include", f"{message}; it is read on without it", hint)
        for path in found.empty:
            message = f"no file matches {path[:80]}"
            if Check.WILDCARD_MATCH in checks:
                self._findings.error(at, "missing-include", message, "keepalived does not start without one either")
            else:
                self._findings.info(at, "missing-include", message)
        return not (found.missing and required in checks) and not (found.empty and Check.WILDCARD_MATCH in checks)

    def _included(self, path: str, checks: Check, at: Place) -> Iterator[Text]:
        """An included file's lines; it is opened when its first one is due."""
        frame = self._stack[-1]
        frame.identity = self._sources.files.identity(path)
        if any(other.identity == frame.identity for other in self._open):
            self._findings.error(at, "include-loop", f"{path} includes itself, by way of this line")
            return
        if len(self._open) >= MAX_DEPTH:
            self._findings.error(at, "too-deep", f"files include each other more than {MAX_DEPTH} deep; not read")
            return
        try:
            text = self._sources.open(path)
        except UnfitFileError as error:
            skipped = error.code in ("not-a-file", "executable") and Check.READABLE not in checks
            say = self._findings.warning if skipped else self._findings.error
            say(at, error.code, f"{path} {error.message}" + (": it is skipped" if skipped else ""), error.hint)
        else:
            frame.checks = self._checks
            self._open.append(frame)
            yield from self._sources.lines(text, path)

    def _directory(self) -> str:
        """Of the file that is being read."""
        return os.path.dirname(os.path.abspath(self._open[-1].file))  # noqa: PTH100, PTH120 - paths stay as they are written

    def _spend(self, characters: int) -> None:
        self._characters_left -= characters
        if self._characters_left < 0:
            raise _TooMuchError("definitions copy too many characters")
