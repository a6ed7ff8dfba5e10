"""What is held in the kernel, as finished rtnetlink requests. Only the sequence number is put in when one is sent."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from pyroute2.netlink import NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST
from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELROUTE,
    RTM_DELRULE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    RTM_NEWRULE,
    RTM_SETLINK,
)
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import (
    IFA_F_HOMEADDRESS,
    IFA_F_MANAGETEMPADDR,
    IFA_F_MCAUTOJOIN,
    IFA_F_NODAD,
    IFA_F_NOPREFIXROUTE,
    ifaddrmsg,
)
from pyroute2.netlink.rtnl.ifinfmsg import IFF_UP, ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from vrrpd.linux.rtnetlink import encode
from vrrpd.linux.settings import Settings
from vrrpd.model import (
    FOREVER,
    DeviceSetting,
    Family,
    Macvlan,
    NextHop,
    Route,
    Rule,
    Silence,
    VirtualAddress,
)

ADDRESS_PROTOCOL = 112
"""Our mark on an address (IFA_PROTO, from Linux 5.18 on; iproute2 6.3 shows it). keepalived's is 18."""
RULE_PROTOCOL = 18
"""RTPROT_KEEPALIVED, which `ip rule` shows by its name; routes say theirs themselves."""

ByRequest: TypeAlias = VirtualAddress | Route | Rule | Macvlan | DeviceSetting | Silence
"""What rtnetlink requests put there and take away."""
IndexOf: TypeAlias = Callable[[str], int]
"""An interface's index by its name; OSError when there is none."""
Attributes: TypeAlias = list[tuple[str, object]]

_SEQUENCE_AT = 8
_UINT32 = struct.Struct("=I")
_HEADER, _IFINFO, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BxHiII"), struct.Struct("=HH")
_IFLA_IFNAME, _IFLA_AF_SPEC, _IFLA_INET_CONF, _IFLA_INET6_ADDR_GEN_MODE = 3, 26, 1, 8
_IPV4_SETTINGS = {"rp_filter": 8, "arp_filter": 13, "arp_ignore": 19, "promote_secondaries": 20, "accept_local": 23}
"""IPV4_DEVCONF_ numbers: set by rtnetlink, they need no /proc/sys that can be written."""
_RTNH_F_ONLINK = 4
_FIB_RULE_INVERT = 2
_ROUTE_KINDS = {
    "unicast": 1,
    "local": 2,
    "broadcast": 3,
    "anycast": 4,
    "multicast": 5,
    "blackhole": 6,
    "unreachable": 7,
    "prohibit": 8,
    "throw": 9,
    "nat": 10,
}
_RULE_ACTIONS = {"lookup": 1, "goto": 2, "nop": 3, "blackhole": 6, "unreachable": 7, "prohibit": 8}
_SCOPE_LINK, _SCOPE_HOST = 253, 254


@dataclass(frozen=True, slots=True)
class Requests:
    """What adds and what deletes one thing; each asks for an acknowledgement, sequence number 0."""

    add: tuple[bytes, ...]
    delete: bytes


def numbered(request: bytes, sequence: int) -> bytes:
    """The request with its sequence number."""
    copy = bytearray(request)
    _UINT32.pack_into(copy, _SEQUENCE_AT, sequence)
    return bytes(copy)


def devices(thing: ByRequest) -> tuple[str, ...]:
    """The interfaces whose indexes stand in its requests."""
    match thing:
        case VirtualAddress() | DeviceSetting() | Silence():
            return (thing.device,)
        case Macvlan():
            return (thing.parent,)
        case Route():
            return tuple(hop.device for hop in thing.next_hops if hop.device is not None)
        case Rule():
            return ()
        case _:
            assert_never(thing)


def requests(thing: ByRequest, index_of: IndexOf, settings: Settings) -> Requests:
    """Raises what `index_of` does, and OSError when a setting cannot be read."""
    match thing:
        case VirtualAddress():
            return _address(thing, index_of)
        case Route():
            return _route(thing, index_of)
        case Rule():
            return _rule(thing)
        case Macvlan():
            return _macvlan(thing, index_of, settings)
        case DeviceSetting():
            index = index_of(thing.device)
            before = settings.before(thing, index)
            return Requests((_setting(index, thing.name, thing.value),), _setting(index, thing.name, before))
        case Silence():
            index = index_of(thing.device)
            return Requests((_link_flags(index, up=True),), _link_flags(index, up=False))
        case _:
            assert_never(thing)


def _family(family: Family) -> int:
    return socket.AF_INET if family is Family.IPV4 else socket.AF_INET6


