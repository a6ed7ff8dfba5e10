"""Where advertisements come from and go to: source addresses, the multicast group, unicast peers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vrrpd.config.fields import at, on
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Keyword, Reading, block, flag, value
from vrrpd.config.values import ip, whole
from vrrpd.model import Family, IPAddress, UnicastPeer

_MAX_TTL = 255
_LINK_LOCAL = 2


@dataclass(slots=True)
class PeersDraft:
    """The part of a router that says with whom it speaks. The first address seen fixes the family."""

    family: Family | None = None
    source: IPAddress | None = None
    source_at: Word | None = None
    group: IPAddress | None = None
    group_at: Word | None = None
    unicast_at: Statement | None = None
    """The first keyword that speaks of unicast."""
    peers: list[UnicastPeer] = field(default_factory=list)
    unicast_ttl: int | None = None
    unicast_ttl_at: Word | None = None
    check_unicast_src: bool = False
    track_src_ip: bool = False
    unicast_fault_no_peer: Statement | None = None

    def is_of_family(self, address: IPAddress) -> bool:
        """Whether it may stand in this router; the first one always may."""
        if self.family is None:
            self.family = Family(address.version)
        return self.family == address.version


def _source(draft: PeersDraft, line: Statement, to: Reading) -> None:
    word = line.values[0]
    address = ip(word.text)
    if address is None:
        to.warning(word, "bad-address", f"{quoted(word)} is no address: the line counts for nothing")
    elif not draft.is_of_family(address):
        to.warning(word, "other-family", f"this router is for IPv{draft.family}: {quoted(word)} is not its source")
        draft.source = None
    else:
        draft.source, draft.source_at = address, word


def _unicast_source(draft: PeersDraft, line: Statement, to: Reading) -> None:
    draft.unicast_at = draft.unicast_at or line
    _source(draft, line, to)


def _group(draft: PeersDraft, line: Statement, to: Reading) -> None:
    word = line.values[0]
    group = ip(word.text)
    if group is None or not group.is_multicast:
        to.warning(word, "bad-address", f"{quoted(word)} is no multicast address: the line counts for nothing")
    elif not draft.is_of_family(group):
        to.warning(word, "other-family", f"this router is for IPv{draft.family}: {quoted(word)} is not its group")
    elif draft.family is Family.IPV6 and group.packed[1] & 0x0F != _LINK_LOCAL:
        to.warning(word, "bad-address", f"{quoted(word)} is not of link-local scope: the line counts for nothing")
    else:
        draft.group, draft.group_at = group, word


def _peers(draft: PeersDraft, line: Statement, to: Reading) -> None:
    draft.unicast_at = draft.unicast_at or line
    for entry in line.children or ():
        peer = _peer(draft, entry, to)
        if peer is not None:
            draft.peers.append(peer)


def _peer(draft: PeersDraft, entry: Statement, to: Reading) -> UnicastPeer | None:
    if not entry.words:
        to.warning(entry, "unexpected-brace", "a block where a peer is expected; it is skipped")
        return None
    word = entry.words[0]
    address = ip(word.text)
    if address is None:
        to.warning(word, "bad-address", f"{quoted(word)} is no address: there is no such peer")
        return None
    if not draft.is_of_family(address):
        to.warning(word, "other-family", f"this router is for IPv{draft.family}: {quoted(word)} is not a peer")
        return None
    limits = _limits(entry, to)
    low, high = limits.get("min_ttl"), limits.get("max_ttl")
    if low is not None and high is not None and low > high:
        to.warning(word, "bad-range", "min_ttl is above max_ttl: everything that this peer sends is dropped")
    if limits:
        draft.check_unicast_src = True
    return UnicastPeer(address, low, high)


def _limits(entry: Statement, to: Reading) -> dict[str, int]:
    limits = {}
    words = iter(entry.values)
    for word in words:
        number = next(words, None)
        if number is None or word.text not in ("min_ttl", "max_ttl"):
            to.warning(word, "unknown-option", f"{quoted(word)} is ignored", "min_ttl N, max_ttl N; one peer a line")
            break
        found = whole(number, 0, _MAX_TTL, to)
        if found is not None:
            limits[word.text] = found
    return limits


def _ttl(draft: PeersDraft, line: Statement, to: Reading) -> None:
    found = whole(line.values[0], 0, _MAX_TTL, to)
    if found is not None:
        draft.unicast_ttl, draft.unicast_ttl_at = found, line.values[0]


SPEAKING: Mapping[str, Keyword[Any]] = {
    "mcast_src_ip": value(2, _source),
    "mcast_dst_ip": value(4, _group),
    "unicast_src_ip": value(1, _unicast_source),
    "track_src_ip": flag(3, on("track_src_ip")),
    "unicast_peer": block(1, _peers, note="ADDRESS [min_ttl N] [max_ttl N]"),
    "unicast_fault_no_peer": flag(4, at("unicast_fault_no_peer")),
    "check_unicast_src": flag(3, on("check_unicast_src")),
    "unicast_ttl": value(3, _ttl),
}
