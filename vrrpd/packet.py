"""VRRP messages: bytes to and from `Advertisement`.

Version 2 (RFC 3768 section 5.3; authentication: RFC 2338 section 5.3):

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    |Version| Type  | Virtual Rtr ID|   Priority    | Count IP Addrs|
    |   Auth Type   |   Adver Int   |          Checksum             |
    |                       IP Address (1 .. n)                     |
    |                     Authentication Data (8)                   |

Version 3 (RFC 5798 section 5.2), over IPv4 and IPv6:

    |Version| Type  | Virtual Rtr ID|   Priority    |Count IPvX Addr|
    |(rsvd) |     Max Adver Int     |          Checksum             |
    |                     IPvX Address(es) (1 .. n)                 |

`decode` raises `PacketError` and nothing else, whatever the bytes are.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from vrrpd import ah
from vrrpd.frames import Datagram, Seal, internet_checksum
from vrrpd.model import CENTISECOND, SECOND, AuthenticationType, Duration, Family, IPAddress, Version, VirtualRouter

ADVERTISEMENT_TYPE = 1
TTL = 255

PROTOCOL = 112

_HEADER = struct.Struct("!BBBBHH")
_CHECKSUM_AT = 6
_PASSWORD_BYTES = 8
_INTERVAL_MASK = 0x0FFF
_TRAILER_BYTES: dict[int, int] = {Version.V2: _PASSWORD_BYTES, Version.V3: 0}


class DropReason(StrEnum):
    """Why a datagram was not taken for an advertisement. Log field and metric label."""

    LENGTH = "length"
    UNKNOWN_VRID = "unknown_vrid"
    TTL = "ttl"
    VERSION = "version"
    AUTHENTICATION_TYPE = "authentication_type"
    AUTHENTICATION = "authentication"
    REPLAY = "replay"
    INTERVAL = "interval"
    TYPE = "type"
    CHECKSUM = "checksum"
    DESTINATION = "destination"
    SOURCE = "source"
    OWN_SOURCE = "own_source"
    OWNER = "owner"
    NOT_RUNNING = "not_running"


class PacketError(Exception):
    """A datagram that is not an advertisement for this router: what differs, theirs against ours, in words."""

    def __init__(self, reason: DropReason, theirs: str, ours: str) -> None:
        super().__init__(f"{reason}: {theirs}, expected {ours}")
        self.reason = reason
        self.theirs = theirs
        self.ours = ours


class ChecksumForm(StrEnum):
    """What a checksum covers. Of version 3 over IPv4 both forms are in use (RFC 5798 and 9568, section 5.2.8)."""

    MESSAGE = "message"
    PSEUDO_HEADER = "pseudo-header"


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What an ADVERTISEMENT says. A priority of 0: its Master is leaving."""

    vrid: int
    priority: int
    advertisement_interval: Duration
    addresses: tuple[IPAddress, ...]
    checksum_form: ChecksumForm = ChecksumForm.MESSAGE


def has_plain_checksum(router: VirtualRouter, advertisement: Advertisement) -> bool:
    """It has RFC 9568's form where there are two."""
    return router.version is Version.V3 and advertisement.checksum_form is ChecksumForm.MESSAGE


def encode(router: VirtualRouter, priority: int, source: IPAddress) -> bytes:
    """The whole VRRP message that this router sends from `source` at this priority (0 to 255).

    Its checksum is for the first of the router's destinations; `addressed` makes it one for another.
    """
    addresses = b"".join(address.ip.packed for address in router.addresses)
    first = (router.version << 4 | ADVERTISEMENT_TYPE, router.vrid, priority, len(router.addresses))
    if router.version is Version.V2:
        timing = router.authentication.type << 8 | router.advertisement_interval // SECOND
        # In clear only where that is asked for; an Authentication Header has a digest of its own.
        password = router.authentication.password if router.authentication.type is AuthenticationType.PASS else b""
        body = addresses + password.ljust(_PASSWORD_BYTES, b"\0")
    else:
        timing = router.advertisement_interval // CENTISECOND
        body = addresses
    message = _HEADER.pack(*first, timing, 0) + body
    return _checked(router, message, source, next(iter(router.destinations), router.group))


def addressed(router: VirtualRouter, message: bytes, source: IPAddress, destination: IPAddress) -> bytes:
    """The message as it goes to that destination: its checksum may cover both ends."""
    if not _covers_ends(router) or destination == next(iter(router.destinations), None):
        return message
    return _checked(router, message[:_CHECKSUM_AT] + b"\0\0" + message[_HEADER.size :], source, destination)


def _covers_ends(router: VirtualRouter) -> bool:
    return router.version is Version.V3 and not (router.plain_checksum and router.family is Family.IPV4)


def _checked(router: VirtualRouter, message: bytes, source: IPAddress, destination: IPAddress) -> bytes:
    covered = _pseudo_header(source, destination, len(message)) if _covers_ends(router) else b""
    checksum = internet_checksum(covered + message)
    return message[:_CHECKSUM_AT] + checksum.to_bytes(2, "big") + message[_HEADER.size :]


