"""The three things that a virtual router can speak, for rows that hold for all of them. Bytes are made by hand."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from sample import MS, OURS, THEIRS, VIP, VIP2, S, message, router
from sample3 import GLOBAL6, NA_OF_VIP6, OURS6, THEIRS6, VIP6, message3

from vrrpd.frames import Frame
from vrrpd.fsm import deadline
from vrrpd.model import IPAddress, Version, VirtualAddress
from vrrpd.packet import Advertisement
from vrrpd.states import AdvertisementReceived, Backup, Master, Parameters, State

T = 1000 * S
SKEW_100, DOWN_100 = 609_375_000, 3_609_375_000
"""Of priority 100 at one second, in every version."""

ARP_OF_VIP = bytes.fromhex(
    "ffffffffffff" + "020000000001" + "0806"  # to everybody, from our MAC, ARP
    "0001" + "0800" + "06" + "04" + "0001"  # Ethernet, IPv4, a request
    "020000000001" + "0ae68964" + "ffffffffffff" + "0ae68964"  # for the sender's own address
)
ARP_OF_VIP2 = ARP_OF_VIP.replace(bytes.fromhex("0ae68964"), bytes.fromhex("0ae68965"))
NA_OF_GLOBAL6 = bytes.fromhex(
    "333300000001" + "020000000001" + "86dd" + "60000000" + "0020" + "3a" + "ff"
    "20010db8000000000000000000000005" + "ff020000000000000000000000000001"
    "88" + "00" + "f922" + "20000000" + "20010db8000000000000000000000005" + "02" + "01" + "020000000001"
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """A version over an address family."""

    name: str
    version: Version
    ours: IPAddress
    theirs: IPAddress
    """Above ours."""
    below: IPAddress
    """Below ours as a number, above it as text."""
    addresses: tuple[VirtualAddress, ...]
    announcement: tuple[Frame, ...]

    def params(self, priority: int = 100, **changes: Any) -> Parameters:
        """Those of VRID 50 at this priority."""
        values = {"version": self.version, "addresses": self.addresses, "priority": priority}
        return Parameters(router(**(values | changes)), priority, self.ours, announcement=self.announcement)

    def heard(self, priority: int, source: IPAddress | None = None, interval: int = S) -> AdvertisementReceived:
        """An advertisement of another router."""
        ips = tuple(address.ip for address in self.addresses)
        return AdvertisementReceived(source or self.theirs, Advertisement(50, priority, interval, ips))

    def message(self, priority: int) -> bytes:
        """What we send at that priority."""
        ips = tuple(str(address.ip) for address in self.addresses)
        if self.version is Version.V2:
            return message(priority, addresses=ips)
        return message3(priority, self.ours, addresses=ips)

    def backup(self, **changes: Any) -> Backup:
        """It has just heard a Master of priority 200."""
        values = {"master_adver_interval": S, "master": self.theirs, "master_priority": 200, "heard_at": T}
        return Backup(**({"master_down_at": T + DOWN_100} | values | changes))


V2_IPV4 = Dialect(
    "v2",
    Version.V2,
    OURS,
    THEIRS,
    IPv4Address("9.255.255.255"),
    (VIP, VIP2),
    (Frame(VIP.ip, "eth0", ARP_OF_VIP), Frame(VIP2.ip, "eth0", ARP_OF_VIP2)),
)
V3_IPV4 = Dialect(
    "v3-ipv4", Version.V3, V2_IPV4.ours, V2_IPV4.theirs, V2_IPV4.below, V2_IPV4.addresses, V2_IPV4.announcement
)
V3_IPV6 = Dialect(
    "v3-ipv6",
    Version.V3,
    OURS6,
    THEIRS6,
    IPv6Address("fe80::"),
    (VIP6, GLOBAL6),
    (Frame(VIP6.ip, "eth0", NA_OF_VIP6), Frame(GLOBAL6.ip, "eth0", NA_OF_GLOBAL6)),
)

ALL = (V2_IPV4, V3_IPV4, V3_IPV6)
every_dialect = pytest.mark.parametrize("d", ALL, ids=lambda d: d.name)
version_3 = pytest.mark.parametrize("d", ALL[1:], ids=lambda d: d.name)
over_ipv4 = pytest.mark.parametrize("d", ALL[:2], ids=lambda d: d.name)


def master(**changes: Any) -> Master:
    """Master since long ago, which advertised on its grid half a second before T + 500 ms."""
    return Master(**({"adver_at": T + S, "since": 0, "sent_at": T} | changes))


def due(state: State) -> int:
    """Its deadline, which is an int: 609375000.0 would equal 609375000."""
    at = deadline(state)
    assert type(at) is int
    return at


HALF = T + 500 * MS
