"""The manual pages: vrrpd(8) from the parser that `--help` prints, vrrpd.conf(5) from the keywords' own tables.

`vrrpd manual 8` and `5` print them in the format of man(7).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from vrrpd import __version__, cli
from vrrpd.completion import subcommands
from vrrpd.config.keywords import BLOCKS
from vrrpd.config.table import answer

_STATUS = (
    ("0", "all is well; stopped as asked"),
    ("1", "an error; a status in which something needs a person; a daemon that cannot run here; nobody took over"),
    ("2", "no daemon answers; run: the configuration has an error; check --strict: it has a warning or advice"),
    ("64", "wrong usage"),
)
_FILES = (
    ("/etc/vrrpd/vrrpd.conf", "the configuration, and where there is none"),
    ("/etc/keepalived/keepalived.conf", "keepalived's"),
    ("/run/vrrpd", "the runtime directory: control.sock, ledger.json, events.jsonl, recording.jsonl, drained.json"),
)


def escaped(text: str) -> str:
    """Text that troff takes for nothing else."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


def command() -> Iterator[str]:
    """vrrpd(8)."""
    parser = cli.parser()
    yield f'.TH VRRPD 8 "" "vrrpd {__version__}" "System administration"'
    yield from (".SH NAME", "vrrpd \\- a VRRP daemon that reads keepalived.conf", ".SH SYNOPSIS")
    yield "\\fBvrrpd\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR ...]"
    yield from (".SH DESCRIPTION", escaped(parser.description or ""), ".SH COMMANDS")
    for name, about, sub in subcommands(parser):
        yield from (".SS " + escaped(name), escaped(about[:1].upper() + about[1:] + "."))
        for action in sub._actions:  # noqa: SLF001 - there is no other way
            if action.dest != "help":
                yield from _entry(_shown(action), _help(action))
    yield ".SH EXIT STATUS"
    for code, words in _STATUS:
        yield from _entry(code, words)
    yield ".SH FILES"
    for path, words in _FILES:
        yield from _entry(path, words)
    yield from (".SH SEE ALSO", ".BR vrrpd.conf (5),", ".BR keepalived (8),", "RFC 5798, RFC 9568.")


def _shown(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else str(action.metavar or "|".join(map(str, action.choices or (action.dest,))))
    if action.option_strings:
        return ", ".join(f"{option} {value}".strip() for option in action.option_strings)
    return value


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%(default)s", str(action.default))


def _entry(head: str, words: str) -> tuple[str, str, str]:
    return ".TP", f"\\fB{escaped(head)}\\fR", escaped(words)


def configuration() -> Iterator[str]:
    """vrrpd.conf(5)."""
    yield f'.TH VRRPD.CONF 5 "" "vrrpd {__version__}" "File formats"'
    yield from (".SH NAME", "vrrpd.conf \\- keepalived.conf, as vrrpd reads it", ".SH DESCRIPTION")
    yield escaped(
        "The file is a keepalived.conf: what vrrpd does with each keyword is below, block by block. Where nothing else"
        " is said it does what keepalived.conf(5) says. vrrpd check reports what is wrong with a file, by line."
    )
    for block in BLOCKS:
        yield ".SH " + escaped(block.name.upper())
        for name, keyword in block.keywords.items():
            yield from _entry(name, answer(block, name) + (f": {keyword.note}" if keyword.note else ""))
    yield from (".SH SEE ALSO", ".BR vrrpd (8),", ".BR keepalived.conf (5)")


PAGES = {"8": command, "5": configuration}
