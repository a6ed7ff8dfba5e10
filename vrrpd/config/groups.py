"""`vrrp_sync_group NAME { … }`: routers that are Master together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from vrrpd.config.fields import on, part
from vrrpd.config.links import MembersDraft, read_members
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Block, Reading, block, flag
from vrrpd.config.telling import OF_GROUPS, NotificationDraft
from vrrpd.config.trackers import TRACKING, TrackerDraft


@dataclass(slots=True)
class GroupDraft:
    """What a vrrp_sync_group block has said so far."""

    name: Word
    members: list[Word] = field(default_factory=list)
    group_at: Statement | None = None
    trackers: list[TrackerDraft] = field(default_factory=list)
    tracking_weight: bool = False
    notification: NotificationDraft = field(default_factory=NotificationDraft)


def _global_tracking(draft: GroupDraft, line: Statement, to: Reading) -> None:
    to.advice(line, "deprecated", "global_tracking is an old word of keepalived's", "write sync_group_tracking_weight")
    draft.tracking_weight = True


GROUP: Block[GroupDraft] = Block(
    "vrrp_sync_group",
    {
        "group": block(2, read_members),
        **TRACKING,
        **part("notification", OF_GROUPS),
        "sync_group_tracking_weight": flag(3, on("tracking_weight")),
        "global_tracking": flag(4, _global_tracking),
    },
)


def members_of(
    drafts: Sequence[GroupDraft] | Sequence[MembersDraft], routers: Collection[str], to: Reading, *, exclusive: bool
) -> dict[str, tuple[str, ...]]:
    """By group, the names of routers that there are; exclusive: a router is in the first group that names it."""
    found: dict[str, tuple[str, ...]] = {}
    taken: dict[str, str] = {}
    for draft in drafts:
        members: list[str] = []
        for word in draft.members:
            name = word.text
            if name not in routers:
                to.warning(word, "unknown-router", f"there is no vrrp_instance {quoted(word)}: it is left out")
            elif name in members or (exclusive and name in taken):
                where = quoted(draft.name) if name in members else f"group {taken[name]}"
                to.warning(word, "duplicate-member", f"{quoted(word)} is in {where} already: it is left out here")
            else:
                members.append(name)
                taken[name] = draft.name.text
        if members:
            found[draft.name.text] = tuple(members)
        else:
            to.warning(draft.name, "empty-group", f"the group {quoted(draft.name)} has no member: it is left out")
    return found
