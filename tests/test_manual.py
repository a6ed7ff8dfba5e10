"""Completion and manual pages, made from the parser and the keyword tables, and what others make of them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from vrrpd import cli, completion, manual
from vrrpd.config.keywords import BLOCKS

FOUND = [completion.command(*one) for one in completion.subcommands(cli.parser())]


def test_every_command_is_completed_in_every_shell() -> None:
    for make in completion.SHELLS.values():
        text = make(FOUND)
        for command in FOUND:
            assert command.name in text


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("vrrpd dr", ["drain"]),
        ("vrrpd log-level w", ["warning"]),
        ("vrrpd drain --p", ["--persist"]),
        ("vrrpd completion ", ["bash", "zsh", "fish", "-h", "--help"]),
    ],
)
def test_bash_offers_what_may_stand_there(words: str, offered: list[str]) -> None:
    typed = words.split(" ")
    script = (
        f"{completion.bash(FOUND)}\nCOMP_WORDS=({' '.join(typed)} '')\nCOMP_CWORD={len(typed) - 1}\n_vrrpd\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-eu", "-c", script], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(offered)


def test_the_manual_page_has_every_command_and_option() -> None:
    page = "\n".join(manual.command()).replace("\\-", "-")
    for command in FOUND:
        assert f".SS {command.name}\n" in page
        for option in command.options.keys() - {"-h", "--help"}:
            assert option in page


def test_the_page_on_the_file_has_every_keyword() -> None:
    page = "\n".join(manual.configuration()).replace("\\-", "-")
    for block in BLOCKS:
        for keyword in block.keywords:
            assert f"\\fB{keyword}\\fR" in page


def test_no_line_is_a_request_that_was_not_meant() -> None:
    known = {".TH", ".SH", ".SS", ".TP", ".BR"}
    for page in manual.PAGES.values():
        for line in page():
            assert not line.startswith((".", "'")) or line.split(" ")[0] in known


def test_bash_itself_finds_nothing_wrong() -> None:
    assert shutil.which("bash")
    subprocess.run(["bash", "-n"], input=completion.bash(FOUND), text=True, check=True)
