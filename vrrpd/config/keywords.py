"""Statements to a Config: the top level of keepalived.conf, and what can only be settled when all of it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from vrrpd.config.addresses import MAX_NAME
from vrrpd.config.diagnostics import Diagnostic, Place
from vrrpd.config.globals import GLOBALS, GlobalsDraft
from vrrpd.config.node import Node
from vrrpd.config.routers import (
    AUTHENTICATION,
    ROUTER,
    Election,
    RouterDraft,
    TrackerDraft,
    finish_authentication,
    finish_election,
    finish_interval,
)
from vrrpd.config.scripts import SCRIPT, ScriptDraft, finished
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Block, Reading, block, ignored, named_block, read_block, unread
from vrrpd.config.values import size
from vrrpd.model import (
    OWNER_PRIORITY,
    Announcing,
    Config,
    Identity,
    Script,
    Tracker,
    VirtualAddress,
    VirtualRouter,
)

MAX_ADDRESSES = 255
"""Of one advertisement: its count is a byte."""


@dataclass(frozen=True, slots=True)
class Built:
    """A configuration, everything that was found on the way, and where its parts stand."""

    config: Config
    diagnostics: tuple[Diagnostic, ...]
    routers: Mapping[str, Place]
    """A router's name to its place."""
    scripts: Mapping[str, Place]


@dataclass(slots=True)
class FileDraft:
    """All blocks of all files."""

    globals: GlobalsDraft = field(default_factory=GlobalsDraft)
    scripts: dict[str, ScriptDraft] = field(default_factory=dict)
    routers: dict[str, RouterDraft] = field(default_factory=dict)


def _global_defs(draft: FileDraft, line: Statement, to: Reading) -> None:
    read_block(GLOBALS, line.children or (), draft.globals, to)


def _name(line: Statement, to: Reading) -> Word | None:
    """One word: a block with another name is left out by keepalived, which runs the rest."""
    if len(line.values) != 1:
        to.error(line, "bad-name", f"{line.keyword} needs a name of one word; it would be left out", "quote the name")
        return None
    return line.values[0]


def _vrrp_script(draft: FileDraft, line: Statement, to: Reading) -> None:
    name = _name(line, to)
    if name is None:
        return
    if name.text in draft.scripts:
        to.warning(name, "duplicate-name", f"a second vrrp_script {quoted(name)}: the first one counts")
        return
    script = draft.scripts[name.text] = ScriptDraft(name)
    read_block(SCRIPT, line.children or (), script, to)


def _vrrp_instance(draft: FileDraft, line: Statement, to: Reading) -> None:
    name = _name(line, to)
    if name is None:
        return
    if name.text in draft.routers:
        to.warning(name, "duplicate-name", f"a second vrrp_instance {quoted(name)}: it is skipped, as keepalived does")
        return
    router = draft.routers[name.text] = RouterDraft(name)
    read_block(ROUTER, line.children or (), router, to)


_LVS = "load balancing is not vrrpd's"
_PIDS = "the runtime directory is given with --runtime-dir"
_LINKS = "link state comes from the kernel as it changes"
_TRACKED = "only a block that tracks it would use it, and that is refused"

TOP: Block[FileDraft] = Block(
    "the file",
    {
        "global_defs": block(_global_defs),
        "vrrp_script": named_block(_vrrp_script),
        "vrrp_instance": named_block(_vrrp_instance),
        "vrrp_sync_group": unread(),
        "static_ipaddress": unread(),
        "static_routes": unread(),
        "static_rules": unread(),
        "track_group": unread(),
        "interface_up_down_delays": unread(),
        "garp_group": unread(),
        "net_namespace": unread(),
        "track_file": ignored(_TRACKED),
        "vrrp_track_file": ignored(_TRACKED),
        "track_process": ignored(_TRACKED),
        "vrrp_track_process": ignored(_TRACKED),
        "bfd_instance": ignored(_TRACKED),
        "linkbeat_use_polling": ignored(_LINKS),
        "linkbeat_interfaces": ignored(_LINKS),
        "instance": ignored(_PIDS),
        "use_pid_dir": ignored(_PIDS),
        "child_wait_time": ignored("vrrpd has no child processes to wait for"),
        "namespace_with_ipsets": ignored("it concerns keepalived's firewall"),
        **dict.fromkeys(("net_namespace_ipvs", "virtual_server", "virtual_server_group", "SSL"), ignored(_LVS)),
    },
)

BLOCKS = (TOP, GLOBALS, SCRIPT, ROUTER, AUTHENTICATION)
_HOMES: Mapping[str, str] = {keyword: known.name for known in reversed(BLOCKS) for keyword in known.keywords}


def build(statements: Sequence[Statement], node: Node) -> Built:
    """Read the statements of all files as one configuration. Raises nothing."""
    to = Reading(node, _HOMES)
    draft = FileDraft()
    read_block(TOP, statements, draft, to)
    settled = [_settle(router, draft.scripts, to) for router in draft.routers.values()]
    finished_routers = (_router(router, draft.globals, to) for router in settled)
    routers = [router for router in finished_routers if router is not None]
    tracked = {tracker.name for router in settled for tracker in router.trackers}
    config = Config(
        routers=tuple(_without_duplicates(routers, draft, to)),
        scripts=_scripts(draft, tracked, to),
        router_id=draft.globals.router_id,
        mail=draft.globals.mail,
    )
    return Built(
        config,
        to.all(),
        {name: router.name for name, router in draft.routers.items()},
        {name: script.name for name, script in draft.scripts.items()},
    )


