"""Where the parts of a configuration stand, for whoever judges the Config and has to point at the file."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from vrrpd.config.diagnostics import Place, Spot
from vrrpd.config.syntax import Statement
from vrrpd.model import IPAddress

_ADDRESS_BLOCKS = frozenset({"virtual_ipaddress", "virtual_ipaddress_excluded"})


class Places:
    """The statements of a file, looked up by block, name, keyword and entry."""

    def __init__(self, statements: Sequence[Statement], file: str = "") -> None:
        self._whole = Spot(file)
        self._blocks: dict[tuple[str, str], Statement] = {}
        for statement in statements:
            name = statement.values[0].text if statement.values else ""
            self._blocks.setdefault((statement.keyword, name), statement)

    def find(self, block: str, name: str = "", keyword: str = "", entry: str = "") -> Place:
        """The entry, else the keyword, else the block's name, else the file: the nearest that there is."""
        found = self._blocks.get((block, name))
        if found is None:
            return self._whole
        line = _last(found, keyword)
        if line is None:
            return found.values[0] if found.values else found
        return _last(line, entry) or line

    def address(self, router: str, address: IPAddress) -> Place:
        """The line of a router's address, however it is spelt; else the router."""
        found = self._blocks.get(("vrrp_instance", router))
        for line in found.children or () if found else ():
            for entry in (line.children or ()) if line.keyword in _ADDRESS_BLOCKS else ():
                if _is_address(entry.keyword, address):
                    return entry
        return self.find("vrrp_instance", router)

    def stands(self, block: str, name: str, keyword: str) -> bool:
        """Whether the author wrote that keyword into that block."""
        found = self._blocks.get((block, name))
        return found is not None and _last(found, keyword) is not None

    def words(self, block: str, name: str, keyword: str, entry: str = "") -> tuple[str, ...]:
        """What stands after that keyword, or after that entry of its block; nothing where it is not there."""
        found = self._blocks.get((block, name))
        line = _last(found, keyword) if found else None
        if entry and line:
            line = _last(line, entry)
        return tuple(word.text for word in line.values) if line else ()


def _last(block: Statement, keyword: str) -> Statement | None:
    """Of several it is the one that counts."""
    return next((child for child in reversed(block.children or ()) if child.keyword == keyword != ""), None)


def _is_address(text: str, address: IPAddress) -> bool:
    try:
        return ip_address(text.partition("/")[0]) == address
    except ValueError:
        return False
