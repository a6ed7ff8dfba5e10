"""What `vrrpd sniff` says of a frame, and that it keeps passwords to itself."""

from __future__ import annotations

import pytest
from sample import THEIRS, ipv4, message, password_message
from scapy.config import conf

conf.route_autoload = conf.route6_autoload = False

from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.layers.vrrp import VRRPv3  # noqa: E402

from vrrpd.sniff import describe, without_password  # noqa: E402

HEAD = bytes.fromhex("01005e000012 020000000002 0800".replace(" ", ""))


def said(frame: bytes) -> str:
    """Without the time of day."""
    return describe(Ether(frame), 0.0).split(" ", 1)[1]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (message(99), "version 2, VRID 50, priority 99, every 1 s, authentication none, 10.230.137.100"),
        (password_message(99), "version 2, VRID 50, priority 99, every 1 s, authentication PASS, 10.230.137.100"),
        (
            message(0),
            "version 2, VRID 50, priority 0, its Master leaves, every 1 s, authentication none, 10.230.137.100",
        ),
        (b"\x21\x32\x63", "not understood, 3 bytes"),
    ],
)
def test_an_advertisement_is_one_line(payload: bytes, words: str) -> None:
    assert said(HEAD + ipv4(payload, THEIRS)) == f"10.230.137.2 > 224.0.0.18: {words}"


def test_a_ttl_that_a_router_would_drop_is_told() -> None:
    assert said(HEAD + ipv4(message(99), THEIRS, ttl=63)).startswith("10.230.137.2 > 224.0.0.18 TTL 63: ")


def test_many_addresses_are_not_all_told() -> None:
    many = message(99, addresses=tuple(f"10.0.0.{n}" for n in range(1, 12)))
    assert said(HEAD + ipv4(many, THEIRS)).endswith("10.0.0.7, 10.0.0.8 and 3 more")


def test_version_3_over_ipv6_is_told() -> None:
    frame = Ether() / IPv6(src="fe80::2", dst="ff02::12", nh=112, hlim=255)
    frame /= VRRPv3(vrid=7, priority=200, adv=10, addrlist=["fe80::1"])
    assert said(bytes(frame)).startswith("fe80::2 > ff02::12: version 3, VRID 7, priority 200, every 0.1 s, ")


def test_no_password_is_left_in_what_is_written() -> None:
    frame = HEAD + ipv4(password_message(99), THEIRS)
    blank = without_password(frame + b"padding")
    assert b"passwd" in frame
    assert b"passwd" not in blank
    assert len(blank) == len(frame) + 7
    assert blank.endswith(bytes(8) + b"padding")


@pytest.mark.parametrize("frame", [b"", HEAD, HEAD + b"\x45", HEAD + ipv4(b"\x21")])
def test_what_is_no_advertisement_is_written_as_it_is(frame: bytes) -> None:
    assert without_password(frame) == frame
