"""What `vrrpd check` prints and answers."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.config.load import Loaded
from vrrpd.model import (
    MILLISECOND,
    Authentication,
    AuthenticationType,
    Mail,
    Script,
    Tracker,
    VirtualAddress,
    VirtualRouter,
)

FINE = 0
HAS_ERRORS = 1
NOT_CLEAN = 2
"""With --strict: no error, but a warning or advice."""

_HIDDEN = "********"
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}


def exit_code(diagnostics: Iterable[Diagnostic], *, strict: bool = False) -> int:
    """The status of `vrrpd check`."""
    severities = {found.severity for found in diagnostics}
    if Severity.ERROR in severities:
        return HAS_ERRORS
    return NOT_CLEAN if strict and severities & {Severity.WARNING, Severity.ADVICE} else FINE


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """For people: each diagnostic, its line and a caret under its column, and how many there are of which kind."""
    shown = list(diagnostics)
    counts = Counter(found.severity for found in shown)
    total = ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])
    return "\n".join([*map(_rendered, shown), total or "nothing to say"]) + "\n"


def _rendered(found: Diagnostic) -> str:
    if not found.text:
        return str(found)
    margin = re.sub(r"[^\t]", " ", found.text[: max(found.column - 1, 0)])
    return f"{found}\n    {found.text}\n    {margin}^"


def as_json(files: Sequence[Loaded]) -> str:
    """For programs: all diagnostics, and the virtual routers and scripts of the files one after the other."""
    found = [diagnostic for file in files for diagnostic in file.diagnostics]
    document = {
        "files": [file.path for file in files],
        "starts": all(file.starts for file in files),
        "diagnostics": [_diagnostic(diagnostic) for diagnostic in found],
        "virtual_routers": [_router(router) for file in files for router in file.config.routers],
        "sync_groups": [],
        "scripts": [_script(script) for file in files for script in file.config.scripts],
        "mail": [_mail(file.config.mail) for file in files],
    }
    return json.dumps(document, indent=2)


def _mail(mail: Mail) -> dict[str, Any]:
    return {
        "recipients": list(mail.recipients),
        "sender": mail.sender,
        "server": mail.server,
        "port": mail.port,
        "connect_timeout_ms": mail.connect_timeout // MILLISECOND,
    }


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


def _router(router: VirtualRouter) -> dict[str, Any]:
    return {
        "name": router.name,
        "version": int(router.version),
        "state": router.initial_state,
        "interface": router.interface,
        "vrid": router.vrid,
        "priority": router.priority,
        "advert_interval_ms": router.advertisement_interval // MILLISECOND,
        "preempt": router.preempt,
        "preempt_delay_ms": router.preempt_delay // MILLISECOND,
        "auth": _authentication(router.authentication),
        "addresses": [describe(address) for address in router.addresses],
        "excluded_addresses": [],
        "unicast_source": None,
        "unicast_peers": [],
        "tracked_scripts": [_tracker(tracker) for tracker in router.trackers],
        "tracked_interfaces": [],
        "tracked_files": [],
        "tracked_processes": [],
    }


def _authentication(authentication: Authentication) -> dict[str, str] | None:
    if authentication.type is AuthenticationType.NONE:
        return None
    return {"type": authentication.type.name, "pass": _HIDDEN}


def _tracker(tracker: Tracker) -> dict[str, Any]:
    return {"name": tracker.name, "weight": tracker.weight, "reverse": tracker.reverse}


def _script(script: Script) -> dict[str, Any]:
    return {
        "name": script.name,
        "command": list(script.argv),
        "interval_ms": script.interval // MILLISECOND,
        "timeout_ms": script.timeout // MILLISECOND,
        "weight": script.weight,
        "rise": script.rise,
        "fall": script.fall,
        "user": script.user.name if script.user else None,
    }


def describe(address: VirtualAddress) -> str:
    """As keepalived's dump has it: a /32 without its prefix, broadcast and label only where they are set."""
    interface = address.interface
    whole = interface.network.prefixlen == interface.max_prefixlen
    words = [str(interface.ip if whole else interface)]
    if address.broadcast is not None:
        words += ["brd", str(address.broadcast)]
    words += ["dev", address.device, "scope", _SCOPES.get(address.scope, str(address.scope))]
    if address.label is not None:
        words += ["label", address.label]
    return " ".join(words)
