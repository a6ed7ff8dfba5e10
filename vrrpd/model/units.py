"""Times, families and numbers that every value of the model is made of."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import TypeAlias

Instant: TypeAlias = int
Duration: TypeAlias = int

IPAddress: TypeAlias = IPv4Address | IPv6Address
IPInterface: TypeAlias = IPv4Interface | IPv6Interface
IPNetwork: TypeAlias = IPv4Network | IPv6Network

MICROSECOND: Duration = 1_000
MILLISECOND: Duration = 1_000_000
CENTISECOND: Duration = 10_000_000
SECOND: Duration = 1_000_000_000

OWNER_PRIORITY = 255
IPV4_GROUP = IPv4Address("224.0.0.18")
IPV6_GROUP = IPv6Address("ff02::12")
INTERVAL_MAX_V2: Duration = 255 * SECOND
INTERVAL_MAX_V3: Duration = 40_950 * MILLISECOND


class Family(IntEnum):
    """The address family of a virtual router: its IPv4 and IPv6 routers of one VRID are two."""

    IPV4 = 4
    IPV6 = 6


class Version(IntEnum):
    """The protocol: RFC 3768 (with RFC 2338's authentication) or RFC 5798."""

    V2 = 2
    V3 = 3


class InitialState(StrEnum):
    """keepalived's `state`: a hint. Every router but an owner starts as Backup."""

    MASTER = "MASTER"
    BACKUP = "BACKUP"
