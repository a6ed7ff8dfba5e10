"""What keepalived 2.2.7 made of a file beside what vrrpd makes of it.

An entry holds the file (`config`), whether the daemon ran (`starts`) and what it then held (`virtual_routers`, by its
own dump). `differences` says in words where vrrpd's model is another one; nothing when the two agree. A keyword that
vrrpd only does not act on yet is no difference: the model has it. A crash of keepalived counts as not starting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.config.keywords import build
from vrrpd.config.language import parse
from vrrpd.config.node import Offline
from vrrpd.description import address_line
from vrrpd.model import (
    NO_AUTHENTICATION,
    Config,
    SyncGroup,
    Tracker,
    TrackerKind,
    UnicastPeer,
    User,
    VirtualRouter,
)

CRASHED = 139
"""Status of `keepalived -t` when it died of SIGSEGV: it cannot be said to start."""


class Machine(Offline):
    """Where the entries were recorded: two interfaces, a few users and programs, no user keepalived_script."""

    is_here = True
    programs = frozenset({"/bin/true", "/bin/sh", "/bin/ps", "/usr/bin/killall"})
    users: Mapping[str, int] = {"root": 0, "nobody": 65534}
    groups: Mapping[str | None, int] = {"adm": 4}
    insecure = "/opt/checks/ww.sh"
    interfaces = frozenset({"eth0", "eth1"})

    def has_interface(self, name: str) -> bool:
        return name in self.interfaces

    def mtu(self, interface: str) -> int | None:
        return 1500 if self.has_interface(interface) else None

    def find_program(self, name: str) -> str | None:
        return next((program for program in self.programs if program.endswith(f"bin/{name}")), None)

    def user(self, name: str, group: str | None) -> User | None:
        uid = self.users.get(name)
        gid = uid if group is None else self.groups.get(group)
        return None if uid is None or gid is None else User(name, uid, gid)

    def why_not_executable(self, program: str, user: User | None) -> str | None:
        del user
        return None if program in self.programs or program == self.insecure else "no such file or directory"

    def insecure_part(self, program: str) -> str | None:
        return f"{program} may be written by everybody" if program == self.insecure else None


def read(text: str) -> tuple[Config, tuple[Diagnostic, ...]]:
    """The model of a file on that machine, and everything that is said."""
    parsed = parse(text, "keepalived.conf")
    built = build(parsed.statements, Machine())
    return built.config, parsed.diagnostics + built.diagnostics


def differences(entry: Mapping[str, Any]) -> list[str]:
    """Where vrrpd differs from keepalived's `virtual_routers` and `starts`, a line each."""
    config, diagnostics = read(entry["config"])
    theirs_starts = entry["starts"] and entry["check_rc"] != CRASHED
    starts = not any(found.severity is Severity.ERROR and found.code != "not-yet" for found in diagnostics)
    if not starts or not theirs_starts:
        return [] if starts is bool(theirs_starts) else [f"starts: {starts}"]
    ours = {router.name: router for router in config.routers}
    theirs = {told["name"]: told for told in entry["virtual_routers"]}
    found = [f"{name}: only {'vrrpd' if name in ours else 'keepalived'} has it" for name in ours.keys() ^ theirs.keys()]
    for name in ours.keys() & theirs.keys():
        found += _of_router(ours[name], theirs[name])
    return found


_NOT_ALWAYS_TOLD = frozenset({"state", "preempt_delay_ms", "accept", "source"})
"""A router in FAULT does not tell what it starts as; the older recording lacks the others."""


def _of_router(router: VirtualRouter, theirs: Mapping[str, Any]) -> Iterable[str]:
    for key, value in as_keepalived_tells_it(router).items():
        if key not in theirs and key in _NOT_ALWAYS_TOLD:
            continue
        told = theirs.get(key, type(value)() if value is not None else None)
        if key == "auth" and told and value and "pass" not in told:  # AH's password is not shown
            told = {**told, "pass": value["pass"]}
        if told != value:
            yield f"{router.name} {key}: {value!r}, keepalived {told!r}"


