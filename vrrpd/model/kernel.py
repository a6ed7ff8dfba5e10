"""What is held in the kernel, by a Master or while the daemon runs: addresses, routes, rules, and what they need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address
from typing import NamedTuple, Self, TypeAlias

from vrrpd.model.units import Family, IPAddress, IPInterface, IPNetwork

MAIN_TABLE = 254
"""RT_TABLE_MAIN."""
FOREVER = (1 << 32) - 1
"""A lifetime without end, as netlink has it (INFINITY_LIFE_TIME)."""


@dataclass(frozen=True, slots=True)
class VirtualAddress:
    """An address that moves, as it is put into the kernel: prefix as written, /32 or /128 when none was."""

    interface: IPInterface
    device: str
    scope: int = 0
    label: str | None = None
    broadcast: IPv4Address | None = None
    peer: IPInterface | None = None
    """The other end of a point-to-point link."""
    preferred_lifetime: int | None = None
    """Seconds or FOREVER; None: keepalived's default, which is 0 for an IPv6 /128 (never taken as a source)."""
    detects_duplicates: bool = False
    """keepalived's `-nodad`: without it an IPv6 address skips duplicate address detection."""
    without_prefix_route: bool = False
    is_home: bool = False
    manages_temporary: bool = False
    """keepalived's `mngtmpaddr`."""
    joins_group: bool = False
    """keepalived's `autojoin`."""
    is_tracked: bool = True
    """False (`no_track`): neither its device nor its disappearance matters."""
    macvlan: str | None = None
    """The virtual router MAC address too where `device` is not the router's: on this macvlan of `device`."""
    track_group: str | None = None
    """Of a static address: these routers leave Master when it cannot be restored."""

    @property
    def ip(self) -> IPAddress:
        """The address without its prefix, as it stands in an advertisement."""
        return self.interface.ip

    @property
    def key(self) -> tuple[IPAddress, str]:
        """Who owns what is decided by (address, the device it stands on)."""
        return (self.interface.ip, self.place)

    @property
    def place(self) -> str:
        """The device it stands on."""
        return self.device if self.macvlan is None else self.macvlan

    @property
    def bare(self) -> VirtualAddress:
        """As the kernel has it: without what only we know of it."""
        if self.is_tracked and self.macvlan is None and self.track_group is None:
            return self
        return replace(self, device=self.place, macvlan=None, is_tracked=True, track_group=None)

    def __str__(self) -> str:
        return f"{self.interface} dev {self.place}"


@dataclass(frozen=True, slots=True)
class NextHop:
    """One way of a route."""

    gateway: IPAddress | None = None
    device: str | None = None
    weight: int = 1
    """1 to 256."""
    on_link: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A route, with `ip route`'s words for its parts."""

    family: Family
    destination: IPNetwork
    """0.0.0.0/0 or ::/0 for `default`."""
    kind: str = "unicast"
    """unicast, blackhole, unreachable, prohibit, throw, local, broadcast, multicast, anycast, nat."""
    source: IPAddress | None = None
    next_hops: tuple[NextHop, ...] = ()
    table: int = MAIN_TABLE
    scope: int | None = None
    """None: as the kernel and `ip route` choose it."""
    metric: int | None = None
    protocol: int = 18
    """RTPROT_KEEPALIVED."""
    tos: int = 0
    metrics: tuple[tuple[str, int], ...] = ()
    """mtu, advmss, hoplimit …: name and value."""
    appended: bool = False
    """keepalived's `append`: behind the routes that are equal to it."""
    is_tracked: bool = True
    track_group: str | None = None
    text: str = ""
    """As written, for people."""

    @property
    def key(self) -> Route:
        """Who owns what is decided by all that the kernel knows of it."""
        return self.bare

    @property
    def bare(self) -> Route:
        """As the kernel has it: without what only we know of it."""
        if self.is_tracked and self.track_group is None and not self.text:
            return self
        return replace(self, is_tracked=True, track_group=None, text="")

    def __str__(self) -> str:
        kind = "" if self.kind == "unicast" else f"{self.kind} "
        ways = [f" via {hop.gateway}" if hop.gateway else f" dev {hop.device}" for hop in self.next_hops]
        table = "" if self.table == MAIN_TABLE else f" table {self.table}"
        return f"route {kind}{self.destination}{''.join(ways)}{table}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of routing policy, with `ip rule`'s words for its parts."""

    family: Family
    action: str = "lookup"
    """lookup, goto, nop, blackhole, unreachable, prohibit."""
    source: IPNetwork | None = None
    destination: IPNetwork | None = None
    inverted: bool = False
    table: int | None = None
    goto: int | None = None
    preference: int | None = None
    """None: the kernel invents one."""
    incoming: str | None = None
    outgoing: str | None = None
    mark: int | None = None
    mark_mask: int | None = None
    tos: int = 0
    uid_range: tuple[int, int] | None = None
    l3mdev: bool = False
    ip_protocol: int | None = None
    source_ports: tuple[int, int] | None = None
    destination_ports: tuple[int, int] | None = None
    realms: int | None = None
    suppress_prefix_length: int | None = None
    suppress_interface_group: int | None = None
    is_tracked: bool = True
    track_group: str | None = None
    text: str = ""
    """As written, for people."""

    @property
    def key(self) -> Rule:
        """Who owns what is decided by all that the kernel knows of it."""
        return self.bare

    @property
    def bare(self) -> Rule:
        """As the kernel has it: without what only we know of it."""
        if self.is_tracked and self.track_group is None and not self.text:
            return self
        return replace(self, is_tracked=True, track_group=None, text="")

    def __str__(self) -> str:
        preference = "" if self.preference is None else f" {self.preference}"
        source = "all" if self.source is None else str(self.source)
        destination = "" if self.destination is None else f" to {self.destination}"
        target = self.action if self.table is None else f"lookup {self.table}"
        return f"rule{preference} from {source}{destination} {target}"


