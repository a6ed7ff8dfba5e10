"""A virtual router MAC address, with keepalived as the other node in either role; and an end without a trace."""

from __future__ import annotations

import json
from typing import Any

import pytest
from worlds import KEEPALIVED, VIP, Site, site

from vrrpd.lab.daemons import VRRPD, Daemon
from vrrpd.lab.node import Node

MAC = "00:00:5e:00:01:32"


def configuration(priority: int, *lines: str) -> str:
    return "\n".join(
        (
            "vrrp_instance R1 {",
            "interface eth0",
            "virtual_router_id 50",
            f"priority {priority}",
            "advert_int 1",
            *(lines or ("use_vmac", f"virtual_ipaddress {{ {VIP}/24 }}")),
            "}\n",
        )
    )


def neighbour(here: Site) -> str:
    """What the client's kernel believes of the address, after asking anew."""
    here.client.run("ip", "neighbour", "flush", "dev", "eth0")
    here.client.call("ping", "-c", "1", "-W", "1", VIP)
    entries = json.loads(here.client.run("ip", "-json", "neighbour", "show", VIP))
    return next((entry.get("lladdr", "") for entry in entries), "")


def answers(here: Site) -> bool:
    return here.client.call("ping", "-c", "1", "-W", "1", VIP).returncode == 0


def links(node: Node) -> dict[str, dict[str, Any]]:
    return {link["ifname"]: link for link in json.loads(node.run("ip", "-json", "link", "show"))}


def until_served(here: Site, node: Node) -> None:
    here.until(f"{node.name} alone has it", lambda: here.holders() == {node.name})
    here.until("the client is answered", lambda: answers(here))
    assert neighbour(here) == MAC


def trace(node: Node) -> dict[str, str]:
    """All that must be as before once the daemon has gone."""
    names = ("arp_ignore", "arp_filter")
    return {
        "links": " ".join(sorted(links(node))),
        "addresses": node.run("ip", "-br", "-4", "address", "show"),
        "IPv6 addresses": node.run("ip", "-6", "address", "show", "scope", "global"),
        "routes": node.run("ip", "-4", "route", "show", "table", "all"),
        "rules": node.run("ip", "rule", "show"),
        "nft": node.run("nft", "list", "ruleset"),
        **{name: node.run("cat", f"/proc/sys/net/ipv4/conf/eth0/{name}") for name in names},
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(VRRPD, KEEPALIVED, id="keepalived-is-the-backup"),
        pytest.param(KEEPALIVED, VRRPD, id="keepalived-is-the-master"),
        pytest.param(VRRPD, VRRPD, id="vrrpd-is-both"),
    ],
)
def test_the_virtual_mac_moves_with_the_address_and_hosts_need_not_know(first: Daemon, second: Daemon) -> None:
    with site() as here:
        here.start(here.lb1, configuration(100), first)
        here.until("lb1 serves", lambda: here.holders() == {"lb1"})
        here.start(here.lb2, configuration(90), second)
        until_served(here, here.lb1)
        assert links(here.lb1)["vrrp.50"]["address"] == MAC
        # It hears the other one although both have the MAC (hazard A5), so there is one Master.
        here.until("lb2 has heard three", lambda: len(here.advertisements(here.lb2, sent=False)) >= 3)
        assert here.holders() == {"lb1"}
        # A crash, and the return of the better one.
        here.world.set_link_down(here.lb1)
        here.until("lb2 takes over", lambda: "lb2" in here.holders())
        here.until("the client is answered", lambda: answers(here))
        here.world.set_link_up(here.lb1)
        until_served(here, here.lb1)
        # A planned stop, and hand-back.
        assert here.lb1.stop_daemon() == 0
        until_served(here, here.lb2)
        assert "vrrp.50" not in links(here.lb1)
        here.start(here.lb1, configuration(100), first)
        until_served(here, here.lb1)
        for node, daemon in ((here.lb1, first), (here.lb2, second)):
            if daemon is VRRPD:
                counters = here.router(node)["counters"]
                good = {"received", "received_priority_0", "sent", "send_failed", "addresses_lost"}
                assert {name: n for name, n in counters.items() if n and name not in good} == {}


def test_nothing_with_the_virtual_mac_leaves_a_backup() -> None:
    """A switch would learn the MAC at its port."""
    with site() as here:
        here.start(here.lb1, configuration(100))
        here.until("lb1 serves", lambda: here.holders() == {"lb1"})
        counted = here.lb2.run("nft", "-f", "-", text=COUNTING)
        assert counted == ""
        here.start(here.lb2, configuration(90))
        here.until("lb2 has heard five", lambda: len(here.advertisements(here.lb2, sent=False)) >= 5)
        found = json.loads(here.lb2.run("nft", "-j", "list", "counters"))
        (counter,) = [entry["counter"] for entry in found["nftables"] if "counter" in entry]
        assert counter["packets"] == 0


