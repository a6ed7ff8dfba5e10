"""What keepalived and FRR really sent (tests/vectors/record.py), read by our decoder; expectations read off by hand."""

from __future__ import annotations

import json
from ipaddress import IPv6Address, ip_address, ip_interface
from pathlib import Path
from typing import Any

import pytest
from sample import MS, S, router

from vrrpd import ah
from vrrpd.channels import Channel
from vrrpd.frames import Datagram, Seal, strip_ipv4
from vrrpd.model import (
    Authentication,
    AuthenticationType,
    IPAddress,
    Unicast,
    UnicastPeer,
    Version,
    VirtualAddress,
)
from vrrpd.packet import ChecksumForm, decode, encode
from vrrpd.voice import Voice

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
    ("keepalived", "version 2, AH"): ("10.230.137.1", 2, 56, S, ("10.230.137.106",), MESSAGE),
    ("keepalived", "version 2, AH, unicast"): ("10.230.137.1", 2, 57, S, ("10.230.137.107",), MESSAGE),
    ("keepalived", "version 3 over IPv4, unicast"): ("10.230.137.1", 3, 58, S, ("10.230.137.108",), PSEUDO_HEADER),
    ("keepalived", "version 3 over IPv6, unicast"): ("2001:db8::1", 3, 59, S, ("fe80::59",), PSEUDO_HEADER),
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


TTLS = {"version 2, AH, unicast": 64, "version 3 over IPv6, unicast": 64}


def configured(name: str) -> dict[str, Any]:
    """What the instance's block says beside its addresses."""
    kind = {"PASS": AuthenticationType.PASS, "AH": AuthenticationType.AH}
    found: dict[str, Any] = {}
    for word in set(kind) & set(name.split(", ")):
        found["authentication"] = Authentication(kind[word], b"passwd")
    if "unicast" in name:
        peer = "2001:db8::2" if "IPv6" in name else "10.230.137.2"
        found["unicast"] = Unicast((UnicastPeer(ip_address(peer)),), TTLS.get(name, 255))
    return found


def vip(text: str) -> VirtualAddress:
    return VirtualAddress(ip_interface(text), "eth0")


def recorded(program: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((VECTORS / f"{program}.json").read_text(encoding="utf-8"))
    return content


def packet(program: str, name: str) -> bytes:
    (found,) = [d["packet"] for d in recorded(program)["datagrams"] if d["name"] == name]
    return bytes.fromhex(found)


def taken_apart(whole: bytes) -> Datagram:
    if whole[0] >> 4 == 4:
        found = strip_ipv4(whole)
        if found is not None and whole[9] == 51:
            found = ah.unseal(found, whole)
        assert found is not None
        return found
    return Datagram(IPv6Address(whole[8:24]), IPv6Address(whole[24:40]), whole[7], whole[40:])


@pytest.mark.parametrize(("program", "name", "priority"), CASES)
def test_a_recorded_advertisement_says_what_its_program_was_told(program: str, name: str, priority: int) -> None:
    source, version, vrid, interval, addresses, form = EXPECTED[program, name]
    datagram = taken_apart(packet(program, name if priority else f"{name}, priority 0"))
    assert (datagram.source, datagram.ttl) == (ip_address(source), TTLS.get(name, 255))
    ips: tuple[IPAddress, ...] = tuple(map(ip_address, addresses))
    ours = router(
        version=Version(version),
        vrid=vrid,
        advertisement_interval=interval,
        addresses=tuple(map(vip, addresses)),
        **configured(name),
    )
    assert datagram.destination == ours.destinations[0]
    taken = decode(ours, datagram)
    assert (taken.vrid, taken.priority, taken.advertisement_interval) == (vrid, priority, interval)
    assert type(taken.advertisement_interval) is int
    assert (taken.addresses, taken.checksum_form) == (ips, form)
    assert encode(ours, priority, datagram.source) == datagram.payload, "told the same, we send the same bytes"


@pytest.mark.parametrize(("name", "ttl"), [("version 2, AH", 255), ("version 2, AH, unicast", 64)])
@pytest.mark.rfc("2338-5.3.6.3-1")
def test_what_we_seal_is_what_keepalived_seals_byte_for_byte(name: str, ttl: int) -> None:
    whole = packet("keepalived", name)
    destination = "10.230.137.2" if "unicast" in name else "224.0.0.18"
    channel = Channel("eth0", 2, ip_address("10.230.137.1"), (ip_address(destination),), ttl, 51)
    vrid, last = (57, "107") if "unicast" in name else (56, "106")
    ours = router(vrid=vrid, addresses=(vip(f"10.230.137.{last}"),), **configured(name))
    voice = Voice()
    voice.speak(ours, channel)
    ((to, content),) = voice.say(encode(ours, 200, channel.source))
    assert to == ip_address(destination)
    # the first of a daemon's life: sequence 1; identification 1 for keepalived, 2 for us, and the digest covers it
    as_theirs = content[:4] + b"\0\1" + content[6:10] + whole[10:12] + content[12:20]
    sealed = ah.seal(as_theirs, content[44:], b"passwd", 1, unicast="unicast" in name)
    assert as_theirs + sealed == whole
    assert ah.is_true(seal_of(content), b"passwd", unicast="unicast" in name)


def seal_of(whole: bytes) -> Seal:
    found = taken_apart(whole).seal
    assert found is not None
    return found


@pytest.mark.parametrize("program", ["keepalived", "frr"])
def test_every_recorded_datagram_is_looked_at_and_its_origin_is_told(program: str) -> None:
    content = recorded(program)
    names = {name if priority else f"{name}, priority 0" for of, name, priority in CASES if of == program}
    assert {datagram["name"] for datagram in content["datagrams"]} == names
    assert all(content[key] for key in ("version", "command", "date", "recorded_by"))