class _Whole:
    """All of it is what the kernel knows."""

    __slots__ = ()

    @property
    def key(self) -> Self:
        """Who owns what is decided by all of it."""
        return self

    @property
    def bare(self) -> Self:
        """As the kernel has it."""
        return self


@dataclass(frozen=True, slots=True)
class Macvlan(_Whole):
    """The device of a virtual router MAC address (RFC 5798 section 7.3), on top of an interface."""

    device: str
    parent: str
    mac: bytes
    group: int | None = None

    def __str__(self) -> str:
        return f"macvlan {self.device} on {self.parent}"


@dataclass(frozen=True, slots=True)
class DeviceSetting(_Whole):
    """What an interface does with IPv4: one of net.ipv4.conf.DEVICE. The value before it is put back."""

    device: str
    name: str
    """arp_filter, arp_ignore or promote_secondaries."""
    value: int

    def __str__(self) -> str:
        return f"net.ipv4.conf.{self.device}.{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class NodeSetting(_Whole):
    """A sysctl of the whole node. The value before it is put back."""

    name: str
    """With slashes: net/ipv4/igmp_link_local_mcast_reports."""
    value: int

    def __str__(self) -> str:
        return f"{self.name.replace('/', '.')}={self.value}"


@dataclass(frozen=True, slots=True)
class Firewall(_Whole):
    """Our tables in nftables, all of them and in one step."""

    rules: str
    """In nft's language: what is between the braces of its tables is in there too."""

    def __str__(self) -> str:
        return "nftables table vrrpd"


@dataclass(frozen=True, slots=True)
class Silence(_Whole):
    """To be taken away before the addresses of a virtual MAC's device: it is down until they are gone.

    Whatever it sent meanwhile would move the MAC back to this node's port of the switch.
    """

    device: str

    def __str__(self) -> str:
        return f"{self.device} down"


Moving: TypeAlias = VirtualAddress | Route | Rule
"""What moves with a Master, or is static."""
Held: TypeAlias = Moving | Macvlan | DeviceSetting | NodeSetting | Firewall | Silence
"""What can be held in the kernel. Its `key` says whose it is; `bare` is what the kernel knows of it."""


class Way(StrEnum):
    """Through what something is taken out of the kernel."""

    ROUTE = "route"
    """rtnetlink."""
    NETFILTER = "netfilter"
    FILE = "file"
    """Below /proc/sys: the name, a NUL, and what is written."""


class Undo(NamedTuple):
    """How something is taken out of the kernel again, finished."""

    way: Way
    content: bytes
    """A netlink request that asks for an ACK, sequence number 0; or for a file."""
