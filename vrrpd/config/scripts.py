"""`vrrp_script NAME { … }`: a health check."""

from __future__ import annotations

from dataclasses import dataclass

from vrrpd.config.announcing import MAX_COUNT, MAX_SECONDS
from vrrpd.config.commands import CommandDraft, ScriptPolicy, finish_command, read_command
from vrrpd.config.fields import on
from vrrpd.config.globals import script_user
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Block, Reading, flag, value
from vrrpd.config.trackers import nearest_weight
from vrrpd.config.values import seconds, whole
from vrrpd.model import MILLISECOND, SECOND, Duration, Script, User


@dataclass(slots=True)
class ScriptDraft:
    """What a vrrp_script block has said so far."""

    name: Word
    at: Statement | None = None
    """The last `script` line."""
    command: CommandDraft | None = None
    """What it says; None with an error said when it says nothing."""
    interval: Duration = SECOND
    timeout: Duration | None = None
    weight: int = 0
    reverse: bool = False
    rise: int = 1
    fall: int = 1
    user: User | None = None
    init_fail: bool = False


def _script(draft: ScriptDraft, line: Statement, to: Reading) -> None:
    draft.at = line
    draft.command = read_command(line, f"vrrp_script {draft.name.text}", to, is_check=True)


def _duration(line: Statement, to: Reading, otherwise: Duration) -> Duration:
    duration = seconds(line.values[0], 0, MAX_SECONDS * SECOND, to, strict=False)
    if duration is None:
        return otherwise
    if duration < MILLISECOND:
        to.warning(line.values[0], "bad-number", f"{line.keyword} is above 0: 1 second is taken")
        return SECOND
    return duration


def _interval(draft: ScriptDraft, line: Statement, to: Reading) -> None:
    draft.interval = _duration(line, to, draft.interval)


def _timeout(draft: ScriptDraft, line: Statement, to: Reading) -> None:
    draft.timeout = _duration(line, to, draft.timeout or draft.interval)


def _weight(draft: ScriptDraft, line: Statement, to: Reading) -> None:
    number = whole(line.values[0], -MAX_COUNT, MAX_COUNT, to)
    draft.weight = draft.weight if number is None else nearest_weight(number, line.values[0], to)
    draft.reverse = len(line.values) > 1 and line.values[1].text == "reverse"
    if len(line.values) > 1 and not draft.reverse:
        to.warning(line.values[1], "unknown-option", f"{quoted(line.values[1])} is not reverse; it is ignored")


def _rise(draft: ScriptDraft, line: Statement, to: Reading) -> None:
    draft.rise = whole(line.values[0], 1, MAX_COUNT, to, otherwise="1 is taken") or 1


def _fall(draft: ScriptDraft, line: Statement, to: Reading) -> None:
    draft.fall = whole(line.values[0], 1, MAX_COUNT, to, otherwise="1 is taken") or 1


def _user(draft: ScriptDraft, line: Statement, to: Reading) -> None:
    draft.user = script_user(line, to)


SCRIPT: Block[ScriptDraft] = Block(
    "vrrp_script",
    {
        "script": value(1, _script, most=None, note="one command, in quotes if it has arguments; no shell"),
        "interval": value(1, _interval, note="decimals are read"),
        "timeout": value(2, _timeout, note="default: the interval"),
        "weight": value(1, _weight, most=2, note="W [reverse]"),
        "rise": value(1, _rise),
        "fall": value(1, _fall),
        "user": value(2, _user, most=2, note="USER [[:]GROUP]"),
        "init_fail": flag(
            3, on("init_fail"), note="failed until rise successes; without effect in keepalived since 2.2.5"
        ),
    },
)


def finished(draft: ScriptDraft, policy: ScriptPolicy, to: Reading) -> Script | None:
    """The script as it will run; None, with an error said, when it cannot."""
    if draft.at is None:
        to.error(draft.name, "no-command", f"vrrp_script {draft.name.text} has no command", 'script "/path/of/a/check"')
    if draft.command is None:
        return None
    command = finish_command(draft.command, policy, to, draft.user)
    if command is None:
        return None
    return Script(
        name=draft.name.text,
        argv=command.argv,
        interval=draft.interval,
        timeout=draft.timeout or draft.interval,
        weight=draft.weight,
        rise=draft.rise,
        fall=draft.fall,
        user=command.user,
        starts_failed=draft.init_fail,
    )
