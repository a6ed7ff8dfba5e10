"""Virtual router MAC addresses: `use_vmac`, and what the macvlans are called."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vrrpd.config.addresses import MAX_NAME
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Reading
from vrrpd.config.values import size, whole
from vrrpd.model import Family

_MAC = re.compile(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){4,5}")
_RESERVED = bytes.fromhex("00005e0001")
_RESERVED_IPV6 = bytes.fromhex("00005e0002")
_WITHOUT_VRID = 5
_MAX_GROUP = (1 << 32) - 1


@dataclass(slots=True)
class MacDraft:
    """`use_vmac [[name] INTERFACE] [MAC] [netlink_notify_msg] [group G]`."""

    at: Statement
    name: Word | None = None
    mac: bytes | None = None
    """5 bytes: the VRID is the sixth."""
    group: int | None = None
    notifies: bool = False

    def address(self, vrid: int) -> bytes | None:
        """None: RFC 5798's own."""
        if self.mac is None or len(self.mac) > _WITHOUT_VRID:
            return self.mac
        return self.mac + bytes([vrid])


def read_mac(line: Statement, to: Reading) -> MacDraft:
    """What is wrong in the line is left out, as in keepalived."""
    draft = MacDraft(line)
    words = iter(line.values)
    for word in words:
        if word.text == "netlink_notify_msg":
            draft.notifies = True
        elif word.text == "group" and (number := next(words, None)) is not None:
            draft.group = whole(number, 0, _MAX_GROUP, to)
        elif _MAC.fullmatch(word.text):
            _mac(draft, word, to)
        else:
            _name(draft, next(words, word) if word.text == "name" else word, to)
    return draft


def _mac(draft: MacDraft, word: Word, to: Reading) -> None:
    mac = bytes(int(part, 16) for part in word.text.split(":"))
    if draft.mac is not None:
        to.warning(word, "duplicate-option", "a second MAC address: the first one counts")
    elif mac[0] & 1:
        to.warning(word, "bad-mac", f"{quoted(word)} is a multicast address; it is ignored")
    elif mac[:5] in (_RESERVED, _RESERVED_IPV6):
        to.warning(word, "bad-mac", f"{quoted(word)} is RFC 5798's own, for its VRID; it is ignored")
    else:
        draft.mac = mac


def _name(draft: MacDraft, word: Word, to: Reading) -> None:
    if draft.name is not None:
        to.warning(word, "duplicate-option", f"{quoted(word)} is surplus: the interface has a name already")
    elif size(word.text) > MAX_NAME or "/" in word.text or not word.text.isprintable():
        to.warning(word, "bad-interface", f"{quoted(word)} is no name for an interface; it is ignored")
    else:
        draft.name = word


class MacvlanNames:
    """Names for macvlans, as keepalived gives them: PREFIX.VRID, and with a number where that is taken."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}
        """By name, whose it is."""
        self._of_devices: dict[tuple[str, str, Family], str] = {}
        """By router, device and family."""

    def owner(self, name: str) -> str | None:
        """The router that has it already."""
        return self._taken.get(name)

    def take(self, name: str, router: str) -> None:
        """The one that is written; the first to write it has it."""
        self._taken.setdefault(name, router)

    def give(self, prefix: str, vrid: int, family: Family, router: str) -> str:
        """One that is free; the prefix is cut where the name would be too long."""
        marks = ["", *(["6"] if family is Family.IPV6 else []), *map(str, range(1, len(self._taken) + 2))]
        for mark in marks:
            end = f"{mark}.{vrid}"
            name = f"{prefix[: MAX_NAME - len(end)]}{end}"
            if name not in self._taken:
                break
        self._taken[name] = router
        return name

    def on(self, device: str, prefix: str, vrid: int, family: Family, router: str) -> str:
        """The one for a router's addresses of that family on another device."""
        key = (router, device, family)
        if key not in self._of_devices:
            self._of_devices[key] = self.give(prefix, vrid, family, router)
        return self._of_devices[key]
