"""A whole configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

from vrrpd.model.kernel import Route, Rule, VirtualAddress
from vrrpd.model.routers import VirtualRouter
from vrrpd.model.telling import NO_NOTIFICATION, Mail, Notification, Telling
from vrrpd.model.units import Duration
from vrrpd.model.watching import Script, Subject, TrackedFile, TrackedHAProxy, TrackedProcess, Tracker


@dataclass(frozen=True, slots=True)
class SyncGroup:
    """Virtual routers that are Master together or not at all (keepalived's vrrp_sync_group)."""

    name: str
    members: tuple[str, ...]
    """Names of routers that there are."""
    trackers: tuple[Tracker, ...] = ()
    """They count for every member."""
    notification: Notification = NO_NOTIFICATION


@dataclass(frozen=True, slots=True)
class TrackGroup:
    """Routers that leave Master when a static address, route or rule of theirs cannot be restored."""

    name: str
    routers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinkDelay:
    """How long an interface must be down, or up, until that counts."""

    interface: str
    down: Duration = 0
    up: Duration = 0


@dataclass(frozen=True, slots=True)
class Pacing:
    """What lies between two gratuitous ARPs, and between two NAs, on these interfaces together (garp_group)."""

    interfaces: tuple[str, ...] = ()
    """Empty: on each interface that no other pacing names."""
    arp: Duration = 0
    na: Duration = 0


@dataclass(frozen=True, slots=True)
class Process:
    """How the daemon itself runs. Network namespace and instance are fixed until it is started again."""

    nice: int | None = None
    """-20 to 19."""
    realtime_priority: int | None = None
    """1 to 99; None: vrrpd's own choice."""
    realtime_limit: Duration | None = None
    locks_memory: bool = False
    cpus: tuple[int, ...] = ()
    """Empty: any."""
    network_namespace: str | None = None
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration. `Config()` is the one a daemon starts from and stops to."""

    routers: tuple[VirtualRouter, ...] = ()
    scripts: tuple[Script, ...] = ()
    """Those that some router tracks; likewise files, processes and HAProxies."""
    groups: tuple[SyncGroup, ...] = ()
    files: tuple[TrackedFile, ...] = ()
    processes: tuple[TrackedProcess, ...] = ()
    haproxies: tuple[TrackedHAProxy, ...] = ()
    static_addresses: tuple[VirtualAddress, ...] = ()
    """There while the daemon runs."""
    static_routes: tuple[Route, ...] = ()
    static_rules: tuple[Rule, ...] = ()
    track_groups: tuple[TrackGroup, ...] = ()
    link_delays: tuple[LinkDelay, ...] = ()
    pacing: tuple[Pacing, ...] = ()
    startup_delay: Duration = 0
    """Nothing is listened to and nobody is Master until so long after the start (vrrp_startup_delay)."""
    boot_delay: Duration = 0
    """The same, counted from the machine's start (vrrp_delay_after_boot); the later one counts."""
    dynamic_interfaces: bool = False
    """An interface need not be there at start."""
    interfaces_may_change: bool = False
    """... and may come back as something else (allow_if_changes)."""
    disables_local_igmp: bool = False
    router_id: str | None = None
    mail: Mail = field(default_factory=Mail)
    telling: Telling = field(default_factory=Telling)
    process: Process = field(default_factory=Process)

    @property
    def watched(self) -> tuple[Subject, ...]:
        """All that is defined to be watched."""
        defined: tuple[Script | TrackedHAProxy | TrackedFile | TrackedProcess, ...]
        defined = (*self.scripts, *self.haproxies, *self.files, *self.processes)
        return tuple(one.subject for one in defined)
