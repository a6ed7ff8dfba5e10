"""Statements to a Config: the top level of keepalived.conf, and what can only be settled when all of it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from vrrpd.config.addresses import AddressDraft, read_address
from vrrpd.config.authentication import AUTHENTICATION
from vrrpd.config.diagnostics import Diagnostic, Place
from vrrpd.config.elsewhere import OUTSIDE
from vrrpd.config.fields import text
from vrrpd.config.globals import GLOBALS, GlobalsDraft
from vrrpd.config.groups import GROUP, GroupDraft, members_of
from vrrpd.config.links import (
    GARP_GROUP,
    TRACK_GROUP,
    DelayDraft,
    MembersDraft,
    PacingDraft,
    entries,
    read_delay,
    read_pacing,
)
from vrrpd.config.macs import MacvlanNames
from vrrpd.config.node import Node
from vrrpd.config.routers import ROUTER, RouterDraft
from vrrpd.config.routes import RouteDraft, read_route
from vrrpd.config.rules import RuleDraft, read_rule
from vrrpd.config.scripts import SCRIPT, ScriptDraft, finished
from vrrpd.config.settled import Settling
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Block, Reader, Reading, block, named_block, read_block, shown, value
from vrrpd.config.tracked import Tracked, WatchedDrafts, as_member, as_owner, find_trackers, without_weights
from vrrpd.config.watched import TRACK_FILE, TRACK_HAPROXY, TRACK_PROCESS, FileDraft, HAProxyDraft, ProcessDraft
from vrrpd.model import (
    OWNER_PRIORITY,
    Config,
    Pacing,
    SyncGroup,
    TrackerKind,
    TrackGroup,
    VirtualAddress,
    VirtualRouter,
)

_DEFAULT_DEVICE = "eth0"


_TRACKED_BY = {
    TrackerKind.SCRIPT: "track_script",
    TrackerKind.HAPROXY: "track_script",
    TrackerKind.FILE: "track_file",
    TrackerKind.PROCESS: "track_process",
}


@dataclass(frozen=True, slots=True)
class Built:
    """A configuration, everything that was found on the way, and where its parts stand."""

    config: Config
    diagnostics: tuple[Diagnostic, ...]
    routers: Mapping[str, Place]
    """A router's name to its place."""
    scripts: Mapping[str, Place]


@dataclass(slots=True)
class ConfigDraft:
    """All blocks of all files."""

    globals: GlobalsDraft = field(default_factory=GlobalsDraft)
    watched: WatchedDrafts = field(default_factory=WatchedDrafts)
    routers: dict[str, RouterDraft] = field(default_factory=dict)
    groups: dict[str, GroupDraft] = field(default_factory=dict)
    track_groups: dict[str, MembersDraft] = field(default_factory=dict)
    addresses: list[AddressDraft] = field(default_factory=list)
    routes: list[RouteDraft] = field(default_factory=list)
    rules: list[RuleDraft] = field(default_factory=list)
    delays: list[DelayDraft] = field(default_factory=list)
    pacing: list[PacingDraft] = field(default_factory=list)
    network_namespace: str | None = None
    instance: str | None = None


def _global_defs(draft: ConfigDraft, line: Statement, to: Reading) -> None:
    read_block(GLOBALS, line.children or (), draft.globals, to)


T = TypeVar("T")


def _named(into: Callable[[ConfigDraft], dict[str, T]], of: Block[T], make: Callable[[Word], T]) -> Reader[ConfigDraft]:
    """A block with a name: the first of a name counts, as in keepalived, and one without a name is left out."""

    def read(draft: ConfigDraft, line: Statement, to: Reading) -> None:
        if len(line.values) != 1:
            what = f"{line.keyword} needs a name of one word; keepalived leaves it out"
            to.error(line, "bad-name", what, "quote the name")
            return
        name, blocks = line.values[0], into(draft)
        if name.text in blocks:
            to.warning(
                name, "duplicate-name", f"a second {line.keyword} {quoted(name)} is skipped: the first one counts"
            )
            return
        blocks[name.text] = made = make(name)
        read_block(of, line.children or (), made, to)

    return read


