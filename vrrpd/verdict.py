"""What `keepalived -t` answers to a file, for deployment tools that ask for it and read its status.

keepalived has one status for everything it says, errors and remarks alike; so what counts is which of our diagnostics
it says as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.config.load import Loaded

CLEAN = 0
ABORTED = 2
"""It stops at a keyword without its value."""
REMARKED = 5
"""It says anything at all, an error or not."""
INSECURE_OR_MISSING = 6
"""Scripts without enable_script_security, or an include that must find its file and does not."""

_UNSAID = frozenset({"bad-script", "ipv6-version", "missing-include", "no-router", "not-a-file", "executable"})
"""Warnings of ours that keepalived does not give."""
_SAID = frozenset(
    {
        "byte-order-mark",
        "defined-later",
        "deprecated",
        "no-address",
        "nopreempt-with-master",
        "owner-preempts",
        "preempt-delay-cancelled",
        "single-member",
        "stray-backslash",
        "unused-script",
        "unused-tracker",
    }
)
"""What is no warning of ours and makes keepalived say something."""


def verdict(files: Sequence[Loaded]) -> int:
    """Keepalived's status; of several files the worst. A file that vrrpd refuses is never clean."""
    return max((status(file.diagnostics, insecure=file.runs_insecurely) for file in files), default=CLEAN)


def status(diagnostics: Iterable[Diagnostic], *, insecure: bool) -> int:
    """Keepalived's status when it says these; `insecure`: scripts would be run without enable_script_security."""
    found = list(diagnostics)
    errors = {one.code for one in found if one.severity is Severity.ERROR}
    if "missing-value" in errors:
        return ABORTED
    if insecure or "missing-include" in errors:
        return INSECURE_OR_MISSING
    return REMARKED if any(map(_is_said, found)) else CLEAN


def _is_said(found: Diagnostic) -> bool:
    match found.severity:
        case Severity.ERROR:
            return True
        case Severity.WARNING:
            return found.code not in _UNSAID
        case _:
            return found.code in _SAID
