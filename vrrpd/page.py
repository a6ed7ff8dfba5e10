"""The status as a page: one document, no script, no outside resource. Everything that was told is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from typing import Any, TypeAlias

from vrrpd.report import local_time, master_words, priority_words, problems, tracker_words

Json: TypeAlias = dict[str, Any]

REFRESH_S = 2
_SHOWN_TRANSITIONS = 5
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #c62828; --idle: #57606a; --busy: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --bad: #ff7b72; --idle: #9198a1; --busy: #d29922; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1.1rem; margin: 0; }
.about, .why { color: var(--idle); margin: 0 0 .6rem; }
section { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; margin: 1rem 0; }
.state { border-radius: 4px; padding: .05rem .45rem; font-weight: 600; border: 1px solid currentColor; }
.MASTER { color: var(--good); } .BACKUP { color: var(--idle); } .RESIGNING { color: var(--busy); }
.FAULT, .INITIALIZE, .problem { color: var(--bad); }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; width: 9rem; }
th, td { padding: .2rem .4rem; vertical-align: top; border-top: 1px solid var(--line); }
code { font: 13px ui-monospace, monospace; }
"""
SECURITY_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)


def render(status: Json, host: str) -> Iterator[str]:
    """The document, a virtual router at a time, so that whoever writes it may pause in between."""
    troubled = sum(bool(problems(router, status["now"])) for router in status["virtual_routers"])
    health = "all is well" if not troubled else f"{troubled} need a person" if troubled > 1 else "1 needs a person"
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="refresh" content="{REFRESH_S}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(host)}: {health}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(host)}: {health}</h1>\n"
        f'<p class="about">vrrpd {escape(status["version"])}, pid {status["pid"]}, running since '
        f"{_moment(status['started'])}, <code>{escape(status['config'])}</code></p>\n"
    )
    for router in status["virtual_routers"]:
        yield _router(router, status["now"])
    if not status["virtual_routers"]:
        yield "<p>No virtual router is configured.</p>\n"
    yield "</body>\n</html>\n"


def _router(router: Json, now: str) -> str:
    state = escape(router["state"])
    rows = "".join(
        f'<tr><th>{head}</th><td class="{head}">{content}</td></tr>\n' for head, content in _rows(router, now)
    )
    return (
        f'<section>\n<h2>{escape(router["name"])} <span class="state {state}">{state}</span></h2>\n'
        f'<p class="why">since {_moment(router["since"])}: {escape(router["reason"])}</p>\n'
        f"<table>\n{rows}</table>\n</section>\n"
    )


def _rows(router: Json, now: str) -> Iterator[tuple[str, str]]:
    """Heads, which are words of ours, and cells, which are escaped."""
    for problem in problems(router, now):
        yield "problem", escape(problem)
    yield "where", escape(f"{router['interface']}, VRID {router['vrid']}")
    yield "priority", escape(priority_words(router))
    for words in master_words(router):
        yield "Master", escape(words)
    for address in router["addresses"]:
        where = "here" if address["present"] else "not here"
        yield "address", f"<code>{escape(address['address'])}</code> dev {escape(address['device'])}, {where}"
    for tracker in router["trackers"]:
        yield "check", escape(tracker_words(tracker))
    for conflict in router["conflicts"]:
        times = f"{conflict['count']} times, last {_moment(conflict['last'])}"
        yield "conflict", escape(f"{conflict['peer']}: {conflict['theirs']}, we: {conflict['ours']}") + f" ({times})"
    for move in reversed(router["transitions"][-_SHOWN_TRANSITIONS:]):
        yield (
            "history",
            f"{_moment(move['at'])} {escape(move['from'])} → {escape(move['to'])}: {escape(move['reason'])}",
        )


def _moment(moment: str) -> str:
    return f"{local_time(moment):%Y-%m-%d %H:%M:%S}"
