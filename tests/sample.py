"""The guide's pair as values, and datagrams put together by hand: nothing here uses the code that encodes."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Interface, ip_interface
from typing import Any

from vrrpd.model import (
    Authentication,
    AuthenticationType,
    InitialState,
    Interface,
    Script,
    ScriptResult,
    Tracker,
    VirtualAddress,
    VirtualRouter,
)
from vrrpd.states import Reason, Why

MS = 1_000_000
S = 1_000_000_000

VIP = VirtualAddress(IPv4Interface("10.230.137.100/32"), "eth0")
VIP2 = VirtualAddress(IPv4Interface("10.230.137.101/32"), "eth0")
OURS = IPv4Address("10.230.137.1")
THEIRS = IPv4Address("10.230.137.2")
THIRD = IPv4Address("10.230.137.3")
MAC = bytes.fromhex("020000000001")

HAPROXY = Script("chk_haproxy", ("killall", "-0", "haproxy"), interval=2 * S, timeout=2 * S, weight=-2, fall=3)
TRACKED = (Tracker("chk_haproxy", -2),)
PASSWORD = Authentication(AuthenticationType.PASS, b"passwd")

GOOD = ScriptResult(0, 3 * MS)
BAD = ScriptResult(1, 3 * MS)

START = Why(Reason.STARTED, "started")
STOP = Why(Reason.STOPPED, "vrrpd was stopped")
GONE = Why(Reason.STOPPED, "it is no longer in the configuration")


def router(**changes: Any) -> VirtualRouter:
    """VRID 50 on eth0 with one address, priority 100, and what the test says."""
    values: dict[str, Any] = {"name": "R1", "interface": "eth0", "vrid": 50, "addresses": (VIP,)}
    return VirtualRouter(**(values | changes))


def guide(priority: int, **changes: Any) -> VirtualRouter:
    """The guide's block: node 1 is `state MASTER`, which cancels its `nopreempt` for preemption."""
    first = priority == 100
    return router(
        **(
            {
                "priority": priority,
                "initial_state": InitialState.MASTER if first else InitialState.BACKUP,
                "preempt": first,
                "resigns_when_worse": True,
                "trackers": TRACKED,
                "authentication": PASSWORD,
            }
            | changes
        )
    )


def interface(*addresses: str, up: bool = True, name: str = "eth0", index: int = 2, mac: bytes = MAC) -> Interface:
    """An interface, up unless said otherwise, with node 1's address unless others are given."""
    return Interface(name, index, up, mac, tuple(map(ip_interface, addresses or ("10.230.137.1/24",))))


def internet_checksum(content: bytes) -> int:
    """RFC 1071, word by word as the RFC writes it."""
    total = 0
    for (word,) in struct.iter_unpack("!H", content + b"\0" * (len(content) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def message(
    priority: int = 100,
    *,
    vrid: int = 50,
    addresses: tuple[str, ...] = ("10.230.137.100",),
    interval: int = 1,
    auth_type: int = 0,
    auth_data: bytes = b"",
    version_type: int = 0x21,
) -> bytes:
    """A VRRPv2 advertisement, field by field (RFC 3768 section 5.1), its checksum right."""
    head = struct.pack("!6B", version_type, vrid, priority, len(addresses), auth_type, interval)
    body = b"".join(IPv4Address(a).packed for a in addresses) + auth_data.ljust(8, b"\0")
    return head + struct.pack("!H", internet_checksum(head + b"\0\0" + body)) + body


def password_message(priority: int) -> bytes:
    """What the guide's routers send."""
    return message(priority, auth_type=1, auth_data=b"passwd")


def ipv4(
    payload: bytes,
    source: IPv4Address = THEIRS,
    *,
    destination: str = "224.0.0.18",
    ttl: int = 255,
    identification: int = 0,
    options: bytes = b"",
) -> bytes:
    """The packet that a raw socket delivers."""
    words = 5 + len(options) // 4
    total = words * 4 + len(payload)
    fields = (0x40 | words, 0xC0, total, identification, 0, ttl, 112)
    ends = source.packed + IPv4Address(destination).packed + options
    checksum = internet_checksum(struct.pack("!BBHHHBBH", *fields, 0) + ends)
    return struct.pack("!BBHHHBBH", *fields, checksum) + ends + payload
