"""Give up what the ledger says is ours, without a daemon: out of the kernel first, then priority 0 to the peers."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from vrrpd.ledger import Entries, HeldHere, MasterHere

T = TypeVar("T")

VRRP = 112
_NLMSGERR = struct.Struct("=IHHIIi")
_REPLY_BYTES = 65536
_GONE_ALREADY = {0, errno.EADDRNOTAVAIL, errno.ENODEV, errno.ESRCH, errno.ENOENT}
"""Of an address, a device, a route, a rule."""
_ANSWER_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Released:
    """What happened: lines for people, and what is still held."""

    lines: tuple[str, ...]
    left: Entries


def release(entries: Entries) -> Released:
    """Remove everything, the newest first, then resign for every router that was Master.

    What could not be removed is in `left`; what could not be sent is only said, since peers notice silence anyway.
    """
    lines: list[str] = []
    left = [held for held in reversed(entries.held) if not _try(lines, _remove, held, f"removed {held.what}")]
    for master in entries.masters:
        _try(lines, _resign, master, f"{master.name}: told the others on {master.interface} (priority 0)")
    return Released(tuple(lines), Entries(held=tuple(reversed(left))))


def _try(lines: list[str], act: Callable[[T], None], what: T, done: str) -> bool:
    try:
        act(what)
    except OSError as error:
        lines.append(f"not done: {done}: {error.strerror or error}")
        return False
    lines.append(done)
    return True


def _remove(held: HeldHere) -> None:
    """OSError when the kernel refuses; that it is gone already is success."""
    request = bytes.fromhex(held.deletion)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(_ANSWER_WITHIN_S)
        netlink.send(request)
        *_, error = _NLMSGERR.unpack_from(netlink.recv(_REPLY_BYTES))
    if -error not in _GONE_ALREADY:
        raise OSError(-error, os.strerror(-error))


def _resign(master: MasterHere) -> None:
    index = socket.if_nametoindex(master.interface)
    group, source = socket.inet_aton(master.group), socket.inet_aton(master.source)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, VRRP) as raw:
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", group, source, index))
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xC0)
        raw.bind((master.source, 0))
        raw.sendto(bytes.fromhex(master.resignation), (master.group, 0))
