"""`vrrpd sniff`: the advertisements on a LAN, live, decoded by scapy, which shares nothing with our own codec.

scapy is not part of a node's installation (`pip install scapy`), and its routes are not loaded: that takes seconds on
a machine with many.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

VRRP, AUTHENTICATION_HEADER = 112, 51
_PASSWORD_BYTES = 8
_LEAST = 8
_MAX_SHOWN = 8
"""Addresses of one advertisement."""
_ETHERNET = 14


class SniffError(Exception):
    """It cannot be done here: why, and what to do."""


def sniff(interface: str, tell: Callable[[str], None], *, count: int = 0, pcap: Path | None = None) -> None:
    """Tell a line for each advertisement, `count` of them or, with 0, until interrupted.

    Passwords are neither told nor written. Raises `SniffError`.
    """
    try:
        from scapy.config import conf  # noqa: PLC0415

        conf.route_autoload = conf.route6_autoload = False
        from scapy.layers.l2 import Ether  # noqa: PLC0415
        from scapy.sendrecv import sniff as listen  # noqa: PLC0415
        from scapy.utils import PcapWriter  # noqa: PLC0415
    except ImportError:
        raise SniffError("sniff needs scapy: pip install scapy, into the environment that vrrpd is in") from None
    writer = None if pcap is None else PcapWriter(str(pcap), sync=True)

    def seen(frame: Any) -> None:
        tell(describe(frame, float(frame.time)))
        if writer is not None:
            blank = Ether(without_password(bytes(frame)))
            blank.time = frame.time
            writer.write(blank)

    try:
        listen(iface=interface, prn=seen, lfilter=_is_advertisement, store=False, count=count)
    except PermissionError:
        raise SniffError("sniff needs CAP_NET_RAW: run it as root") from None
    except (OSError, ValueError) as error:
        raise SniffError(f"cannot listen on {interface}: {error}") from None


def _is_advertisement(frame: Any) -> bool:
    ip = _ip(frame)
    return ip is not None and (ip.proto if ip.version == 4 else ip.nh) in {VRRP, AUTHENTICATION_HEADER}  # noqa: PLR2004


def _ip(frame: Any) -> Any:
    from scapy.layers.inet import IP  # noqa: PLC0415
    from scapy.layers.inet6 import IPv6  # noqa: PLC0415

    return frame.getlayer(IP) or frame.getlayer(IPv6)


def describe(frame: Any, at: float) -> str:
    """One line for people: when, from whom to whom, and what it says."""
    from scapy.layers import vrrp  # noqa: PLC0415

    ip = _ip(frame)
    moment = datetime.fromtimestamp(at).astimezone()
    hops = ip.ttl if ip.version == 4 else ip.hlim  # noqa: PLR2004
    head = f"{moment:%H:%M:%S.%f} {ip.src} > {ip.dst}" + ("" if hops == 255 else f" TTL {hops}")  # noqa: PLR2004
    message = frame.getlayer(vrrp.VRRP) or frame.getlayer(vrrp.VRRPv3)
    if message is None:
        return f"{head}: not understood, {len(bytes(ip.payload))} bytes"
    if message.version == 2:  # noqa: PLR2004
        timing = f"every {message.adv} s, authentication {('none', 'PASS', 'AH')[min(message.authtype, 2)]}"
    else:
        timing = f"every {message.adv / 100:g} s"
    leaving = ", its Master leaves" if message.priority == 0 else ""
    shown = ", ".join(map(str, message.addrlist[:_MAX_SHOWN])) or "no address"
    more = f" and {len(message.addrlist) - _MAX_SHOWN} more" if len(message.addrlist) > _MAX_SHOWN else ""
    return (
        f"{head}: version {message.version}, VRID {message.vrid}, priority {message.priority}{leaving}, {timing}, "
        f"{shown}{more}"
    )


def without_password(frame: bytes) -> bytes:
    """An Ethernet frame with the authentication data of a version 2 advertisement zeroed."""
    if frame[12:14] != b"\x08\x00" or len(frame) < _ETHERNET + 20:
        return frame
    start = _ETHERNET + (frame[_ETHERNET] & 0x0F) * 4
    end = _ETHERNET + int.from_bytes(frame[16:18], "big")
    message = frame[start:end]
    if frame[_ETHERNET + 9] != VRRP or len(message) < _LEAST + _PASSWORD_BYTES or message[0] >> 4 != 2:  # noqa: PLR2004
        return frame
    return frame[: end - _PASSWORD_BYTES] + bytes(_PASSWORD_BYTES) + frame[end:]
