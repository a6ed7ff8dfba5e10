"""Lines of virtual_routes and static_routes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from reading import router, router_and_codes

from vrrpd.model import Family, NextHop, Route

DEFAULT = IPv4Network("0.0.0.0/0")
ETH0 = (NextHop(None, "eth0"),)
TEN = IPv4Network("10.8.0.0/24")


def route(line: str) -> Route:
    return router(f"virtual_routes {{\n{line}\n}}").routes[0]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("10.8.0.0/24 dev eth0", Route(Family.IPV4, TEN, next_hops=ETH0)),
        (
            "src 192.0.2.1 to 10.8.0.0/24 via 192.0.2.9 dev eth0",
            Route(
                Family.IPV4,
                TEN,
                source=IPv4Address("192.0.2.1"),
                next_hops=(NextHop(IPv4Address("192.0.2.9"), "eth0"),),
            ),
        ),
        (
            "default via inet 192.0.2.9 dev eth1 onlink metric 5 scope link append",
            Route(
                Family.IPV4,
                DEFAULT,
                next_hops=(NextHop(IPv4Address("192.0.2.9"), "eth1", on_link=True),),
                metric=5,
                scope=253,
                appended=True,
            ),
        ),
        ("blackhole 10.8.0.0/24", Route(Family.IPV4, TEN, kind="blackhole", is_tracked=False)),
        ("unreachable default", Route(Family.IPV4, DEFAULT, kind="unreachable", is_tracked=False)),
        (
            "10.8.0.0/24 dev eth0 table blue tos 0x10 protocol bird no_track",
            Route(Family.IPV4, TEN, next_hops=ETH0, table=77, tos=16, protocol=12, is_tracked=False),
        ),
        (
            "inet6 default via fe80::1 dev eth0",
            Route(Family.IPV6, IPv6Network("::/0"), next_hops=(NextHop(IPv6Address("fe80::1"), "eth0"),)),
        ),
        (
            "2001:db8:7::/48 dev eth0 metric 1024 hoplimit 7",
            Route(Family.IPV6, IPv6Network("2001:db8:7::/48"), next_hops=ETH0, metric=1024, metrics=(("hoplimit", 7),)),
        ),
        (
            "10.8.0.0/24 dev eth0 mtu lock 1400 rtt 10ms rttvar 7 rto_min 1s features ecn quickack 1",
            Route(
                Family.IPV4,
                TEN,
                next_hops=ETH0,
                metrics=(
                    ("mtu", 1400),
                    ("rtt", 80),
                    ("rttvar", 7),
                    ("rto_min", 1000),
                    ("features", 1),
                    ("quickack", 1),
                    ("lock", 4),
                ),
            ),
        ),
    ],
)
def test_a_route_is_read_whole(line: str, expected: Route) -> None:
    found = route(line)
    assert found.text == line
    assert found == Route(**{**{name: getattr(expected, name) for name in Route.__slots__}, "text": line})


def test_a_route_may_have_several_ways() -> None:
    found, said = router_and_codes(
        "virtual_routes {",
        "10.8.0.0/24 dev eth0 nexthop via 192.0.2.9 dev eth0 weight 3 onlink nexthop via 192.0.2.8 weight 1",
        "10.8.1.0/24 via 192.0.2.9 or 192.0.2.8 dev eth0",
        "}",
    )
    assert found.routes[0].next_hops == (
        NextHop(IPv4Address("192.0.2.9"), "eth0", 3, on_link=True),
        NextHop(IPv4Address("192.0.2.8"), None, 1),
    )
    assert found.routes[1].next_hops == (
        NextHop(IPv4Address("192.0.2.9"), "eth0"),
        NextHop(IPv4Address("192.0.2.8"), "eth0"),
    )
    assert said == ["deprecated"]


@pytest.mark.parametrize(
    "line",
    [
        "via 192.0.2.9",
        "10.8.5 dev eth0",
        "to 10.8.6.0/24 dev eth1 foo",
        "10.8.2.0/24 via inet6 fe80::1 dev eth0",
        "10.8.2.0/24 dev",
        "10.8.1.0/24 dev eth0 nexthop dev eth1 weight 300",
        "10.8.1.0/24 dev eth0 nexthop weight 3",
        "10.8.1.0/24 via 192.0.2.9 nexthop via 192.0.2.8",
        "10.8.8.0/24 dev eth0 scope nosuch",
        "10.8.8.0/24 dev eth0 table nosuch",
        "10.8.8.0/24 dev eth0 encap mpls 5",
        "10.8.8.0/24 dev eth0 mtu -1",
        "inet 2001:db8::/32 dev eth0",
    ],
)
def test_a_route_that_makes_no_sense_is_left_out_with_a_warning(line: str) -> None:
    found, said = router_and_codes(f"virtual_routes {{\n{line}\n}}")
    assert found.routes == ()
    assert "bad-route" in said


def test_a_route_without_a_device_is_not_tracked() -> None:
    found, said = router_and_codes("virtual_routes {", "10.8.0.0/24 via 192.0.2.9", "}")
    assert not found.routes[0].is_tracked
    assert said == ["untracked-route"]


def test_a_route_to_an_interface_that_is_not_there_refuses_the_file() -> None:
    found, said = router_and_codes("virtual_routes {", "10.8.0.0/24 dev eth9", "}")
    assert found.routes == ()
    assert said == ["unknown-interface"]


def test_what_the_kernel_is_not_told_is_said() -> None:
    found, said = router_and_codes("virtual_routes {", "10.8.0.1/24 dev eth0 congctl cubic expires 5", "}")
    assert found.routes[0].destination == TEN
    assert said == ["host-bits", "left-out", "left-out"]
