"""What moves, where real kernels have their say: duplicate addresses, a reload, interfaces that come and go."""

from __future__ import annotations

import json

from worlds import VIP, Site, cli, site

from vrrpd.lab.node import Node

WITH_DETECTION = """
vrrp_instance R1 {{
    interface eth0
    virtual_router_id 50
    priority {priority}
    virtual_ipaddress {{
        10.230.137.100
    }}
    virtual_ipaddress_excluded {{
        {ipv6}
    }}
}}
"""
IPV6 = [f"2001:db8::{number:x}" for number in range(1, 21)]
WELL: dict[str, list[str]] = {ip: [] for ip in IPV6}


def with_detection(priority: int) -> str:
    return WITH_DETECTION.format(priority=priority, ipv6="\n        ".join(f"{ip}/64 -nodad" for ip in IPV6))


def ipv6(node: Node) -> dict[str, list[str]]:
    """Its global addresses, with what the kernel says of each."""
    (link,) = json.loads(node.run("ip", "-json", "-6", "address", "show", "dev", "eth0"))
    flags = ("tentative", "dadfailed")
    return {
        info["local"]: [flag for flag in flags if info.get(flag)]
        for info in link["addr_info"]
        if info["scope"] == "global"
    }


def test_duplicate_address_detection_of_an_heir_does_not_find_us() -> None:
    """Hazard B6: what it finds is dadfailed for ever."""
    with site() as here:
        here.start(here.lb1, with_detection(100))
        here.until("lb1 serves", lambda: ipv6(here.lb1) == WELL)
        here.start(here.lb2, with_detection(90))
        here.until("lb2 listens", lambda: bool(here.router(here.lb2).get("master")))
        assert here.lb1.stop_daemon() == 0
        here.until("lb2 has them, looked for in vain elsewhere", lambda: ipv6(here.lb2) == WELL)
        assert ipv6(here.lb1) == {}


TWO = """
vrrp_instance R1 {{
    interface eth0
    virtual_router_id 50
    virtual_ipaddress {{
        {first}
    }}
    virtual_routes {{
        10.50.0.0/16 via 10.230.137.50
    }}
}}
vrrp_instance R2 {{
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {{
        {second}
    }}
}}
"""


def test_a_reload_that_moves_an_address_from_one_router_to_another_never_takes_it_away() -> None:
    """Hazard A8."""
    with site() as here:
        here.start(here.lb1, TWO.format(first=f"{VIP}\n10.230.137.101", second="10.230.137.102"))
        here.until("both are Master", lambda: len(held(here)) == 3)
        before = len(here.address_events)
        here.lb1.write("keepalived.conf", TWO.format(first="10.230.137.101", second=f"10.230.137.102\n{VIP}"))
        assert here.lb1.call(*cli("reload")).returncode == 0
        here.until("R2 has it", lambda: VIP in str(here.router(here.lb1, "R2").get("addresses")))
        assert [event for event in here.address_events[before:] if event.address == VIP] == []
        assert "10.50.0.0/16" in here.lb1.run("ip", "route", "show")
        here.lb1.write("keepalived.conf", TWO.format(first="10.230.137.101", second="10.230.137.102"))
        assert here.lb1.call(*cli("reload")).returncode == 0
        here.until("nobody has it", lambda: VIP not in held(here))


def held(here: Site) -> set[str]:
    last = {event.address: event.present for event in here.address_events}
    return {address for address, present in last.items() if present}


DYNAMIC = f"""
global_defs {{
    dynamic_interfaces
}}
static_ipaddress {{
    10.230.139.1/24 dev later0
}}
static_routes {{
    10.77.0.0/16 via 10.230.139.9 dev later0
}}
vrrp_instance R1 {{
    interface eth0
    virtual_router_id 50
    priority 200
    use_vmac
    virtual_ipaddress {{
        {VIP}/24
    }}
    virtual_routes {{
        10.78.0.0/16 dev later0 scope link
    }}
}}
"""


def test_an_interface_may_come_later_and_go_and_come_again() -> None:
    with site() as here:
        node = here.lb1
        here.start(node, DYNAMIC)
        here.until("it says what is missing", lambda: missing(here) == ["there is no interface later0"])
        for _ in range(2):
            node.run("ip", "link", "add", "name", "later0", "type", "veth", "peer", "name", "end0")
            node.run("ip", "link", "set", "end0", "up")
            node.run("ip", "link", "set", "later0", "up")
            here.until("it serves", lambda: here.holders() == {"lb1"})
            here.until("the static route is there", lambda: "10.77.0.0/16" in node.run("ip", "route", "show"))
            here.until("so is the virtual one", lambda: "10.78.0.0/16" in node.run("ip", "route", "show"))
            node.run("ip", "link", "delete", "later0")
            here.until("it gives up", lambda: here.holders() == set())
            assert missing(here) == ["there is no interface later0"]


def missing(here: Site) -> list[str]:
    blocked: list[str] = here.router(here.lb1).get("blocked_by", [])
    return blocked


def test_a_route_and_an_address_that_somebody_removes_are_put_back_and_a_refused_one_is_named() -> None:
    good = "10.50.0.0/16 via 10.230.137.50 dev eth0"
    impossible = "10.51.0.0/16 via 203.0.113.1"
    routes = f"virtual_routes {{\n{good}\n{impossible}\n}}\n"
    with site() as here:
        here.start(
            here.lb1,
            f"vrrp_instance R1 {{\ninterface eth0\nvirtual_router_id 50\npriority 200\n{routes}"
            f"virtual_ipaddress {{\n{VIP}\n}}\n}}\n",
        )
        here.until("it serves", lambda: here.holders() == {"lb1"})
        here.until("the route is there", lambda: "10.50.0.0/16" in here.lb1.run("ip", "route", "show"))
        here.until("the other one is named", lambda: "is missing: " in here.lb1.call(*cli("status")).stdout)
        text = here.lb1.call(*cli("status")).stdout
        assert f"problem: {impossible} is missing: Network is unreachable" in text
        here.lb1.run("ip", "route", "delete", "10.50.0.0/16")
        here.until("the route is back", lambda: "10.50.0.0/16" in here.lb1.run("ip", "route", "show"))
        here.lb1.run("ip", "address", "delete", f"{VIP}/32", "dev", "eth0")
        here.until("the address is back", lambda: [e.present for e in here.address_events][-2:] == [False, True])
        assert here.router(here.lb1)["state"] == "MASTER"
