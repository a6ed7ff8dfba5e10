"""A file to a configuration and everything there is to say about it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import PurePath

from vrrpd.config.compare import compare
from vrrpd.config.definitions import Setting
from vrrpd.config.diagnostics import Diagnostic, Findings, Severity, Spot, in_order
from vrrpd.config.keywords import build
from vrrpd.config.language import Parsed, read
from vrrpd.config.lint import Subject, lint
from vrrpd.config.node import Node, Offline
from vrrpd.config.places import Places
from vrrpd.config.shown import with_lines
from vrrpd.config.syntax import Statement
from vrrpd.model import Config, Notification


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file came to. With an error the configuration is a part of what was asked for: not to be run."""

    path: str
    config: Config
    diagnostics: tuple[Diagnostic, ...]
    runs_insecurely: bool = False
    """It has scripts and no enable_script_security."""
    subject: Subject | None = field(default=None, compare=False, repr=False)
    """For a comparison with the other nodes; a file that is read alone keeps nothing of its text."""
    parsed: Parsed | None = field(default=None, compare=False, repr=False)
    """Likewise."""

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """Why it cannot be run."""
        return tuple(found for found in self.diagnostics if found.severity is Severity.ERROR)

    @property
    def starts(self) -> bool:
        """Whether a daemon may run it."""
        return not self.errors


def load(path: str | PathLike[str], node: Node, config_id: str | None = None, *, alone: bool = True) -> Loaded:
    """Read a file for a machine, with the files it includes. Raises nothing: an unreadable file is a diagnostic.

    `config_id` is what `@id` is compared with, by default the first part of this machine's name. Not `alone`: what
    only a comparison with the other nodes' files can tell is left to it.
    """
    with _without_collector():
        return _load(os.fspath(path), node, config_id, alone=alone)


def _load(name: str, node: Node, config_id: str | None, *, alone: bool) -> Loaded:
    findings = Findings()
    parsed = read(name, Setting(_first_label() if config_id is None else config_id, os.environ))
    if not parsed.sources:
        return Loaded(name, Config(), parsed.diagnostics)
    built = build(parsed.statements, node)
    broken = any(found.severity is Severity.ERROR for found in parsed.diagnostics + built.diagnostics)
    if not built.config.routers and not broken:
        findings.warning(Spot(name), "no-router", "no virtual router is configured: nothing will be done")
    subject = Subject(built.config, Places(parsed.statements, name), node, alone)
    found = in_order(parsed.diagnostics + built.diagnostics + lint(subject) + findings.all())
    shown = with_lines(found, parsed.sources, parsed.secret_names)
    insecurely = _has_commands(built.config) and not _is_secure(parsed.statements)
    loaded = Loaded(name, built.config, shown, insecurely)
    return loaded if alone else replace(loaded, subject=subject, parsed=parsed)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Reading makes many small values and no garbage: looking for it would take a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _has_commands(config: Config) -> bool:
    """Whether it starts any program."""
    told = [router.notification for router in config.routers] + [group.notification for group in config.groups]
    telling = config.telling
    return bool(
        config.scripts
        or any(_tells(notification) for notification in told)
        or telling.startup
        or telling.shutdown
        or any(fifo.reader for fifo in (telling.fifo, telling.router_fifo) if fifo)
    )


def _tells(to: Notification) -> bool:
    by_state = to.on_change or to.on_master or to.on_backup or to.on_fault or to.on_stop
    return bool(by_state or to.on_deleted or to.on_lower_priority)


def _is_secure(statements: Sequence[Statement]) -> bool:
    return any(
        line.keyword == "enable_script_security"
        for block in statements
        if block.keyword == "global_defs"
        for line in block.children or ()
    )


def _first_label() -> str:
    return os.uname().nodename.partition(".")[0]


def load_nodes(paths: Sequence[str | PathLike[str]], config_id: str | None = None) -> tuple[Loaded, ...]:
    """The files of several nodes, read without asking this one, and what is to be said of them together.

    A file with an error is not compared: what it is a part of is not known.
    """
    files = [load(path, Offline(), config_id, alone=False) for path in paths]
    names = [PurePath(file.path).name for file in files]
    labels = names if len(set(names)) == len(names) else [file.path for file in files]
    nodes = {label: file.subject for label, file in zip(labels, files, strict=True) if file.subject and file.starts}
    together = compare(nodes)
    return tuple(_joined(file, [found for found in together if found.file == file.path]) for file in files)


def _joined(file: Loaded, more: Sequence[Diagnostic]) -> Loaded:
    if file.parsed is None:
        return file
    shown = with_lines(more, file.parsed.sources, file.parsed.secret_names)
    return replace(file, diagnostics=in_order(file.diagnostics + shown))