_TRACK_FILE = named_block(3, _named(lambda draft: draft.watched.files, TRACK_FILE, FileDraft))
_TRACK_PROCESS = named_block(2, _named(lambda draft: draft.watched.processes, TRACK_PROCESS, ProcessDraft))

TOP: Block[ConfigDraft] = Block(
    "the file",
    {
        "global_defs": block(1, _global_defs),
        "vrrp_script": named_block(1, _named(lambda draft: draft.watched.scripts, SCRIPT, ScriptDraft)),
        "vrrp_instance": named_block(1, _named(lambda draft: draft.routers, ROUTER, RouterDraft)),
        "vrrp_sync_group": named_block(2, _named(lambda draft: draft.groups, GROUP, GroupDraft)),
        "track_file": _TRACK_FILE,
        "vrrp_track_file": replace(_TRACK_FILE, note="the old name of track_file"),
        "vrrp_track_process": _TRACK_PROCESS,
        "track_process": replace(_TRACK_PROCESS, note="another name of vrrp_track_process"),
        "vrrp_track_haproxy": named_block(
            2,
            _named(lambda draft: draft.watched.haproxies, TRACK_HAPROXY, HAProxyDraft),
            note="vrrpd's own; keepalived skips it",
        ),
        "static_ipaddress": block(3, entries("addresses", read_address)),
        "static_routes": block(3, entries("routes", read_route)),
        "static_rules": block(3, entries("rules", read_rule)),
        "track_group": named_block(4, _named(lambda draft: draft.track_groups, TRACK_GROUP, MembersDraft)),
        "interface_up_down_delays": block(3, entries("delays", read_delay), note="INTERFACE DOWN [UP]"),
        "garp_group": block(3, read_pacing),
        "net_namespace": value(3, text("network_namespace")),
        "instance": shown(4, text("instance"), note="the runtime directory is given with --runtime-dir"),
        **OUTSIDE,
    },
)

BLOCKS: tuple[Block[Any], ...] = (
    TOP,
    GLOBALS,
    SCRIPT,
    TRACK_FILE,
    TRACK_PROCESS,
    TRACK_HAPROXY,
    GROUP,
    ROUTER,
    AUTHENTICATION,
    GARP_GROUP,
    TRACK_GROUP,
)
_HOMES: Mapping[str, str] = {keyword: known.name for known in reversed(BLOCKS) for keyword in known.keywords}


def build(statements: Sequence[Statement], node: Node) -> Built:
    """Read the statements of all files as one configuration. Raises nothing."""
    to = Reading(node, _HOMES)
    draft = ConfigDraft()
    read_block(TOP, statements, draft, to)
    config = _Whole(draft, to).config()
    return Built(
        config,
        to.all(),
        {name: router.name for name, router in draft.routers.items()},
        {name: script.name for name, script in draft.watched.scripts.items()},
    )


