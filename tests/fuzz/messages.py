"""Advertisements that are nearly right: a valid one, some of its fields changed, and then mended or not.

Bytes at random never pass the checksum, and whatever is behind it is not reached.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from .choices import Choices
from .reading import Address, ones_sum


@dataclass(frozen=True, slots=True)
class Peer:
    """What another router of one of ours' virtual routers sends when all is well."""

    version: int
    vrid: int
    addresses: tuple[Address, ...]
    timing: int
    """Bytes 4 and 5: authentication and interval of version 2, interval of version 3."""
    trailer: bytes = b""
    """Authentication data."""

    @property
    def sources(self) -> tuple[Address, ...]:
        """Two rivals, far and near; some more; the last one is our own."""
        return _SOURCES[self.addresses[0].version]


def _addresses(*texts: str) -> tuple[Address, ...]:
    return tuple(map(ip_address, texts))


_SOURCES = {
    4: (
        *_addresses("10.0.0.3", "10.0.0.1", "10.0.0.3", "10.0.0.1", "10.0.0.250"),
        *map(IPv4Address, range(0x0A000004, 0x0A000040)),
        *_addresses("10.0.0.2"),
    ),
    6: (
        *_addresses("fe80::3", "fe80::1", "fe80::3", "fe80::1", "fe80::ffff"),
        *(IPv6Address((0xFE80 << 112) + n) for n in range(4, 64)),
        *_addresses("fe80::2"),
    ),
}
_GROUP = {4: ip_address("224.0.0.18"), 6: ip_address("ff02::12")}
_ELSEWHERE = {4: _addresses("10.0.0.2", "224.0.0.22"), 6: _addresses("fe80::2", "ff02::1")}
PRIORITIES = (0, 0, 1, 98, 99, 100, 100, 101, 200, 254, 255)
TTLS = (254, 0, 1, 64, 128)


class Draft:
    """A datagram whose fields may still be changed."""

    def __init__(self, peer: Peer, choices: Choices) -> None:
        self.peer = peer
        self.first, self.vrid = peer.version << 4 | 1, peer.vrid
        self.priority = choices.pick(PRIORITIES)
        self.timing, self.trailer = peer.timing, peer.trailer
        self.addresses, self.surplus, self.tail = peer.addresses, 0, b""
        family = peer.addresses[0].version
        self.source: Address = choices.pick(peer.sources[:4])
        self.destination: Address = _GROUP[family]
        self.ttl = 255
        self.with_pseudo_header = peer.version == 3
        self.sum_error = 0

    def message(self) -> bytes:
        """Its checksum right, unless it was to be wrong."""
        count = len(self.addresses) + self.surplus & 0xFF
        body = b"".join([a.packed for a in self.addresses]) + self.trailer + self.tail
        head = struct.pack("!BBBBH", self.first, self.vrid, self.priority, count, self.timing)
        return mended(head + b"\0\0" + body, self.covered(len(head) + 2 + len(body)), self.sum_error)

    def covered(self, length: int) -> bytes:
        """What its checksum covers besides the message."""
        if not self.with_pseudo_header:
            return b""
        return self.source.packed + self.destination.packed + struct.pack("!II", 112, length)


def mended(message: bytes, covered: bytes, error: int = 0) -> bytes:
    """The same with its checksum right, or off by `error`."""
    checksum = ~ones_sum(covered + message[:6] + b"\0\0" + message[8:]) + error & 0xFFFF
    return message[:6] + checksum.to_bytes(2, "big") + message[8:]


def _vrid(draft: Draft, choices: Choices) -> None:
    draft.vrid = choices.below(256)


def _priority(draft: Draft, choices: Choices) -> None:
    draft.priority = choices.below(256)


def _source(draft: Draft, choices: Choices) -> None:
    draft.source = choices.pick(draft.peer.sources)


def _own_source(draft: Draft, choices: Choices) -> None:
    del choices
    draft.source = draft.peer.sources[-1]


def _destination(draft: Draft, choices: Choices) -> None:
    draft.destination = choices.pick(_ELSEWHERE[draft.destination.version])


