"""iproute2's names for routing tables, scopes, protocols, realms and traffic classes."""

from __future__ import annotations

from collections.abc import Mapping

from vrrpd.config.node import Node
from vrrpd.config.syntax import Word

WELL_KNOWN: Mapping[str, Mapping[str, int]] = {
    "tables": {"default": 253, "main": 254, "local": 255},
    "scopes": {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255},
    "protos": {
        "redirect": 1,
        "kernel": 2,
        "boot": 3,
        "static": 4,
        "gated": 8,
        "ra": 9,
        "mrt": 10,
        "zebra": 11,
        "bird": 12,
        "dnrouted": 13,
        "xorp": 14,
        "ntk": 15,
        "dhcp": 16,
        "keepalived": 18,
        "babel": 42,
        "bgp": 186,
        "isis": 187,
        "ospf": 188,
        "rip": 189,
        "eigrp": 192,
    },
    "realms": {"cosmos": 0},
    "dsfield": {"default": 0},
}
"""By kind: what iproute2 ships, which a node's own files come before."""


def number_named(kind: str, word: Word, node: Node, high: int) -> int | None:
    """A number from 0 to high, or the node's or the well-known name for one. None: neither."""
    number = c_number(word.text)
    if number is None:
        number = node.routing_number(kind, word.text)
    if number is None:
        number = WELL_KNOWN.get(kind, {}).get(word.text)
    return number if number is not None and 0 <= number <= high else None


def c_number(text: str) -> int | None:
    """In C's notation: 0x10 is 16 and 010 is 8, as keepalived reads a scope."""
    digits = f"0o{text[1:]}" if len(text) > 1 and text.startswith("0") and text.isdigit() else text
    if len(digits) > 20 or "_" in digits:  # noqa: PLR2004 - no number of the kernel's is longer
        return None
    try:
        return int(digits, 0)
    except ValueError:
        return None
