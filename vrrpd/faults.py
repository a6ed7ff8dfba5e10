"""What keeps a virtual router from running: its interfaces, its source address, its weight-0 checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from vrrpd import tracking
from vrrpd.model import Family, Interface, IPAddress, Subject, VirtualRouter
from vrrpd.records import Fault, FaultKind, Record
from vrrpd.tracking import Check, CheckState, LinkState


def of(
    record: Record, interfaces: Mapping[str, Interface], checks: Mapping[Subject, Check], virtual: frozenset[IPAddress]
) -> frozenset[Fault]:
    """All that holds the router in Initialize now."""
    found = [
        *_of_interfaces(record.router, interfaces, virtual),
        *_of_channel(record.router, interfaces),
        *_of_checks(record, checks),
    ]
    if record.addresses_refused is not None:
        found.append(record.addresses_refused)
    if record.barred:
        found.append(Fault(FaultKind.DRAINED, record.router.name, "drained by an operator"))
    return frozenset(found)


def deafens(fault: Fault, router: VirtualRouter) -> bool:
    """Nobody on the LAN can hear this router: handing over is impossible."""
    match fault.kind:
        case FaultKind.INTERFACE_MISSING | FaultKind.INTERFACE_DOWN | FaultKind.NO_PRIMARY_ADDRESS:
            return fault.of in {router.interface, router.advertising_device}
        case FaultKind.SOURCE_MISSING | FaultKind.NO_PEERS:
            return True
        case _:
            return False


def virtual_addresses(routers: Iterable[VirtualRouter]) -> frozenset[IPAddress]:
    """What no advertisement may come from: an owner's addresses are its own, the others move."""
    movers = (router for router in routers if not router.is_owner)
    return frozenset(address.ip for router in movers for address in (*router.addresses, *router.excluded))


def primary_address(interface: Interface, family: Family, virtual: frozenset[IPAddress]) -> IPAddress | None:
    """Where a router of that family advertises from (RFC 5798 sections 5.1.1.1 and 5.1.2.1).

    The first IPv4 address, or the first link-local one, that no router of ours has as virtual.
    """
    for address in interface.addresses:
        usable = address.ip.is_link_local if family is Family.IPV6 else True
        if address.ip.version == family and usable and address.ip not in virtual:
            return address.ip
    return None


def _of_interfaces(
    router: VirtualRouter, interfaces: Mapping[str, Interface], virtual: frozenset[IPAddress]
) -> Iterator[Fault]:
    for name in sorted(devices(router)):
        interface = interfaces.get(name)
        if interface is None:
            yield Fault(FaultKind.INTERFACE_MISSING, name, f"there is no interface {name}")
        elif not interface.up and _counts_when_down(router, name):
            yield Fault(FaultKind.INTERFACE_DOWN, name, f"{name} is down")
        elif name == router.interface and _lacks_source(router, interface, virtual):
            which = "IPv4" if router.family is Family.IPV4 else "IPv6 link-local"
            yield Fault(FaultKind.NO_PRIMARY_ADDRESS, name, f"{name} has no {which} address to advertise from")


def devices(router: VirtualRouter) -> set[str]:
    """The interfaces that it cannot do without: where it advertises, and those of what it holds and tracks."""
    held = (*router.addresses, *router.excluded)
    found = {router.interface, router.advertising_device, *(a.device for a in held if a.is_tracked)}
    found |= {a.place for a in held if a.is_tracked}
    for route in router.routes:
        found.update(hop.device for hop in route.next_hops if hop.device is not None and route.is_tracked)
    return found


def _counts_when_down(router: VirtualRouter, name: str) -> bool:
    """Our macvlan is down while its addresses go; it is the interface below it that counts."""
    if name in router.macvlans:
        return False
    return router.tracks_interface or name != router.interface


def _lacks_source(router: VirtualRouter, interface: Interface, virtual: frozenset[IPAddress]) -> bool:
    return router.source_address is None and primary_address(interface, router.family, virtual) is None


def _of_channel(router: VirtualRouter, interfaces: Mapping[str, Interface]) -> Iterator[Fault]:
    source = router.source_address
    if router.tracks_source and source is not None:
        here = (address.ip for interface in interfaces.values() for address in interface.addresses)
        if source not in here:
            yield Fault(FaultKind.SOURCE_MISSING, str(source), f"{source}, its source address, is not on this node")
    if router.needs_peers and not router.destinations:
        yield Fault(FaultKind.NO_PEERS, router.name, "no unicast peer is configured (unicast_fault_no_peer)")


def _of_checks(record: Record, checks: Mapping[Subject, Check]) -> Iterator[Fault]:
    for tracker in record.router.trackers:
        check = checks[tracker.subject]
        if tracking.forbids(tracker, check):
            yield _fault(check)
        elif tracker.weight == 0 and check.state is CheckState.PENDING and not record.has_run:
            yield Fault(FaultKind.CHECK_PENDING, str(tracker.subject), check.words)


def _fault(check: Check) -> Fault:
    """An interface that is tracked, and has an address on it besides, is one object and one fault."""
    if isinstance(check, LinkState) and not check.up:
        kind = FaultKind.INTERFACE_MISSING if check.up is None else FaultKind.INTERFACE_DOWN
        return Fault(kind, check.name, check.words)
    return Fault(FaultKind.CHECK_FAILED, str(check.subject), check.words)
