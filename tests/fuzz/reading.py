"""VRRP read a second time, by code that shares nothing with vrrpd: the oracle of the packet fuzzers."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Accepts:
    """What a router takes: its version, of version 2 also the interval and the password."""

    version: int
    seconds: int = 1
    password: bytes | None = None


class Reading(NamedTuple):
    """What an acceptable message says."""

    vrid: int
    priority: int
    interval: int
    addresses: bytes
    with_pseudo_header: bool


def read(accepts: Accepts, source: Address, destination: Address, ttl: int, message: bytes) -> Reading | None:
    """None: a router that accepts these does not take it."""
    size = len(message)
    if size < 8 or ttl != 255 or message[0] != accepts.version << 4 | 1:
        return None
    _, vrid, priority, count, timing = struct.unpack("!BBBBH", message[:6])
    ends = source.packed + destination.packed
    listed = len(ends) // 2 * count
    if accepts.version == 2:
        authentication = 0 if accepts.password is None else 1
        expected = authentication * 256 + accepts.seconds
        if size != 16 + listed or timing != expected or accepts.password not in (None, message[-8:]):
            return None
        covered, interval = False, accepts.seconds * 1_000_000_000
    else:
        if size != 8 + listed or count == 0 or timing % 4096 == 0:
            return None
        covered = ones_sum(ends + struct.pack("!II", 112, size) + message) == 0xFFFF
        interval = timing % 4096 * 10_000_000
    plain = source.version == 4 and ones_sum(message) == 0xFFFF
    if not covered and not plain:
        return None
    return Reading(vrid, priority, interval, message[8 : 8 + listed], covered)


def ones_sum(content: bytes) -> int:
    """The ones' complement sum of the 16 bit words (RFC 1071), an odd byte being the first of a word."""
    content += b"\0" * (len(content) % 2)
    total: int = sum(struct.unpack(f"!{len(content) // 2}H", content))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return total
