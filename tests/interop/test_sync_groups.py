"""Sync groups beside Debian's keepalived, in either role: the group moves whole, whoever the other one is."""

from __future__ import annotations

import pytest
from worlds import KEEPALIVED, Site, site

from vrrpd.lab.daemons import VRRPD, Daemon
from vrrpd.lab.node import Node

VIPS = ("10.230.137.100", "10.230.137.101")
CONFIGURATION = """
global_defs {{
  router_id {name}
  script_user root
}}
vrrp_script not_bad {{
  script "/usr/bin/test ! -e /run/bad"
  interval 1
}}
vrrp_sync_group G {{
  group {{
    R1
    R2
  }}
}}
vrrp_instance R1 {{
  interface eth0
  virtual_router_id 51
  priority {priority}
  virtual_ipaddress {{
    10.230.137.100
  }}
}}
vrrp_instance R2 {{
  interface eth0
  virtual_router_id 52
  priority {priority}
  virtual_ipaddress {{
    10.230.137.101
  }}
  track_script {{
    not_bad
  }}
}}
"""


def start(here: Site, node: Node, daemon: Daemon) -> None:
    priority = 150 if node is here.lb1 else 100
    here.start(node, CONFIGURATION.format(name=node.name, priority=priority), daemon)


def holders(here: Site, address: str, moment: int | None = None) -> set[str]:
    """Who has the address, by the kernels' events up to that one."""
    last = {event.host: event.present for event in here.address_events[:moment] if event.address == address}
    return {host for host, present in last.items() if present}


def until_held_by(here: Site, node: Node) -> None:
    here.until(f"{node.name} has both addresses", lambda: all(holders(here, vip) == {node.name} for vip in VIPS))


def was_always_held(here: Site, since: int) -> bool:
    here.look()
    moments = range(since, len(here.address_events) + 1)
    return all(holders(here, vip, moment) for moment in moments for vip in VIPS)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(VRRPD, KEEPALIVED, id="keepalived-is-the-backup"),
        pytest.param(KEEPALIVED, VRRPD, id="keepalived-is-the-master"),
        pytest.param(VRRPD, VRRPD, id="vrrpd-is-both"),
    ],
)
def test_a_group_is_elected_fails_over_returns_and_is_handed_over_whole(first: Daemon, second: Daemon) -> None:
    with site() as here:
        start(here, here.lb1, first)
        start(here, here.lb2, second)
        until_held_by(here, here.lb1)
        # one member's check fails: the other one goes with it, and both come back
        (here.lb1.directory / "bad").touch()
        until_held_by(here, here.lb2)
        (here.lb1.directory / "bad").unlink()
        until_held_by(here, here.lb1)
        # a planned stop: who can hands over without a moment in which nobody has an address
        since = len(here.address_events)
        assert here.lb1.stop_daemon() == 0
        until_held_by(here, here.lb2)
        assert first is not VRRPD or was_always_held(here, since)
        start(here, here.lb1, first)
        until_held_by(here, here.lb1)
        # a crash
        here.lb1.kill_daemon()
        here.world.set_link_down(here.lb1)
        here.until("lb2 has both addresses", lambda: all("lb2" in holders(here, vip) for vip in VIPS))


@pytest.mark.parametrize("peer", [pytest.param(KEEPALIVED, id="keepalived"), pytest.param(VRRPD, id="vrrpd")])
def test_a_peer_that_has_no_group_takes_one_address_and_gets_the_other_too(peer: Daemon) -> None:
    """Crossed priorities: the peer is better for the second router alone."""
    with site() as here:
        start(here, here.lb1, VRRPD)
        here.until("lb1 serves", lambda: all(holders(here, vip) == {"lb1"} for vip in VIPS))
        text = CONFIGURATION.format(name="lb2", priority=100)
        alone = text[: text.index("vrrp_sync_group")] + text[text.index("vrrp_instance") :]
        better = alone[: alone.rindex("priority 100")] + "priority 200" + alone[alone.rindex("priority 100") + 12 :]
        here.start(here.lb2, better, peer)
        until_held_by(here, here.lb2)
        groups = here.status(here.lb1)["sync_groups"]
        assert [(group["name"], group["state"]) for group in groups] == [("G", "BACKUP")]