def as_keepalived_tells_it(router: VirtualRouter) -> dict[str, Any]:
    """In the entries' words; what an entry does not mention is empty there."""
    authentication = router.authentication
    return {
        "version": int(router.version),
        "state": str(router.initial_state),
        "interface": _interface(router),
        "vrid": router.vrid,
        "priority": router.priority,
        "advert_interval_ms": router.advertisement_interval // 1_000_000,
        "preempt": router.preempt,
        "preempt_delay_ms": router.preempt_delay // 1_000_000,
        "accept": router.accept,
        "auth": None
        if authentication is NO_AUTHENTICATION
        else {"type": authentication.type.name, "pass": authentication.password.decode()},
        "addresses": [address_line(address, router) for address in router.addresses],
        "excluded_addresses": [address_line(address, router) for address in router.excluded],
        "unicast_peers": ", ".join(map(_peer, router.unicast.peers)) if router.unicast else "",
        "tracked_scripts": _trackers(router.trackers, TrackerKind.SCRIPT),
        "tracked_interfaces": _trackers(router.trackers, TrackerKind.INTERFACE),
        "tracked_files": _trackers(router.trackers, TrackerKind.FILE),
        "tracked_processes": _trackers(router.trackers, TrackerKind.PROCESS),
    }


def _interface(router: VirtualRouter) -> str:
    mac = router.virtual_mac
    if mac is None:
        return router.interface
    return f"{mac.device}, vmac on {router.interface}{', xmit base i/f' * mac.advertises_on_base}"


def _peer(peer: UnicastPeer) -> str:
    low = 0 if peer.min_ttl is None else peer.min_ttl
    high = 255 if peer.max_ttl is None else peer.max_ttl
    return f"{peer.address} min_ttl {low} max_ttl {high}"


def _trackers(trackers: Iterable[Tracker], kind: TrackerKind) -> str:
    return ", ".join(
        f"{tracker.name} weight {tracker.weight}{' reverse' * tracker.reverse}"
        for tracker in trackers
        if tracker.kind is kind
    )


def told_besides(router: VirtualRouter) -> list[str]:
    """Lines of the dump that our own recording keeps in `rest`."""
    announcing, told = router.announcing, router.notification

    def yes(so: bool, words: tuple[str, str] = ("false", "true")) -> str:
        return words[so]

    return [
        f"Gratuitous ARP delay = {announcing.master_delay // 1_000_000_000}",
        f"Gratuitous ARP repeat = {announcing.master_repeat}",
        f"Gratuitous ARP refresh = {announcing.refresh // 1_000_000_000}",
        f"Gratuitous ARP lower priority delay = {announcing.lower_priority_delay // 1_000_000_000}",
        f"Gratuitous ARP lower priority repeat = {announcing.lower_priority_repeat}",
        f"Down timer adverts = {router.down_timer_adverts}",
        f"Send advert after receive lower priority advert = {yes(router.answers_lower_priority)}",
        f"Send advert after receive higher priority advert = {yes(router.announces_defeat)}",
        f"Promote_secondaries = {yes(router.promotes_secondaries, ('disabled', 'enabled'))}",
        f"Using smtp notification = {yes(told.mails, ('no', 'yes'))}",
        f"Notify deleted = {yes(told.tells_deletion, ('Fault', 'Deleted'))}",
    ]


def group_as_told(group: SyncGroup) -> dict[str, Any]:
    """In the words of our own recording."""
    return {
        "name": group.name,
        "members": list(group.members),
        "tracked_scripts": _trackers(group.trackers, TrackerKind.SCRIPT),
        "tracked_interfaces": _trackers(group.trackers, TrackerKind.INTERFACE),
    }


def tracked_as_told(config: Config) -> list[set[str]]:
    """Lines of the dump's sections on files and processes, one set for each of them."""
    found = [{f"Track file = {file.name}", f"File = {file.path}", f"Weight = {file.weight}"} for file in config.files]
    for process in config.processes:
        lines = {
            f"VRRP Track process = {process.name}",
            f"Process = {process.process}",
            f"Min processes = {process.quorum}",
            f"Weight = {process.weight}",
            f"Terminate delay = {process.terminate_delay / 1e9:.6f}s",
            f"Fork delay = {process.fork_delay / 1e9:.6f}s",
            f"Full command = {str(process.full_command).lower()}",
        }
        if process.quorum_max is not None:
            lines.add(f"Max processes = {process.quorum_max}")
        if process.parameters:
            lines |= {f"Parameters = {' '.join(process.parameters)}", f"Param match = {process.match}"}
        found.append(lines)
    return found
