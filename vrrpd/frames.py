"""What lies around a VRRP message: IP headers as raw sockets take and deliver them, gratuitous ARP, unsolicited NA."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from vrrpd.model import IPAddress

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_BROADCAST_MAC = b"\xff" * 6
_ETHERTYPE_ARP = 0x0806
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_ETHERNET, _ARP_IPV4, _ARP_REQUEST = 1, 0x0800, 1

_ETHERTYPE_IPV6 = 0x86DD
_ALL_NODES = IPv6Address("ff02::1")
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_IPV6 = struct.Struct("!IHBB16s16s")
_ICMPV6, _HOP_LIMIT = 58, 255
_NEIGHBOR_ADVERTISEMENT = struct.Struct("!BBHI16sBB6s")
_NA_TYPE, _NA_ROUTER, _NA_OVERRIDE, _TARGET_LINK_LAYER = 136, 1 << 31, 1 << 29, 2


_TOS_INTERNETWORK_CONTROL = 0xC0


class Seal(NamedTuple):
    """What an Authentication Header says (RFC 2402 section 2), and the bytes that its value has to be the digest of."""

    spi: bytes
    sequence: int
    value: bytes
    covered: bytes
    """As they arrived, but for what routers on the way may change (section 3.3.3.1): that is 0."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """An IP datagram, taken apart."""

    source: IPAddress
    destination: IPAddress
    ttl: int
    """Or the hop limit; 0 when the kernel did not say."""
    payload: bytes
    seal: Seal | None = None
    """None: it came without an Authentication Header."""


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


def ip_header(
    source: IPAddress, destination: IPAddress, ttl: int, protocol: int, length: int, identification: int = 0
) -> bytes:
    """The header before so many bytes (RFC 5798 section 5.1).

    Of IPv4 the kernel adds the checksum, and an identification where that is 0.
    """
    if isinstance(source, IPv4Address):
        fields = (0x45, _TOS_INTERNETWORK_CONTROL, _IPV4.size + length, identification, 0, ttl, protocol, 0)
        return _IPV4.pack(*fields, source.packed, destination.packed)
    first = 6 << 28 | _TOS_INTERNETWORK_CONTROL << 20
    return _IPV6.pack(first, length, protocol, ttl, source.packed, destination.packed)


def essence(packet: bytes) -> bytes:
    """What two IPv4 packets that say the same have in common: all but identification and header checksum."""
    return packet[:1] + packet[2:4] + packet[8:10] + packet[12:]


def gratuitous_arp(mac: bytes, address: IPv4Address) -> bytes:
    """A broadcast ARP request for the sender's own address, as keepalived sends it (RFC 5798 section 8.1.2)."""
    arp = _ARP.pack(_ARP_ETHERNET, _ARP_IPV4, 6, 4, _ARP_REQUEST, mac, address.packed, _BROADCAST_MAC, address.packed)
    return _BROADCAST_MAC + mac + _ETHERTYPE_ARP.to_bytes(2, "big") + arp


def unsolicited_na(mac: bytes, address: IPv6Address, *, router: bool) -> bytes:
    """A Neighbor Advertisement to all nodes, Override set (RFC 5798 section 6.4.2); `router`: this node forwards."""
    flags = _NA_OVERRIDE | (_NA_ROUTER if router else 0)

    def message(checksum: int) -> bytes:
        return _NEIGHBOR_ADVERTISEMENT.pack(_NA_TYPE, 0, checksum, flags, address.packed, _TARGET_LINK_LAYER, 1, mac)

    length = _NEIGHBOR_ADVERTISEMENT.size
    pseudo_header = address.packed + _ALL_NODES.packed + struct.pack("!I3xB", length, _ICMPV6)
    icmp = message(internet_checksum(pseudo_header + message(0)))
    ipv6 = _IPV6.pack(6 << 28, length, _ICMPV6, _HOP_LIMIT, address.packed, _ALL_NODES.packed)
    return _ALL_NODES_MAC + mac + _ETHERTYPE_IPV6.to_bytes(2, "big") + ipv6 + icmp


def internet_checksum(content: bytes) -> int:
    """RFC 1071, of bytes whose checksum field is zero; 0 over bytes that hold theirs."""
    if len(content) % 2:
        content += b"\0"
    # A ones' complement sum is a residue modulo 0xFFFF, written as 0xFFFF when it is 0 and not all bits are.
    residue = int.from_bytes(content, "big") % 0xFFFF
    return 0 if residue == 0 and any(content) else 0xFFFF - residue