def decode(router: VirtualRouter, datagram: Datagram) -> Advertisement:
    """The advertisement in a datagram, checked against what the router accepts, in keepalived's order.

    Raises `PacketError` with the first check that fails.
    """
    message = datagram.payload
    _check_seal(router, datagram)
    if len(message) < _HEADER.size:
        raise PacketError(DropReason.LENGTH, f"{len(message)} bytes", f"at least {_HEADER.size}")
    version_type, vrid, priority, count, timing, _ = _HEADER.unpack_from(message)
    version, message_type = version_type >> 4, version_type & 0x0F
    _check_length(router, version, count, datagram)
    if datagram.ttl != TTL and router.unicast is None:
        raise PacketError(DropReason.TTL, f"TTL {datagram.ttl}", f"TTL {TTL}")
    if version != router.version:
        raise PacketError(DropReason.VERSION, f"version {version}", f"version {router.version:d}")
    if version == Version.V2:
        _authenticate(router, timing >> 8, message[-_PASSWORD_BYTES:], datagram.seal)
    interval = _interval(router, timing)
    if message_type != ADVERTISEMENT_TYPE:
        raise PacketError(DropReason.TYPE, f"type {message_type}", f"type {ADVERTISEMENT_TYPE}")
    form = _checksum_form(version, datagram)
    addresses = tuple(_addresses(datagram.source, message[_HEADER.size :], count))
    return Advertisement(vrid, priority, interval, addresses, form)


def _addresses(of_family: IPAddress, body: bytes, count: int) -> Iterator[IPAddress]:
    size = len(of_family.packed)
    for start in range(0, size * count, size):
        yield type(of_family)(body[start : start + size])


def _check_seal(router: VirtualRouter, datagram: Datagram) -> None:
    """An Authentication Header is there if, and only if, this router wants one."""
    if (datagram.seal is not None) is not router.is_sealed:
        words = ("an Authentication Header", "none")
        theirs, ours = words if datagram.seal is not None else reversed(words)
        raise PacketError(DropReason.AUTHENTICATION_TYPE, theirs, ours)


def _check_length(router: VirtualRouter, version: int, count: int, datagram: Datagram) -> None:
    """Exact, for a version whose layout is known here.

    Version 3 has at least one address (erratum 8299), unless we have none either (keepalived's no_virtual_ipaddress).
    """
    size = len(datagram.source.packed)
    trailer = _TRAILER_BYTES.get(version)
    if trailer is None:
        return
    expected, length = _HEADER.size + size * count + trailer, len(datagram.payload)
    if length != expected:
        raise PacketError(DropReason.LENGTH, f"{length} bytes with {count} addresses", f"{expected}")
    if version == Version.V3 and count == 0 and router.addresses:
        raise PacketError(DropReason.LENGTH, "no address", "at least one")


def _interval(router: VirtualRouter, timing: int) -> Duration:
    """Version 2 drops another interval (RFC 3768 section 7.1); version 3 learns it, but not 0 (erratum 8301)."""
    if router.version is Version.V2:
        seconds, ours = timing & 0xFF, router.advertisement_interval // SECOND
        if seconds != ours:
            raise PacketError(DropReason.INTERVAL, f"advertises every {seconds} s", f"every {ours} s")
        return seconds * SECOND
    centiseconds = timing & _INTERVAL_MASK
    if centiseconds == 0:
        raise PacketError(DropReason.INTERVAL, "an interval of 0", "at least 0.01 s")
    return centiseconds * CENTISECOND


def _checksum_form(version: int, datagram: Datagram) -> ChecksumForm:
    """Which form is right; of version 3 over IPv4 either is, since both are in use."""
    message, source = datagram.payload, datagram.source
    pseudo_header = _pseudo_header(source, datagram.destination, len(message))
    if version == Version.V3 and internet_checksum(pseudo_header + message) == 0:
        return ChecksumForm.PSEUDO_HEADER
    if (version == Version.V2 or isinstance(source, IPv4Address)) and internet_checksum(message) == 0:
        return ChecksumForm.MESSAGE
    raise PacketError(DropReason.CHECKSUM, "a wrong checksum", "a right one")


def _pseudo_header(source: IPAddress, destination: IPAddress, length: int) -> bytes:
    """RFC 8200 section 8.1 for IPv6; for IPv4 the one of TCP and UDP, as keepalived has it."""
    if isinstance(source, IPv4Address):
        return source.packed + destination.packed + struct.pack("!BBH", 0, PROTOCOL, length)
    return source.packed + destination.packed + struct.pack("!I3xB", length, PROTOCOL)


def _authenticate(router: VirtualRouter, their_type: int, data: bytes, seal: Seal | None) -> None:
    ours = router.authentication
    if their_type != ours.type:
        raise PacketError(DropReason.AUTHENTICATION_TYPE, f"authentication {_name(their_type)}", _name(ours.type))
    # RFC 3768 section 5.3.10: with type 0 the data is ignored.
    if ours.type is AuthenticationType.PASS:
        same = hmac.compare_digest(data, ours.password.ljust(_PASSWORD_BYTES, b"\0"))
    else:
        same = seal is None or ah.is_true(seal, ours.password, unicast=router.unicast is not None)
    if not same:
        raise PacketError(DropReason.AUTHENTICATION, "another password", "our password")


def _name(authentication_type: int) -> str:
    return {0: "none", 1: "PASS", 2: "AH"}.get(authentication_type, f"type {authentication_type}")
