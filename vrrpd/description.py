"""A configuration for programs: what `vrrpd check --json` shows of it. Passwords are hidden, whoever asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from vrrpd.model import (
    FOREVER,
    MILLISECOND,
    Announcing,
    Authentication,
    AuthenticationType,
    Command,
    Config,
    Duration,
    Fifo,
    Mail,
    Notification,
    Script,
    SyncGroup,
    TrackedFile,
    TrackedHAProxy,
    TrackedProcess,
    Tracker,
    TrackerKind,
    Unicast,
    UnicastPeer,
    User,
    VirtualAddress,
    VirtualMac,
    VirtualRouter,
)

Json: TypeAlias = dict[str, Any]

HIDDEN = "********"
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
_KINDS = {
    TrackerKind.SCRIPT: "tracked_scripts",
    TrackerKind.INTERFACE: "tracked_interfaces",
    TrackerKind.FILE: "tracked_files",
    TrackerKind.PROCESS: "tracked_processes",
    TrackerKind.HAPROXY: "tracked_haproxies",
}


def _ms(duration: Duration) -> int | float:
    """Milliseconds; a fraction where there is one."""
    return duration // MILLISECOND if duration % MILLISECOND == 0 else duration / MILLISECOND


def routers(config: Config) -> list[Json]:
    """`virtual_routers`."""
    group_of = {name: group.name for group in config.groups for name in group.members}
    return [_router(router, group_of.get(router.name)) for router in config.routers]


def _router(router: VirtualRouter, group: str | None) -> Json:
    source = None if router.source_address is None else str(router.source_address)
    return {
        "name": router.name,
        "version": int(router.version),
        "state": str(router.initial_state),
        "interface": router.interface,
        "vrid": router.vrid,
        "priority": router.priority,
        "advert_interval_ms": _ms(router.advertisement_interval),
        "down_timer_adverts": router.down_timer_adverts,
        "preempt": router.preempt,
        "preempt_delay_ms": _ms(router.preempt_delay),
        "hands_over_when_worse": router.resigns_when_worse and not router.strict,
        "auth": _authentication(router.authentication),
        "addresses": [address_line(address, router) for address in router.addresses],
        "excluded_addresses": [address_line(address, router) for address in router.excluded],
        "routes": [route.text for route in router.routes],
        "rules": [rule.text for rule in router.rules],
        "unicast_source": source if router.unicast else None,
        "unicast_peers": [_peer(peer) for peer in router.unicast.peers] if router.unicast else [],
        "unicast": _unicast(router.unicast),
        "multicast_source": None if router.unicast else source,
        "multicast_group": None if router.unicast else str(router.group),
        **_trackers(router.trackers),
        "tracks_interface": router.tracks_interface,
        "tracks_source": router.tracks_source,
        "sync_group": group,
        "virtual_mac": _virtual_mac(router.virtual_mac),
        "strict": router.strict,
        "accept": router.accept,
        "answers_lower_priority": router.answers_lower_priority,
        "announces_defeat": router.announces_defeat,
        "promotes_secondaries": router.promotes_secondaries,
        "gratuitous_arp": _announcing(router.announcing),
        "notify": _notification(router.notification),
        "smtp_alert": router.notification.mails,
    }


def _authentication(authentication: Authentication) -> Json | None:
    if authentication.type is AuthenticationType.NONE:
        return None
    return {"type": authentication.type.name, "pass": HIDDEN}


def _unicast(unicast: Unicast | None) -> Json | None:
    return None if unicast is None else {"ttl": unicast.ttl, "checks_source": unicast.checks_source}


def _peer(peer: UnicastPeer) -> Json:
    """With the range that keepalived takes where none was given."""
    low = 0 if peer.min_ttl is None else peer.min_ttl
    return {"address": str(peer.address), "min_ttl": low, "max_ttl": 255 if peer.max_ttl is None else peer.max_ttl}


def _trackers(trackers: Iterable[Tracker]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {key: [] for key in _KINDS.values()}
    for tracker in trackers:
        shown = {"name": tracker.name, "weight": tracker.weight, "reverse": tracker.reverse}
        found[_KINDS[tracker.kind]].append(shown)
    return found


def _virtual_mac(mac: VirtualMac | None) -> Json | None:
    if mac is None:
        return None
    return {
        "interface": mac.device,
        "mac": mac.mac.hex(":") if mac.mac else None,
        "advertises_on_base": mac.advertises_on_base,
        "on_all_interfaces": mac.on_all_devices,
    }


def _announcing(announcing: Announcing) -> Json:
    return {
        "master_delay_ms": _ms(announcing.master_delay),
        "master_repeat": announcing.master_repeat,
        "lower_priority_delay_ms": _ms(announcing.lower_priority_delay),
        "lower_priority_repeat": announcing.lower_priority_repeat,
        "refresh_ms": _ms(announcing.refresh),
        "refresh_repeat": announcing.refresh_repeat,
        "extra_interfaces_ms": _ms(announcing.extra_interfaces),
    }


def _notification(told: Notification) -> Json:
    """By keepalived's keywords; only those that somebody is told by."""
    commands = {
        "notify": told.on_change,
        "notify_master": told.on_master,
        "notify_backup": told.on_backup,
        "notify_fault": told.on_fault,
        "notify_stop": told.on_stop,
        "notify_deleted": told.on_deleted,
        "notify_master_rx_lower_pri": told.on_lower_priority,
    }
    return {keyword: _command(command) for keyword, command in commands.items() if command is not None}


def _command(command: Command | None) -> Json | None:
    return None if command is None else {"command": list(command.argv), "user": _user(command.user)}


def _user(user: User | None) -> str | None:
    return user.name if user else None


def groups(config: Config) -> list[Json]:
    """`sync_groups`."""
    return [_group(group) for group in config.groups]


