"""Reading a configuration: whatever the text, diagnostics that point into it, and what has no error runs.

The keywords are those of the reader's own tables, so that new ones are fuzzed without a word here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_interface

from vrrpd.actions import CheckFinished, ConfigChanged, InterfaceChanged, RunCheck, TimePassed
from vrrpd.config.diagnostics import Severity
from vrrpd.config.keywords import BLOCKS
from vrrpd.engine import Engine
from vrrpd.model import SECOND, Config, Instant, Interface, ScriptResult
from vrrpd.states import Reason, Why

from .choices import Choices
from .language import CHARACTERS, VALUES, examined
from .steps import Step, Subject, Tally

_EPISODE = 20
_RUN = 10 * SECOND

_START = """\
global_defs {
    router_id node
    notification_email { a@example.org }
    smtp_server 127.0.0.1
    vrrp_garp_master_delay 2
    vrrp_mcast_group4 224.0.0.18
}
vrrp_script chk {
    script "killall -0 haproxy"
    interval 2
    timeout 1
    weight -2
    fall 3
    rise 2
    user root
}
vrrp_instance R1 {
    state BACKUP
    interface eth0
    virtual_router_id 50
    priority 100
    advert_int 1
    nopreempt
    preempt_delay 2
    garp_master_delay 5
    authentication {
        auth_type PASS
        auth_pass passwd
    }
    virtual_ipaddress {
        10.0.0.100/24 brd 10.0.0.255 dev eth0 scope link label eth0:1
        10.0.0.101
    }
    track_script {
        chk weight -5
    }
}
vrrp_instance R2 {
    interface eth1
    virtual_router_id 51
    virtual_ipaddress {
        10.0.1.100
    }
}
"""
_KEYWORDS = tuple(sorted({keyword for block in BLOCKS for keyword in block.keywords}))


def _value(lines: list[str], choices: Choices) -> None:
    at = choices.below(len(lines))
    words = lines[at].split(" ")
    words[choices.below(len(words))] = choices.pick(VALUES)
    lines[at] = " ".join(words)


def _another_value(lines: list[str], choices: Choices) -> None:
    lines[choices.below(len(lines))] += " " + choices.pick(VALUES)


def _keyword(lines: list[str], choices: Choices) -> None:
    at = choices.below(len(lines))
    lines[at] = " ".join([choices.pick(_KEYWORDS), *lines[at].split()[1:]])


def _another_line(lines: list[str], choices: Choices) -> None:
    values = [choices.pick(VALUES) for _ in range(choices.below(3))]
    lines.insert(choices.below(len(lines)), " ".join([choices.pick(_KEYWORDS), *values]))


def _without(lines: list[str], choices: Choices) -> None:
    if len(lines) > 1:
        del lines[choices.below(len(lines))]


def _again(lines: list[str], choices: Choices) -> None:
    start = choices.below(len(lines))
    lines[start:start] = lines[start : start + choices.below(30)]


def _elsewhere(lines: list[str], choices: Choices) -> None:
    line = lines.pop(choices.below(len(lines)))
    lines.insert(choices.below(len(lines) + 1), line)


def _character(lines: list[str], choices: Choices) -> None:
    at = choices.below(len(lines))
    line = lines[at]
    column = choices.below(len(line) + 1)
    lines[at] = line[:column] + choices.pick(CHARACTERS) + line[column + choices.below(2) :]


_MUTATIONS: tuple[Callable[[list[str], Choices], None], ...] = (
    *(_value, _value, _value, _another_value, _keyword, _another_line),
    *(_without, _again, _elsewhere, _character),
)


class _Reader:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def take(self, step: Step) -> None:
        _, text = step
        config, found = examined(text, "")
        codes = {diagnostic.code for diagnostic in found}
        self._tally.update((code,) for code in codes)
        broken = any(diagnostic.severity is Severity.ERROR for diagnostic in found)
        self._tally["refused" if broken else "runs",] += 1
        if not broken:
            _run(config)


def _run(config: Config) -> None:
    """A node takes the configuration, and runs it for a while."""
    engine = Engine()
    names = {name for r in config.routers for name in (r.interface, *(a.device for a in r.addresses))}
    for index, name in enumerate(sorted(names), start=2):
        address = (ip_interface(f"192.0.2.{index % 250}/24"),)
        engine.handle(InterfaceChanged(name, Interface(name, index, up=True, mac=bytes(6), addresses=address)), 0)
    now: Instant = 0
    actions = engine.handle(ConfigChanged(config, Why(Reason.STOPPED, "gone")), now)
    while True:
        for action in actions:
            if isinstance(action, RunCheck):
                engine.handle(CheckFinished(action.asked, ScriptResult(0, 1)), now)
        at = engine.deadline()
        if at is None or at > _RUN:
            return
        now = at
        actions = engine.handle(TimePassed(), now)
        following = engine.deadline()
        assert following is None or following > now, "a deadline after a turn lies in the future"


class ConfigTarget:
    """Texts to `parse`, `build` and `lint`, and what comes of it to an engine."""

    name = "config"
    unit = "files"

    def subject(self, tally: Tally) -> Subject:
        return _Reader(tally)

    def steps(self, choices: Choices) -> Iterator[Step]:
        for _ in range(_EPISODE):
            if not choices.more():
                return
            lines = _START.split("\n")
            while True:
                choices.pick(_MUTATIONS)(lines, choices)
                if not choices.chance(0.6):
                    break
            yield "read", "\n".join(lines)

    def count(self, tally: Tally) -> int:
        return tally["refused",] + tally["runs",]

    def report(self, tally: Tally) -> Iterator[str]:
        yield "| | |"
        yield "|---|---|"
        for (outcome,), count in sorted(tally.items()):
            yield f"| {outcome} | {count:,} |"
