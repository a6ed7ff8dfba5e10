"""Give up what the ledger says is ours, without a daemon: out of the kernel first, then priority 0 to the peers."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeVar, assert_never

from vrrpd.ledger import Entries, HeldHere, MasterHere
from vrrpd.linux import nft, settings
from vrrpd.linux.sending import end, open_sender
from vrrpd.model import Undo, Way

T = TypeVar("T")

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
    undo(Undo(Way(held.way), bytes.fromhex(held.deletion)))


def undo(what: Undo) -> None:
    """OSError when the kernel refuses; that it is gone already is success."""
    match what.way:
        case Way.ROUTE:
            _request(what.content)
        case Way.NETFILTER:
            nft.delete(what.content)
        case Way.FILE:
            name, value = what.content.decode().split("\0")
            settings.write(name, int(value))
        case _:
            assert_never(what.way)


def _request(request: bytes) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(_ANSWER_WITHIN_S)
        netlink.send(request)
        *_, error = _NLMSGERR.unpack_from(netlink.recv(_REPLY_BYTES))
    if -error not in _GONE_ALREADY:
        raise OSError(-error, os.strerror(-error))


def _resign(master: MasterHere) -> None:
    index = socket.if_nametoindex(master.interface)
    with open_sender(index, ip_address(master.source)) as raw:
        for destination, packet in master.resignations:
            raw.sendto(bytes.fromhex(packet), end(ip_address(destination), index))
