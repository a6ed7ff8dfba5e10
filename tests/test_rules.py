"""Lines of virtual_rules and static_rules."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from reading import config, router_and_codes

from vrrpd.model import Family, Rule


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "to 10.0.0.0/8 lookup main priority 5",
            {"destination": IPv4Network("10.0.0.0/8"), "table": 254, "preference": 5},
        ),
        (
            "from all fwmark 24/12 table blue iif eth0 oif eth1 tos 0x10 preference 39",
            {
                "mark": 24,
                "mark_mask": 12,
                "table": 77,
                "incoming": "eth0",
                "outgoing": "eth1",
                "tos": 16,
                "preference": 39,
            },
        ),
        ("uidrange 10-20 table 4 preference 1", {"uid_range": (10, 20), "table": 4, "preference": 1}),
        (
            "from 2001:db8::/32 goto 40 preference 3",
            {
                "family": Family.IPV6,
                "source": IPv6Network("2001:db8::/32"),
                "action": "goto",
                "goto": 40,
                "preference": 3,
            },
        ),
        ("l3mdev preference 7", {"l3mdev": True, "preference": 7}),
        (
            "blackhole from 10.1.0.0/16 preference 8 no_track",
            {"action": "blackhole", "source": IPv4Network("10.1.0.0/16"), "preference": 8, "is_tracked": False},
        ),
        (
            "not from 10.3.0.0/16 table 3 preference 9",
            {"inverted": True, "source": IPv4Network("10.3.0.0/16"), "table": 3, "preference": 9},
        ),
        (
            "ipproto UDP sport 10-20 dport 30 table 6 preference 1",
            {
                "ip_protocol": 17,
                "source_ports": (10, 20),
                "destination_ports": (30, 30),
                "table": 6,
                "preference": 1,
            },
        ),
        (
            "suppress_prefixlength 0 sup_group 3 table main preference 1",
            {"suppress_prefix_length": 0, "suppress_interface_group": 3, "table": 254, "preference": 1},
        ),
        ("realms 3/4 table 5 preference 1", {"realms": 3 << 16 | 4, "table": 5, "preference": 1}),
        ("inet6 table 9 preference 1", {"family": Family.IPV6, "table": 9, "preference": 1}),
    ],
)
def test_a_rule_is_read_whole(line: str, expected: dict[str, object]) -> None:
    found = config(f"static_rules {{\n{line}\n}}\n").static_rules
    values: dict[str, object] = {"family": Family.IPV4, "text": line, **expected}
    assert found == (Rule(**values),)  # type: ignore[arg-type]


def test_rules_without_a_preference_count_down_as_in_keepalived() -> None:
    found, said = router_and_codes("virtual_rules {", "table 3", "table 4 preference 9", "table 5", "}")
    assert [rule.preference for rule in found.rules] == [16384, 9, 16383]
    assert said == ["no-preference", "no-preference"]


@pytest.mark.parametrize(
    "line",
    [
        "from 10.2.0.0/16",
        "foo table 3",
        "goto 40",
        "goto 40 preference 40",
        "table nosuch",
        "table 0",
        "table 3 nop",
        "from 10.9.9.9 unicast table 3",
        "from 10.0.0.0/8 to 2001:db8::/32 table 3",
        "table",
        "uidrange 20-10 table 4",
        "ipproto nosuch table 3",
    ],
)
def test_a_rule_that_makes_no_sense_is_left_out_with_a_warning(line: str) -> None:
    found, said = router_and_codes(f"virtual_rules {{\n{line}\n}}")
    assert found.rules == ()
    assert said[-1] == "bad-rule"


def test_a_rule_for_an_interface_that_is_not_there_refuses_the_file() -> None:
    assert router_and_codes("virtual_rules {", "iif eth9 table 3 preference 1", "}")[1] == ["unknown-interface"]
