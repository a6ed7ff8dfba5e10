"""What is watched: scripts and processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vrrpd.config.lint.rules import SCRIPT, Advice, Rule, Subject
from vrrpd.config.shell import looked_for_process, program_name
from vrrpd.model import SECOND, Script

_COMM_BYTES = 15
"""The kernel keeps so much of a process's name."""
_SIGNALS = frozenset({"killall", "kill", "pkill"})


def _timeout(subject: Subject) -> Iterator[Advice]:
    """Without the keyword the timeout is the interval, and nobody thought of it."""
    for script in subject.config.scripts:
        if script.timeout < script.interval or not subject.places.stands(SCRIPT, script.name, "timeout"):
            continue
        longer = "longer than" if script.timeout > script.interval else "as long as"
        yield Advice(
            subject.places.find(SCRIPT, script.name, "timeout"),
            f"{script.name}: its timeout is {longer} its interval: while a run hangs, the next ones are left out and a"
            " failure is seen late",
            f"a timeout below {_seconds(script.interval)}",
        )


def _seconds(duration: int) -> str:
    return f"{duration / SECOND:g} s"


def _process_check(subject: Subject) -> Iterator[Advice]:
    for script in subject.config.scripts:
        process = looked_for_process(script.argv)
        if process is None or _may_not_signal(script):
            continue
        name = process.encode()[:_COMM_BYTES].decode(errors="ignore")
        yield Advice(
            subject.places.find(SCRIPT, script.name, "script"),
            f"{script.name} starts a program every {_seconds(script.interval)} only to see whether {process} runs;"
            " track_process sees it end at once and starts none",
            f"vrrp_track_process {script.name} {{ process {name} }}, and track_process {{ {script.name} }} where it is"
            " tracked",
        )


def _signal_not_permitted(subject: Subject) -> Iterator[Advice]:
    for script in subject.config.scripts:
        if _may_not_signal(script) and script.user is not None:
            yield Advice(
                subject.places.find(SCRIPT, script.name, "script"),
                f"{script.name} runs as {script.user.name}, who may not signal another user's processes:"
                f" {program_name(script.argv)} -0 then fails although they run",
                "track_process needs no right; or user root in this block",
            )


def _may_not_signal(script: Script) -> bool:
    signals = program_name(script.argv) in _SIGNALS and "-0" in script.argv[1:]
    return signals and script.user is not None and script.user.uid != 0


RULES: Mapping[str, Rule] = {
    "long-timeout": _timeout,
    "process-check": _process_check,
    "signal-not-permitted": _signal_not_permitted,
}
