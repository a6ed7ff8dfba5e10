"""What lies around a VRRP message: the IPv4 header that a raw socket delivers, and gratuitous ARP frames."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import NamedTuple

from vrrpd.model import IPAddress

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_BROADCAST_MAC = b"\xff" * 6
_ETHERTYPE_ARP = 0x0806
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_ETHERNET, _ARP_IPV4, _ARP_REQUEST = 1, 0x0800, 1


@dataclass(frozen=True, slots=True)
class Datagram:
    """An IP datagram, taken apart."""

    source: IPv4Address
    destination: IPv4Address
    ttl: int
    payload: bytes


class Frame(NamedTuple):
    """An Ethernet frame that announces one address on one device."""

    address: IPAddress
    device: str
    content: bytes


def strip_ipv4(packet: bytes) -> Datagram | None:
    """The datagram in an IPv4 packet; None when the header and the packet do not agree on their lengths."""
    if len(packet) < _IPV4.size:
        return None
    version_length, _, total, _, _, ttl, _, _, source, destination = _IPV4.unpack_from(packet)
    header = (version_length & 0x0F) * 4
    if version_length >> 4 != 4 or not _IPV4.size <= header <= total or total != len(packet):  # noqa: PLR2004
        return None
    return Datagram(IPv4Address(source), IPv4Address(destination), ttl, packet[header:])


def gratuitous_arp(mac: bytes, address: IPv4Address) -> bytes:
    """A broadcast ARP request for the sender's own address, as keepalived sends it (RFC 5798 section 8.1.2)."""
    arp = _ARP.pack(_ARP_ETHERNET, _ARP_IPV4, 6, 4, _ARP_REQUEST, mac, address.packed, _BROADCAST_MAC, address.packed)
    return _BROADCAST_MAC + mac + _ETHERTYPE_ARP.to_bytes(2, "big") + arp
