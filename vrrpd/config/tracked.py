"""Lines of track_ blocks to trackers, when the whole file is read: what they name, and what a weight may do where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vrrpd.config.scripts import ScriptDraft
from vrrpd.config.syntax import Word, quoted
from vrrpd.config.table import Reading
from vrrpd.config.trackers import TrackerDraft
from vrrpd.config.watched import FileDraft, HAProxyDraft, ProcessDraft
from vrrpd.model import Tracker, TrackerKind

_Watched = ScriptDraft | FileDraft | ProcessDraft | HAProxyDraft

_BLOCKS = {
    TrackerKind.SCRIPT: "vrrp_script",
    TrackerKind.FILE: "track_file",
    TrackerKind.PROCESS: "vrrp_track_process",
}


@dataclass(slots=True)
class WatchedDrafts:
    """All blocks that can be tracked, by name."""

    scripts: dict[str, ScriptDraft] = field(default_factory=dict)
    files: dict[str, FileDraft] = field(default_factory=dict)
    processes: dict[str, ProcessDraft] = field(default_factory=dict)
    haproxies: dict[str, HAProxyDraft] = field(default_factory=dict)

    def find(self, kind: TrackerKind, name: str) -> tuple[TrackerKind, _Watched] | None:
        """What that name stands for in a block of that kind; None: nothing."""
        kinds = (kind, TrackerKind.HAPROXY) if kind is TrackerKind.SCRIPT else (kind,)
        for each in kinds:
            if name in self._of(each):
                return each, self._of(each)[name]
        return None

    def _of(self, kind: TrackerKind) -> Mapping[str, _Watched]:
        known: Mapping[TrackerKind, Mapping[str, _Watched]] = {
            TrackerKind.SCRIPT: self.scripts,
            TrackerKind.FILE: self.files,
            TrackerKind.PROCESS: self.processes,
            TrackerKind.HAPROXY: self.haproxies,
        }
        return known[kind]


@dataclass(frozen=True, slots=True)
class Tracked:
    """A tracker, and the word that names it."""

    at: Word
    tracker: Tracker


def find_trackers(drafts: Iterable[TrackerDraft], watched: WatchedDrafts, to: Reading) -> list[Tracked]:
    """Those whose object there is; a weight that the line has not comes from the object's block."""
    found = (_find(draft, watched, to) for draft in drafts)
    return [tracked for tracked in found if tracked is not None]


def _find(draft: TrackerDraft, watched: WatchedDrafts, to: Reading) -> Tracked | None:
    name = draft.name
    if draft.kind is TrackerKind.INTERFACE:
        return Tracked(name, Tracker(name.text, draft.weight or 0, bool(draft.reverse), draft.kind))
    there = watched.find(draft.kind, name.text)
    if there is None:
        code = "unknown-script" if draft.kind is TrackerKind.SCRIPT else "unknown-tracker"
        to.warning(name, code, f"there is no {_BLOCKS[draft.kind]} {quoted(name)}: it is not tracked")
        return None
    kind, block = there
    if kind is draft.kind and block.name.file == name.file and block.name.line > name.line:
        to.info(
            name,
            "defined-later",
            f"keepalived would not track {quoted(name)}, since its {_BLOCKS[kind]} comes later (line"
            f" {block.name.line}); vrrpd does",
        )
    weight = block.weight if draft.weight is None else draft.weight
    reverse = block.reverse if draft.reverse is None else draft.reverse
    return Tracked(name, Tracker(name.text, weight, reverse, kind))


def as_owner(tracked: Iterable[Tracked], to: Reading) -> list[Tracked]:
    """Priority 255 never changes: what has a weight is not tracked."""
    kept = []
    for each in tracked:
        if each.tracker.weight:
            to.warning(
                each.at, "owner-weight", f"priority 255 never changes: {quoted(each.at)} with its weight is not tracked"
            )
        else:
            kept.append(each)
    return kept


def as_member(tracked: Iterable[Tracked], to: Reading) -> list[Tracked]:
    """Members of a sync group have one priority: a weight is dropped, with its tracker or alone, as in keepalived.

    A process keeps its weight: keepalived 2.2.7 overlooks it.
    """
    kept = []
    for each in tracked:
        tracker = each.tracker
        match tracker.kind:
            case TrackerKind.INTERFACE if tracker.weight:
                message = "counts without its weight, as a fault"
                kept.append(Tracked(each.at, Tracker(tracker.name, 0, tracker.reverse, tracker.kind)))
            case TrackerKind.FILE if tracker.weight == 1:
                message = "counts without its weight, as a fault"
                kept.append(Tracked(each.at, Tracker(tracker.name, 0, tracker.reverse, tracker.kind)))
            case TrackerKind.SCRIPT | TrackerKind.FILE | TrackerKind.HAPROXY if tracker.weight:
                message = "is not tracked"
            case _:
                kept.append(each)
                continue
        to.warning(
            each.at,
            "member-weight",
            f"{quoted(each.at)} has a weight, which a member of a sync group may not have: it {message}",
            "track it in the group, give it weight 0, or set sync_group_tracking_weight",
        )
    return kept


def without_weights(tracked: Iterable[Tracked], to: Reading) -> list[Tracked]:
    """Of a group with an owner in it: each weight is 0, and what it was for a fault."""
    kept = []
    for each in tracked:
        tracker = each.tracker
        if tracker.weight:
            to.warning(
                each.at,
                "owner-weight",
                f"a member has priority 255, which never changes: {quoted(each.at)} has weight 0",
            )
        kept.append(Tracked(each.at, Tracker(tracker.name, 0, tracker.reverse, tracker.kind)))
    return kept
