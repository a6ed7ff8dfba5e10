"""What is in the kernel while the daemon runs, whoever is Master: made of the configuration and the interfaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from vrrpd import firewall
from vrrpd.addresses import AddressBook, Key
from vrrpd.model import (
    Config,
    DeviceSetting,
    Family,
    Firewall,
    Held,
    Identity,
    Instant,
    Interface,
    IPInterface,
    Macvlan,
    Moving,
    NodeSetting,
    Route,
    VirtualAddress,
    VirtualRouter,
)
from vrrpd.records import Fault, FaultKind
from vrrpd.retrying import Repair
from vrrpd.states import AddAddresses, RemoveAddresses

Effects: TypeAlias = tuple[AddAddresses | RemoveAddresses, ...]

NODE = Identity("", Family.IPV4, 0)
"""Who needs what no router needs."""

_VIRTUAL_MACS = {Family.IPV4: bytes.fromhex("00005e0001"), Family.IPV6: bytes.fromhex("00005e0002")}
"""RFC 5798 section 7.3; the last byte is the VRID."""
_LOCAL_IGMP = "net/ipv4/igmp_link_local_mcast_reports"


def things(config: Config, routers: Iterable[VirtualRouter], interfaces: Mapping[str, Interface]) -> tuple[Held, ...]:
    """In the order in which they are put there; `routers`: those that are configured or still leave."""
    routers = tuple(routers)
    rules = firewall.rules(routers)
    found: list[Held] = [NodeSetting(_LOCAL_IGMP, 0)] if config.disables_local_igmp else []
    if rules:
        found.append(Firewall(rules))  # before a macvlan can say anything
    for router in routers:
        found += _settings(router)
        found += _virtual_mac(router, interfaces)
    found += (thing.bare for thing in config.static_addresses)
    found += (thing.bare for thing in config.static_routes)
    found += (thing.bare for thing in config.static_rules)
    return tuple(dict.fromkeys(found))


class Installation:
    """Owns these things in the book, and puts them back when somebody else takes them away."""

    def __init__(self, book: AddressBook) -> None:
        self.things: tuple[Held, ...] = ()
        self.repair = Repair()
        self._book = book
        self._static: tuple[Moving, ...] = ()
        self._groups: dict[str, frozenset[str]] = {}

    def configure(self, config: Config) -> None:
        """From now on this says who leaves Master for what."""
        self._static = (*config.static_addresses, *config.static_routes, *config.static_rules)
        self._groups = {group.name: frozenset(group.routers) for group in config.track_groups}

    def become(self, wanted: tuple[Held, ...], *, somebody_leaves: bool) -> Effects:
        """The difference; who leaves keeps what is there until it has left."""
        gone = tuple(thing for thing in reversed(self.things) if thing not in wanted)
        new = tuple(thing for thing in wanted if thing not in self.things)
        if somebody_leaves:
            wanted, gone = (*wanted, *reversed(gone)), ()
        self.things = wanted
        self._book.need(NODE, new)
        return _effects(self._book.drop(NODE, gone), new)

    def shown(self, name: str, before: Interface | None, interface: Interface | None, now: Instant) -> Effects:
        """What went with an interface is put back once it is there and up, and a macvlan that is down is set up."""
        if interface is None:
            return self.lost({t for t in self.things if isinstance(t, Macvlan) and t.device == name}, now)
        is_new = before is None or before.index != interface.index or (interface.up and not before.up)
        standing = tuple(
            thing
            for thing in self.things
            if _stands_on(thing, name) and (is_new or (isinstance(thing, Macvlan) and not interface.up))
        )
        for thing in standing:
            self._book.lost(thing.key)
        return _effects((), standing)

    def lost(self, keys: Iterable[Key], now: Instant) -> Effects:
        """Somebody else has taken these away."""
        tracked: list[Key] = [thing.key for thing in self._static if thing.is_tracked]
        tracked += [thing.key for thing in self.things if isinstance(thing, Macvlan | VirtualAddress)]
        if not [key for key in set(keys).intersection(tracked) if self._book.lost(key)]:
            return ()
        self.repair.lost(0, now)
        return self.due() if self.repair.is_due(now) else ()

    def judge(self, now: Instant) -> None:
        """The kernel has answered: what is missing is tried again, at growing intervals."""
        if not self._book.unconfirmed(self.things):
            self.repair.rest()
        elif self.repair.next_at is None:
            self.repair.again(now)

    def due(self) -> Effects:
        """It is time to try again."""
        self.repair.next_at = None
        return _effects((), self._book.unconfirmed(self.things))

    def faults(self, router: VirtualRouter) -> frozenset[Fault]:
        """Static things that cannot be restored, and for which this router leaves Master."""
        return frozenset(
            Fault(FaultKind.STATIC_REFUSED, str(thing), f"the kernel refuses {thing.bare}")
            for thing in self._static
            if thing.track_group is not None
            and router.name in self._groups.get(thing.track_group, ())
            and self._book.is_refused(thing.key)
        )


def _effects(gone: tuple[Held, ...], new: tuple[Held, ...]) -> Effects:
    removal = (RemoveAddresses(gone),) if gone else ()
    return (*removal, AddAddresses(new)) if new else removal


def _stands_on(thing: Held, name: str) -> bool:
    """It goes when that interface goes."""
    match thing:
        case Macvlan():
            return name in {thing.parent, thing.device}
        case VirtualAddress() | DeviceSetting():
            return thing.device == name
        case Firewall():
            return f'"{name}"' in thing.rules
        case Route():
            # The kernel drops it without a word, and says not by which interface it has found its way.
            return any(hop.device in {None, name} for hop in thing.next_hops)
        case _:
            return False


def _settings(router: VirtualRouter) -> Iterator[Held]:
    if router.promotes_secondaries:
        yield DeviceSetting(router.interface, "promote_secondaries", 1)
    if router.family is Family.IPV4:
        for below in router.macvlans.values():
            # It must not answer for what stands on the macvlan (the kernel answers on any interface by default).
            yield DeviceSetting(below, "arp_ignore", 1)
            yield DeviceSetting(below, "arp_filter", 1)


def _virtual_mac(router: VirtualRouter, interfaces: Mapping[str, Interface]) -> Iterator[Held]:
    virtual = router.virtual_mac
    mac = _VIRTUAL_MACS[router.family] + bytes([router.vrid])
    group = None
    if virtual is not None:
        mac, group = virtual.mac or mac, virtual.link_group
    for device, below in router.macvlans.items():
        yield Macvlan(device, below, mac, group)
    source = _link_local(interfaces.get(router.interface))
    speaks = virtual is not None and not virtual.advertises_on_base
    if speaks and router.family is Family.IPV6 and source is not None:
        # Its own would be made of the virtual MAC, the same on all nodes.
        yield VirtualAddress(source, router.advertising_device, scope=253, preferred_lifetime=0)


def _link_local(interface: Interface | None) -> IPInterface | None:
    addresses = () if interface is None else interface.addresses
    return next((a for a in addresses if a.version == Family.IPV6.value and a.ip.is_link_local), None)