def _ttl(draft: Draft, choices: Choices) -> None:
    draft.ttl = choices.pick(TTLS) if choices.chance(0.9) else choices.below(256)


def _version(draft: Draft, choices: Choices) -> None:
    """Another version and the form that goes with it, or not."""
    draft.first = choices.below(16) << 4 | 1
    other = {2: 3, 3: 2}[draft.peer.version]
    if choices.chance(0.5):
        draft.first = other << 4 | 1
        draft.trailer = bytes(8) if other == 2 else b""
        draft.with_pseudo_header = other == 3 and choices.chance(0.8)


def _type(draft: Draft, choices: Choices) -> None:
    draft.first = draft.first & 0xF0 | choices.below(16)


def _authentication_type(draft: Draft, choices: Choices) -> None:
    draft.timing = draft.timing & 0xFF | choices.pick((0, 1, 2, 3, 255)) << 8


def _password(draft: Draft, choices: Choices) -> None:
    draft.trailer = choices.pick((b"secret\0\1", b"secre\0\0\0", b"Secret\0\0", bytes(8), choices.raw(8)))


def _interval(draft: Draft, choices: Choices) -> None:
    seconds = choices.pick((0, 1, 2, 10, 100, 255))
    if draft.peer.version == 2:
        draft.timing = draft.timing & 0xFF00 | seconds
    else:
        draft.timing = choices.pick((0, 0, 0xF000, 1, 10, 99, 101, 1000, 0x0FFF, 0xF064, choices.below(1 << 16)))


def _checksum(draft: Draft, choices: Choices) -> None:
    draft.sum_error = choices.pick((1, -1, 256, choices.below(1 << 16)))


def _checksum_form(draft: Draft, choices: Choices) -> None:
    del choices
    draft.with_pseudo_header = not draft.with_pseudo_header


def _list(draft: Draft, choices: Choices) -> None:
    """Other addresses, fewer, more: another list is no reason to drop."""
    kind = type(draft.source)
    width = len(draft.source.packed)
    many = 255 if choices.chance(0.02) else choices.below(4)
    draft.addresses = tuple([kind(choices.raw(width)) for _ in range(many)])


def _count(draft: Draft, choices: Choices) -> None:
    draft.surplus = choices.pick((1, -1, 2, -2, choices.below(256)))


def _tail(draft: Draft, choices: Choices) -> None:
    draft.tail = choices.raw(1 + choices.below(12))


def _cut(draft: Draft, choices: Choices) -> None:
    body = len(draft.trailer)
    draft.trailer = draft.trailer[: choices.below(body)] if body else b""
    draft.addresses = draft.addresses if body else draft.addresses[:-1]
    draft.surplus = draft.surplus if body else 1


_EVERYWHERE: tuple[Callable[[Draft, Choices], None], ...] = (
    *(_vrid, _vrid, _priority, _priority, _source, _own_source, _own_source, _destination, _destination),
    *(_ttl, _ttl, _version, _version, _type, _type, _interval, _interval, _checksum, _checksum),
    *(_list, _list, _count, _tail, _cut),
)
_OF_VERSION = {
    2: (*_EVERYWHERE, *(_authentication_type,) * 3, *(_password,) * 5),
    3: (*_EVERYWHERE, *(_checksum_form,) * 3),
}


def draft(peer: Peer, choices: Choices) -> Draft:
    """An advertisement of that peer with no, one or several fields changed."""
    drawn = Draft(peer, choices)
    mutations = _OF_VERSION[peer.version]
    while choices.chance(0.45):
        choices.pick(mutations)(drawn, choices)
    return drawn


def message(drawn: Draft, choices: Choices) -> bytes:
    """Its bytes; now and then some of them changed or cut off, and the checksum mended or not."""
    content = drawn.message()
    if choices.chance(0.95):
        return content
    bent = bytearray(content)
    for _ in range(1 + choices.below(3)):
        bent[choices.below(len(bent))] = choices.below(256)
    if choices.chance(0.2):
        del bent[choices.below(len(bent)) :]
    if len(bent) >= 8 and choices.chance(0.7):
        return mended(bytes(bent), drawn.covered(len(bent)))
    return bytes(bent)
