"""keepalived.conf's text as a tree of statements with their places. Knows no keyword.

The rules are those of keepalived 2.2.7 as its running binary shows them: a statement is what stands before a
newline, a `{` or a `}`; `#` and `!` start a comment, also in the middle of a word; only double quotes keep blanks,
braces and comments together, and a double-quoted piece is a word of its own. Command lines have a second way of
splitting, `command_words`, with single quotes and escapes.

Three stages: `_statements` cuts the text up, `_refused` is where the language that needs more than one line
(includes, definitions, conditions, sequences) stands in the way until it is read, `_Tree` nests what is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from vrrpd.config.diagnostics import Diagnostic, Findings, Spot

MAX_FILE_BYTES = 64 << 20
MAX_LINE_CHARACTERS = 1 << 20
MAX_STATEMENTS = 1_000_000
MAX_DEPTH = 64

_LONGEST_SHOWN = 40

BLANKS = " \t\r\f\v"
"""What separates words. A no-break space is part of its word, as in keepalived."""

_TOKEN = re.compile(
    rf"""(?P<blank>[{BLANKS}]+)
       | (?P<word>[^{BLANKS}"{{}}!\#]+)
       | "(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"
       | (?P<brace>[{{}}])
       | (?P<comment>[!\#])
       | (?P<unclosed>")""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word without its quotes, and where it begins."""

    text: str
    file: str
    line: int
    column: int
    quoted: bool = False


def quoted(word: Word) -> str:
    """A word for a message, cut when it is long."""
    shown = word.text if len(word.text) <= _LONGEST_SHOWN else word.text[:_LONGEST_SHOWN] + "…"
    return f'"{shown}"'


@dataclass(frozen=True, slots=True)
class Statement:
    """A keyword's line: its words, and what stands in braces after it (None: no braces)."""

    words: tuple[Word, ...]
    file: str
    line: int
    column: int
    text: str
    """As written, without comment and brace: what `command_words` splits."""
    children: tuple[Statement, ...] | None = None

    @property
    def keyword(self) -> str:
        """The first word; empty for braces with nothing before them."""
        return self.words[0].text if self.words else ""

    @property
    def values(self) -> tuple[Word, ...]:
        """The words after the keyword."""
        return self.words[1:]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's statements and what was wrong with its form."""

    statements: tuple[Statement, ...]
    diagnostics: tuple[Diagnostic, ...]


def parse(text: str, file: str) -> Parsed:
    """Read a text. Raises nothing, whatever the text."""
    findings = Findings()
    tree = _Tree(findings, file)
    if text.startswith("\ufeff"):
        findings.advice(
            Spot(file, 1, 1),
            "byte-order-mark",
            "a byte order mark, skipped; keepalived takes it for part of the first word",
        )
        text = text[1:]
    for count, (statement, end) in enumerate(_statements(text, file, findings)):
        if count >= MAX_STATEMENTS:
            findings.error(statement, "too-long", f"more than {MAX_STATEMENTS} statements; the rest is not read")
            break
        tree.add(statement, end, kept=not _refused(statement, end, findings))
    return Parsed(tree.finish(), findings.all())


class _End(StrEnum):
    LINE = "\n"
    OPEN = "{"
    CLOSE = "}"


def _statements(text: str, file: str, findings: Findings) -> Iterator[tuple[Statement, _End]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > MAX_LINE_CHARACTERS:
            findings.error(Spot(file, number, 1), "too-long", f"a line of more than {MAX_LINE_CHARACTERS} characters")
        else:
            yield from _line(line, file, number, findings)


def _line(line: str, file: str, number: int, findings: Findings) -> Iterator[tuple[Statement, _End]]:
    """The statements of one line; one without words only where a brace ends it."""
    words: list[Word] = []
    begin = stop = 0
    for token in _TOKEN.finditer(line):
        column = token.start() + 1
        match token.lastgroup:
            case "word":
                words.append(Word(token[0], file, number, column))
            case "quoted":
                words.append(Word(token["quoted"].replace('\\"', '"'), file, number, column, quoted=True))
            case "brace":
                yield _statement(words, file, number, column, line[begin : token.start()]), _End(token[0])
                words, begin = [], token.end()
            case "unclosed":
                findings.error(
                    Spot(file, number, column), "unclosed-quote", 'a " without its second on this line', 'add the "'
                )
                words = []
                break
            case "comment":
                _comment_in_word(words, column, findings)
                break
        stop = token.end()
    if words:
        yield _statement(words, file, number, begin + 1, line[begin:stop]), _End.LINE


def _statement(words: list[Word], file: str, number: int, column: int, text: str) -> Statement:
    return Statement(tuple(words), file, number, words[0].column if words else column, text)


def _comment_in_word(words: list[Word], column: int, findings: Findings) -> None:
    if not words or words[-1].quoted or words[-1].column + len(words[-1].text) != column:
        return
    word = words[-1]
    findings.advice(
        Spot(word.file, word.line, column),
        "comment-in-word",
        "a comment begins here, in the middle of a word: the word ends before it",
        "put the value in double quotes, or a blank before the comment",
    )
    backslashes = len(word.text) - len(word.text.rstrip("\\"))
    if backslashes % 2:  # keepalived drops the one before the comment sign with the comment
        words[-1] = Word(word.text[:-1], word.file, word.line, word.column)


_NOT_READ_YET = (
    (re.compile(r"include[rmwba]?$"), "an include"),
    (re.compile(r"\$[A-Za-z_]\w*="), "a definition"),
    (re.compile(r"@"), "a condition"),
    (re.compile(r"~(SEQx?|LST)\b"), "a sequence"),
)
_BUILT_IN = re.compile(r"\$\{?_(PWD|INSTANCE|RANDOM|ENV|HASH|BANG)\b")


def _refused(statement: Statement, end: _End, findings: Findings) -> bool:
    """Say that a statement is of the part of the language that is not read yet."""
    what = next((name for form, name in _NOT_READ_YET if form.match(statement.keyword)), None)
    splits_a_name = end is _End.OPEN and statement.text.endswith("$")  # ${NAME}: its brace ended the statement
    if what is None and (splits_a_name or _BUILT_IN.search(statement.text)):
        what = "a ${NAME}"
    if what is not None:
        findings.error(
            statement,
            "not-yet",
            f"{what} is not read yet; vrrpd refuses the file, since without it this is half a configuration",
            "write out what it stands for",
        )
    return what is not None


@dataclass(slots=True)
class _Open:
    """A block whose closing brace has not come yet."""

    statement: Statement
    kept: bool = True
    children: list[Statement] = field(default_factory=list)


class _Tree:
    def __init__(self, findings: Findings, file: str) -> None:
        self._findings = findings
        self._open = [_Open(Statement((), file, 0, 0, ""))]
        self._too_deep = 0
        self._awaits_brace = False

    def add(self, statement: Statement, end: _End, *, kept: bool) -> None:
        """What is not kept still counts its brace."""
        match end:
            case _End.LINE:
                self._append(statement, kept)
            case _End.OPEN:
                self._push(statement, kept)
            case _End.CLOSE:
                self._append(statement, kept and bool(statement.words))
                self._pop(statement)
        self._awaits_brace = kept and end is _End.LINE

    def finish(self) -> tuple[Statement, ...]:
        self._too_deep = 0
        for block in self._open[:0:-1]:
            self._findings.error(
                block.statement,
                "unclosed-brace",
                f"the block {block.statement.keyword or '{'} is never closed",
                "add the missing }; what follows the block has been read as part of it",
            )
            self._pop(block.statement)
        return tuple(self._open[0].children)

    def _append(self, statement: Statement, kept: bool) -> None:
        if kept and not self._too_deep:
            self._open[-1].children.append(statement)

    def _push(self, statement: Statement, kept: bool) -> None:
        if self._too_deep or len(self._open) > MAX_DEPTH:
            if not self._too_deep:
                self._findings.error(statement, "too-deep", f"blocks nest more than {MAX_DEPTH} deep; not read")
            self._too_deep += 1
            return
        if not statement.words and self._awaits_brace:
            statement = self._open[-1].children.pop()  # whose brace stands on a line of its own
        self._open.append(_Open(statement, kept))

    def _pop(self, at: Statement) -> None:
        if self._too_deep:
            self._too_deep -= 1
        elif len(self._open) == 1:
            self._findings.warning(at, "extra-brace", "a } that closes nothing; it is ignored, as keepalived does")
        else:
            block = self._open.pop()
            self._append(replace(block.statement, children=tuple(block.children)), block.kept)


_ESCAPES = {"a": "\a", "b": "\b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_COMMAND_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\f\v\n]+)
      | \\(?P<octal>[0-7]{1,3})
      | \\x(?P<hex>[0-9A-Fa-f]{1,2})
      | \\c(?P<control>.)
      | \\(?P<escape>.)
      | (?P<quote>["'])
      | (?P<plain>[^ \t\r\f\v\n\\"']+)""",
    re.VERBOSE | re.DOTALL,
)


class CommandError(ValueError):
    """A command line that cannot be split; the message says why."""


def command_words(text: str) -> tuple[str, ...]:
    """Split a command line as keepalived does: blanks separate, quotes of either kind and escapes keep together.

    keepalived splits twice: the statement, then its first value (so that one quoted string is a whole command).
    Raises CommandError.
    """
    words: list[str] = []
    pieces: list[str] | None = None
    quote = ""
    at = 0
    if "\0" in text:
        raise CommandError("it holds a NUL character")
    while at < len(text):
        token = _COMMAND_TOKEN.match(text, at)
        if token is None:
            raise CommandError("it ends in a backslash")
        at = token.end()
        if token.lastgroup == "blank" and not quote:
            if pieces is not None:
                words.append("".join(pieces))
            pieces = None
            continue
        pieces = pieces or []
        if token.lastgroup == "quote" and quote in ("", token[0]):
            quote = "" if quote else token[0]
        else:
            pieces.append(_literal(token))
    if quote:
        raise CommandError(f"a {quote} without its second (only double quotes keep #, !, {{ and }} in)")
    return tuple(words) if pieces is None else (*words, "".join(pieces))


def _literal(token: re.Match[str]) -> str:
    match token.lastgroup:
        case "octal":
            return _character(int(token["octal"], 8), token)
        case "hex":
            return _character(int(token["hex"], 16), token)
        case "control":
            return _character(ord(token["control"]) & 0x1F, token)
        case "escape":
            return _ESCAPES.get(token["escape"], token["escape"])
        case _:
            return token[0]


def _character(number: int, token: re.Match[str]) -> str:
    """ASCII without NUL, which cannot be passed; other bytes are no character by themselves."""
    if not 0 < number < 128:  # noqa: PLR2004
        raise CommandError(f"the escape {token[0]} stands for no character")
    return chr(number)
