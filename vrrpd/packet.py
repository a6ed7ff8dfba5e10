"""VRRP messages: bytes to and from `Advertisement` (RFC 3768 section 5.3, RFC 2338 section 5.3 for authentication).

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    |Version| Type  | Virtual Rtr ID|   Priority    | Count IP Addrs|
    |   Auth Type   |   Adver Int   |          Checksum             |
    |                       IP Address (1 .. n)                     |
    |                     Authentication Data (8)                   |

`decode` raises `PacketError` and nothing else, whatever the bytes are.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from vrrpd.frames import Datagram
from vrrpd.model import SECOND, AuthenticationType, Duration, Version, VirtualRouter

ADVERTISEMENT_TYPE = 1
TTL = 255

_HEADER = struct.Struct("!BBBBBBH")
_PASSWORD_BYTES = 8


class DropReason(StrEnum):
    """Why a datagram was not taken for an advertisement. Log field and metric label."""

    LENGTH = "length"
    UNKNOWN_VRID = "unknown_vrid"
    TTL = "ttl"
    VERSION = "version"
    AUTHENTICATION_TYPE = "authentication_type"
    AUTHENTICATION = "authentication"
    INTERVAL = "interval"
    TYPE = "type"
    CHECKSUM = "checksum"
    DESTINATION = "destination"
    OWN_SOURCE = "own_source"
    NOT_RUNNING = "not_running"


class PacketError(Exception):
    """A datagram that is not an advertisement for this router: what differs, theirs against ours, in words."""

    def __init__(self, reason: DropReason, theirs: str, ours: str) -> None:
        super().__init__(f"{reason}: {theirs}, expected {ours}")
        self.reason = reason
        self.theirs = theirs
        self.ours = ours


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What an ADVERTISEMENT says. A priority of 0: its Master is leaving."""

    vrid: int
    priority: int
    advertisement_interval: Duration
    addresses: tuple[IPv4Address, ...]


def checksum(message: bytes) -> int:
    """The Internet checksum (RFC 1071) of bytes whose checksum field is zero; 0 over bytes that hold theirs."""
    if len(message) % 2:
        message += b"\0"
    # A ones' complement sum is a residue modulo 0xFFFF, written as 0xFFFF when it is 0 and not all bits are.
    residue = int.from_bytes(message, "big") % 0xFFFF
    return 0 if residue == 0 and any(message) else 0xFFFF - residue


def encode(router: VirtualRouter, priority: int) -> bytes:
    """The whole VRRP message that this router sends at this priority (0 to 255)."""
    addresses = b"".join(address.ip.packed for address in router.addresses)
    fields = (
        router.version << 4 | ADVERTISEMENT_TYPE,
        router.vrid,
        priority,
        len(router.addresses),
        router.authentication.type,
        router.advertisement_interval // SECOND,
    )
    body = addresses + router.authentication.password.ljust(_PASSWORD_BYTES, b"\0")
    return _HEADER.pack(*fields, checksum(_HEADER.pack(*fields, 0) + body)) + body


def decode(router: VirtualRouter, datagram: Datagram) -> Advertisement:
    """The advertisement in a datagram, checked against what the router accepts, in keepalived's order.

    Raises `PacketError` with the first check that fails.
    """
    message = datagram.payload
    if len(message) < _HEADER.size:
        raise PacketError(DropReason.LENGTH, f"{len(message)} bytes", f"at least {_HEADER.size}")
    version_type, vrid, priority, count, authentication, interval, _ = _HEADER.unpack_from(message)
    version, message_type = version_type >> 4, version_type & 0x0F
    length = _message_length(version, count)
    if length is not None and len(message) != length:
        raise PacketError(DropReason.LENGTH, f"{len(message)} bytes with {count} addresses", f"{length}")
    if datagram.ttl != TTL:
        raise PacketError(DropReason.TTL, f"TTL {datagram.ttl}", f"TTL {TTL}")
    if version != router.version:
        raise PacketError(DropReason.VERSION, f"version {version}", f"version {router.version:d}")
    _authenticate(router, authentication, message[-_PASSWORD_BYTES:])
    if interval * SECOND != router.advertisement_interval:
        ours = router.advertisement_interval // SECOND
        raise PacketError(DropReason.INTERVAL, f"advertises every {interval} s", f"every {ours} s")
    if message_type != ADVERTISEMENT_TYPE:
        raise PacketError(DropReason.TYPE, f"type {message_type}", f"type {ADVERTISEMENT_TYPE}")
    if checksum(message) != 0:
        raise PacketError(DropReason.CHECKSUM, "a wrong checksum", "a right one")
    addresses = struct.unpack_from(f"!{count}I", message, _HEADER.size)
    return Advertisement(vrid, priority, interval * SECOND, tuple(map(IPv4Address, addresses)))


def _message_length(version: int, count: int) -> int | None:
    """How long a message of this version is; None for a version whose layout is not known here."""
    if version == Version.V2:
        return _HEADER.size + 4 * count + _PASSWORD_BYTES
    return None


def _authenticate(router: VirtualRouter, their_type: int, data: bytes) -> None:
    ours = router.authentication
    if their_type != ours.type:
        raise PacketError(DropReason.AUTHENTICATION_TYPE, f"authentication {_name(their_type)}", _name(ours.type))
    # RFC 3768 section 5.3.10: with type 0 the data is ignored.
    if ours.type is AuthenticationType.PASS and not hmac.compare_digest(
        data, ours.password.ljust(_PASSWORD_BYTES, b"\0")
    ):
        raise PacketError(DropReason.AUTHENTICATION, "another password", "our password")


def _name(authentication_type: int) -> str:
    return {0: "none", 1: "PASS", 2: "AH"}.get(authentication_type, f"type {authentication_type}")