def _address(address: VirtualAddress, index_of: IndexOf) -> Requests:
    index = index_of(address.device)
    other_end = address.ip if address.peer is None else address.peer.ip
    place: Attributes = [("IFA_LOCAL", str(address.ip)), ("IFA_ADDRESS", str(other_end))]
    more: Attributes = [("IFA_PROTO", ADDRESS_PROTOCOL)]
    if address.label is not None:
        more.append(("IFA_LABEL", address.label))
    if address.broadcast is not None:
        more.append(("IFA_BROADCAST", str(address.broadcast)))
    if flags := _address_flags(address):
        more.append(("IFA_FLAGS", flags))
    preferred = _preferred_lifetime(address)
    if preferred is not None:
        lifetimes = {"ifa_preferred": preferred, "ifa_valid": FOREVER, "cstamp": 0, "tstamp": 0}
        more.append(("IFA_CACHEINFO", lifetimes))

    def message(attributes: Attributes) -> ifaddrmsg:
        message = ifaddrmsg()
        message["family"] = _family(Family(address.ip.version))
        message["prefixlen"] = (address.peer or address.interface).network.prefixlen
        message["scope"] = address.scope
        message["index"] = index
        message["attrs"] = attributes
        return message

    return Requests(
        add=(encode(message(place + more), RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK),),
        delete=encode(message(place), RTM_DELADDR, NLM_F_ACK),
    )


def _address_flags(address: VirtualAddress) -> int:
    flags = 0
    if Family(address.ip.version) is Family.IPV6 and not address.detects_duplicates:
        flags |= IFA_F_NODAD  # duplicate address detection would fail while the old Master still has it
    if address.without_prefix_route:
        flags |= IFA_F_NOPREFIXROUTE
    if address.is_home:
        flags |= IFA_F_HOMEADDRESS
    if address.manages_temporary:
        flags |= IFA_F_MANAGETEMPADDR
    if address.joins_group:
        flags |= IFA_F_MCAUTOJOIN
    return int(flags)


def _preferred_lifetime(address: VirtualAddress) -> int | None:
    """None: say nothing of it."""
    if address.preferred_lifetime is not None:
        return address.preferred_lifetime
    whole = Family(address.ip.version) is Family.IPV6 and address.interface.network.num_addresses == 1
    return 0 if whole and address.peer is None else None


def _route(route: Route, index_of: IndexOf) -> Requests:
    """As `ip route` would write it, so that the kernel shows the same for the same words."""
    attributes: Attributes = []
    if route.destination.prefixlen:
        attributes.append(("RTA_DST", str(route.destination.network_address)))
    attributes.append(("RTA_TABLE", route.table))
    if route.source is not None:
        attributes.append(("RTA_PREFSRC", str(route.source)))
    if route.metric is not None:
        attributes.append(("RTA_PRIORITY", route.metric))
    flags = _add_next_hops(route, attributes, index_of)
    metrics = [(f"RTAX_{name.upper()}", value) for name, value in route.metrics]
    more: Attributes = [("RTA_METRICS", {"attrs": metrics})] if metrics else []

    def message(attributes: Attributes) -> rtmsg:
        message = rtmsg()
        message["family"] = _family(route.family)
        message["dst_len"] = route.destination.prefixlen
        message["tos"] = route.tos
        message["table"] = route.table if route.table < 256 else 252  # noqa: PLR2004  RT_TABLE_COMPAT
        message["proto"] = route.protocol
        message["scope"] = _scope(route)
        message["type"] = _ROUTE_KINDS[route.kind]
        message["flags"] = flags
        message["attrs"] = attributes
        return message

    order = NLM_F_APPEND if route.appended else 0
    return Requests(
        add=(encode(message(attributes + more), RTM_NEWROUTE, NLM_F_CREATE | order | NLM_F_ACK),),
        delete=encode(message(attributes), RTM_DELROUTE, NLM_F_ACK),
    )


def _scope(route: Route) -> int:
    if route.scope is not None:
        return route.scope
    if route.family is Family.IPV4:
        if route.kind in {"local", "nat"}:
            return _SCOPE_HOST
        on_link = route.kind == "unicast" and all(hop.gateway is None for hop in route.next_hops)
        if on_link or route.kind in {"broadcast", "multicast", "anycast"}:
            return _SCOPE_LINK
    return 0


def _add_next_hops(route: Route, attributes: Attributes, index_of: IndexOf) -> int:
    """The flags of the whole route."""
    if len(route.next_hops) > 1:
        ways = [_one_of_many(hop, index_of) for hop in route.next_hops]
        attributes.append(("RTA_MULTIPATH", ways))
        return 0
    for hop in route.next_hops:
        attributes += _way(hop)
        if hop.device is not None:
            attributes.append(("RTA_OIF", index_of(hop.device)))
        return _RTNH_F_ONLINK if hop.on_link else 0
    return 0


def _one_of_many(hop: NextHop, index_of: IndexOf) -> dict[str, object]:
    return {
        "flags": _RTNH_F_ONLINK if hop.on_link else 0,
        "hops": hop.weight - 1,
        "oif": 0 if hop.device is None else index_of(hop.device),
        "attrs": _way(hop),
    }


def _way(hop: NextHop) -> Attributes:
    return [] if hop.gateway is None else [("RTA_GATEWAY", str(hop.gateway))]


