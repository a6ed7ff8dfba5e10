"""What keepalived and FRR really sent (tests/vectors/record.py), read by our decoder; expectations read off by hand."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from pathlib import Path
from typing import Any

import pytest
from sample import MS, PASSWORD, S, router

from vrrpd.frames import Datagram, strip_ipv4
from vrrpd.model import IPAddress, Version, VirtualAddress
from vrrpd.packet import ChecksumForm, decode, encode

VECTORS = Path(__file__).parent / "vectors"
MESSAGE, PSEUDO_HEADER = ChecksumForm.MESSAGE, ChecksumForm.PSEUDO_HEADER
LINK_LOCAL = "fe80::ff:fe00:1"
OF_THE_MACVLAN = "fe80::200:5eff:fe00:23f"

# program, name: source, version, VRID, interval, addresses, what the checksum covers
EXPECTED: dict[tuple[str, str], tuple[str, int, int, int, tuple[str, ...], ChecksumForm]] = {
    ("keepalived", "version 2"): ("10.230.137.1", 2, 50, S, ("10.230.137.100",), MESSAGE),
    ("keepalived", "version 2, PASS"): ("10.230.137.1", 2, 51, S, ("10.230.137.101",), MESSAGE),
    ("keepalived", "version 2, several addresses"): (
        "10.230.137.1",
        2,
        52,
        S,
        ("10.230.137.102", "10.230.137.103", "10.230.137.104"),
        MESSAGE,
    ),
    ("keepalived", "version 3 over IPv4"): ("10.230.137.1", 3, 53, S, ("10.230.137.105",), PSEUDO_HEADER),
    ("keepalived", "version 3 over IPv6, several addresses"): (
        LINK_LOCAL,
        3,
        55,
        500 * MS,
        ("fe80::5", "2001:db8::5"),
        PSEUDO_HEADER,
    ),
    ("frr", "version 2"): ("10.230.137.1", 2, 60, S, ("10.230.137.110",), MESSAGE),
    ("frr", "version 3 over IPv4"): ("10.230.137.1", 3, 61, S, ("10.230.137.111",), PSEUDO_HEADER),
    ("frr", "version 3 over IPv4, several addresses"): (
        "10.230.137.1",
        3,
        62,
        S,
        ("10.230.137.112", "10.230.137.113"),
        PSEUDO_HEADER,
    ),
    ("frr", "version 3 over IPv6, several addresses"): (
        OF_THE_MACVLAN,
        3,
        63,
        500 * MS,
        ("fe80::63", "2001:db8::63"),
        PSEUDO_HEADER,
    ),
}
CASES = [(*key, priority) for key in EXPECTED for priority in (200, 0)]


def recorded(program: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((VECTORS / f"{program}.json").read_text(encoding="utf-8"))
    return content


def packet(program: str, name: str) -> bytes:
    (found,) = [d["packet"] for d in recorded(program)["datagrams"] if d["name"] == name]
    return bytes.fromhex(found)


def taken_apart(whole: bytes) -> Datagram:
    if whole[0] >> 4 == 4:
        found = strip_ipv4(whole)
        assert found is not None
        return found
    return Datagram(IPv6Address(whole[8:24]), IPv6Address(whole[24:40]), whole[7], whole[40:])


@pytest.mark.parametrize(("program", "name", "priority"), CASES)
def test_a_recorded_advertisement_says_what_its_program_was_told(program: str, name: str, priority: int) -> None:
    source, version, vrid, interval, addresses, form = EXPECTED[program, name]
    datagram = taken_apart(packet(program, name if priority else f"{name}, priority 0"))
    assert (datagram.source, datagram.ttl) == (ip_address(source), 255)
    ips: tuple[IPAddress, ...] = tuple(map(ip_address, addresses))
    ours = router(
        version=Version(version),
        vrid=vrid,
        advertisement_interval=interval,
        addresses=tuple(VirtualAddress(ip_interface(ip), "eth0") for ip in ips),
        **({"authentication": PASSWORD} if "PASS" in name else {}),
    )
    assert datagram.destination == (IPv4Address("224.0.0.18") if "IPv6" not in name else IPv6Address("ff02::12"))
    taken = decode(ours, datagram)
    assert (taken.vrid, taken.priority, taken.advertisement_interval) == (vrid, priority, interval)
    assert type(taken.advertisement_interval) is int
    assert (taken.addresses, taken.checksum_form) == (ips, form)
    assert encode(ours, priority, datagram.source) == datagram.payload, "told the same, we send the same bytes"


@pytest.mark.parametrize("program", ["keepalived", "frr"])
def test_every_recorded_datagram_is_looked_at_and_its_origin_is_told(program: str) -> None:
    content = recorded(program)
    names = {name if priority else f"{name}, priority 0" for of, name, priority in CASES if of == program}
    assert {datagram["name"] for datagram in content["datagrams"]} == names
    assert all(content[key] for key in ("version", "command", "date", "recorded_by"))
