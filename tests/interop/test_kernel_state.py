"""What a Master puts into the kernel, beside what Debian's keepalived puts there for the same lines."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "netns"))

from lan import PATIENCE_S, Lan, capturing_log

from vrrpd.config.load import load
from vrrpd.linux.netlink import NetlinkKernel
from vrrpd.linux.node import ThisNode
from vrrpd.model import FOREVER, Family, Held, NextHop, Route, Rule, VirtualAddress
from vrrpd.ports import Change

ADDRESSES: dict[str, VirtualAddress] = {
    "10.7.0.50/24 brd + label eth0:vip": VirtualAddress(
        ip_interface("10.7.0.50/24"), "eth0", label="eth0:vip", broadcast=IPv4Address("10.7.0.255")
    ),
    "10.7.0.51": VirtualAddress(ip_interface("10.7.0.51/32"), "eth0"),
    "10.8.0.52/24 brd 10.8.0.255 scope link": VirtualAddress(
        ip_interface("10.8.0.52/24"), "eth0", scope=253, broadcast=IPv4Address("10.8.0.255")
    ),
    "10.7.0.53/24 brd -": VirtualAddress(ip_interface("10.7.0.53/24"), "eth0", broadcast=IPv4Address("10.7.0.0")),
    "10.7.0.55/25 noprefixroute": VirtualAddress(ip_interface("10.7.0.55/25"), "eth0", without_prefix_route=True),
    "10.9.0.56/25 dev eth1 scope site": VirtualAddress(ip_interface("10.9.0.56/25"), "eth1", scope=200),
}
EXCLUDED: dict[str, VirtualAddress] = {
    "10.7.0.60/24": VirtualAddress(ip_interface("10.7.0.60/24"), "eth0"),
    "2001:db8::5": VirtualAddress(ip_interface("2001:db8::5/128"), "eth0"),
    "2001:db8::6/64": VirtualAddress(ip_interface("2001:db8::6/64"), "eth0"),
    "2001:db8:1::7/64 -nodad": VirtualAddress(ip_interface("2001:db8:1::7/64"), "eth0", detects_duplicates=True),
    "2001:db8:2::8/64 preferred_lft 0 home": VirtualAddress(
        ip_interface("2001:db8:2::8/64"), "eth0", preferred_lifetime=0, is_home=True
    ),
    "2001:db8:3::9/128 preferred_lft forever": VirtualAddress(
        ip_interface("2001:db8:3::9/128"), "eth0", preferred_lifetime=FOREVER
    ),
    "2001:db8:4::a/64 mngtmpaddr noprefixroute": VirtualAddress(
        ip_interface("2001:db8:4::a/64"), "eth0", manages_temporary=True, without_prefix_route=True
    ),
}


def _route(destination: str, **parts: Any) -> Route:
    network = ip_network(destination)
    return Route(Family(network.version), network, **parts)


def _hop(gateway: str | None = None, device: str | None = None, **parts: Any) -> NextHop:
    return NextHop(None if gateway is None else ip_address(gateway), device, **parts)


ROUTES: dict[str, Route] = {
    "10.50.0.0/16 via 10.7.0.1": _route("10.50.0.0/16", next_hops=(_hop("10.7.0.1"),)),
    "10.51.0.0/16 via 10.7.0.1 dev eth0 src 10.7.0.50 metric 30 mtu 1400 advmss 1300": _route(
        "10.51.0.0/16",
        next_hops=(_hop("10.7.0.1", "eth0"),),
        source=ip_address("10.7.0.50"),
        metric=30,
        metrics=(("mtu", 1400), ("advmss", 1300)),
    ),
    "src 10.7.0.51 to 10.52.0.0/24 via 10.9.0.1 dev eth1 table 1000 scope global": _route(
        "10.52.0.0/24",
        next_hops=(_hop("10.9.0.1", "eth1"),),
        source=ip_address("10.7.0.51"),
        table=1000,
        scope=0,
    ),
    "blackhole 10.53.0.0/24": _route("10.53.0.0/24", kind="blackhole"),
    "unreachable 10.54.0.0/24 metric 5": _route("10.54.0.0/24", kind="unreachable", metric=5),
    "10.55.0.0/24 nexthop via 10.7.0.1 dev eth0 weight 3 nexthop via 10.9.0.1 dev eth1 weight 2": _route(
        "10.55.0.0/24", next_hops=(_hop("10.7.0.1", "eth0", weight=3), _hop("10.9.0.1", "eth1", weight=2))
    ),
    "10.56.0.0/24 dev eth1 scope link": _route("10.56.0.0/24", next_hops=(_hop(None, "eth1"),), scope=253),
    "2001:db8:50::/48 via 2001:db8::1 dev eth0": _route("2001:db8:50::/48", next_hops=(_hop("2001:db8::1", "eth0"),)),
    "10.57.0.0/24 via 10.200.0.1 dev eth0 onlink": _route(
        "10.57.0.0/24", next_hops=(_hop("10.200.0.1", "eth0", on_link=True),)
    ),
    "unreachable 2001:db8:51::/48": _route("2001:db8:51::/48", kind="unreachable"),
    "default via 10.7.0.1 table 101": _route("0.0.0.0/0", next_hops=(_hop("10.7.0.1"),), table=101),
    "prohibit 10.60.0.0/24": _route("10.60.0.0/24", kind="prohibit"),
    "throw 10.61.0.0/24 table 101": _route("10.61.0.0/24", kind="throw", table=101),
}


def _rule(preference: int, family: Family = Family.IPV4, **parts: Any) -> Rule:
    parts |= {name: ip_network(parts[name]) for name in ("source", "destination") if name in parts}
    return Rule(family, preference=preference, **parts)


RULES: dict[str, Rule] = {
    "from 10.7.0.50 lookup 1000 preference 500": _rule(500, source="10.7.0.50/32", table=1000),
    "from 10.7.0.0/24 to 10.9.0.0/24 table 101 preference 501 iif eth0": _rule(
        501, source="10.7.0.0/24", destination="10.9.0.0/24", table=101, incoming="eth0"
    ),
    "to 10.99.0.0/16 blackhole preference 502": _rule(502, destination="10.99.0.0/16", action="blackhole"),
    "fwmark 0x10/0xff table 101 preference 503": _rule(503, mark=0x10, mark_mask=0xFF, table=101),
    "from 2001:db8::5 table 101 preference 504": _rule(504, Family.IPV6, source="2001:db8::5/128", table=101),
    "oif eth1 table 101 suppress_prefixlength 0 preference 505": _rule(
        505, outgoing="eth1", table=101, suppress_prefix_length=0
    ),
    "uidrange 100-200 table 101 preference 506": _rule(506, uid_range=(100, 200), table=101),
    "ipproto tcp dport 80-90 table 101 preference 507": _rule(
        507, ip_protocol=6, destination_ports=(80, 90), table=101
    ),
    "from 10.1.1.1 goto 510 preference 508": _rule(508, source="10.1.1.1/32", action="goto", goto=510),
    "not from 10.1.1.2 table 101 preference 509": _rule(509, source="10.1.1.2/32", inverted=True, table=101),
    "from 10.1.1.3 nop preference 510": _rule(510, source="10.1.1.3/32", action="nop"),
    "from 10.1.1.4 table 101 tos 16 preference 511": _rule(511, source="10.1.1.4/32", tos=16, table=101),
    "from 10.1.1.5 realms 1/2 table 101 preference 512": _rule(
        512, source="10.1.1.5/32", realms=(1 << 16) + 2, table=101
    ),
}

CONFIGURATION = f"""
vrrp_instance R1 {{
    interface eth0
    virtual_router_id 50
    priority 254
    advert_int 1
    virtual_ipaddress {{ {chr(10).join(ADDRESSES)} }}
    virtual_ipaddress_excluded {{ {chr(10).join(EXCLUDED)} }}
    virtual_routes {{ {chr(10).join(ROUTES)} }}
    virtual_rules {{ {chr(10).join(RULES)} }}
}}
"""


@contextmanager
def a_node() -> Iterator[Lan]:
    """This thread is on a node with two interfaces."""
    with Lan() as lan:
        lan.node("here", "10.7.0.2/24")
        lan.run("here", "ip link add name eth1 type veth peer name other")
        lan.run("here", "ip link set other up")
        lan.run("here", "ip link set eth1 up")
        lan.run("here", "ip address add 10.9.0.2/24 dev eth1")
        with lan.inside("here"):
            yield lan


def in_kernel(lan: Lan) -> dict[str, list[dict[str, Any]]]:
    """What iproute2 shows of addresses, routes and rules, sorted, without the interfaces' own link-local addresses."""
    seen: dict[str, list[dict[str, Any]]] = {}
    for device in ("eth0", "eth1"):
        (link,) = json.loads(lan.run("here", f"ip -json -details address show dev {device}"))
        seen[device] = [info for info in link["addr_info"] if not info["local"].startswith("fe80")]
    for family in ("-4", "-6"):
        routes = json.loads(lan.run("here", f"ip -json -details {family} route show table all"))
        seen[f"routes {family}"] = [route for route in routes if route["protocol"] == "keepalived"]
        seen[f"rules {family}"] = json.loads(lan.run("here", f"ip -json -details {family} rule show"))
    return {name: sorted(entries, key=json.dumps) for name, entries in seen.items()}


