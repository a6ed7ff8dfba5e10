"""Version 3 by hand, over IPv4 and IPv6: nothing here uses the code that encodes."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, ip_address
from typing import Any

from driver import Node
from sample import MAC, OURS, interface, internet_checksum, router

from vrrpd.actions import Action, InterfaceChanged
from vrrpd.frames import Datagram
from vrrpd.model import Family, Identity, Interface, IPAddress, Script, Version, VirtualAddress, VirtualRouter
from vrrpd.records import Record

OURS6 = IPv6Address("fe80::1")
THEIRS6 = IPv6Address("fe80::2")
THIRD6 = IPv6Address("fe80::3")
GROUP4 = IPv4Address("224.0.0.18")
GROUP6 = IPv6Address("ff02::12")
VIP6 = VirtualAddress(IPv6Interface("fe80::5/128"), "eth0")
GLOBAL6 = VirtualAddress(IPv6Interface("2001:db8::5/64"), "eth0")

NA_OF_VIP6 = bytes.fromhex(
    "333300000001" + "020000000001" + "86dd"  # to all nodes, from our MAC, IPv6
    "60000000" + "0020" + "3a" + "ff"  # 32 bytes of ICMPv6, hop limit 255
    "fe800000000000000000000000000005" + "ff020000000000000000000000000001"
    "88" + "00" + "5793" + "20000000"  # Neighbor Advertisement; Override, and neither Router nor Solicited
    "fe800000000000000000000000000005" + "02" + "01" + "020000000001"  # the target, and its link-layer address
)
"""Its checksum: the words of pseudo-header and message add up to 0x3a869, so to 0xa86c, whose complement it is."""


def message3(
    priority: int = 100,
    source: IPAddress = OURS,
    *,
    vrid: int = 50,
    addresses: tuple[str, ...] | None = None,
    centiseconds: int = 100,
    plain: bool = False,
    reserved: int = 0,
) -> bytes:
    """A VRRPv3 advertisement, field by field (RFC 5798 section 5.2), its checksum right."""
    if addresses is None:
        addresses = ("10.230.137.100",) if isinstance(source, IPv4Address) else ("fe80::5", "2001:db8::5")
    head = struct.pack("!4BH", 0x31, vrid, priority, len(addresses), reserved << 12 | centiseconds)
    body = b"".join(ip_address(a).packed for a in addresses)
    length = len(head) + 2 + len(body)
    if isinstance(source, IPv4Address):
        pseudo = source.packed + GROUP4.packed + struct.pack("!BBH", 0, 112, length)
    else:
        pseudo = source.packed + GROUP6.packed + struct.pack("!II", length, 112)
    covered = head + b"\0\0" + body
    return head + struct.pack("!H", internet_checksum(covered if plain else pseudo + covered)) + body


def router6(**changes: Any) -> VirtualRouter:
    """VRID 50 on eth0 over IPv6: a link-local address first, and a global one."""
    return router(**({"version": Version.V3, "addresses": (VIP6, GLOBAL6)} | changes))


def interface6(*addresses: str, **changes: Any) -> Interface:
    """eth0 with an address of each family and scope, unless others are given."""
    return interface(*(addresses or ("10.230.137.1/24", "2001:db8::1/64", "fe80::1/64")), mac=MAC, **changes)


class Node6(Node):
    """As Node, for routers over IPv6."""

    def __init__(
        self, *routers: VirtualRouter, scripts: tuple[Script, ...] = (), eth0: Interface | None = None
    ) -> None:
        super().__init__()
        self.tell(InterfaceChanged("eth0", eth0 or interface6()))
        self.configure(*routers, scripts=scripts)

    def hear6(
        self,
        priority: int | bytes,
        source: IPv6Address = THEIRS6,
        *,
        ttl: int = 255,
        destination: IPv6Address = GROUP6,
        centiseconds: int = 100,
    ) -> list[Action]:
        content = priority if isinstance(priority, bytes) else message3(priority, source, centiseconds=centiseconds)
        return self._take(self.engine.receive_ipv6("eth0", Datagram(source, destination, ttl, content), self.now))

    def record(self, vrid: int = 50) -> Record:
        return self.engine.records[Identity("eth0", Family.IPV6, vrid)]
