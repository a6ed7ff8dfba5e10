"""What lies around a message: the IPv4 header that a raw socket delivers, and gratuitous ARP."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample import MAC, THEIRS, ipv4

from vrrpd.frames import Datagram, gratuitous_arp, strip_ipv4

PAYLOAD = b"twenty bytes of VRRP"


def test_the_header_is_taken_apart() -> None:
    expected = Datagram(THEIRS, IPv4Address("224.0.0.18"), 255, PAYLOAD)
    assert strip_ipv4(ipv4(PAYLOAD)) == expected


def test_options_belong_to_the_header() -> None:
    taken = strip_ipv4(ipv4(PAYLOAD, options=b"\x94\x04\0\0"))  # router alert, as IGMP has it
    assert taken is not None
    assert taken.payload == PAYLOAD


def test_a_header_with_nothing_behind_is_a_datagram_without_payload() -> None:
    taken = strip_ipv4(ipv4(b""))
    assert taken is not None
    assert taken.payload == b""


@pytest.mark.parametrize("length", [0, 1, 19, 20, 30, 39])
def test_a_packet_shorter_than_it_says_is_none(length: int) -> None:
    assert strip_ipv4(ipv4(PAYLOAD)[:length]) is None


def test_a_packet_longer_than_it_says_is_none() -> None:
    assert strip_ipv4(ipv4(PAYLOAD) + b"\0\0") is None


@pytest.mark.parametrize("first", [0x00, 0x35, 0x65, 0x44, 0x40, 0x4F])
def test_another_version_or_an_impossible_header_length_is_none(first: int) -> None:
    assert strip_ipv4(bytes([first]) + ipv4(PAYLOAD)[1:]) is None


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_make_it_raise(packet: bytes) -> None:
    taken = strip_ipv4(packet)
    assert taken is None or packet.endswith(taken.payload)


def test_gratuitous_arp_is_a_broadcast_request_for_the_senders_own_address_as_keepalived_sends_it() -> None:
    frame = gratuitous_arp(MAC, IPv4Address("10.230.137.100"))
    expected = (
        "ffffffffffff" + "020000000001" + "0806"  # to everybody, from our MAC, ARP
        "0001" + "0800" + "06" + "04" + "0001"  # Ethernet, IPv4, a request
        "020000000001" + "0ae68964"  # the sender
        "ffffffffffff" + "0ae68964"  # the target: the same address
    )
    assert frame.hex() == expected
