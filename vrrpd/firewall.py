"""What we ask of nftables, as one text that is loaded in one step.

What is sent to a router that does not accept (RFC 5798 section 6.1, Accept_Mode) is dropped whether its addresses are
here or not: nothing has to be done at a takeover. A virtual MAC must not be the source of what the kernel says by
itself, or switches would learn it at a Backup's port: memberships are told from the interface below.
"""

from __future__ import annotations

from collections.abc import Iterable

from vrrpd.model import Family, IPAddress, VirtualRouter

TABLE = "vrrpd"
_BEFORE_OTHERS = "priority -1; policy accept;"


def rules(routers: Iterable[VirtualRouter]) -> str:
    """In nft's language; empty when nothing is asked."""
    routers = tuple(routers)
    closed = sorted(_closed(routers), key=lambda ip: (ip.version, int(ip)))
    macvlans = {device: below for router in routers for device, below in router.macvlans.items()}
    if not closed and not macvlans:
        return ""
    ipv4 = [str(ip) for ip in closed if ip.version == Family.IPV4.value]
    ipv6 = [str(ip) for ip in closed if ip.version == Family.IPV6.value]
    return _replaced("ip", *_ipv4(ipv4, macvlans)) + _replaced("ip6", *_ipv6(ipv6, macvlans))


def _closed(routers: tuple[VirtualRouter, ...]) -> set[IPAddress]:
    return {
        address.ip
        for router in routers
        if not router.accept and not router.is_owner
        for address in (*router.addresses, *router.excluded)
    }


def _replaced(family: str, incoming: list[str], outgoing: list[str]) -> str:
    """A table, whatever it was before."""
    chains = [_chain("incoming", "input", incoming), _chain("outgoing", "output", outgoing)]
    body = "".join(chain for chain in chains if chain)
    return f"add table {family} {TABLE}\ndelete table {family} {TABLE}\ntable {family} {TABLE} {{\n{body}}}\n"


def _chain(name: str, hook: str, statements: list[str]) -> str:
    if not statements:
        return ""
    lines = "".join(f"\t\t{statement}\n" for statement in statements)
    return f"\tchain {name} {{\n\t\ttype filter hook {hook} {_BEFORE_OTHERS}\n{lines}\t}}\n"


def _ipv4(closed: list[str], macvlans: dict[str, str]) -> tuple[list[str], list[str]]:
    incoming, outgoing = [], []
    if macvlans:
        outgoing.append(f"ip protocol igmp {_from_below('ip', macvlans)}")
    if closed:
        incoming.append(f"ip daddr {_set(closed)} drop")
        outgoing.append(f"ip saddr {_set(closed)} drop")
    return incoming, outgoing


def _ipv6(closed: list[str], macvlans: dict[str, str]) -> tuple[list[str], list[str]]:
    incoming, outgoing = [], []
    if macvlans:
        devices = _set(f'"{device}"' for device in macvlans)
        incoming.append(f"iifname {devices} icmpv6 type nd-router-advert drop")
        outgoing.append(f"icmpv6 type {{ mld-listener-report, mld2-listener-report }} {_from_below('ip6', macvlans)}")
        outgoing.append(f"oifname {devices} icmpv6 type nd-router-solicit drop")
    if closed:
        neighbours = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
        incoming += [neighbours, f"ip6 daddr {_set(closed)} drop"]
        outgoing += [neighbours, f"ip6 saddr {_set(closed)} drop"]
    return incoming, outgoing


def _from_below(family: str, macvlans: dict[str, str]) -> str:
    """Sent by the interface below a macvlan instead."""
    devices = _set(f'"{device}"' for device in macvlans)
    below = _set(f'"{device}" : "{parent}"' for device, parent in macvlans.items())
    return f"oifname {devices} dup to {family} daddr device oifname map {below} drop"


def _set(elements: Iterable[str]) -> str:
    return f"{{ {', '.join(elements)} }}"
