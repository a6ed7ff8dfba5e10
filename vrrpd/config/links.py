"""Blocks outside of routers that are about interfaces and what stays: delays, pacing, static addresses and groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vrrpd.config.fields import time
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Block, Reader, Reading, block, read_block, value
from vrrpd.config.values import seconds
from vrrpd.model import MICROSECOND, SECOND, Duration, LinkDelay, Pacing

_MAX_DELAY = 255 * SECOND
_MAX_INTERVAL = 4294 * SECOND
_ZERO = frozenset({"0"})

T = TypeVar("T")


def entries(name: str, read: Callable[[Statement, Reading], T | None]) -> Reader[Any]:
    """A block of lines, each read to a value that is appended to that field."""

    def reader(draft: Any, line: Statement, to: Reading) -> None:
        found = (read(entry, to) for entry in line.children or ())
        getattr(draft, name).extend(value for value in found if value is not None)

    return reader


@dataclass(slots=True)
class DelayDraft:
    """`INTERFACE DOWN [UP]`."""

    interface: Word
    delay: LinkDelay


def read_delay(entry: Statement, to: Reading) -> DelayDraft | None:
    """A delay that cannot be read is 0, as in keepalived."""
    if len(entry.words) < 2:  # noqa: PLR2004 - an interface and a time
        to.warning(
            entry, "missing-value", "an interface needs a delay: the line counts for nothing", "INTERFACE DOWN [UP]"
        )
        return None
    interface, *times = entry.words
    delays: list[Duration] = [seconds(word, 0, _MAX_DELAY, to) or 0 for word in times[:2]]
    return DelayDraft(interface, LinkDelay(interface.text, *delays))


@dataclass(slots=True)
class PacingDraft:
    """`garp_group`."""

    at: Statement
    interfaces: list[Word] = field(default_factory=list)
    arp: Duration = 0
    na: Duration = 0

    def finished(self, to: Reading) -> Pacing | None:
        """None, with the reason said, when it says nothing."""
        if not self.interfaces or not (self.arp or self.na):
            to.warning(self.at, "empty-group", "garp_group without an interface or without an interval: it is left out")
            return None
        return Pacing(tuple(word.text for word in self.interfaces), self.arp, self.na)


def _interface(draft: PacingDraft, line: Statement, to: Reading) -> None:
    del to
    draft.interfaces.append(line.values[0])


def _interfaces(draft: PacingDraft, line: Statement, to: Reading) -> None:
    del to
    draft.interfaces.extend(word for entry in line.children or () for word in entry.words)


GARP_GROUP: Block[PacingDraft] = Block(
    "garp_group",
    {
        "garp_interval": value(3, time("arp", MICROSECOND, _MAX_INTERVAL), harmless=_ZERO),
        "gna_interval": value(3, time("na", MICROSECOND, _MAX_INTERVAL), harmless=_ZERO),
        "interface": value(3, _interface),
        "interfaces": block(3, _interfaces),
    },
)


@dataclass(slots=True)
class MembersDraft:
    """A block whose `group` names routers: the words of all its lines."""

    name: Word
    members: list[Word] = field(default_factory=list)
    group_at: Statement | None = None


def read_members(draft: Any, line: Statement, to: Reading) -> None:
    """`group { NAME … }`, several on a line or not; a second one is skipped, as keepalived does."""
    if draft.group_at is not None:
        to.warning(line, "duplicate-keyword", f"a second group in {quoted(draft.name)}: the first one counts")
        return
    draft.group_at = line
    draft.members.extend(word for entry in line.children or () for word in entry.words)
    if not draft.members:
        to.warning(line, "empty-group", f"the group of {quoted(draft.name)} is empty")


TRACK_GROUP: Block[MembersDraft] = Block("track_group", {"group": block(4, read_members)})


def read_pacing(draft: Any, line: Statement, to: Reading) -> None:
    """A garp_group, appended to the file's."""
    pacing = PacingDraft(line)
    read_block(GARP_GROUP, line.children or (), pacing, to)
    draft.pacing.append(pacing)