def by_keepalived(lan: Lan, directory: Path) -> dict[str, list[dict[str, Any]]]:
    """With keepalived as Master."""
    file = directory / "keepalived.conf"
    file.write_text(CONFIGURATION)
    pids = ["-p", str(directory / "keepalived.pid"), "-r", str(directory / "vrrp.pid")]
    with (directory / "log").open("w") as log:
        keepalived = subprocess.Popen(["keepalived", "-P", "-n", "-l", "-D", *pids, "-f", str(file)], stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE_S
        # Rules come last.
        while "\n512:" not in lan.run("here", "ip rule show"):
            assert time.monotonic() < deadline, (directory / "log").read_text()
            assert keepalived.poll() is None
        return in_kernel(lan)
    finally:
        os.kill(keepalived.pid, signal.SIGTERM)
        keepalived.wait(PATIENCE_S)


@contextmanager
def a_kernel() -> Iterator[NetlinkKernel]:
    log, _ = capturing_log()
    loop = asyncio.new_event_loop()
    kernel = NetlinkKernel(loop, lambda _name, _interface: None, lambda _things: None, log)
    try:
        yield kernel
    finally:
        kernel.close()
        loop.close()


def everything() -> list[Held]:
    return [*ADDRESSES.values(), *EXCLUDED.values(), *ROUTES.values(), *RULES.values()]


def test_everything_a_master_holds_is_in_the_kernel_as_keepalived_puts_it_there_and_goes_without_a_trace(
    tmp_path: Path,
) -> None:
    with a_node() as lan:
        before = in_kernel(lan)
        theirs = by_keepalived(lan, tmp_path)
        new = {name: len(entries) - len(before[name]) for name, entries in theirs.items()}
        assert new == {"eth0": 12, "eth1": 1, "routes -4": 11, "routes -6": 2, "rules -4": 12, "rules -6": 1}
        assert in_kernel(lan) == before
        with a_kernel() as kernel:
            things = everything()
            kernel.prepare(things)
            changes = [Change(thing, present=True) for thing in things]
            assert dict(zip(map(str, things), kernel.apply(changes), strict=True)) == dict.fromkeys(map(str, things), 0)
            assert in_kernel(lan) == theirs
            assert set(kernel.apply(changes)) == {0}  # again: it is as wanted
            assert in_kernel(lan) == theirs
            backwards = [Change(thing, present=False) for thing in reversed(things)]
            gone = kernel.apply(backwards)
            assert dict(zip(map(str, reversed(things)), gone, strict=True)) == dict.fromkeys(map(str, things), 0)
            assert in_kernel(lan) == before
            assert set(kernel.apply(backwards)) == {0}


def test_the_file_says_the_same_to_us(tmp_path: Path) -> None:
    with a_node():
        file = tmp_path / "keepalived.conf"
        file.write_text(CONFIGURATION)
        (router,) = load(file, ThisNode()).config.routers
        assert router.held == tuple(thing.bare for thing in everything())
