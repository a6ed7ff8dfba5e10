"""A file to a configuration and everything there is to say about it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import PurePath

from vrrpd.config.compare import compare
from vrrpd.config.diagnostics import Diagnostic, Findings, Severity, Spot, in_order, printable
from vrrpd.config.keywords import build
from vrrpd.config.lint import Subject, lint
from vrrpd.config.node import Node, Offline
from vrrpd.config.places import Places
from vrrpd.config.syntax import MAX_FILE_BYTES, parse
from vrrpd.model import Config

_LONGEST_SHOWN = 200
_SECRET = re.compile(r"(\S*pass\S*\s+)([^{}]+)", re.IGNORECASE)
"""auth_pass, however it is spelt, and what follows it."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file came to. With an error the configuration is a part of what was asked for: not to be run."""

    path: str
    config: Config
    diagnostics: tuple[Diagnostic, ...]
    subject: Subject | None = field(default=None, compare=False, repr=False)
    """For a comparison with the other nodes; a file that is read alone keeps nothing of its text."""

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """Why it cannot be run."""
        return tuple(found for found in self.diagnostics if found.severity is Severity.ERROR)

    @property
    def starts(self) -> bool:
        """Whether a daemon may run it."""
        return not self.errors


def load(path: str | PathLike[str], node: Node, *, alone: bool = True) -> Loaded:
    """Read a file for a machine. Raises nothing: an unreadable file is a diagnostic.

    Not `alone`: what only a comparison with the other nodes' files can tell is left to it.
    """
    name = os.fspath(path)
    findings = Findings()
    text = _text(name, findings)
    if text is None:
        return Loaded(name, Config(), findings.all())
    parsed = parse(text, name)
    built = build(parsed.statements, node)
    broken = any(found.severity is Severity.ERROR for found in parsed.diagnostics + built.diagnostics)
    if not built.config.routers and not broken:
        findings.warning(Spot(name), "no-router", "no virtual router is configured: nothing will be done")
    subject = Subject(built.config, Places(parsed.statements, name), node, alone)
    found = in_order(parsed.diagnostics + built.diagnostics + lint(subject) + findings.all())
    return Loaded(name, built.config, _with_text(found, text), None if alone else subject)


def load_nodes(paths: Sequence[str | PathLike[str]]) -> tuple[Loaded, ...]:
    """The files of several nodes, read without asking this one, and what is to be said of them together.

    A file with an error is not compared: what it is a part of is not known.
    """
    files = [load(path, Offline(), alone=False) for path in paths]
    names = [PurePath(file.path).name for file in files]
    labels = names if len(set(names)) == len(names) else [file.path for file in files]
    nodes = {label: file.subject for label, file in zip(labels, files, strict=True) if file.subject and file.starts}
    together = compare(nodes)
    return tuple(_joined(file, [found for found in together if found.file == file.path]) for file in files)


def _joined(file: Loaded, more: Sequence[Diagnostic]) -> Loaded:
    text = _text(file.path, Findings()) if more else None
    return replace(file, diagnostics=in_order(file.diagnostics + _with_text(tuple(more), text or "")))


def _text(name: str, findings: Findings) -> str | None:
    at = Spot(name)
    try:
        data = _read(name, at, findings)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        findings.error(at, "unreadable", f"cannot be read: {reason}", "name the file with -f")
        return None
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        findings.error(at, "not-utf-8", f"line {line} is not UTF-8 text", "convert the file, for instance with iconv")
        return None


def _read(name: str, at: Spot, findings: Findings) -> bytes | None:
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hold us
    with open(descriptor, "rb") as file:  # noqa: PTH123 - Path opens no descriptor
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            findings.error(at, "not-a-file", "is not a regular file", "name the file with -f")
            return None
        if status.st_mode & 0o111:
            findings.error(at, "executable", "is executable, which no configuration is", f"chmod a-x {name}")
            return None
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        findings.error(at, "too-long", f"is longer than {MAX_FILE_BYTES >> 20} MiB", "is it the right file?")
        return None
    return data


def _with_text(diagnostics: tuple[Diagnostic, ...], text: str) -> tuple[Diagnostic, ...]:
    if not diagnostics:
        return ()
    lines = text.removeprefix("\ufeff").split("\n")
    return tuple(
        replace(found, text=_shown(lines[found.line - 1])) if 0 < found.line <= len(lines) else found
        for found in diagnostics
    )


def _shown(line: str) -> str:
    """A line for people: no secret, no end of line, not without end."""
    masked = _SECRET.sub(lambda match: match[1] + re.sub(r"\S", "*", match[2]), line[:_LONGEST_SHOWN])
    return printable(masked.rstrip()) + ("…" if len(line) > _LONGEST_SHOWN else "")
