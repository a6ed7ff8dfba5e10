"""Virtual routers: RFC 5798 section 6.1's parameters, and what keepalived adds to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from vrrpd.model.kernel import Held, Moving, Route, Rule, VirtualAddress
from vrrpd.model.telling import NO_NOTIFICATION, Notification
from vrrpd.model.units import (
    CENTISECOND,
    INTERVAL_MAX_V2,
    INTERVAL_MAX_V3,
    IPV4_GROUP,
    IPV6_GROUP,
    OWNER_PRIORITY,
    SECOND,
    Duration,
    Family,
    InitialState,
    IPAddress,
    Version,
)
from vrrpd.model.watching import Tracker


class Identity(NamedTuple):
    """What makes a virtual router the same one after a reload (RFC 5798 section 3)."""

    interface: str
    """Where it advertises and listens: with a virtual MAC another one than without."""
    family: Family
    vrid: int
    channel: str = ""
    """Another group than the family's, or unicast from an address: such routers may share a VRID. Empty for most."""


class AuthenticationType(IntEnum):
    """RFC 2338 section 5.3.6: the number on the wire."""

    NONE = 0
    PASS = 1
    AH = 2


@dataclass(frozen=True, slots=True)
class Authentication:
    """Version 2 only. `password` is at most 8 bytes; PASS sends it in clear, AH signs with it."""

    type: AuthenticationType = AuthenticationType.NONE
    password: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if len(self.password) > 8:  # noqa: PLR2004
            raise ValueError("a password has at most 8 bytes")
        if self.password and self.type is AuthenticationType.NONE:
            raise ValueError("a password needs an authentication type")


NO_AUTHENTICATION = Authentication()


@dataclass(frozen=True, slots=True)
class Announcing:
    """When gratuitous ARP is sent, and how often (keepalived's garp_* keywords)."""

    master_delay: Duration = 5 * SECOND
    """The second burst after becoming Master; 0: none."""
    master_repeat: int = 5
    """Frames per address and burst."""
    lower_priority_delay: Duration = 5 * SECOND
    """The second burst after answering a lower-priority advertisement; 0: none."""
    lower_priority_repeat: int = 5
    refresh: Duration = 0
    """A Master announces again so often; 0: never."""
    refresh_repeat: int = 1
    extra_interfaces: Duration = 0
    """So often on the devices of addresses that are not the router's interface (garp_extra_if); 0: never."""
    extra_on_all: bool = False
    """On those too that have no virtual MAC."""


@dataclass(frozen=True, slots=True)
class UnicastPeer:
    """A node that advertisements are sent to; a range of TTLs that its own may arrive with."""

    address: IPAddress
    min_ttl: int | None = None
    """0 to 255."""
    max_ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Unicast:
    """Advertisements go to these peers and to no group."""

    peers: tuple[UnicastPeer, ...] = ()
    ttl: int = 255
    checks_source: bool = False
    """Drop what does not come from a peer (keepalived's check_unicast_src, or a range of TTLs)."""
    label: str = ""
    """Tells it from another router of its interface, VRID and source that has other peers."""


@dataclass(frozen=True, slots=True)
class VirtualMac:
    """The virtual router MAC address on a macvlan (RFC 5798 section 7.3; keepalived's use_vmac)."""

    device: str
    """The macvlan's name."""
    mac: bytes | None = None
    """None: 00-00-5E-00-01-{VRID}, with 02 for IPv6."""
    advertises_on_base: bool = False
    """keepalived's vmac_xmit_base."""
    on_all_devices: bool = False
    """keepalived's use_vmac_addr: addresses on other interfaces have it too."""
    link_group: int | None = None
    tells_netlink: bool = False
    """keepalived's netlink_notify_msg."""


