"""Frames that claim an address: gratuitous ARP (RFC 5227 section 3), unsolicited Neighbor Advertisements (RFC 4861)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from vrrpd.linux.options import FilterInstruction
from vrrpd.model import Family, IPAddress

ETHER_TYPES = {Family.IPV4: 0x0806, Family.IPV6: 0x86DD}
CLAIM_SIZE = 86
"""Of the longer one."""

_ARP_SIZE = 42
_ARP = struct.Struct("!12xHHHBBH6s4s6s4s")
_NA = struct.Struct("!12xHI2xBB32xBxxxB3x16sBB6s")
_ICMPV6, _HOP_LIMIT, _NA_TYPE, _NA_SOLICITED, _TARGET_LINK_LAYER = 58, 255, 136, 0x40, 2

_GRATUITOUS_ARP: tuple[FilterInstruction, ...] = (
    (0x28, 0, 0, 12),  # the Ethernet type
    (0x15, 0, 10, ETHER_TYPES[Family.IPV4]),
    (0x20, 0, 0, 14),  # hardware and protocol: Ethernet and IPv4
    (0x15, 0, 8, 0x0001_0800),
    (0x28, 0, 0, 18),  # their sizes
    (0x15, 0, 6, 0x0604),
    (0x20, 0, 0, 28),  # the sender's address; a probe (RFC 5227) has none
    (0x15, 4, 0, 0),
    (0x07, 0, 0, 0),
    (0x20, 0, 0, 38),  # equal to the target's: gratuitous
    (0x1D, 0, 1, 0),
    (0x06, 0, 0, _ARP_SIZE),
    (0x06, 0, 0, 0),
)
_UNSOLICITED_NA: tuple[FilterInstruction, ...] = (
    (0x28, 0, 0, 12),  # the Ethernet type
    (0x15, 0, 8, ETHER_TYPES[Family.IPV6]),
    (0x28, 0, 0, 20),  # next header and hop limit
    (0x15, 0, 6, _ICMPV6 << 8 | _HOP_LIMIT),
    (0x30, 0, 0, 54),  # the ICMPv6 type
    (0x15, 0, 4, _NA_TYPE),
    (0x30, 0, 0, 58),  # its flags
    (0x54, 0, 0, _NA_SOLICITED),
    (0x15, 0, 1, 0),
    (0x06, 0, 0, CLAIM_SIZE),
    (0x06, 0, 0, 0),
)
FILTERS = {Family.IPV4: _GRATUITOUS_ARP, Family.IPV6: _UNSOLICITED_NA}


def parse_claim(family: Family, frame: bytes) -> tuple[IPAddress, bytes] | None:
    """The address that is claimed and the MAC it is claimed for; None when the frame is nothing of the kind."""
    return parse_gratuitous_arp(frame) if family is Family.IPV4 else parse_unsolicited_na(frame)


def parse_gratuitous_arp(frame: bytes) -> tuple[IPv4Address, bytes] | None:
    """Of an ARP frame."""
    if len(frame) < _ARP_SIZE:
        return None
    ether_type, hardware, protocol, mac_size, address_size, operation, mac, sender, _, target = _ARP.unpack_from(frame)
    if (ether_type, hardware, protocol, mac_size, address_size) != (ETHER_TYPES[Family.IPV4], 1, 0x0800, 6, 4):
        return None
    if operation not in {1, 2} or sender != target or not any(sender):
        return None
    return IPv4Address(sender), mac


def parse_unsolicited_na(frame: bytes) -> tuple[IPv6Address, bytes] | None:
    """Of an IPv6 frame; one without a link-layer address claims nothing for anybody."""
    if len(frame) < _NA.size:
        return None
    ether_type, first, next_header, hop_limit, kind, flags, target, option, length, mac = _NA.unpack_from(frame)
    if (ether_type, first >> 28, next_header, hop_limit, kind) != (
        ETHER_TYPES[Family.IPV6],
        6,
        _ICMPV6,
        _HOP_LIMIT,
        _NA_TYPE,
    ):
        return None
    if flags & _NA_SOLICITED or (option, length) != (_TARGET_LINK_LAYER, 1):
        return None
    return IPv6Address(target), mac
