"""Files: how one is read, which ones an `include` names, and what it asks of them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from glob import glob, has_magic
from typing import Protocol

MAX_FILE_BYTES = 64 << 20
MAX_ALTERNATIVES = 1_000
"""That one include may name with braces."""
MAX_PATTERN = 4_096
"""Characters; the kernel takes no longer path."""


class Check(Flag):
    """What an include asks of its files; without any of them it takes those that can be read."""

    NONE = 0
    READABLE = auto()
    MATCH = auto()
    """A path without wildcards is there."""
    WILDCARD_MATCH = auto()
    """Wildcards find something."""
    BRACE_MATCH = auto()
    """Every alternative of a brace is there."""


ALL_CHECKS = Check.READABLE | Check.MATCH | Check.WILDCARD_MATCH | Check.BRACE_MATCH
WORDS = {
    "readable": Check.READABLE,
    "read": Check.READABLE,
    "match": Check.READABLE | Check.MATCH,
    "wildcard_match": Check.READABLE | Check.MATCH | Check.WILDCARD_MATCH,
    "brace_match": Check.READABLE | Check.BRACE_MATCH,
}
KEYWORDS = {
    "include": Check.NONE,
    "includer": WORDS["readable"],
    "includem": WORDS["match"],
    "includew": WORDS["wildcard_match"],
    "includeb": WORDS["brace_match"],
    "includea": ALL_CHECKS,
}


class UnfitFileError(Exception):
    """A file that is no configuration: a code, what is wrong and what to do."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class Files(Protocol):
    """Where files come from."""

    def read(self, path: str, limit: int) -> bytes:
        """A configuration file's bytes. Raises UnfitFileError."""

    def matches(self, pattern: str) -> Sequence[str]:
        """The paths that a pattern without braces finds, in order."""

    def identity(self, path: str) -> str:
        """The same for all names of one file."""


class Disk:
    """The machine's files."""

    def read(self, path: str, limit: int) -> bytes:
        try:
            return _read(path, limit)
        except IsADirectoryError as error:
            raise UnfitFileError("not-a-file", "is a directory", "name the file with -f") from error
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise UnfitFileError("unreadable", f"cannot be read: {reason}", "name the file with -f") from error

    def matches(self, pattern: str) -> Sequence[str]:
        try:
            return sorted(glob(pattern))  # noqa: PTH207 - paths stay as they are written
        except (OSError, ValueError, re.error):
            return ()

    def identity(self, path: str) -> str:
        return os.path.realpath(path)


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hold us


def _read(path: str, limit: int) -> bytes:
    with open(path, "rb", opener=_opener) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UnfitFileError("not-a-file", "is not a regular file", "name the file with -f")
        if status.st_mode & 0o111:
            raise UnfitFileError("executable", "is executable, which no configuration is", f"chmod a-x {path}")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UnfitFileError("too-long", f"is longer than {limit >> 20} MiB", "is it the right file?")
    return data


@dataclass(frozen=True, slots=True)
class Found:
    """What an include's pattern came to."""

    paths: tuple[str, ...]
    missing: tuple[str, ...]
    """Alternatives without wildcards that are not there."""
    empty: tuple[str, ...]
    """Alternatives with wildcards that find nothing."""


def find(pattern: str, directory: str, files: Files) -> Found:
    """Look for the files a pattern names, relative to the directory of the file it stands in. Raises UnfitFileError."""
    paths: list[str] = []
    missing: list[str] = []
    empty: list[str] = []
    if len(pattern) > MAX_PATTERN:
        raise UnfitFileError("unreadable", f"a path of more than {MAX_PATTERN} characters", "shorten it")
    for alternative in alternatives(pattern):
        found = _found(directory, alternative, files)
        paths += found
        if not found:
            where = os.path.dirname(alternative)  # noqa: PTH120 - paths stay as they are written
            is_open = has_magic(alternative) and (has_magic(where) or bool(_found(directory, where, files)))
            (empty if is_open else missing).append(alternative)
    return Found(tuple(paths), tuple(missing), tuple(empty))


def _found(directory: str, pattern: str, files: Files) -> Sequence[str]:
    return files.matches(os.path.join(directory, pattern))  # noqa: PTH118 - paths stay as they are written


def alternatives(pattern: str) -> list[str]:
    """What braces stand for, as in csh: `{a,b}/{,c}` is a/, a/c, b/, b/c. Raises UnfitFileError when it is too many."""
    found: list[str] = []
    waiting = [pattern]
    while waiting:
        one = waiting.pop()
        brace = _first_brace(one)
        if brace is None:
            found.append(one)
        else:
            start, stop, parts = brace
            waiting += [one[:start] + part + one[stop:] for part in reversed(parts)]
        if len(found) + len(waiting) > MAX_ALTERNATIVES:
            raise UnfitFileError("too-many-files", f"names more than {MAX_ALTERNATIVES} files with its braces")
    return found


def _first_brace(pattern: str) -> tuple[int, int, list[str]] | None:
    """Where the first pair of braces begins and ends, and the alternatives in it; `{}` is no pair."""
    depth = 0
    start, parts = 0, [""]
    for at, character in _characters(pattern):
        if character == "{" and not pattern.startswith("{}", at):
            depth += 1
            if depth == 1:
                start, parts = at, [""]
                continue
        elif character == "}" and depth and not pattern.startswith("{}", at - 1):
            depth -= 1
            if depth == 0:
                return start, at + 1, parts
        elif character == "," and depth == 1:
            parts.append("")
            continue
        parts[-1] += character
    return None


def _characters(pattern: str) -> Iterator[tuple[int, str]]:
    """Each with its offset; a backslash and what it protects count as one."""
    return ((match.start(), match[0]) for match in re.finditer(r"\\.|.", pattern, re.DOTALL))