COUNTING = f"""
table netdev seen {{
    counter virtual {{ }}
    chain leaving {{
        type filter hook egress device eth0 priority 0; policy accept;
        ether saddr {MAC} counter name virtual
    }}
}}
"""

EVERYTHING = (
    "use_vmac",
    "no_accept",
    f"virtual_ipaddress {{\n{VIP}/24 label vrrp.50:x\n}}",
    "virtual_ipaddress_excluded {\n2001:db8::7/64 dev eth0\n10.230.138.1/24 dev eth0\n}",
    "virtual_routes {\n10.50.0.0/16 via 10.230.137.50 dev eth0\nblackhole 10.51.0.0/16 no_track\n}",
    "virtual_rules {\nfrom 10.50.0.0/16 table 100 preference 77\n}",
)
STATIC = (
    "static_ipaddress {\n10.230.139.1/24 dev eth0\n}\n"
    "static_routes {\n10.52.0.0/16 via 10.230.137.50 dev eth0\n}\n"
    "static_rules {\nfrom 10.52.0.0/16 table 101 preference 78\n}\n"
)


def test_kill_9_then_release_leaves_nothing_and_so_does_a_stop() -> None:
    with site() as here:
        before = trace(here.lb1)
        for end in ("kill", "stop"):
            here.start(here.lb1, STATIC + configuration(200, *EVERYTHING))
            here.until("lb1 serves", lambda: here.holders() == {"lb1"})
            here.until("rules come last", lambda: "77:" in here.lb1.run("ip", "rule", "show"))
            during = trace(here.lb1)
            assert [name for name in before if during[name] == before[name]] == []
            (router,) = here.status(here.lb1)["virtual_routers"]
            held = (*router["addresses"], *router["excluded_addresses"], *router["routes"], *router["rules"])
            assert [thing for thing in held if not thing["present"]] == []
            if end == "kill":
                here.lb1.kill_daemon()
                assert trace(here.lb1) == during
                here.lb1.release()
            else:
                assert here.lb1.stop_daemon() == 0
            assert trace(here.lb1) == before
            here.look()
            assert here.holders() == set()


IPV6_MAC = "00:00:5e:00:02:32"
IPV6 = "2001:db8::100"


def ipv6_configuration(priority: int) -> str:
    addresses = f"virtual_ipaddress {{\nfe80::50\n{IPV6}/64\n}}"
    return configuration(priority, "version 3", "use_vmac", addresses)


def ipv6_holders(here: Site) -> set[str]:
    return {node.name for node in here.nodes if IPV6 in node.run("ip", "-6", "address", "show")}


def until_ipv6_served(here: Site, node: Node) -> None:
    here.until(f"{node.name} alone has it", lambda: ipv6_holders(here) == {node.name})
    here.client.call("ip", "address", "add", "2001:db8::50/64", "dev", "eth0", "nodad")
    here.client.run("ip", "-6", "neighbour", "flush", "dev", "eth0")
    here.until("the client is answered", lambda: here.client.call("ping", "-c", "1", "-W", "1", IPV6).returncode == 0)
    entries = json.loads(here.client.run("ip", "-json", "-6", "neighbour", "show", IPV6))
    assert [entry["lladdr"] for entry in entries] == [IPV6_MAC]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(VRRPD, KEEPALIVED, id="keepalived-is-the-backup"),
        pytest.param(KEEPALIVED, VRRPD, id="keepalived-is-the-master"),
        pytest.param(VRRPD, VRRPD, id="vrrpd-is-both"),
    ],
)
def test_the_virtual_mac_of_ipv6_moves_too(first: Daemon, second: Daemon) -> None:
    with site() as here:
        here.start(here.lb1, ipv6_configuration(100), first)
        here.until("lb1 serves", lambda: ipv6_holders(here) == {"lb1"})
        here.start(here.lb2, ipv6_configuration(90), second)
        until_ipv6_served(here, here.lb1)
        here.world.set_link_down(here.lb1)
        here.until("lb2 takes over", lambda: "lb2" in ipv6_holders(here))
        here.world.set_link_up(here.lb1)
        until_ipv6_served(here, here.lb1)
        assert here.lb1.stop_daemon() == 0
        until_ipv6_served(here, here.lb2)
        here.start(here.lb1, ipv6_configuration(100), first)
        until_ipv6_served(here, here.lb1)
        for node, daemon in ((here.lb1, first), (here.lb2, second)):
            if daemon is VRRPD:
                counters = here.router(node)["counters"]
                good = {"received", "received_priority_0", "sent", "send_failed", "addresses_lost"}
                assert {name: n for name, n in counters.items() if n and name not in good} == {}