class _Whole:
    """What is settled when the whole file is read: references, and what one block does to another."""

    def __init__(self, draft: ConfigDraft, to: Reading) -> None:
        self._draft = draft
        self._to = to
        self._settling = Settling(draft.globals, self._macvlans(), to)
        self._used: set[tuple[TrackerKind, str]] = set()
        """What is tracked."""

    def config(self) -> Config:
        draft, to = self._draft, self._to
        members = members_of(tuple(draft.groups.values()), draft.routers, to, exclusive=True)
        routers = self._routers({router: group for group, names in members.items() for router in names})
        groups = self._groups(members, routers)
        watched = draft.watched
        return Config(
            routers=tuple(routers),
            scripts=self._watched(
                TrackerKind.SCRIPT, watched.scripts, lambda s: finished(s, draft.globals.scripts, to)
            ),
            groups=groups,
            files=self._watched(TrackerKind.FILE, watched.files, lambda file: file.finished(to)),
            processes=self._watched(TrackerKind.PROCESS, watched.processes, lambda process: process.finished(to)),
            haproxies=self._watched(TrackerKind.HAPROXY, watched.haproxies, lambda haproxy: haproxy.finished(to)),
            static_addresses=tuple(self._static_addresses()),
            static_routes=tuple(route.finished() for route in draft.routes if self._all_exist(route.devices)),
            static_rules=tuple(rule.finished() for rule in draft.rules if self._all_exist(rule.devices)),
            track_groups=self._track_groups(),
            link_delays=tuple(delay.delay for delay in draft.delays if self._settling.exists(delay.interface)),
            pacing=tuple(self._pacing()),
            startup_delay=draft.globals.startup_delay,
            boot_delay=draft.globals.boot_delay,
            dynamic_interfaces=draft.globals.dynamic_interfaces,
            interfaces_may_change=draft.globals.interfaces_may_change,
            disables_local_igmp=draft.globals.disable_local_igmp,
            router_id=draft.globals.router_id,
            mail=draft.globals.mail,
            telling=draft.globals.telling(to),
            process=replace(draft.globals.process, network_namespace=draft.network_namespace, instance=draft.instance),
        )

    def _macvlans(self) -> MacvlanNames:
        """Those that are named in the file are taken before any is made up."""
        names = MacvlanNames()
        for router in self._draft.routers.values():
            if router.use_vmac is not None and router.use_vmac.name is not None:
                names.take(router.use_vmac.name.text, router.name.text)
        return names

    def _all_exist(self, devices: Iterable[Word]) -> bool:
        found = [self._settling.exists(device) for device in devices]
        return all(found)

    def _routers(self, group_of: Mapping[str, str]) -> list[VirtualRouter]:
        settled = [
            self._settling.router(draft, self._trackers(draft, group_of.get(draft.name.text)))
            for draft in self._draft.routers.values()
        ]
        return self._without_duplicates([router for router in settled if router is not None])

    def _trackers(self, draft: RouterDraft, group: str | None) -> tuple[Any, ...]:
        tracked = [
            each for each in find_trackers(draft.trackers, self._draft.watched, self._to) if self._counts(draft, each)
        ]
        if self._settling.priority(draft) == OWNER_PRIORITY:
            tracked = as_owner(tracked, self._to)
        elif group is not None and not self._draft.groups[group].tracking_weight:
            tracked = as_member(tracked, self._to)
        return self._use(tracked)

    def _counts(self, draft: RouterDraft, tracked: Tracked) -> bool:
        """An interface must be there, and be another one."""
        if tracked.tracker.kind is not TrackerKind.INTERFACE:
            return True
        if draft.interface is not None and tracked.at.text == draft.interface.text:
            message = f"{quoted(tracked.at)} is the router's own interface, which is tracked anyway: it is ignored"
            self._to.warning(tracked.at, "own-interface", message, "take it out")
            return False
        return self._settling.exists(tracked.at)

    def _use(self, tracked: Iterable[Tracked]) -> tuple[Any, ...]:
        trackers = tuple(each.tracker for each in tracked)
        self._used.update((tracker.kind, tracker.name) for tracker in trackers)
        return trackers

    def _groups(self, members: Mapping[str, Sequence[str]], routers: Iterable[VirtualRouter]) -> tuple[SyncGroup, ...]:
        owners = {router.name for router in routers if router.is_owner}
        defaults = self._draft.globals
        groups = []
        for name, names in members.items():
            draft = self._draft.groups[name]
            found = find_trackers(draft.trackers, self._draft.watched, self._to)
            tracked = [
                each
                for each in found
                if each.tracker.kind is not TrackerKind.INTERFACE or self._settling.exists(each.at)
            ]
            if owners.intersection(names):
                tracked = without_weights(tracked, self._to)
            notification = draft.notification.finished(defaults.scripts, defaults.mails_by_default, self._to)
            groups.append(SyncGroup(name, tuple(names), self._use(tracked), notification))
            self._judge(draft, names, owners)
        return tuple(groups)

    def _judge(self, draft: GroupDraft, names: Sequence[str], owners: set[str]) -> None:
        if len(names) == 1:
            message = f"{quoted(draft.name)} has one member, {names[0]}: there is nothing to keep together"
            self._to.advice(draft.name, "single-member", message, "name the others in group { … }")
        elif 0 < len(owners.intersection(names)) < len(names):
            message = f"some members of {quoted(draft.name)} have priority 255 and some have not: that does not work"
            self._to.warning(draft.name, "mixed-owners", message)

    def _watched(
        self, kind: TrackerKind, drafts: Mapping[str, Any], finish: Callable[[Any], T | None]
    ) -> tuple[T, ...]:
        """Those that something tracks, in the file's order; the others are pointed out."""
        kept = []
        for name, draft in drafts.items():
            if (kind, name) in self._used:
                kept.append(finish(draft))
            else:
                code = "unused-script" if kind is TrackerKind.SCRIPT else "unused-tracker"
                self._to.advice(
                    draft.name,
                    code,
                    f"no router tracks {quoted(draft.name)}: it is not looked at",
                    f"{_TRACKED_BY[kind]} {{ {draft.name.text} }} in the router that depends on it, or take it out",
                )
        return tuple(each for each in kept if each is not None)

    def _static_addresses(self) -> Iterable[VirtualAddress]:
        default = self._draft.globals.default_interface
        for address in self._draft.addresses:
            device = address.device or default
            if device is None:
                yield address.finished(_DEFAULT_DEVICE)
            elif self._settling.exists(device):
                yield address.finished(device.text)

    def _track_groups(self) -> tuple[TrackGroup, ...]:
        drafts = tuple(self._draft.track_groups.values())
        found = members_of(drafts, self._draft.routers, self._to, exclusive=False)
        lines = (self._draft.addresses, self._draft.routes, self._draft.rules)
        for word in (line.track_group for each in lines for line in each):
            if word is not None and word.text not in self._draft.track_groups:
                self._to.warning(word, "unknown-group", f"there is no track_group {quoted(word)}")
        return tuple(TrackGroup(name, members) for name, members in found.items())

    def _pacing(self) -> Iterable[Pacing]:
        defaults = self._draft.globals
        if defaults.arp_interval or defaults.na_interval:
            yield Pacing((), defaults.arp_interval, defaults.na_interval)
        for draft in self._draft.pacing:
            pacing = draft.finished(self._to)
            if pacing is not None and self._all_exist(draft.interfaces):
                yield pacing

    def _without_duplicates(self, routers: Sequence[VirtualRouter]) -> list[VirtualRouter]:
        """Two routers of one VRID on one interface could not be told apart, unless they speak with others."""
        first: dict[tuple[str, int, int], list[VirtualRouter]] = {}
        kept = []
        for router in routers:
            there = first.setdefault((router.interface, router.family, router.vrid), [])
            other = next((other for other in there if _overlap(router, other)), None)
            there.append(router)
            if other is None:
                kept.append(_told_apart(router, there[:-1]))
                continue
            draft = self._draft.routers[router.name]
            self._to.error(
                draft.vrid_at or draft.name,
                "duplicate-vrid",
                f"{other.name} (line {self._draft.routers[other.name].name.line}) has VRID {router.vrid} on"
                f" {router.interface} already",
                "give one of them another virtual_router_id, on all nodes",
            )
        return kept


def _told_apart(router: VirtualRouter, others: Sequence[VirtualRouter]) -> VirtualRouter:
    """Of one interface, VRID and source, with other peers: its name makes it another router."""
    if router.unicast is None or all(other.identity != router.identity for other in others):
        return router
    return replace(router, unicast=replace(router.unicast, label=router.name))


def _overlap(one: VirtualRouter, other: VirtualRouter) -> bool:
    """Whether somebody hears both."""
    if one.unicast is None or other.unicast is None:
        return one.unicast is other.unicast and one.group == other.group
    peers = {peer.address for peer in one.unicast.peers}
    return any(peer.address in peers for peer in other.unicast.peers)
