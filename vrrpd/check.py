"""What `vrrpd check` prints and answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from vrrpd import description
from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.config.load import Loaded

FINE = 0
HAS_ERRORS = 1
NOT_CLEAN = 2
"""With --strict: no error, but a warning or advice."""


def exit_code(diagnostics: Iterable[Diagnostic], *, strict: bool = False) -> int:
    """The status of `vrrpd check`."""
    severities = {found.severity for found in diagnostics}
    if Severity.ERROR in severities:
        return HAS_ERRORS
    return NOT_CLEAN if strict and severities & {Severity.WARNING, Severity.ADVICE} else FINE


def as_json(files: Sequence[Loaded]) -> str:
    """For programs: all diagnostics, and what the files come to, one after the other."""
    document = {
        "files": [file.path for file in files],
        "starts": all(file.starts for file in files),
        "diagnostics": [_diagnostic(found) for file in files for found in file.diagnostics],
        "virtual_routers": [found for file in files for found in description.routers(file.config)],
        "sync_groups": [found for file in files for found in description.groups(file.config)],
        "scripts": [description.script(found) for file in files for found in file.config.scripts],
        "track_files": [description.file(found) for file in files for found in file.config.files],
        "track_processes": [description.process(found) for file in files for found in file.config.processes],
        "track_haproxies": [description.haproxy(found) for file in files for found in file.config.haproxies],
        "globals": [description.rest(file.config) for file in files],
    }
    return json.dumps(document, indent=2)


def _diagnostic(found: Diagnostic) -> dict[str, Any]:
    return {
        "severity": found.severity,
        "code": found.code,
        "file": found.file,
        "line": found.line,
        "column": found.column,
        "message": found.message,
        "hint": found.hint,
    }