@dataclass(frozen=True, slots=True)
class VirtualRouter:
    """One virtual router (keepalived's vrrp_instance), RFC 5798 section 6.1's parameters and what keepalived adds."""

    name: str
    interface: str
    vrid: int
    priority: int = 100
    version: Version = Version.V2
    initial_state: InitialState = InitialState.BACKUP
    advertisement_interval: Duration = SECOND
    preempt: bool = True
    """keepalived's meaning: `nopreempt` unless `state MASTER` or priority 255 has cancelled it."""
    resigns_when_worse: bool = False
    """The word `nopreempt` stands in the block, cancelled or not: such a pair moves only if the Master gives up."""
    preempt_delay: Duration = 0
    down_timer_adverts: int = 3
    """Advertisements to miss before Master_Down (keepalived's down_timer_adverts; RFC 5798: 3)."""
    strict: bool = False
    """RFC 5798 to the letter: no resigning for a tracker, no early takeover."""
    addresses: tuple[VirtualAddress, ...] = ()
    """All of one family."""
    multicast_group: IPAddress | None = None
    """None: the group that the RFC gives the family."""
    plain_checksum: bool = False
    """Version 3 over IPv4: send the checksum of RFC 9568, without a pseudo-header (keepalived's v3_checksum_as_v2)."""
    authentication: Authentication = NO_AUTHENTICATION
    announcing: Announcing = Announcing()
    trackers: tuple[Tracker, ...] = ()
    excluded: tuple[VirtualAddress, ...] = ()
    """Addresses that move and are not advertised; of any family (keepalived's virtual_ipaddress_excluded)."""
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    source_address: IPAddress | None = None
    """Advertisements come from it (mcast_src_ip, unicast_src_ip). None: the interface's primary address."""
    tracks_source: bool = False
    """It is a fault when `source_address` is not on this node (keepalived's track_src_ip)."""
    unicast: Unicast | None = None
    """None: multicast."""
    needs_peers: bool = False
    """Unicast without a peer is a fault, not multicast (keepalived's unicast_fault_no_peer)."""
    virtual_mac: VirtualMac | None = None
    tracks_interface: bool = True
    """False: it runs on while its own interface is down (keepalived's dont_track_primary)."""
    accept: bool = True
    """RFC 5798's Accept_Mode: packets to the addresses are taken although this node does not own them."""
    answers_lower_priority: bool = True
    """A Master answers a lower priority at once (RFC 9568 section 6.4.3; off: lower_prio_no_advert)."""
    announces_defeat: bool = False
    """A Master that yields sends one last advertisement (keepalived's higher_prio_send_advert)."""
    ignores_as_owner: bool = False
    """Priority 255 does not listen (keepalived's owner_ignore_adverts)."""
    accepts_known_lists: bool = False
    """Do not compare addresses with those of a Master that was compared before (skip_check_adv_addr)."""
    yields_after_stall: int | None = None
    """nopreempt: a Master turns Backup after a stall in which a peer of this priority, 1 to 254, has taken over
    (timer_expired_backup). None: it goes on."""
    promotes_secondaries: bool = False
    """Removing one address of a prefix must not remove the others (the kernel's promote_secondaries)."""
    notification: Notification = NO_NOTIFICATION

    def __post_init__(self) -> None:
        if not 1 <= self.vrid <= 255 or not 1 <= self.priority <= OWNER_PRIORITY:  # noqa: PLR2004
            raise ValueError(f"{self.name}: a VRID and a priority are 1 to 255")
        if self.advertisement_interval <= 0 or self.down_timer_adverts < 1 or self.preempt_delay < 0:
            raise ValueError(f"{self.name}: an interval is above 0")
        unit, most = (SECOND, INTERVAL_MAX_V2) if self.version is Version.V2 else (CENTISECOND, INTERVAL_MAX_V3)
        if self.advertisement_interval % unit or self.advertisement_interval > most:
            raise ValueError(f"{self.name}: version {self.version} cannot say this interval")
        if len({address.ip.version for address in self.addresses}) > 1:
            raise ValueError(f"{self.name}: addresses of two families")
        if self.version is Version.V2 and self.family is Family.IPV6:
            raise ValueError(f"{self.name}: version 2 is for IPv4")
        if self.unicast is not None and any(peer.address.version != self.family for peer in self.unicast.peers):
            raise ValueError(f"{self.name}: peers of two families")
        if self.version is Version.V3 and self.authentication != NO_AUTHENTICATION:
            raise ValueError(f"{self.name}: version 3 has no authentication")
        if len(self.addresses) > 255:  # noqa: PLR2004
            raise ValueError(f"{self.name}: an advertisement holds at most 255 addresses")

    @property
    def is_owner(self) -> bool:
        """Priority 255: the addresses are this node's own (RFC 5798 section 6.1)."""
        return self.priority == OWNER_PRIORITY

    @property
    def identity(self) -> Identity:
        """Same identity, other parameters: a reload keeps the router's state."""
        return Identity(self.advertising_device, self.family, self.vrid, self._channel())

    def _channel(self) -> str:
        if self.unicast is not None:
            return f"unicast {self.source_address or ''} {self.unicast.label}".strip()
        return "" if self.group in {IPV4_GROUP, IPV6_GROUP} else str(self.group)

    @property
    def moving(self) -> tuple[Moving, ...]:
        """What moves with it, as written, in the order in which a Master takes it: routes need the addresses."""
        return (*self.addresses, *self.excluded, *self.routes, *self.rules)

    @property
    def held(self) -> tuple[Held, ...]:
        """The same as the kernel has it."""
        return tuple(thing.bare for thing in self.moving)

    @property
    def let_go(self) -> tuple[Held, ...]:
        """The same in the order in which it is given up: rules, routes, addresses."""
        held = self.held
        addresses = len(self.addresses) + len(self.excluded)
        return (*reversed(held[addresses:]), *held[:addresses])

    @property
    def macvlans(self) -> dict[str, str]:
        """The devices of its virtual MAC address, and the interface below each."""
        found = {} if self.virtual_mac is None else {self.virtual_mac.device: self.interface}
        for address in (*self.addresses, *self.excluded):
            if address.macvlan is not None:
                found[address.macvlan] = address.device
        return found

    @property
    def advertising_device(self) -> str:
        """Where its advertisements leave and arrive: what a virtual MAC sends reaches only our macvlan of it."""
        if self.virtual_mac is None or self.virtual_mac.advertises_on_base:
            return self.interface
        return self.virtual_mac.device

    @property
    def family(self) -> Family:
        """That of its addresses; without any, that of what it speaks from or to."""
        if self.addresses:
            return Family(self.addresses[0].interface.version)
        peers = self.unicast.peers if self.unicast else ()
        spoken = (self.source_address, *(peer.address for peer in peers))
        return next((Family(address.version) for address in spoken if address is not None), Family.IPV4)

    @property
    def group(self) -> IPAddress:
        """Where it advertises."""
        if self.multicast_group is not None:
            return self.multicast_group
        return IPV4_GROUP if self.family is Family.IPV4 else IPV6_GROUP

    @property
    def destinations(self) -> tuple[IPAddress, ...]:
        """Whom its advertisements are sent to: the group, or each peer."""
        return (self.group,) if self.unicast is None else tuple(peer.address for peer in self.unicast.peers)

    @property
    def is_sealed(self) -> bool:
        """Its advertisements are in an Authentication Header."""
        return self.authentication.type is AuthenticationType.AH