@dataclass(frozen=True, slots=True)
class _Settled:
    """A router whose references into the rest of the file are resolved."""

    draft: RouterDraft
    election: Election
    trackers: tuple[Tracker, ...]


def _settle(draft: RouterDraft, scripts: Mapping[str, ScriptDraft], to: Reading) -> _Settled:
    election = finish_election(draft, to)
    found = (_tracker(tracker, election, scripts, to) for tracker in draft.trackers)
    return _Settled(draft, election, tuple(tracker for tracker in found if tracker is not None))


def _tracker(
    tracker: TrackerDraft, election: Election, scripts: Mapping[str, ScriptDraft], to: Reading
) -> Tracker | None:
    name = tracker.name
    script = scripts.get(name.text)
    if script is None:
        to.warning(name, "unknown-script", f"there is no vrrp_script {quoted(name)}: it is not tracked")
        return None
    if script.name.file == name.file and script.name.line > name.line:
        to.info(
            name,
            "defined-later",
            f"keepalived would not track {quoted(name)}, since its vrrp_script comes later (line {script.name.line});"
            " vrrpd does",
        )
    weight = script.weight if tracker.weight is None else tracker.weight
    if election.priority == OWNER_PRIORITY and weight:
        to.warning(name, "owner-weight", f"priority 255 never changes: {quoted(name)} with its weight is not tracked")
        return None
    return Tracker(name.text, weight, script.reverse if tracker.reverse is None else tracker.reverse)


def _scripts(draft: FileDraft, tracked: AbstractSet[str], to: Reading) -> tuple[Script, ...]:
    """Those that some router tracks, in the file's order; the others are pointed out."""
    scripts = []
    for script in draft.scripts.values():
        if script.name.text in tracked:
            scripts.append(finished(script, draft.globals.scripts, to))
        else:
            to.info(script.name, "unused-script", f"no router tracks {quoted(script.name)}: it is not run")
    return tuple(script for script in scripts if script is not None)


def _router(settled: _Settled, defaults: GlobalsDraft, to: Reading) -> VirtualRouter | None:
    """A virtual router, or None with an error said."""
    draft, election = settled.draft, settled.election
    interval = finish_interval(draft, to)
    authentication = finish_authentication(draft, to)
    name = draft.name.text
    if draft.vrid is None:
        to.error(draft.name, "no-vrid", f"{name} has no virtual_router_id", "1 to 255, the same on both nodes")
    interface = _interface(draft, to)
    addresses = _addresses(draft, interface or "", to)
    if len(addresses) > MAX_ADDRESSES:
        to.error(draft.name, "not-yet", f"{name}: more than {MAX_ADDRESSES} addresses in one router")
    if draft.vrid is None or interface is None:
        return None
    return VirtualRouter(
        name=name,
        interface=interface,
        vrid=draft.vrid,
        priority=election.priority,
        initial_state=election.state,
        advertisement_interval=interval,
        preempt=election.preempt,
        resigns_when_worse=draft.nopreempt_at is not None,
        preempt_delay=election.preempt_delay,
        down_timer_adverts=draft.down_timer_adverts or defaults.down_timer_adverts,
        addresses=addresses[:MAX_ADDRESSES],
        multicast_group=defaults.multicast_group,
        authentication=authentication,
        announcing=_announcing(draft, defaults.announcing),
        trackers=settled.trackers,
    )


def _interface(draft: RouterDraft, to: Reading) -> str | None:
    word = draft.interface
    if word is None:
        to.error(
            draft.name, "no-interface", f"{draft.name.text} has no interface", "name the one that reaches the peer"
        )
        return None
    if word.text == "lo":
        to.error(word, "bad-interface", "nobody hears advertisements on lo", "name the interface that reaches the peer")
        return None
    return word.text if _exists(word, to) else None


def _exists(word: Word, to: Reading) -> bool:
    if size(word.text) > MAX_NAME:
        to.error(word, "bad-interface", f"an interface's name has at most {MAX_NAME} characters")
        return False
    if to.node.has_interface(word.text):
        return True
    to.error(word, "unknown-interface", f"this node has no interface {quoted(word)}", "ip link shows those there are")
    return False


def _addresses(draft: RouterDraft, interface: str, to: Reading) -> tuple[VirtualAddress, ...]:
    return tuple(
        address.finished(interface)
        for address in draft.addresses
        if address.device is None or _exists(address.device, to)
    )


def _announcing(draft: RouterDraft, defaults: Announcing) -> Announcing:
    def either(own: int | None, default: int) -> int:
        return default if own is None else own

    return Announcing(
        either(draft.garp_delay, defaults.master_delay),
        either(draft.garp_repeat, defaults.master_repeat),
        either(draft.garp_lower_priority_delay, defaults.lower_priority_delay),
        either(draft.garp_lower_priority_repeat, defaults.lower_priority_repeat),
    )


def _without_duplicates(routers: Sequence[VirtualRouter], draft: FileDraft, to: Reading) -> list[VirtualRouter]:
    """Two routers of one VRID on one interface could not be told apart."""
    first: dict[Identity, VirtualRouter] = {}
    for router in routers:
        other = first.setdefault(router.identity, router)
        if other is not router:
            there = draft.routers[other.name]
            to.error(
                draft.routers[router.name].vrid_at or draft.routers[router.name].name,
                "duplicate-vrid",
                f"{other.name} (line {there.name.line}) has VRID {router.vrid} on {router.interface} already",
                "give one of them another virtual_router_id, on all nodes",
            )
    return list(first.values())