def _group(group: SyncGroup) -> Json:
    return {
        "name": group.name,
        "members": list(group.members),
        **_trackers(group.trackers),
        "notify": _notification(group.notification),
        "smtp_alert": group.notification.mails,
    }


def script(found: Script) -> Json:
    """One of `scripts`."""
    return {
        "name": found.name,
        "command": list(found.argv),
        "interval_ms": _ms(found.interval),
        "timeout_ms": _ms(found.timeout),
        "weight": found.weight,
        "rise": found.rise,
        "fall": found.fall,
        "user": _user(found.user),
        "starts_failed": found.starts_failed,
    }


def file(found: TrackedFile) -> Json:
    """One of `files`."""
    return {
        "name": found.name,
        "path": found.path,
        "weight": found.weight,
        "reverse": found.reverse,
        "initial": found.initial,
        "overwrites": found.overwrites,
    }


def process(found: TrackedProcess) -> Json:
    """One of `processes`."""
    return {
        "name": found.name,
        "process": found.process,
        "parameters": None if found.parameters is None else list(found.parameters),
        "match": str(found.match),
        "full_command": found.full_command,
        "weight": found.weight,
        "reverse": found.reverse,
        "quorum": found.quorum,
        "quorum_max": found.quorum_max,
        "fork_delay_ms": _ms(found.fork_delay),
        "terminate_delay_ms": _ms(found.terminate_delay),
    }


def haproxy(found: TrackedHAProxy) -> Json:
    """One of `haproxies`."""
    return {
        "name": found.name,
        "socket": found.socket,
        "backend": found.backend,
        "min_servers": found.min_servers,
        "interval_ms": _ms(found.interval),
        "timeout_ms": _ms(found.timeout),
        "weight": found.weight,
        "reverse": found.reverse,
        "rise": found.rise,
        "fall": found.fall,
    }


def rest(config: Config) -> Json:
    """What concerns the whole node: one of `globals`."""
    telling = config.telling
    return {
        "router_id": config.router_id,
        "dynamic_interfaces": config.dynamic_interfaces,
        "startup_delay_ms": _ms(config.startup_delay),
        "boot_delay_ms": _ms(config.boot_delay),
        "static_addresses": [address_line(address) for address in config.static_addresses],
        "static_routes": [route.text for route in config.static_routes],
        "static_rules": [rule.text for rule in config.static_rules],
        "track_groups": [{"name": group.name, "routers": list(group.routers)} for group in config.track_groups],
        "link_delays": [
            {"interface": delay.interface, "down_ms": _ms(delay.down), "up_ms": _ms(delay.up)}
            for delay in config.link_delays
        ],
        "pacing": [
            {"interfaces": list(pacing.interfaces), "arp_ms": _ms(pacing.arp), "na_ms": _ms(pacing.na)}
            for pacing in config.pacing
        ],
        "mail": _mail(config.mail),
        "notify_fifo": _fifo(telling.fifo),
        "vrrp_notify_fifo": _fifo(telling.router_fifo),
        "startup_script": _command(telling.startup),
        "shutdown_script": _command(telling.shutdown),
        "network_namespace": config.process.network_namespace,
        "instance": config.process.instance,
        "realtime_priority": config.process.realtime_priority,
        "nice": config.process.nice,
    }


def _mail(mail: Mail) -> Json:
    return {
        "recipients": list(mail.recipients),
        "sender": mail.sender,
        "server": mail.server,
        "port": mail.port,
        "connect_timeout_ms": _ms(mail.connect_timeout),
        "helo": mail.helo,
    }


def _fifo(fifo: Fifo | None) -> Json | None:
    return None if fifo is None else {"path": fifo.path, "user": _user(fifo.user), "reader": _command(fifo.reader)}


def address_line(address: VirtualAddress, router: VirtualRouter | None = None) -> str:
    """As keepalived's dump has it: a whole address without its prefix, and only what is particular to it."""
    whole = address.interface.network.prefixlen == address.interface.max_prefixlen
    words = [str(address.ip if whole else address.interface)]
    if address.broadcast is not None:
        words += ["brd", str(address.broadcast)]
    words += ["dev", _device(address, router)]
    of_all = router is not None and router.virtual_mac is not None and router.virtual_mac.on_all_devices
    if address.macvlan is not None and not of_all:
        words.append("use_vmac")
    words += ["scope", _SCOPES.get(address.scope, str(address.scope))]
    if address.label is not None:
        words += ["label", address.label]
    if address.peer is not None:
        words += ["peer", str(address.peer)]
    flags = {
        "home": address.is_home,
        "-nodad": address.detects_duplicates,
        "mngtmpaddr": address.manages_temporary,
        "noprefixroute": address.without_prefix_route,
        "autojoin": address.joins_group,
        "no_track": not address.is_tracked,
    }
    return " ".join([*words, *(word for word, is_so in flags.items() if is_so), *_lifetime(address, whole=whole)])


def _device(address: VirtualAddress, router: VirtualRouter | None) -> str:
    """A macvlan with the interface it stands on."""
    if address.macvlan is not None:
        return f"{address.macvlan}@{address.device}"
    if router is not None and router.virtual_mac is not None and address.device == router.virtual_mac.device:
        return f"{address.device}@{router.interface}"
    return address.device


def _lifetime(address: VirtualAddress, *, whole: bool) -> list[str]:
    """Of IPv6 alone; 0 is deprecated, never chosen as a source."""
    if address.ip.version == 4:  # noqa: PLR2004
        return []
    lifetime = address.preferred_lifetime
    if lifetime is None:
        lifetime = 0 if whole else FOREVER
    return ["deprecated"] if lifetime == 0 else ["preferred_lft", "forever" if lifetime == FOREVER else str(lifetime)]
