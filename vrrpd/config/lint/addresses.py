"""What moves: the addresses, and what the kernel makes of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from vrrpd.config.lint.rules import Advice, Rule, Subject
from vrrpd.model import IPAddress, IPInterface, IPNetwork, Version, VirtualAddress, VirtualRouter

_HAS_ENDS = 31
"""A shorter IPv4 prefix has a network address and a broadcast address."""


def _every(subject: Subject) -> Iterator[tuple[VirtualRouter, VirtualAddress]]:
    for router in subject.config.routers:
        for address in router.addresses + router.excluded:
            yield router, address


def _no_address(subject: Subject) -> Iterator[Advice]:
    """In version 3 and strict mode it is an error, which is said already."""
    for router in subject.config.routers:
        if router.addresses or subject.says(router, "no_virtual_ipaddress"):
            continue
        if router.strict or router.version is Version.V3:
            continue
        if router.excluded:
            message = f"{router.name} advertises no address, all of its own are excluded ones"
            hint = "put one into virtual_ipaddress, or write no_virtual_ipaddress"
        else:
            message = f"{router.name} has no address: nothing moves when it becomes Master"
            hint = "virtual_ipaddress { 192.0.2.100/24 }, or no_virtual_ipaddress if only scripts are to act"
        yield Advice(subject.at(router, "virtual_ipaddress"), message, hint)


def _duplicate_address(subject: Subject) -> Iterator[Advice]:
    first: dict[object, tuple[VirtualRouter, VirtualAddress]] = {}
    for router, address in _every(subject):
        key = address.key if address.ip.is_link_local else address.ip  # a link-local one may be on each interface
        if key not in first:
            first[key] = (router, address)
            continue
        other, before = first[key]
        where = f"{router.name} twice" if other is router else f"{other.name} and in {router.name}"
        devices = "" if before.device == address.device else f", there on {before.device} and here on {address.device}"
        yield Advice(
            subject.places.address(router.name, address.ip),
            f"{address.ip} stands in {where}{devices}",
            "keep one of them",
        )


def _odd_address(subject: Subject) -> Iterator[Advice]:
    for router, address in _every(subject):
        if (what := _oddity(address.interface)) is not None:
            yield Advice(
                subject.places.address(router.name, address.ip),
                f"{address.ip} is {what}: no host can reach it",
                "an address of the hosts' own network that nobody else has",
            )


def _oddity(interface: IPInterface) -> str | None:
    ip, network = interface.ip, interface.network
    if ip.is_unspecified:
        return "no address but the word for any"
    if ip.is_loopback:
        return "a loopback address"
    if ip.is_multicast:
        return "a multicast address"
    if ip.version == 4 and network.prefixlen < _HAS_ENDS:  # noqa: PLR2004 - IPv6 has neither
        if ip == network.network_address:
            return f"the name of the network {network}"
        if ip == network.broadcast_address:
            return f"the broadcast address of {network}"
    return None


def _missing_prefix(subject: Subject) -> Iterator[Advice]:
    """/32 is what most files mean. Not where the same file gives the same network another prefix."""
    networks: dict[str, set[IPNetwork]] = defaultdict(set)
    for _, address in _every(subject):
        if not _is_whole(address):
            networks[address.device].add(address.interface.network)
    for router, address in _every(subject):
        if not _is_whole(address) or address.device not in networks:
            continue
        around = next((net for net in networks[address.device] if address.ip in net), None)
        if around is not None and not address.ip.is_link_local:
            length, most = around.prefixlen, address.ip.max_prefixlen
            yield Advice(
                subject.places.address(router.name, address.ip),
                f"{address.ip} is a /{most}, while the others of {around} on {address.device} are /{length}",
                f"{address.ip}/{length}, if the same is meant",
            )


def _is_whole(address: VirtualAddress) -> bool:
    return address.interface.network.prefixlen == address.ip.max_prefixlen


def _lonely_prefix(subject: Subject) -> Iterator[Advice]:
    """A /32 needs something else that gives its interface a network; one without any source speaks of that instead."""
    if not subject.node.is_here or subject.config.static_routes:
        return
    for router, address in _every(subject):
        if address.ip.version != 4 or not _is_whole(address) or router.routes or router.virtual_mac:  # noqa: PLR2004
            continue
        elsewhere = address.device != router.interface or router.source_address is not None
        if elsewhere and not address.device.startswith(_WITHOUT_HOSTS) and not _networks(subject, address.device):
            yield Advice(
                subject.places.address(router.name, address.ip),
                f"{address.ip} is a /32 and {address.device} has no network besides: hosts there get no answer",
                f"the prefix of that network, for instance {address.ip}/24",
            )


_WITHOUT_HOSTS = ("lo", "dummy")


def _networks(subject: Subject, device: str) -> list[IPNetwork]:
    """What an interface reaches directly in IPv4, now or with what is configured."""
    configured = [address.interface for _, address in _every(subject) if address.device == device]
    configured += [address.interface for address in subject.config.static_addresses if address.device == device]
    return [
        interface.network
        for interface in (*subject.node.addresses(device), *configured)
        if interface.version == 4 and interface.network.prefixlen < interface.max_prefixlen  # noqa: PLR2004
    ]


def _own(subject: Subject, device: str, ours: AbstractSet[IPAddress]) -> list[IPInterface]:
    """What stands on an interface without us."""
    return [interface for interface in subject.node.addresses(device) if interface.ip not in ours]


def _other_prefix(subject: Subject) -> Iterator[Advice]:
    ours = {address.ip for _, address in _every(subject)}
    for router, address in _every(subject):
        if address.ip.version != 4 or _is_whole(address):  # noqa: PLR2004
            continue
        around = [own.network for own in _own(subject, address.device, ours) if address.ip in own.network]
        if around and address.interface.network not in around:
            net = address.interface.network
            yield Advice(
                subject.places.address(router.name, address.ip),
                f"{address.device} is in {around[0]}, the address in {net}: while it is here, this node speaks to {net}"
                " from it",
                f"{address.ip}/{around[0].prefixlen}, or no prefix",
            )


def _secondaries(subject: Subject) -> Iterator[Advice]:
    """The kernel removes all addresses of a prefix with its first one, unless it is told not to."""
    first: dict[tuple[str, IPNetwork], tuple[VirtualRouter, VirtualAddress]] = {}
    told: set[tuple[str, IPNetwork]] = set()
    ours = {address.ip for _, address in _every(subject)}
    for router, address in _every(subject):
        key = (address.device, address.interface.network)
        if key not in first:
            first[key] = (router, address)
            continue
        other, before = first[key]
        if before.ip == address.ip or _is_whole(address) or address.ip.version != 4 or key in told:  # noqa: PLR2004
            continue
        if router.promotes_secondaries or other.promotes_secondaries or not _loses_secondaries(subject, *key, ours):
            continue
        told.add(key)
        yield Advice(
            subject.places.address(router.name, address.ip),
            f"when {before.ip} goes from {address.device}, the kernel takes {address.ip} and all of"
            f" {address.interface.network} with it",
            f"promote_secondaries in the block, or sysctl net.ipv4.conf.{address.device}.promote_secondaries=1",
        )


def _loses_secondaries(subject: Subject, device: str, network: IPNetwork, ours: AbstractSet[IPAddress]) -> bool:
    """Not where the interface's own address comes first, which nobody removes."""
    if subject.node.promotes_secondaries(device):
        return False
    return all(own.network != network for own in _own(subject, device, ours))


RULES: Mapping[str, Rule] = {
    "no-address": _no_address,
    "duplicate-address": _duplicate_address,
    "odd-address": _odd_address,
    "missing-prefix": _missing_prefix,
    "lonely-prefix": _lonely_prefix,
    "other-prefix": _other_prefix,
    "secondaries": _secondaries,
}
