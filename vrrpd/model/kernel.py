"""What is held in the kernel, by a Master or while the daemon runs: addresses, routes, rules, and what they need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import TypeAlias

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
        """Who owns what is decided by (address, device)."""
        return (self.interface.ip, self.device)

    @property
    def bare(self) -> VirtualAddress:
        """As the kernel has it: without what only we know of it."""
        if self.is_tracked and self.track_group is None:
            return self
        return replace(self, is_tracked=True, track_group=None)

    def __str__(self) -> str:
        return f"{self.interface} dev {self.device}"


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


Held: TypeAlias = VirtualAddress | Route | Rule
"""What can be held in the kernel. Its `key` says whose it is; `bare` is what the kernel knows of it."""
