"""The three edges of the daemon as it sees them. Linux's bodies are in `vrrpd.linux`, a simulation has its own.

What comes in arrives through the callbacks that an edge is built with, always on the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from vrrpd.channels import Channel, Outgoing
from vrrpd.frames import Datagram
from vrrpd.model import (
    Answer,
    Command,
    Config,
    Duration,
    Family,
    Held,
    IPAddress,
    Script,
    ScriptResult,
    Telling,
    TrackedFile,
    TrackedHAProxy,
    TrackedProcess,
    Undo,
)

Packet: TypeAlias = bytes | Datagram
"""What a raw socket gives: of IPv4 the whole packet, of IPv6, where there is no header to be had, what it tells."""


@dataclass(frozen=True, slots=True)
class Ear:
    """What is listened to on one device. A change of any field means another socket."""

    device: str
    index: int
    family: Family
    groups: frozenset[IPAddress] = frozenset()
    """What is sent to the device's own addresses is heard anyway."""
    protocols: frozenset[int] = frozenset()
    """Of advertisements; none: announcements alone are wanted."""


@dataclass(frozen=True, slots=True)
class Openings:
    """All that has to be open."""

    ears: frozenset[Ear] = frozenset()
    channels: frozenset[Channel] = frozenset()


@dataclass(frozen=True, slots=True)
class Announcement:
    """A gratuitous ARP or an unsolicited NA that somebody else sent."""

    interface: str
    address: IPAddress
    mac: bytes
    age: Duration
    """How long ago the kernel received it, from its own time stamp."""


class Network(Protocol):
    """Bytes in and out.

    Built with `on_datagrams(device, packets)`: all that was waiting; and `on_announcement(Announcement)`: only frames
    that are gratuitous.
    """

    def open(self, openings: Openings) -> None:
        """Open, reopen and close so that exactly this is open.

        What cannot be opened is logged and tried again at the next call.
        """

    def send(self, channel: Channel, packets: Sequence[Outgoing]) -> None:
        """Send all of these at once. OSError when one did not leave; never blocks."""

    def send_frames(self, device: str, frames: Sequence[bytes]) -> None:
        """Put Ethernet frames on a device. OSError when one did not leave; never blocks."""

    def close(self) -> None:
        """Close everything."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that shall be in the kernel, or shall not."""

    thing: Held
    present: bool


class Kernel(Protocol):
    """What is held in it, and links.

    Built with `on_interface(name, Interface | None)`: called for every interface at start and whenever its
    index, flags, MAC or addresses changed; None when it is gone. And with `on_lost(things)`: of the routes and rules
    that were prepared, those that somebody has removed.
    """

    def prepare(self, things: Sequence[Held]) -> None:
        """Encode what will be needed for these, so that a takeover only sends bytes."""

    def apply(self, changes: Sequence[Change]) -> list[int]:
        """Make it so, in this order, and return an errno for each, 0 where it is now as wanted.

        That a thing to add is there already, or one to remove is not, is success. Blocks (the kernel works
        inside the call): it is called in a worker thread, by one caller at a time.
        """

    def deletion(self, thing: Held) -> Undo:
        """What takes it away again, for the ledger. ENODEV: OSError."""


class Scripts(Protocol):
    """Runs check scripts."""

    def run(self, script: Script, done: Callable[[ScriptResult], None]) -> None:
        """Start it; `done` is called exactly once, unless `stop` comes first."""

    def stop(self) -> None:
        """End what runs, whole process groups, and forget it."""


class HAProxies(Protocol):
    """Asks HAProxy how it is."""

    def ask(self, haproxy: TrackedHAProxy, done: Callable[[Answer], None]) -> None:
        """Ask; `done` is called exactly once, unless `stop` comes first."""

    def stop(self) -> None:
        """Ask no more."""


class Files(Protocol):
    """Numbers in files. Built with `on_value(file, number)`."""

    def watch(self, files: Sequence[TrackedFile]) -> None:
        """Watch exactly these: the number of each is told at once, and whenever it changes.

        `initial` is written to a file that is not there; to one that is, only the first time.
        """

    def close(self) -> None:
        """Watch nothing."""


class Processes(Protocol):
    """How many processes of a kind run. Built with `on_count(process, count)`."""

    def watch(self, processes: Sequence[TrackedProcess]) -> None:
        """Count exactly these: told at once, when one ends, and within a second of a start."""

    def close(self) -> None:
        """Count nothing."""


@dataclass(frozen=True, slots=True)
class Watchers:
    """All that looks at what runs on this node."""

    scripts: Scripts
    haproxies: HAProxies
    files: Files
    processes: Processes

    def watch(self, config: Config) -> None:
        """What is seen and need not be asked."""
        self.files.watch(config.files)
        self.processes.watch(config.processes)

    def stop(self) -> None:
        """Look no more."""
        self.scripts.stop()
        self.haproxies.stop()
        self.files.close()
        self.processes.close()


class Running(Protocol):
    """A program that runs."""

    def end_after(self, rest: Duration, because: str) -> None:
        """It may run for so long still."""


class Programs(Protocol):
    """Runs programs of the configuration that are told something."""

    def start(
        self, command: Command, timeout: Duration | None, done: Callable[[ScriptResult], None], facts: Mapping[str, str]
    ) -> Running | None:
        """Run it with these facts in its environment; None when it cannot be, which `done` is told.

        `done` is called exactly once, never before this returns, and not at all after `stop`.
        """

    def stop(self) -> None:
        """End what runs, whole process groups, and forget it."""


class Pipes(Protocol):
    """FIFOs and the programs that read them."""

    def configure(self, telling: Telling) -> None:
        """Have these, and no others."""

    def write(self, line: str) -> None:
        """Into each of them, whole and in order, once there is room. Never blocks."""

    async def finish(self) -> None:
        """Give readers a moment to read what is there, then end them."""

    def status(self) -> list[dict[str, Any]]:
        """Of each, for `vrrpd status`."""
