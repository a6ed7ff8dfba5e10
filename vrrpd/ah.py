"""The Authentication Header around a version 2 advertisement (RFC 2338 section 5.3.6.3), as keepalived has it.

HMAC-MD5-96 (RFC 2403) keyed with the password, over the IP header, this header and the message; the sender's address
as SPI. There is one sequence for all routers of a VRID: who becomes Master goes on from the last number it heard.

    0                   1                   2                   3
    | Next Header   |  Payload Len  |          RESERVED             |
    |                 Security Parameters Index (SPI)               |
    |                    Sequence Number Field                      |
    |                    Authentication Data (12)                   |
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import replace

from vrrpd.frames import Datagram, Seal

PROTOCOL = 51
LAST_SEQUENCE = 0xFFFF_FFFF

_VRRP = 112
_HEADER = struct.Struct("!BBH4sI12s")
SIZE = _HEADER.size
_WORDS = _HEADER.size // 4 - 2
_NO_VALUE = bytes(12)
_TTL_AT = 8


def seal(header: bytes, message: bytes, password: bytes, sequence: int, *, unicast: bool) -> bytes:
    """What follows the IPv4 header (of 20 bytes, with length and identification as they will be sent)."""
    fields = (_VRRP, _WORDS, 0, header[12:16], sequence)
    covered = _lasting(header, unicast=unicast) + _HEADER.pack(*fields, _NO_VALUE) + message
    return _HEADER.pack(*fields, _digest(password, covered)) + message


def unseal(datagram: Datagram, packet: bytes) -> Datagram | None:
    """The datagram with the message as its payload; None when what precedes that is no such header.

    `packet` is the whole of it. Whether the seal is a true one, `is_true` says.
    """
    sealed = datagram.payload
    if len(sealed) < _HEADER.size:
        return None
    next_header, words, reserved, spi, sequence, value = _HEADER.unpack_from(sealed)
    if (next_header, words) != (_VRRP, _WORDS):
        return None
    message = sealed[_HEADER.size :]
    empty = _HEADER.pack(next_header, words, reserved, spi, sequence, _NO_VALUE)
    header = packet[: len(packet) - len(sealed)]
    return replace(datagram, payload=message, seal=Seal(spi, sequence, value, header + empty + message))


def is_true(seal: Seal, password: bytes, *, unicast: bool) -> bool:
    """Whoever sealed it knows the password."""
    return hmac.compare_digest(seal.value, _digest(password, _lasting(seal.covered, unicast=unicast)))


def _digest(password: bytes, covered: bytes) -> bytes:
    return hmac.digest(password, covered, "md5")[:12]


def _lasting(covered: bytes, *, unicast: bool) -> bytes:
    """Without what may change on the way. keepalived counts the TTL among it only for unicast."""
    ttl = b"\0" if unicast else covered[_TTL_AT : _TTL_AT + 1]
    return covered[:1] + b"\0" + covered[2:6] + bytes(2) + ttl + covered[9:10] + bytes(2) + covered[12:]
