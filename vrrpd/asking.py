"""The subcommands that ask a running daemon, or look at what it has written. They import little, so they start fast."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from vrrpd import client, report

EXIT_OK, EXIT_FAILED, EXIT_NO_DAEMON, EXIT_USAGE = 0, 1, 2, 64

HANDOVER_TIMEOUT_S = 600.0
"""Handing over takes as long as an heir may: some of the slowest interval's."""
RELOAD_TIMEOUT_S = 120.0
_WATCH_EVERY_S = 1.0
_FOLLOW_EVERY_S = 0.2
_CLEAR = "\x1b[H\x1b[2J"


class _FailedError(Exception):
    def __init__(self, words: str, code: int) -> None:
        super().__init__(words)
        self.code = code


def _ask(options: argparse.Namespace, request: dict[str, Any], timeout_s: float = client.TIMEOUT_S) -> dict[str, Any]:
    """The daemon's answer. Raises `_FailedError` when there is none, or it refuses."""
    try:
        answer = client.ask(str(options.runtime_dir / "control.sock"), request, timeout_s)
    except client.NoDaemonError as error:
        raise _FailedError(str(error), EXIT_NO_DAEMON) from None
    if "error" in answer:
        raise _FailedError(answer["error"], EXIT_FAILED)
    return answer


def run(options: argparse.Namespace) -> int:
    """One of the subcommands below, by its name; returns the exit code."""
    try:
        code: int = options.ask(options)
    except _FailedError as failed:
        print(f"vrrpd: {failed}", file=sys.stderr)
        return failed.code
    return code


# --- status ---


def status(options: argparse.Namespace) -> int:
    """`vrrpd status`: 0 all is well, 1 something needs a person, 2 no daemon answers."""
    while True:
        told = _named(_ask(options, {"command": "status"}), options.name)
        code = EXIT_FAILED if report.is_degraded(told) else EXIT_OK
        if options.json:
            print(json.dumps(told, indent=None if options.watch else 2), flush=True)
        else:
            print(_CLEAR * _to_terminal(options) + report.render(told, colour=_to_terminal()), flush=True)
        if not options.watch:
            return code
        time.sleep(_WATCH_EVERY_S)


def _to_terminal(options: argparse.Namespace | None = None) -> bool:
    """Colour, and a cleared screen for `--watch`, are for a terminal that can do them."""
    capable = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if options is not None:
        return capable and bool(options.watch)
    return capable and "NO_COLOR" not in os.environ


def _named(told: dict[str, Any], name: str | None) -> dict[str, Any]:
    if name is None:
        return told
    routers = [router for router in told["virtual_routers"] if router["name"] == name]
    if not routers:
        names = ", ".join(router["name"] for router in told["virtual_routers"])
        raise _FailedError(f"there is no virtual router {name}; there are: {names or 'none'}", EXIT_USAGE)
    return told | {"virtual_routers": routers}


# --- what changes something ---


def reload(options: argparse.Namespace) -> int:
    """`vrrpd reload`: 1 when the file has an error, and then nothing has changed."""
    answer = _ask(options, {"command": "reload", "dry_run": options.dry_run}, RELOAD_TIMEOUT_S)
    if options.json:
        print(json.dumps(answer, indent=2))
    else:
        for line in answer["diagnostics"]:
            print(line, file=sys.stderr)
        for line in answer["changes"]:
            print(line)
    if answer["reloaded"]:
        return EXIT_OK
    outcome = "would not be reloaded" if options.dry_run else "not reloaded; the daemon runs on with what it had"
    raise _FailedError(outcome, EXIT_FAILED)


def drain(options: argparse.Namespace) -> int:
    """`vrrpd drain`: 1 when nobody took over, and then all is as before."""
    request = {"command": "drain", "names": options.names}
    request |= {key: getattr(options, key) for key in ("force", "hard", "persist")}
    return _handed_over(options, _ask(options, request, HANDOVER_TIMEOUT_S))


def failover(options: argparse.Namespace) -> int:
    """`vrrpd failover`: as drain, for one Master, and only until the new one has gone."""
    return _handed_over(options, _ask(options, {"command": "failover", "names": [options.name]}, HANDOVER_TIMEOUT_S))


def resume(options: argparse.Namespace) -> int:
    """`vrrpd resume`: as configured again."""
    return _handed_over(options, _ask(options, {"command": "resume", "names": options.names}))


def _handed_over(options: argparse.Namespace, answer: dict[str, Any]) -> int:
    if options.json:
        print(json.dumps(answer, indent=2))
    else:
        for router in answer["routers"]:
            print(f"{router['name']} {router['state']}: {router['reason']}")
    return EXIT_OK if all(router["succeeded"] for router in answer["routers"]) else EXIT_FAILED


def log_level(options: argparse.Namespace) -> int:
    """`vrrpd log-level`: until the daemon ends."""
    _ask(options, {"command": "log-level", "level": options.level})
    return EXIT_OK


# --- recordings ---


def record(options: argparse.Namespace) -> int:
    """`vrrpd record`: what the daemon was told last, in a file to replay."""
    answer = _ask(options, {"command": "record"}, RELOAD_TIMEOUT_S)
    print(json.dumps(answer, indent=2) if options.json else answer["file"])
    return EXIT_OK


def replay(options: argparse.Namespace) -> int:
    """`vrrpd replay FILE`: 1 when the file is no recording."""
    from vrrpd import record, transcript

    try:
        with options.file.open(encoding="ascii") as lines:
            for line in transcript.lines(record.replay(lines)):
                print(line)
    except (OSError, UnicodeDecodeError) as error:
        raise _FailedError(f"cannot read {options.file}: {error}", EXIT_FAILED) from None
    except record.RecordingError as error:
        raise _FailedError(f"{options.file}: {error}", EXIT_FAILED) from None
    return EXIT_OK


# --- events ---


def events(options: argparse.Namespace) -> int:
    """`vrrpd events`: what has happened, also when no daemon runs."""
    from vrrpd import history

    path = options.runtime_dir / "events.jsonl"
    try:
        happened = list(history.read(path))
    except OSError as error:
        raise _FailedError(f"cannot read {path}: {error.strerror}", EXIT_FAILED) from None
    if not happened and not options.follow:
        raise _FailedError(f"no event is on record in {options.runtime_dir}", EXIT_NO_DAEMON)
    for event in happened[-options.number :] if options.number else happened:
        _show(event, as_json=options.json)
    for event in history.follow(path, lambda: time.sleep(_FOLLOW_EVERY_S)) if options.follow else ():
        _show(event, as_json=options.json)
    return EXIT_OK


def _show(event: Mapping[str, Any], *, as_json: bool) -> None:
    from vrrpd import logs

    local = report.local_time(event["timestamp"])
    print(json.dumps(event) if as_json else f"{local:%Y-%m-%d %H:%M:%S} {logs.sentence(event)}", flush=True)
