"""What a rule is, and what it is given to judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from vrrpd.config.diagnostics import Place
from vrrpd.config.node import Node
from vrrpd.config.places import Places
from vrrpd.model import Config, SyncGroup, Tracker, TrackerKind, VirtualRouter

ROUTER, SCRIPT, GROUP, GLOBALS = "vrrp_instance", "vrrp_script", "vrrp_sync_group", "global_defs"

_BLOCKS = {
    TrackerKind.SCRIPT: "track_script",
    TrackerKind.HAPROXY: "track_script",
    TrackerKind.INTERFACE: "track_interface",
    TrackerKind.FILE: "track_file",
    TrackerKind.PROCESS: "track_process",
}


class Advice(NamedTuple):
    """One finding: what will happen, and the change that mends it."""

    at: Place
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A configuration, where its parts stand, and the machine it is for."""

    config: Config
    places: Places
    node: Node
    alone: bool = True
    """False: the other nodes' files are at hand too and are compared elsewhere."""

    def at(self, router: VirtualRouter, keyword: str = "", entry: str = "") -> Place:
        """Where a router says something, else where it stands."""
        return self.places.find(ROUTER, router.name, keyword, entry)

    def says(self, router: VirtualRouter, keyword: str) -> bool:
        """Whether that keyword stands in the router's block."""
        return self.places.stands(ROUTER, router.name, keyword)

    def words(self, router: VirtualRouter, tracker: Tracker) -> tuple[str, ...]:
        """What stands after a tracker's name, in the router or in its group."""
        own = self.places.words(ROUTER, router.name, _BLOCKS[tracker.kind], tracker.name)
        group = self.group(router)
        return own or (self.places.words(GROUP, group.name, _BLOCKS[tracker.kind], tracker.name) if group else ())

    def at_tracker(self, router: VirtualRouter, tracker: Tracker) -> Place:
        """The line that tracks it, in the router or in its group."""
        block = _BLOCKS[tracker.kind]
        if tracker in router.trackers:
            return self.at(router, block, tracker.name)
        group = self.group(router)
        return self.places.find(GROUP, group.name, block, tracker.name) if group else self.at(router)

    def group(self, router: VirtualRouter) -> SyncGroup | None:
        """The group that it is a member of."""
        return next((group for group in self.config.groups if router.name in group.members), None)

    def trackers(self, router: VirtualRouter) -> tuple[Tracker, ...]:
        """Its own and its group's."""
        group = self.group(router) if self.config.groups else None
        return router.trackers + (group.trackers if group else ())


Rule: TypeAlias = Callable[[Subject], Iterator[Advice]]
