"""Whom a change of state is told: scripts, FIFOs, mail."""

from __future__ import annotations

from dataclasses import dataclass

from vrrpd.model.units import SECOND, Duration
from vrrpd.model.watching import User


@dataclass(frozen=True, slots=True)
class Command:
    """A program that is told something: an argument vector, never a shell's line."""

    argv: tuple[str, ...]
    user: User | None = None
    """None: the daemon's own user."""


@dataclass(frozen=True, slots=True)
class Notification:
    """The notify_ keywords of a router or a group. None: nobody is told."""

    on_change: Command | None = None
    """keepalived's `notify`: gets INSTANCE or GROUP, the name, the state and the priority as arguments."""
    on_master: Command | None = None
    on_backup: Command | None = None
    on_fault: Command | None = None
    on_stop: Command | None = None
    on_deleted: Command | None = None
    tells_deletion: bool = False
    """keepalived's `notify_deleted`: a router that a reload removes is DELETED, not in FAULT."""
    on_lower_priority: Command | None = None
    """keepalived's notify_master_rx_lower_pri: each time a Master hears a lower priority."""
    mails: bool = False
    """keepalived's smtp_alert."""
    tells_priority: bool | None = None
    """keepalived's notify_priority_changes, for FIFOs; None: as global_defs has it."""


NO_NOTIFICATION = Notification()


@dataclass(frozen=True, slots=True)
class Fifo:
    """A named pipe that gets a line for each change, and the program that reads it."""

    path: str
    user: User | None = None
    reader: Command | None = None
    """Started with the path as its last argument."""


@dataclass(frozen=True, slots=True)
class Mail:
    """How mail is sent; nothing is without a server."""

    recipients: tuple[str, ...] = ()
    sender: str | None = None
    server: str | None = None
    port: int = 25
    connect_timeout: Duration = 30 * SECOND
    helo: str | None = None
    """None: the host's name."""
    tells_faults: bool = True
    """False: keepalived's no_email_faults."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What global_defs says of it, beside mail."""

    fifo: Fifo | None = None
    """keepalived's notify_fifo."""
    router_fifo: Fifo | None = None
    """keepalived's vrrp_notify_fifo: only what concerns VRRP, which for us is the same."""
    tells_priority: bool = False
    tells_after_reload: bool = False
    """keepalived's fifo_write_vrrp_states_on_reload."""
    startup: Command | None = None
    startup_timeout: Duration = 10 * SECOND
    shutdown: Command | None = None
    shutdown_timeout: Duration = 10 * SECOND
