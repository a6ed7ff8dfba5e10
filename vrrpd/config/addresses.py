"""The lines of `virtual_ipaddress`, `virtual_ipaddress_excluded` and `static_ipaddress`.

`ADDRESS[/PREFIX]` and `ip address`'s options without abbreviations; each option is an entry of `OPTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_interface

from vrrpd.config.routing import number_named
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Reading
from vrrpd.config.values import ip, ipv4, size, whole
from vrrpd.model import FOREVER, Family, IPInterface, VirtualAddress

MAX_NAME = 15
"""Of an interface or a label, in bytes (IFNAMSIZ less its NUL)."""

_LONGEST_WITH_BROADCAST = 30


@dataclass(slots=True)
class AddressDraft:
    """An address line as read; the device may yet have to come from the router."""

    line: Statement
    interface: IPInterface
    device: Word | None = None
    scope: int = 0
    label: str | None = None
    broadcast: IPv4Address | None = None
    peer: IPInterface | None = None
    preferred_lifetime: int | None = None
    nodad: bool = False
    noprefixroute: bool = False
    home: bool = False
    mngtmpaddr: bool = False
    autojoin: bool = False
    no_track: bool = False
    use_vmac: bool = False
    track_group: Word | None = None

    @property
    def family(self) -> Family:
        """That of its address."""
        return Family(self.interface.version)

    def finished(self, device: str, macvlan: str | None = None) -> VirtualAddress:
        """On a device, or on a macvlan of its own on it."""
        return VirtualAddress(
            self.interface,
            device,
            self.scope,
            self.label,
            self.broadcast,
            peer=self.peer,
            preferred_lifetime=self.preferred_lifetime,
            detects_duplicates=self.nodad,
            without_prefix_route=self.noprefixroute,
            is_home=self.home,
            manages_temporary=self.mngtmpaddr,
            joins_group=self.autojoin,
            is_tracked=not self.no_track,
            macvlan=macvlan,
            track_group=None if self.track_group is None else self.track_group.text,
        )


_Option = Callable[[AddressDraft, Word, Iterator[Word], Reading], bool]


def read_address(line: Statement, to: Reading) -> AddressDraft | None:
    """None, with the reason said, when keepalived takes no address from the line either."""
    if not line.words:
        to.warning(line, "unexpected-brace", "a block where an address is expected; it is skipped")
        return None
    interface = _interface(line.words[0], to)
    if interface is None:
        return None
    draft = AddressDraft(line, interface)
    words = iter(line.values)
    if not all(_option(draft, word, words, to) for word in words):
        return None
    if draft.peer is not None and draft.broadcast is not None:
        to.warning(line, "broadcast-and-peer", "an address with a peer has no broadcast address: none is set")
        draft.broadcast = None
    return draft


def _interface(word: Word, to: Reading) -> IPInterface | None:
    text, slash, prefix = word.text.partition("/")
    address = ip(text)
    if address is None:
        to.warning(word, "bad-address", f"{quoted(word)} is no address: the line counts for nothing")
        return None
    length: int = address.max_prefixlen
    if slash:
        at = Word(prefix, word.file, word.line, word.column + len(text) + 1)
        found = whole(at, 0, length, to, otherwise=f"/{length} is taken")
        length = length if found is None else found
    return ip_interface((address, length))


def _option(draft: AddressDraft, word: Word, rest: Iterator[Word], to: Reading) -> bool:
    """Read one option; False when the whole line counts for nothing."""
    read = OPTIONS.get(word.text)
    if read is None:
        to.warning(word, "unknown-option", f"unknown word {quoted(word)} in an address line; it is ignored")
        return True
    if not read(draft, word, rest, to):
        return False
    to.pending(word, "virtual_ipaddress", word.text)
    return True


def _valued(read: Callable[[AddressDraft, Word, Reading], bool]) -> _Option:
    """An option with a value after it."""

    def option(draft: AddressDraft, word: Word, rest: Iterator[Word], to: Reading) -> bool:
        value = next(rest, None)
        if value is None:
            to.warning(word, "missing-value", f"{word.text} needs a value: the address counts for nothing")
            return False
        return read(draft, value, to)

    return option


def _flag(name: str) -> _Option:
    def option(draft: AddressDraft, word: Word, rest: Iterator[Word], to: Reading) -> bool:
        del word, rest, to
        setattr(draft, name, True)
        return True

    return option


def _device(draft: AddressDraft, word: Word, to: Reading) -> bool:
    if draft.device is not None:
        to.warning(word, "duplicate-option", "a second dev: the address counts for nothing")
        return False
    draft.device = word
    return True


def _track_group(draft: AddressDraft, word: Word, to: Reading) -> bool:
    del to
    draft.track_group = word
    return True


def _scope(draft: AddressDraft, word: Word, to: Reading) -> bool:
    if draft.family is Family.IPV6:
        to.warning(word, "ipv4-only", "an IPv6 address has the scope that its bits say: this one is ignored")
        return True
    scope = number_named("scopes", word, to.node, 255)
    if scope is None:
        to.warning(
            word, "bad-scope", f"{quoted(word)} is no scope: global is taken", "global, site, link, host, nowhere"
        )
    draft.scope = scope or 0
    return True


def _label(draft: AddressDraft, word: Word, to: Reading) -> bool:
    if draft.family is Family.IPV6:
        to.warning(word, "ipv4-only", "an IPv6 address has no label: this one is ignored")
        return True
    if size(word.text) > MAX_NAME:
        to.warning(
            word,
            "bad-label",
            f"a label has at most {MAX_NAME} characters: the address counts for nothing",
            "shorten it",
        )
        return False
    draft.label = word.text
    return True


def _broadcast(draft: AddressDraft, word: Word, to: Reading) -> bool:
    network = draft.interface.network
    if draft.family is Family.IPV6:
        to.warning(word, "ipv4-only", "IPv6 has no broadcast: the address counts for nothing")
        return False
    if word.text not in ("+", "-"):
        draft.broadcast = ipv4(word.text)
        if draft.broadcast is None:
            to.warning(word, "bad-address", f"{quoted(word)} is no broadcast address: the address counts for nothing")
        return draft.broadcast is not None
    if network.prefixlen > _LONGEST_WITH_BROADCAST:
        to.warning(word, "no-broadcast", f"/{network.prefixlen} has no broadcast address: none is set")
    else:
        found = network.broadcast_address if word.text == "+" else network.network_address
        draft.broadcast = IPv4Address(found.packed)
    return True


def _peer(draft: AddressDraft, word: Word, to: Reading) -> bool:
    """The prefix goes with the peer, as in `ip address`."""
    if draft.peer is not None:
        to.warning(word, "duplicate-option", "a second peer: the address counts for nothing")
        return False
    peer = ip(word.text)
    if peer is None or peer.version != draft.interface.version:
        message = f"{quoted(word)} is no address of this family without a prefix: no peer is set, as in keepalived"
        to.warning(word, "bad-address", message)
        return True
    whole_address = ip_interface(draft.interface.ip)
    if draft.interface.network.prefixlen != whole_address.network.prefixlen:
        to.warning(word, "prefix-and-peer", "an address with a peer has no prefix of its own: it is ignored")
    draft.interface, draft.peer = whole_address, ip_interface(peer)
    return True


def _preferred_lifetime(draft: AddressDraft, word: Word, to: Reading) -> bool:
    if word.text == "forever":
        draft.preferred_lifetime = FOREVER
        return True
    found = whole(word, 0, FOREVER - 1, to, otherwise="the usual lifetime is taken")
    draft.preferred_lifetime = draft.preferred_lifetime if found is None else found
    return True


OPTIONS: Mapping[str, _Option] = {
    "dev": _valued(_device),
    "scope": _valued(_scope),
    "label": _valued(_label),
    "brd": _valued(_broadcast),
    "broadcast": _valued(_broadcast),
    "peer": _valued(_peer),
    "home": _flag("home"),
    "-nodad": _flag("nodad"),
    "mngtmpaddr": _flag("mngtmpaddr"),
    "noprefixroute": _flag("noprefixroute"),
    "autojoin": _flag("autojoin"),
    "no_track": _flag("no_track"),
    "preferred_lft": _valued(_preferred_lifetime),
    "use_vmac": _flag("use_vmac"),
    "track_group": _valued(_track_group),
}
