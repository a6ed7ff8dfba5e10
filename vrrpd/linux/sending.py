"""Sockets that take whole IP packets, for the daemon and for `vrrpd release`."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address
from typing import TypeAlias

from vrrpd.linux.options import IP_FREEBIND, IP_RECVERR, IPV6_FREEBIND, IPV6_RECVERR, SO_BINDTOIFINDEX, opening
from vrrpd.model import IPAddress

TC_PRIO_CONTROL = 7

End: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


def open_sender(index: int, source: IPAddress) -> socket.socket:
    """On the device of that index; it receives nothing. OSError when there is no such device.

    The source need not be on this node (keepalived's unicast_src_ip, a macvlan); to bind to it lets rules of routing
    policy see it.
    """
    with opening(socket.AF_INET if source.version == 4 else socket.AF_INET6, socket.IPPROTO_RAW) as sock:  # noqa: PLR2004
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTOIFINDEX, index)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, TC_PRIO_CONTROL)
        # Without RECVERR a packet that a full queue has dropped counts as sent.
        if isinstance(source, IPv4Address):
            interface = struct.pack("=8xi", index)  # a struct ip_mreqn
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        sock.bind(end(source, index))
        return sock


def end(address: IPAddress, index: int) -> End:
    """A socket's address, a link-local one with its device."""
    if isinstance(address, IPv4Address):
        return (str(address), 0)
    return (str(address), 0, 0, index)