def _rule(rule: Rule) -> Requests:
    attributes: Attributes = [("FRA_PROTOCOL", RULE_PROTOCOL)]
    for name, value in (
        ("FRA_SRC", rule.source and str(rule.source.network_address)),
        ("FRA_DST", rule.destination and str(rule.destination.network_address)),
        ("FRA_TABLE", rule.table),
        ("FRA_GOTO", rule.goto),
        ("FRA_PRIORITY", rule.preference),
        ("FRA_IIFNAME", rule.incoming),
        ("FRA_OIFNAME", rule.outgoing),
        ("FRA_FWMARK", rule.mark),
        ("FRA_FWMASK", rule.mark_mask),
        ("FRA_UID_RANGE", _range(rule.uid_range)),
        ("FRA_L3MDEV", 1 if rule.l3mdev else None),
        ("FRA_IP_PROTO", rule.ip_protocol),
        ("FRA_SPORT_RANGE", _range(rule.source_ports)),
        ("FRA_DPORT_RANGE", _range(rule.destination_ports)),
        ("FRA_FLOW", rule.realms),
        ("FRA_SUPPRESS_PREFIXLEN", rule.suppress_prefix_length),
        ("FRA_SUPPRESS_IFGROUP", rule.suppress_interface_group),
    ):
        if value is not None:
            attributes.append((name, value))

    def message() -> fibmsg:
        message = fibmsg()
        message["family"] = _family(rule.family)
        message["src_len"] = 0 if rule.source is None else rule.source.prefixlen
        message["dst_len"] = 0 if rule.destination is None else rule.destination.prefixlen
        message["tos"] = rule.tos
        message["table"] = rule.table if rule.table is not None and rule.table < 256 else 0  # noqa: PLR2004
        message["action"] = _RULE_ACTIONS[rule.action]
        message["flags"] = _FIB_RULE_INVERT if rule.inverted else 0
        message["attrs"] = attributes
        return message

    return Requests(
        add=(encode(message(), RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK),),
        delete=encode(message(), RTM_DELRULE, NLM_F_ACK),
    )


def _range(limits: tuple[int, int] | None) -> str | None:
    return None if limits is None else f"{limits[0]}:{limits[1]}"


def _macvlan(macvlan: Macvlan, index_of: IndexOf, settings: Settings) -> Requests:
    """Made, set up, and only then up, as keepalived's; private: it hears nothing of other macvlans of the interface."""
    message = ifinfmsg()
    message["attrs"] = [
        ("IFLA_IFNAME", macvlan.device),
        ("IFLA_LINK", index_of(macvlan.parent)),
        ("IFLA_ADDRESS", macvlan.mac.hex(":")),
        *([] if macvlan.group is None else [("IFLA_GROUP", macvlan.group)]),
        (
            "IFLA_LINKINFO",
            {
                "attrs": [
                    ("IFLA_INFO_KIND", "macvlan"),
                    ("IFLA_INFO_DATA", {"attrs": [("IFLA_MACVLAN_MODE", "private")]}),
                ]
            },
        ),
    ]
    wanted = {
        "arp_ignore": 1,
        "accept_local": 1,
        # The way back to a host is by the interface below. The kernel takes the higher one of this and of `all`.
        "rp_filter": 2 if settings.reverse_path_filter() else 0,
        "promote_secondaries": 1,
    }
    name = _attribute(_IFLA_IFNAME, macvlan.device.encode() + b"\0")
    return Requests(
        add=(
            encode(message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK),
            _link_request(RTM_SETLINK, name + _settings(wanted)),
            # No address that is made of the virtual MAC: it would be the same on all nodes.
            _link_request(RTM_SETLINK, name + _attribute(_IFLA_AF_SPEC, _NO_LINK_LOCAL)),
            _link_request(RTM_SETLINK, name, flags=IFF_UP, change=IFF_UP),
        ),
        delete=_link_request(RTM_DELLINK, name),
    )


def _attribute(kind: int, content: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(content), kind) + content + bytes(-len(content) % 4)


_NO_LINK_LOCAL = _attribute(socket.AF_INET6, _attribute(_IFLA_INET6_ADDR_GEN_MODE, b"\x01"))


def _setting(index: int, name: str, value: int) -> bytes:
    return _link_request(RTM_SETLINK, _settings({name: value}), index=index)


def _link_flags(index: int, *, up: bool) -> bytes:
    return _link_request(RTM_SETLINK, b"", index=index, flags=IFF_UP if up else 0, change=IFF_UP)


def _settings(values: dict[str, int]) -> bytes:
    each = b"".join(_attribute(_IPV4_SETTINGS[name], _UINT32.pack(value)) for name, value in values.items())
    return _attribute(_IFLA_AF_SPEC, _attribute(socket.AF_INET, _attribute(_IFLA_INET_CONF, each)))


def _link_request(kind: int, attributes: bytes, *, index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, index, flags, change) + attributes
    return _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | NLM_F_ACK, 0, 0) + body
