"""What routers depend on and none of them owns: interfaces, checks, groups, who moves which address, the grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address

from vrrpd import ah, faults, grid, tracking
from vrrpd.channels import Channel
from vrrpd.checks import Checks
from vrrpd.frames import Frame, gratuitous_arp, unsolicited_na
from vrrpd.groups import Groups
from vrrpd.installed import Installation
from vrrpd.model import Config, Family, Identity, Instant, Interface, IPAddress, IPInterface, VirtualRouter
from vrrpd.packet import PROTOCOL, TTL
from vrrpd.records import Fault, FaultKind, Record
from vrrpd.states import Parameters

DRAINED_PRIORITY = 1


class Surroundings:
    """The node as a router sees it. Everything that is made of it is a function of the present."""

    def __init__(self, records: Mapping[Identity, Record], installation: Installation) -> None:
        self.interfaces: dict[str, Interface] = {}
        self.checks = Checks()
        self.groups = Groups(records)
        self.installation = installation
        self._places: dict[Identity, grid.Place] = {}
        self._virtual: frozenset[IPAddress] = frozenset()
        self._sources: frozenset[IPAddress | None] = frozenset()
        self._held_until: Instant | None = None

    def configure(self, config: Config, leaving: Iterable[VirtualRouter], now: Instant) -> None:
        """These routers are wanted, and those may still hold something."""
        if self._held_until is None:  # The machine has started when its clock did.
            after_start = now + config.startup_delay if config.startup_delay else 0
            self._held_until = max(after_start, config.boot_delay)
        self.groups.configure(config, now)
        self.installation.configure(config)
        self._places = grid.places(config.routers)
        self._virtual = faults.virtual_addresses((*config.routers, *leaving))
        self._sources = frozenset(r.source_address for r in (*config.routers, *leaving) if r.tracks_source)

    def show(self, name: str, interface: Interface | None) -> bool:
        """An interface is so now; True when something has changed that routers depend on.

        With hundreds of addresses on it an interface changes hundreds of times in a takeover.
        """
        before = self.interfaces.pop(name, None)
        if interface is not None:
            self.interfaces[name] = interface
        return self._essence(before) != self._essence(interface)

    def addresses_on(self, device: str) -> tuple[IPInterface, ...]:
        """What stands there in the kernel."""
        interface = self.interfaces.get(device)
        return () if interface is None else interface.addresses

    def parameters(self, record: Record) -> Parameters | None:
        """None when the interface has no address to speak from."""
        router = record.router
        interface = self.interfaces.get(router.interface)
        source = router.source_address
        if source is None and interface is not None:
            source = faults.primary_address(interface, router.family, self._virtual)
        if source is None:
            return None
        place = self._places.get(router.identity, grid.ALONE)
        company = self.groups.others(router)
        crowds = [self._places.get(r.identity, grid.ALONE).crowd for r in (router, *company)]
        return Parameters(
            router=router,
            priority=DRAINED_PRIORITY if record.drained else tracking.effective_priority(router, self.checks),
            primary_address=source,
            phase=place.phase,
            crowd=max(crowds),
            handed_over=record.handed_over,
            holds_back=record.drained or self.is_worse(router),
            held_until=self._held_until or 0,
            company=company,
            announcement=tuple(self._announcement(router)),
            own_announcement=self._own_announcement(router, source),
        )

    def channel(self, record: Record) -> Channel | None:
        """How its advertisements leave; None while there is nothing that they could leave by."""
        router, p = record.router, record.parameters
        interface = self.interfaces.get(router.advertising_device)
        if interface is None or p is None:
            return None
        return Channel(
            interface.name,
            interface.index,
            p.primary_address,
            router.destinations,
            TTL if router.unicast is None else router.unicast.ttl,
            ah.PROTOCOL if router.is_sealed else PROTOCOL,
        )

    def faults(self, record: Record) -> frozenset[Fault]:
        """All that holds the router in Initialize, but for its sync group."""
        found = faults.of(record, self.interfaces, self.checks, self._virtual)
        return found | self.installation.faults(record.router)

    def is_troubled_anew(self, record: Record) -> bool:
        """A static thing that it depends on was refused or restored since it was looked at."""
        known = {fault for fault in record.own_faults if fault.kind is FaultKind.STATIC_REFUSED}
        return self.installation.faults(record.router) != known

    def asks(self, record: Record) -> bool:
        """It is worse, or another of its sync group is."""
        return any(self.is_worse(other.router) for other in self.groups.together(record))

    def is_worse(self, router: VirtualRouter) -> bool:
        """A check has made it worse than it could be, and its block says `nopreempt`."""
        if not router.resigns_when_worse or router.strict or router.is_owner:
            return False
        return any(tracking.lowers(tracker, self.checks[tracker.subject]) for tracker in router.trackers)

    def why_worse(self, router: VirtualRouter) -> str:
        """Which checks, in words."""
        return tracking.lowering_words(router.trackers, self.checks)

    def _announcement(self, router: VirtualRouter) -> Iterator[Frame]:
        for address in (*router.addresses, *router.excluded):
            yield from self._announced(address.ip, address.place)

    def _own_announcement(self, router: VirtualRouter, source: IPAddress) -> tuple[Frame, ...]:
        """For unicast peers, which have to resolve the address that it advertises from; if it is ours to claim."""
        if router.unicast is None or source not in {a.ip for a in self.addresses_on(router.interface)}:
            return ()
        return tuple(self._announced(source, router.advertising_device))

    def _announced(self, ip: IPAddress, device: str) -> Iterator[Frame]:
        interface = self.interfaces.get(device)
        if interface is None or not interface.mac:
            return
        if isinstance(ip, IPv4Address):
            yield Frame(ip, device, gratuitous_arp(interface.mac, ip))
        else:
            yield Frame(ip, device, unsolicited_na(interface.mac, ip, router=interface.forwards))

    def _essence(self, interface: Interface | None) -> tuple[object, ...] | None:
        if interface is None:
            return None
        primary = [faults.primary_address(interface, family, self._virtual) for family in Family]
        sources = self._sources and self._sources.intersection(address.ip for address in interface.addresses)
        return (interface.index, interface.up, interface.mac, interface.forwards, sources, *primary)
