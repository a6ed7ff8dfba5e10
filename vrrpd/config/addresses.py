"""The lines of a `virtual_ipaddress` block: `ADDRESS[/PREFIX] [dev IF] [scope S] [label L] [brd B]`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address

from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Reading
from vrrpd.config.values import ipv4, size, whole
from vrrpd.model import VirtualAddress

MAX_NAME = 15
"""Of an interface or a label, in bytes (IFNAMSIZ less its NUL)."""

_WHOLE_ADDRESS = 32
_LONGEST_WITH_BROADCAST = 30
_SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}

NOT_YET = frozenset(
    {"peer", "home", "mngtmpaddr", "autojoin", "noprefixroute", "-nodad", "preferred_lft", "no_track", "use_vmac"}
    | {"track_group"}
)
"""Options that keepalived has besides."""


@dataclass(slots=True)
class AddressDraft:
    """An address line as read; the device may yet have to come from the router."""

    line: Statement
    interface: IPv4Interface
    device: Word | None = None
    scope: int = 0
    label: str | None = None
    broadcast: IPv4Address | None = None

    def finished(self, interface: str) -> VirtualAddress:
        """On its own device, or on the router's interface."""
        device = self.device.text if self.device else interface
        return VirtualAddress(self.interface, device, self.scope, self.label, self.broadcast)


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
    return draft if all(_option(draft, word, words, to) for word in words) else None


def _interface(word: Word, to: Reading) -> IPv4Interface | None:
    text, slash, prefix = word.text.partition("/")
    address = ipv4(text)
    if address is None:
        if _is_ipv6(text):
            to.pending(word, "vrrp_instance", "IPv6")
        else:
            to.warning(word, "bad-address", f"{quoted(word)} is no address: the line counts for nothing")
        return None
    length = None
    if slash:
        at = Word(prefix, word.file, word.line, word.column + len(text) + 1)
        length = whole(at, 0, _WHOLE_ADDRESS, to, otherwise=f"/{_WHOLE_ADDRESS} is taken")
    return IPv4Interface((address, _WHOLE_ADDRESS if length is None else length))


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _option(draft: AddressDraft, word: Word, rest: Iterator[Word], to: Reading) -> bool:
    """Read one option; False when the whole line counts for nothing."""
    if word.text in NOT_YET:
        to.pending(word, "virtual_ipaddress", word.text)
        return False
    if word.text not in _OPTIONS:
        to.warning(word, "unknown-option", f"unknown word {quoted(word)} in an address line; it is ignored")
        return True
    value = next(rest, None)
    if value is None:
        to.warning(word, "missing-value", f"{word.text} needs a value: the address counts for nothing")
        return False
    return _OPTIONS[word.text](draft, value, to)


def _device(draft: AddressDraft, word: Word, to: Reading) -> bool:
    if draft.device is not None:
        to.warning(word, "duplicate-option", "a second dev: the address counts for nothing")
        return False
    draft.device = word
    return True


def _scope(draft: AddressDraft, word: Word, to: Reading) -> bool:
    scope = _SCOPES.get(word.text)
    if scope is None:
        scope = _number(word.text)
    if scope is None:
        to.warning(word, "bad-scope", f"{quoted(word)} is no scope: global is taken", f"one of {', '.join(_SCOPES)}")
    draft.scope = scope or 0
    return True


def _number(text: str) -> int | None:
    """0 to 255 in C's notation: 0x10 is 16 and 010 is 8, as keepalived reads a scope."""
    digits = f"0o{text[1:]}" if text.startswith("0") and text[1:].isdigit() else text
    try:
        number = int(digits, 0)
    except ValueError:
        return None
    return number if 0 <= number <= 255 else None  # noqa: PLR2004 - one byte in the kernel's message


def _label(draft: AddressDraft, word: Word, to: Reading) -> bool:
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
    if word.text not in ("+", "-"):
        draft.broadcast = ipv4(word.text)
        if draft.broadcast is None:
            to.warning(word, "bad-address", f"{quoted(word)} is no broadcast address: the address counts for nothing")
        return draft.broadcast is not None
    network = draft.interface.network
    if network.prefixlen > _LONGEST_WITH_BROADCAST:
        to.warning(word, "no-broadcast", f"/{network.prefixlen} has no broadcast address: none is set")
    else:
        draft.broadcast = network.broadcast_address if word.text == "+" else network.network_address
    return True


_OPTIONS = {"dev": _device, "scope": _scope, "label": _label, "brd": _broadcast, "broadcast": _broadcast}
