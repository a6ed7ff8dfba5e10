"""Commands in keepalived.conf: how a line is taken apart, whether what it names can run here, and who may change it.

A line is read when it comes (`read_command`) and settled when the whole file is (`finish_command`), since `global_defs`
may come last. A check that cannot run is an error: its router would be without it. A notification that cannot run is
a warning: keepalived drops it and runs the router.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vrrpd.config.node import Node
from vrrpd.config.shell import always_succeeds, program_name, shell_syntax
from vrrpd.config.syntax import CommandError, Statement, Word, command_words, quoted
from vrrpd.config.table import Reading
from vrrpd.model import Command, User

_SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True)
class ScriptPolicy:
    """What global_defs says of all scripts."""

    user: User | None = None
    """script_user."""
    secure: bool = False
    """enable_script_security: what root runs, only root may change."""
    supplementary: bool = False
    """set_supplementary_groups: scripts run with all groups of their user."""


@dataclass(frozen=True, slots=True)
class CommandDraft:
    """A command as written."""

    argv: tuple[str, ...]
    at: Word
    who: str
    """Whose it is, for messages: "vrrp_script chk", "notify_master of V1"."""
    is_check: bool = False
    """It decides about a router; otherwise somebody is only told."""
    user: tuple[Word, ...] = ()
    """USER [GROUP], where they stand behind the command."""


def read_command(line: Statement, who: str, to: Reading, *, is_check: bool = False) -> CommandDraft | None:
    """`KEYWORD COMMAND`, for notifications `KEYWORD COMMAND [USER [GROUP]]`; None, with the reason said, without one.

    One quoted string is a whole command: keepalived splits the line, then its first value.
    """
    if not line.values:
        _refuse(line, who, f"{line.keyword} has no command", to, is_check=is_check)
        return None
    at = line.values[0]
    try:
        words = command_words(line.text)
        argv = command_words(words[1]) if len(words) > 1 else ()
    except CommandError as error:
        _refuse(at, who, f"its command cannot be taken apart: {error}", to, is_check=is_check)
        return None
    if not argv:
        _refuse(at, who, "its command is empty", to, is_check=is_check)
        return None
    after = _words_after(words, line)
    draft = CommandDraft(argv, at, who, is_check, () if is_check else after[:2])
    _surplus(draft, after if is_check else after[2:], line, to)
    _shell(draft, to)
    return draft


def _words_after(words: Sequence[str], line: Statement) -> tuple[Word, ...]:
    """What follows the command, with its places: the line's words are split otherwise where single quotes are used."""
    texts = words[2:]
    places = line.values[len(line.values) - len(texts) :]
    return tuple(place._replace(text=text) for place, text in zip(places, texts, strict=False))


def _refuse(at: Word | Statement, who: str, problem: str, to: Reading, *, is_check: bool, hint: str = "") -> None:
    if is_check:
        to.error(at, "bad-script", f"{who}: {problem}", hint or "name a program, or take the check out")
    else:
        to.warning(at, "bad-script", f"{who} is not run, as in keepalived: {problem}", hint)


def _surplus(draft: CommandDraft, surplus: Sequence[Word], line: Statement, to: Reading) -> None:
    if not surplus:
        return
    if draft.is_check:
        message = f"only {quoted(draft.at)} is run: the words after it are lost"
    else:
        message = "what stands after the command, a user and a group is lost"
    whole = " ".join(word.text for word in line.values)
    to.advice(surplus[0], "surplus-words", message, f'put the whole command in double quotes: {line.keyword} "{whole}"')


def _shell(draft: CommandDraft, to: Reading) -> None:
    if draft.argv[0].startswith("<"):  # the one thing that keepalived hands to a shell
        if draft.argv[0].startswith(("</dev/tcp/", "</dev/udp/")):
            to.advice(
                draft.at,
                "shell-syntax",
                f"{draft.who}: only bash knows {draft.argv[0][1:]}; where {_SHELL} is another shell this always fails",
                f"\"/bin/bash -c '{draft.argv[0]}'\"",
            )
        return
    word = shell_syntax(draft.argv)
    if word is not None:
        to.advice(
            draft.at,
            "shell-syntax",
            f"{draft.who} runs without a shell: {program_name(draft.argv)} gets {word} as it stands"
            if word != draft.argv[0]
            else f"{draft.who} runs without a shell, which alone would understand {word}",
            "put it into a script of its own, or write \"/bin/sh -c '…'\"",
        )


