"""What keeps a virtual router from running: its interfaces, its source address, its weight-0 checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Interface

from vrrpd import tracking
from vrrpd.model import Interface, IPAddress, VirtualRouter
from vrrpd.records import Fault, FaultKind, Record
from vrrpd.tracking import Check, CheckState


def of(
    record: Record, interfaces: Mapping[str, Interface], checks: Mapping[str, Check], virtual: frozenset[IPAddress]
) -> frozenset[Fault]:
    """All that holds the router in Initialize now."""
    found = [*_of_interfaces(record.router, interfaces, virtual), *_of_checks(record, checks)]
    if record.addresses_refused is not None:
        found.append(record.addresses_refused)
    return frozenset(found)


def deafens(fault: Fault, router: VirtualRouter) -> bool:
    """Nobody on the LAN can hear this router: handing over is impossible."""
    match fault.kind:
        case FaultKind.INTERFACE_MISSING | FaultKind.INTERFACE_DOWN | FaultKind.NO_PRIMARY_ADDRESS:
            return fault.of == router.interface
        case _:
            return False


def virtual_addresses(routers: Iterable[VirtualRouter]) -> frozenset[IPAddress]:
    """What no advertisement may come from: an owner's addresses are its own, the others move."""
    return frozenset(address.ip for router in routers if not router.is_owner for address in router.addresses)


def primary_address(interface: Interface, virtual: frozenset[IPAddress]) -> IPv4Address | None:
    """The first address of the interface that no router of ours has as virtual (RFC 5798 section 1.2)."""
    candidates = (a.ip for a in interface.addresses if isinstance(a, IPv4Interface))
    return next((ip for ip in candidates if ip not in virtual), None)


def _of_interfaces(
    router: VirtualRouter, interfaces: Mapping[str, Interface], virtual: frozenset[IPAddress]
) -> Iterator[Fault]:
    for name in sorted({router.interface, *(address.device for address in router.addresses)}):
        interface = interfaces.get(name)
        if interface is None:
            yield Fault(FaultKind.INTERFACE_MISSING, name, f"there is no interface {name}")
        elif not interface.up:
            yield Fault(FaultKind.INTERFACE_DOWN, name, f"{name} is down")
        elif name == router.interface and primary_address(interface, virtual) is None:
            yield Fault(FaultKind.NO_PRIMARY_ADDRESS, name, f"{name} has no IPv4 address to advertise from")


def _of_checks(record: Record, checks: Mapping[str, Check]) -> Iterator[Fault]:
    for tracker in record.router.scripts:
        check = checks[tracker.script]
        if tracking.forbids(tracker, check):
            yield Fault(FaultKind.CHECK_FAILED, tracker.script, check.words)
        elif tracker.weight == 0 and check.state is CheckState.PENDING and not record.has_run:
            yield Fault(FaultKind.CHECK_PENDING, tracker.script, check.words)
