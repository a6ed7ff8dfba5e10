"""The lines of track_ blocks, in routers and groups: `NAME [weight W] [reverse|noreverse]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vrrpd.config.diagnostics import Severity
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Keyword, Reader, Reading, block, ignored
from vrrpd.config.values import whole
from vrrpd.model import TrackerKind

MAX_WEIGHT = 253
MAX_FACTOR = 254
"""Of a file's number and of a process: one more, so that they can always bring a router down."""

_LARGEST = {TrackerKind.FILE: MAX_FACTOR, TrackerKind.PROCESS: MAX_FACTOR}


@dataclass(slots=True)
class TrackerDraft:
    """A line of a track_ block; what it names is looked for when the whole file is read."""

    kind: TrackerKind
    name: Word
    weight: int | None = None
    reverse: bool | None = None


def _track(kind: TrackerKind) -> Reader[Any]:
    def read(draft: Any, line: Statement, to: Reading) -> None:
        trackers: list[TrackerDraft] = draft.trackers
        for entry in line.children or ():
            tracker = _tracker(kind, entry, to)
            if tracker is None:
                continue
            if any(other.kind is kind and other.name.text == tracker.name.text for other in trackers):
                to.warning(entry, "duplicate-tracker", f"{quoted(tracker.name)} is tracked twice: the first counts")
            else:
                trackers.append(tracker)

    return read


def _tracker(kind: TrackerKind, entry: Statement, to: Reading) -> TrackerDraft | None:
    """None when keepalived drops the entry as well."""
    if not entry.words:
        to.warning(entry, "unexpected-brace", "a block where a name to track is expected; it is skipped")
        return None
    tracker = TrackerDraft(kind, entry.words[0])
    words = iter(entry.values)
    for word in words:
        match word.text:
            case "reverse" | "noreverse":
                tracker.reverse = word.text == "reverse"
            case "weight" if (number := next(words, None)) is not None:
                tracker.weight = _weight(kind, number, to)
            case _ if tracker.weight is not None:
                to.warning(word, "unknown-option", f"{quoted(word)} is neither reverse nor noreverse; it is ignored")
            case _:
                to.warning(
                    word,
                    "unknown-option",
                    f"{quoted(word)} is no option here: {quoted(tracker.name)} is not tracked",
                    "NAME [weight W] [reverse], one a line",
                )
                return None
    return tracker


def _weight(kind: TrackerKind, word: Word, to: Reading) -> int | None:
    """Beyond 254 it counts for nothing; 254 is 253 where the most is 253, as in keepalived."""
    number = whole(word, -MAX_FACTOR, MAX_FACTOR, to, otherwise="the weight it has anyway counts")
    return None if number is None else nearest_weight(number, word, to, _LARGEST.get(kind, MAX_WEIGHT))


def nearest_weight(number: int, at: Word, to: Reading, most: int = MAX_WEIGHT) -> int:
    """What is beyond the range is taken as its end: the priority never leaves 1 to 254 anyway."""
    nearest = min(max(number, -most), most)
    if nearest != number:
        to.warning(at, "bad-number", f"a weight is from -{most} to {most}: {nearest} is taken")
    return nearest


_BFD = "BFD is not vrrpd's; the router moves without regard to it, which keepalived would have"

TRACKING: Mapping[str, Keyword[Any]] = {
    "track_interface": block(1, _track(TrackerKind.INTERFACE)),
    "track_script": block(1, _track(TrackerKind.SCRIPT), note="of a vrrp_script or a vrrp_track_haproxy"),
    "track_file": block(3, _track(TrackerKind.FILE)),
    "track_process": block(2, _track(TrackerKind.PROCESS)),
    "track_bfd": ignored(4, _BFD, Severity.WARNING),
}
