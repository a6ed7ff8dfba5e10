"""`vrrpd completion SHELL`: what a shell may complete, from the same parser as `--help`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: its one line, its options with theirs, and the words that may stand behind it."""

    name: str
    about: str
    options: Mapping[str, str]
    words: tuple[str, ...] = ()
    names_files: bool = False


def subcommands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Name, one line about it, and parser of each, in their order."""
    for group in parser._subparsers._group_actions if parser._subparsers else ():  # noqa: SLF001 - there is no other way
        if isinstance(group, argparse._SubParsersAction):  # noqa: SLF001
            about = {choice.dest: choice.help or "" for choice in group._choices_actions}  # noqa: SLF001
            for name, sub in group.choices.items():
                yield name, about.get(name, ""), sub


def command(name: str, about: str, parser: argparse.ArgumentParser) -> Command:
    """What can be completed of it."""
    options: dict[str, str] = {}
    words: list[str] = []
    names_files = False
    for action in parser._actions:  # noqa: SLF001
        names_files = names_files or action.metavar in {"FILE", "DIR"}
        if action.option_strings:
            options |= dict.fromkeys(action.option_strings, _plain(action.help))
        else:
            words += map(str, action.choices or ())
    return Command(name, about, options, tuple(words), names_files)


def _plain(words: str | None) -> str:
    return (words or "").partition(" (")[0].partition(": %")[0].replace("'", "").replace("[", "(").replace("]", ")")


def bash(found: list[Command]) -> str:
    """For bash-completion's directory, /usr/share/bash-completion/completions/vrrpd."""
    arms = "\n".join(
        f'        {command.name}) words="{" ".join((*command.options, *command.words))}" ;;' for command in found
    )
    return f"""# bash completion of vrrpd
_vrrpd() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{" ".join(command.name for command in found)}"
    else
        case ${{COMP_WORDS[1]}} in
{arms}
        esac
    fi
    # shellcheck disable=SC2207
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _vrrpd vrrpd
"""


def zsh(found: list[Command]) -> str:
    """For a directory of $fpath, as _vrrpd."""
    names = "\n".join(f"    '{command.name}:{_plain(command.about)}'" for command in found)
    arms = "\n".join(_zsh_arm(command) for command in found)
    return f"""#compdef vrrpd
local -a commands
commands=(
{names}
)
if (( CURRENT == 2 )); then
    _describe command commands
    return
fi
shift words
(( CURRENT-- ))
case $words[1] in
{arms}
esac
"""


def _zsh_arm(command: Command) -> str:
    options = " ".join(f"'{name}[{about}]'" for name, about in command.options.items())
    rest = f" '*:word:({' '.join(command.words)})'" if command.words else " '*:file:_files'" * command.names_files
    return f"    {command.name}) _arguments {options}{rest} ;;"


def fish(found: list[Command]) -> str:
    """For /usr/share/fish/vendor_completions.d/vrrpd.fish."""
    lines = ["complete -c vrrpd -n __fish_use_subcommand -f"]
    for command in found:
        lines.append(f"complete -c vrrpd -n __fish_use_subcommand -a {command.name} -d '{_plain(command.about)}'")
        here = f"complete -c vrrpd -n '__fish_seen_subcommand_from {command.name}'"
        for name, about in command.options.items():
            kind = f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
            lines.append(f"{here} {kind} -d '{about}'")
        if command.words:
            lines.append(f"{here} -f -a '{' '.join(command.words)}'")
    return "\n".join(lines) + "\n"


SHELLS: Mapping[str, Callable[[list[Command]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
