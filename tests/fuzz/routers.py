"""The virtual routers that are fuzzed: one of each kind of advertisement, each with its peer and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface

from vrrpd.model import NO_AUTHENTICATION, Authentication, AuthenticationType, Version, VirtualAddress, VirtualRouter

from .messages import Peer
from .reading import Accepts

PASSWORD = b"secret"


@dataclass(frozen=True, slots=True)
class Kind:
    """One of ours, and the outside world's view of it."""

    router: VirtualRouter
    peer: Peer
    accepts: Accepts


def _kind(name: str, vrid: int, version: Version, *addresses: str, password: bytes = b"", device: str = "eth0") -> Kind:
    virtual = tuple(VirtualAddress(ip_interface(address), device) for address in addresses)
    authentication = Authentication(AuthenticationType.PASS, password) if password else NO_AUTHENTICATION
    router = VirtualRouter(
        name, "eth0", vrid, version=version, addresses=virtual, authentication=authentication, strict=False
    )
    listed = tuple(map(ip_address, addresses))
    if version is Version.V3:
        return Kind(router, Peer(3, vrid, listed, 100), Accepts(3))
    padded = password.ljust(8, b"\0")
    peer = Peer(2, vrid, listed, (256 if password else 0) + 1, padded)
    return Kind(router, peer, Accepts(2, 1, padded if password else None))


KINDS = (
    _kind("v2", 50, Version.V2, "10.0.0.100"),
    _kind("v2 PASS", 51, Version.V2, "10.0.0.110", "10.0.0.111", password=PASSWORD),
    _kind("v3 IPv4", 52, Version.V3, "10.0.0.120", "10.0.0.121", "10.0.0.122"),
    _kind("v3 IPv6", 53, Version.V3, "fe80::100", "2001:db8::100"),
    _kind("asleep", 54, Version.V2, "10.0.0.140", device="eth9"),
)
"""The last one can never run: its device does not exist."""
BY_NAME: Mapping[str, Kind] = {kind.router.name: kind for kind in KINDS}