def finish_command(draft: CommandDraft, policy: ScriptPolicy, to: Reading, user: User | None = None) -> Command | None:
    """The command with its program found and its user looked up. None, with the reason said, when it cannot run.

    `user` is the check's own, from its block; it goes before the policy's.
    """
    if draft.user:
        user = named_user(draft.user, to.node)
        if user is None:
            _unknown_user(draft, to)
            return None
    user = user or policy.user or to.node.script_user()
    if user is not None and policy.supplementary:
        user = replace(user, supplementary=True)
    if user is None and policy.secure and to.node.is_here:
        problem = "enable_script_security wants a user: there is neither script_user nor a user keepalived_script"
        _refuse(draft.at, draft.who, problem, to, is_check=draft.is_check, hint="script_user root in global_defs")
        return None
    if draft.argv[0].startswith("<"):
        return Command((_SHELL, "-c", " ".join(draft.argv)), user)
    program = _program(draft, to)
    if program is None or not _may_run(draft, program, user, policy, to):
        return None
    return Command((program, *draft.argv[1:]), user)


def named_user(words: Sequence[Word], node: Node) -> User | None:
    """`USER [[:]GROUP]`; None when this node has no such user or group."""
    name, *rest = (word.text for word in words)
    group = rest[0].removeprefix(":") if rest else ""
    user = node.user(name, group or None)
    return replace(user, supplementary=True) if user is not None and rest and rest[0].startswith(":") else user


def _unknown_user(draft: CommandDraft, to: Reading) -> None:
    name, *group = draft.user
    whom = f"user {quoted(name)}" + (f" or group {quoted(group[0])}" if group else "")
    _refuse(
        name,
        draft.who,
        f"what stands after the command is whom it runs as, and there is no {whom}",
        to,
        is_check=draft.is_check,
        hint="put the command and its arguments in double quotes together, or create the user",
    )


def _program(draft: CommandDraft, to: Reading) -> str | None:
    name = draft.argv[0]
    if "/" in name and not name.startswith("/"):
        problem, hint = f"cannot run {name}: the path is not absolute", "write the whole path"
    elif "/" in name:
        return name
    elif (program := to.node.find_program(name)) is not None:
        return program
    else:
        problem, hint = f"cannot run {name}: no such program in PATH", "install it, or write its path"
    _refuse(draft.at, draft.who, problem, to, is_check=draft.is_check, hint=hint)
    return None


def _may_run(draft: CommandDraft, program: str, user: User | None, policy: ScriptPolicy, to: Reading) -> bool:
    problem = to.node.why_not_executable(program, user)
    if problem is not None:
        hint = "mend the file, or take the line out"
        _refuse(draft.at, draft.who, f"cannot run {program}: {problem}", to, is_check=draft.is_check, hint=hint)
        return False
    if draft.is_check and always_succeeds(to.node.script_text(program)):
        to.advice(
            draft.at,
            "always-succeeds",
            f"{draft.who}: {program} prints what it finds and exits 0 all the same: the check can never fail",
            "exit 1 when something is wrong; only the exit status counts",
        )
    insecure = to.node.insecure_part(program) if user is None or 0 in {user.uid, user.gid} else None
    if insecure is None:
        return True
    if policy.secure:
        problem = f"enable_script_security forbids root to run {program}: {insecure}"
        hint = "only root may own and write it and what is above it, or script_user names another user"
        _refuse(draft.at, draft.who, problem, to, is_check=draft.is_check, hint=hint)
        return False
    to.advice(
        draft.at,
        "insecure-script",
        f"{draft.who}: root runs {program}, and {insecure}: whoever can change it becomes root",
        "only root should own and write it and what is above it; then set enable_script_security",
    )
    return True
