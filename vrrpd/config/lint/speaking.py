"""How nodes hear each other: source addresses, peers, interfaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vrrpd.config.lint.rules import Advice, Rule, Subject
from vrrpd.model import Family, VirtualRouter

_WORDS = frozenset({"true", "false", "on", "off", "yes", "no"})


def _no_source(subject: Subject) -> Iterator[Advice]:
    for router in subject.config.routers:
        if not subject.node.is_here or router.source_address is not None or not router.interface:
            continue
        ours = {address.ip for other in subject.config.routers for address in other.addresses + other.excluded}
        own = [
            found.ip
            for found in subject.node.addresses(router.interface)
            if found.version == router.family and (found.version == 4 or found.is_link_local) and found.ip not in ours  # noqa: PLR2004
        ]
        if subject.node.has_interface(router.interface) and not own:
            kind = "IPv4" if router.family is Family.IPV4 else "IPv6 link-local"
            yield Advice(
                subject.at(router, "interface"),
                f"{router.name}: {router.interface} has no {kind} address of its own to advertise from: the router is"
                " in FAULT until it has one",
                "give the interface an address of its own on each node; the virtual one does not count",
            )


def _bad_source(subject: Subject) -> Iterator[Advice]:
    for router in subject.config.routers:
        source = router.source_address
        if source is None:
            continue
        if source in {address.ip for address in router.addresses + router.excluded}:
            what = "is one of the addresses that move"
        elif source.is_multicast or source.is_unspecified or source.is_loopback:
            what = "is no address that a node can have on a LAN"
        elif subject.node.is_here and not _is_here(subject, router):
            what = "is not on this node"
        else:
            continue
        keyword = "unicast_src_ip" if subject.says(router, "unicast_src_ip") else "mcast_src_ip"
        yield Advice(
            subject.at(router, keyword),
            f"{router.name}: the source address {source} {what}",
            f"{keyword} is this node's own address, another one on each node",
        )


def _is_here(subject: Subject, router: VirtualRouter) -> bool:
    return any(found.ip == router.source_address for found in subject.node.addresses())


def _peers(subject: Subject) -> Iterator[Advice]:
    for router in subject.config.routers:
        if router.unicast is None:
            continue
        virtual = {address.ip for address in router.addresses + router.excluded}
        own = {found.ip for found in subject.node.addresses()} - virtual
        for peer in router.unicast.peers:
            if peer.address in own or peer.address == router.source_address:
                what, hint = "is this node itself", "unicast_peer names the other nodes only"
            elif peer.address in virtual:
                what, hint = "is one of the addresses that move", "name the other node's own address"
            elif sum(other.address == peer.address for other in router.unicast.peers) > 1:
                what, hint = "stands there twice", "name each node once"
            else:
                continue
            at = subject.at(router, "unicast_peer", str(peer.address))
            yield Advice(at, f"{router.name}: the peer {peer.address} {what}", hint)


def _virtual_mac_name(subject: Subject) -> Iterator[Advice]:
    for router in subject.config.routers:
        if router.virtual_mac and router.virtual_mac.device in _WORDS:
            name = router.virtual_mac.device
            yield Advice(
                subject.at(router, "use_vmac"),
                f"{router.name}: use_vmac takes no yes or no: this makes an interface of the name {name}",
                "take the line out" if name in {"false", "off", "no"} else "use_vmac alone",
            )


RULES: Mapping[str, Rule] = {
    "no-source": _no_source,
    "bad-source": _bad_source,
    "bad-peer": _peers,
    "vmac-name": _virtual_mac_name,
}
