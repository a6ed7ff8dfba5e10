"""One story, told by keepalived and by vrrpd: what they run and what they write is the same.

keepalived runs commands all at once and the routers' timers fire in any order: so the commands of an event are compared
as a set, and of the FIFO's lines the order of each router's own, and that of a group after its members.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from worlds import KEEPALIVED, Site, site

from vrrpd.lab.daemons import VRRPD, Daemon
from vrrpd.lab.node import Node

NOTE = """#!/bin/sh
echo "$*" >>/run/told
"""
READER = """#!/bin/bash
trap 'echo TERM >>/run/lines' TERM
while [ -e "$1" ]; do while read -r line; do echo "$line" >>/run/lines; done <"$1"; done
"""
OF_GROUPS = ("notify", "notify_master", "notify_backup", "notify_fault", "notify_stop")
OF_ROUTERS = (*OF_GROUPS, "notify_deleted", "notify_master_rx_lower_pri")
OWN = {
    "MASTER": "notify_master",
    "BACKUP": "notify_backup",
    "FAULT": "notify_fault",
    "STOP": "notify_stop",
    "DELETED": "notify_deleted",
    "MASTER_RX_LOWER_PRI": "notify_master_rx_lower_pri",
}


def all_are(word: str, *, third: int = 100) -> list[str]:
    return [
        f'INSTANCE "R1" {word} 100',
        f'INSTANCE "R2" {word} 100',
        f'GROUP "G" {word} 0',
        f'INSTANCE "R3" {word} {third}',
    ]


def group_is(word: str) -> list[str]:
    return all_are(word)[:3]


def notifications(name: str, keywords: tuple[str, ...], note: str) -> str:
    return "\n".join(f'  {keyword} "{note} {name}-{keyword}"' for keyword in keywords)


def block(n: int, priority: int, more: str = "") -> str:
    return f"""
vrrp_instance R{n} {{
  interface eth0
  virtual_router_id {50 + n}
  priority {priority}
  virtual_ipaddress {{
    10.230.137.{100 + n}
  }}
{more}
}}
"""


def told(node: Node, routers: int) -> str:
    note, reader = node.write("note", NOTE), node.write("reader", READER)
    for name in ("note", "reader"):
        (node.directory / name).chmod(0o755)
    tracks = ("  track_script {\n    not_bad\n  }", "", "  track_file {\n    number\n  }")
    blocks = (
        block(n, 100, f"{notifications(f'R{n}', OF_ROUTERS, note)}\n{tracks[n - 1]}") for n in range(1, routers + 1)
    )
    return f"""
global_defs {{
  router_id {node.name}
  script_user root
  vrrp_notify_fifo /run/fifo
  vrrp_notify_fifo_script "{reader}"
  vrrp_notify_priority_changes true
}}
vrrp_script not_bad {{
  script "/usr/bin/test ! -e /run/bad"
  interval 1
}}
track_file number {{
  file /run/number
}}
vrrp_sync_group G {{
  group {{
    R1
    R2
  }}
{notifications("G", OF_GROUPS, note)}
}}
{"".join(blocks)}
"""


class Listener:
    """What was run and written since the last event."""

    def __init__(self, here: Site, node: Node) -> None:
        self._here = here
        self._node = node
        self._read = {"lines": 0, "told": 0}

    def new(self, name: str) -> list[str]:
        file = self._node.directory / name
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        return text.splitlines()[self._read[name] :]

    def hears(self, event: str, act: Callable[[], object], expected: list[str]) -> None:
        """After that these lines are written, and the commands run that belong to them."""
        act()
        commands = {command for line in expected for command in commands_of(line)}
        self._here.until(f"{event}: written", lambda: len(self.lines()) >= len(expected))
        self._here.until(f"{event}: run", lambda: len(self.new("told")) >= len(commands))
        lines, run = self.lines(), self.new("told")
        assert sorted(lines) == sorted(expected), event
        for name in ("R1", "R2", "R3", "G"):
            assert of(name, lines) == of(name, expected), event
        for word in (w for w in OWN if f'GROUP "G" {w} 0' in expected and event != "start"):
            places = [lines.index(line) for line in group_is(word)]
            assert max(places) == places[2], f"{event}: the group comes after its members"
        assert sorted(run) == sorted(commands), event
        self._read = {name: self._read[name] + len(self.new(name)) for name in self._read}

    def lines(self) -> list[str]:
        return [line for line in self.new("lines") if line != "TERM"]


def of(name: str, lines: list[str]) -> list[str]:
    return [line for line in lines if f'"{name}"' in line]


def commands_of(line: str) -> list[str]:
    kind, quoted, word, priority = line.split()
    name = quoted.strip('"')
    if word not in OWN:
        return []
    general = [] if word == "MASTER_RX_LOWER_PRI" else [f"{name}-notify {kind} {name} {word} {priority}"]
    return [f"{name}-{OWN[word]}", *general]


@pytest.mark.parametrize("daemon", [pytest.param(KEEPALIVED, id="keepalived"), pytest.param(VRRPD, id="vrrpd")])
def test_what_is_run_and_written_in_a_story_of_eleven_events_is_the_same(daemon: Daemon) -> None:
    with site() as here:
        one, other = here.lb1, here.lb2
        bad, number = one.directory / "bad", one.directory / "number"
        number.write_text("0\n")
        listener = Listener(here, one)

        def reload() -> None:
            one.write("keepalived.conf", told(one, 2))
            one.daemon.signal(signal.SIGHUP)

        listener.hears("start", lambda: here.start(one, told(one, 3), daemon), [*all_are("BACKUP"), *all_are("MASTER")])
        listener.hears("the script fails", bad.touch, group_is("FAULT"))
        listener.hears("the script recovers", bad.unlink, [*group_is("BACKUP"), *group_is("MASTER")])
        listener.hears("the link is down", lambda: here.world.set_link_down(one), all_are("FAULT"))
        back = [*all_are("BACKUP"), *all_are("MASTER")]
        listener.hears("the link is up", lambda: here.world.set_link_up(one), back)
        listener.hears("the file says 5", lambda: number.write_text("5\n"), ['INSTANCE "R3" MASTER_PRIORITY 105'])
        better = "".join(block(n, 150) for n in (1, 2, 3))
        listener.hears("a better one", lambda: here.start(other, better, KEEPALIVED), all_are("BACKUP", third=105))
        listener.hears("the file says 0", lambda: number.write_text("0\n"), ['INSTANCE "R3" BACKUP_PRIORITY 100'])
        listener.hears("the better one stops", other.stop_daemon, all_are("MASTER"))
        listener.hears("a reload removes one", reload, ['INSTANCE "R3" DELETED 100'])
        listener.hears("it stops", one.stop_daemon, group_is("STOP"))
        last = (one.directory / "lines").read_text(encoding="utf-8").split()[-1]
        assert (last == "TERM") is (daemon is VRRPD), "our reader gets the last line before its signal"
