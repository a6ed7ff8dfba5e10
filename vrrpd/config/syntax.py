"""What a file is made of: words, statements, and how a line is taken apart. Knows no keyword.

The rules are those of keepalived 2.2.7 as its running binary shows them: a statement is what stands before a
newline, a `{` or a `}`; `#` and `!` start a comment, also in the middle of a word; only double quotes keep blanks,
braces and comments together, and a double-quoted piece is a word of its own. Command lines have a second way of
splitting, `command_words`, with single quotes and escapes. `vrrpd.config.language` puts it together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from vrrpd.config.diagnostics import Findings
from vrrpd.config.text import Text, joined

_LONGEST_SHOWN = 40

BLANKS = " \t\r\f\v"
"""What separates words. A no-break space is part of its word, as in keepalived."""


class Word(NamedTuple):
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


class Statement(NamedTuple):
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


class End(StrEnum):
    """What ended a statement."""

    LINE = "\n"
    OPEN = "{"
    CLOSE = "}"


_UNRESOLVED = r"\$\{[A-Za-z_][A-Za-z0-9_ ]*\}"
"""Left as it is because nothing defines it; its braces are none of ours."""
_TOKEN = re.compile(
    rf"""(?P<blank>[{BLANKS}]+)
       | (?P<word>(?:{_UNRESOLVED}|[^{BLANKS}"{{}}])+)
       | "(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"
       | (?P<brace>[{{}}])
       | (?P<unclosed>")""",
    re.VERBOSE,
)
_ENDS = {"": End.LINE, "{": End.OPEN, "}": End.CLOSE}
_BEFORE_COMMENT = re.compile(r"""(?:[^"\\!#]++|\\[^!#]|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))*+""", re.DOTALL)


class Part(NamedTuple):
    """A statement, what ended it, and the offset of what comes after it on its line."""

    statement: Statement
    end: End
    rest: int


def simple_part(line: Text) -> Part | None:
    """The only statement of a line that is as simple as nearly all are; None: ask `parts_of`.

    The line holds none of the separators that only str.split() knows.
    """
    text, pieces, _ = line
    if len(pieces) != 1 or '"' in text or not text.isascii():
        return None
    text = text.rstrip()
    brace = text[-1:] if text.endswith(("{", "}")) else ""
    if brace:
        text = text[:-1]
    words = text.split()
    if "{" in text or "}" in text or not (words or brace):
        return None
    _, file, number, column, fixed = pieces[0]
    found = []
    at = 0
    for word in words:
        at = text.index(word, at)
        found.append(Word(word, file, number, column if fixed else column + at))
        at += len(word)
    return Part(_statement(found, line, 0, len(text)), _ENDS[brace], len(line.text))


def parts_of(line: Text, findings: Findings) -> Iterator[Part]:
    """The statements of a line without comment; one without words only where a brace ends it."""
    words: list[Word] = []
    begin = stop = 0
    for token in _TOKEN.finditer(line.text):
        match token.lastgroup:
            case "word":
                words.append(_word(token[0], line, token.start(), findings))
            case "quoted":
                spot = line.at(token.start())
                text = token["quoted"].replace('\\"', '"')
                words.append(Word(text, spot.file, spot.line, spot.column, quoted=True))
            case "brace":
                yield Part(_statement(words, line, begin, token.start()), _ENDS[token[0]], token.end())
                words, begin = [], token.end()
            case "unclosed":
                findings.error(
                    line.at(token.start()), "unclosed-quote", 'a " without its second on this line', 'add the "'
                )
                return
        stop = token.end()
    if words:
        yield Part(_statement(words, line, begin, stop), End.LINE, stop)


def _word(text: str, line: Text, offset: int, findings: Findings) -> Word:
    spot = line.at(offset)
    if "${" in text:
        findings.error(
            spot,
            "undefined-name",
            "nothing defines this ${NAME} before it is used; keepalived would take its braces for a block's",
            "define it further up with $NAME=VALUE, or write the value out",
        )
    return Word(text, spot.file, spot.line, spot.column)


def _statement(words: list[Word], line: Text, begin: int, stop: int) -> Statement:
    text = line.text[begin:stop]
    if words:
        return Statement(tuple(words), words[0].file, words[0].line, words[0].column, text)
    spot = line.at(stop)
    return Statement((), spot.file, spot.line, spot.column, text)


def without_comment(line: Text, findings: Findings) -> Text:
    """What stands before the comment, without the blanks at either end.

    A backslash that ends the line continues a definition, even one that ends a comment: it is kept, without the
    blanks before it.
    """
    text = line.text.rstrip("\r\n")
    before = _BEFORE_COMMENT.match(text)
    end = before.end() if before else 0
    sign = end + 1 if text.startswith("\\", end) and end + 1 < len(text) else end
    if sign < len(text) and text[sign] in "#!":
        _comment_in_word(line, end, sign, findings)
    start = len(text) - len(text.lstrip(" \t"))
    kept = line.cut(start, max(start, len(text[:end].rstrip(" \t"))))
    if not continues(text):
        return kept
    return kept if kept.text.endswith("\\") else joined([kept, line.cut(len(text) - 1, len(text))])


def continues(text: str) -> bool:
    """Whether a line goes on in the next one, which it can in a definition."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _comment_in_word(line: Text, end: int, sign: int, findings: Findings) -> None:
    """Its author may have meant it as a character."""
    before = line.text[:end]
    if not before or before[-1] in BLANKS + '"{}':
        return
    if line.is_made(sign):
        findings.warning(
            line.at(sign),
            "comment-in-word",
            "a comment begins here, with a sign that a definition has put in; keepalived 2.2.7 does not keep it either",
            "put double quotes around the value",
        )
        return
    findings.advice(
        line.at(sign),
        "comment-in-word",
        "a comment begins here, in the middle of a word: the word ends before it",
        "put the value in double quotes, or a blank before the comment",
    )


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
