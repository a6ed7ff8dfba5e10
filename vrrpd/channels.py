"""How routers speak to each other, as an edge needs to know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vrrpd.model import IPAddress


@dataclass(frozen=True, slots=True)
class Channel:
    """From where to whom a router speaks. What is open for one is not open for another."""

    device: str
    index: int
    """The device's, which is another one when it comes back."""
    source: IPAddress
    destinations: tuple[IPAddress, ...]
    """A group, or unicast peers; none: nobody is told."""
    ttl: int
    protocol: int


class Outgoing(NamedTuple):
    """An IP packet, header included."""

    destination: IPAddress
    content: bytes
