"""The body of `ports.Network`: what is open, for whom, and what comes of it."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from structlog.typing import FilteringBoundLogger

from vrrpd.channels import Channel, Outgoing
from vrrpd.linux.hearing import Advertisements, Announcements
from vrrpd.linux.options import NON_BLOCKING
from vrrpd.linux.sending import end, open_sender
from vrrpd.ports import Announcement, Ear, Openings, Packet


@dataclass(slots=True)
class _Hearing:
    """The sockets of one ear. A broken one is replaced at the next `open`."""

    advertisements: list[Advertisements]
    announcements: Announcements
    broken: bool = False


class RawNetwork:
    """Needs CAP_NET_RAW: PermissionError from the constructor without it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_datagrams: Callable[[str, Sequence[Packet]], None],
        on_announcement: Callable[[Announcement], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._loop = loop
        self._on_datagrams = on_datagrams
        self._on_announcement = on_announcement
        self._log = log
        self._hearings: dict[Ear, _Hearing] = {}
        self._senders: dict[Channel, socket.socket] = {}
        self._refused: dict[Hashable, str] = {}
        # Protocol 0: it sends on every device and receives nothing.
        self._frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | NON_BLOCKING, 0)

    def open(self, openings: Openings) -> None:
        """Open, reopen and close so that exactly this is open; a failure is logged once per cause."""
        for ear, hearing in list(self._hearings.items()):
            if hearing.broken or ear not in openings.ears:
                self._close(self._hearings.pop(ear))
        for channel in list(self._senders):
            if channel not in openings.channels:
                self._senders.pop(channel).close()
        wanted = {*map(_name, openings.ears), *map(_name, openings.channels)}
        for name in self._refused.keys() - wanted:
            del self._refused[name]
        for ear in openings.ears - self._hearings.keys():
            self._try(ear, partial(self._open_ear, ear))
        for channel in openings.channels - self._senders.keys():
            self._try(channel, partial(self._open_channel, channel))

    def send(self, channel: Channel, packets: Sequence[Outgoing]) -> None:
        """Send each of them. OSError, the first one's, when one was refused; those behind it are tried all the same."""
        sender = self._senders.get(channel)
        if sender is None:
            raise OSError(errno.ENOTCONN, "no socket is open", channel.device)
        refused: OSError | None = None
        for destination, content in packets:
            try:
                sender.sendto(content, end(destination, channel.index))
            except OSError as error:
                refused = refused or error
        if refused is not None:
            raise refused

    def send_frames(self, device: str, frames: Sequence[bytes]) -> None:
        """Put Ethernet frames on a device. OSError at the first that is refused; those behind it are not tried."""
        for frame in frames:
            self._frames.sendto(frame, (device, int.from_bytes(frame[12:14], "big")))

    def close(self) -> None:
        """Close everything."""
        self.open(Openings())
        self._frames.close()

    def _try(self, wanted: Ear | Channel, make: Callable[[], None]) -> None:
        try:
            make()
        except OSError as error:
            cause = error.strerror or str(error)
            if self._refused.get(_name(wanted)) != cause:
                self._refused[_name(wanted)] = cause
                event = "cannot listen" if isinstance(wanted, Ear) else "cannot advertise"
                self._log.warning(event, interface=wanted.device, problem=cause)
        else:
            self._refused.pop(_name(wanted), None)

    def _open_ear(self, ear: Ear) -> None:
        with ExitStack() as unfinished:
            heard = []
            for protocol in sorted(ear.protocols):
                heard.append(Advertisements(ear, protocol))
                unfinished.enter_context(heard[-1].socket)
            hearing = _Hearing(heard, Announcements(ear))
            unfinished.pop_all()
        self._hearings[ear] = hearing
        for advertisements in heard:
            self._loop.add_reader(advertisements.socket, self._read_advertisements, hearing, advertisements)
        self._loop.add_reader(hearing.announcements.socket, self._read_announcements, hearing)

    def _open_channel(self, channel: Channel) -> None:
        self._senders[channel] = open_sender(channel.index, channel.source)

    def _close(self, hearing: _Hearing) -> None:
        for sock in (*(heard.socket for heard in hearing.advertisements), hearing.announcements.socket):
            self._loop.remove_reader(sock)
            sock.close()

    def _read_advertisements(self, hearing: _Hearing, advertisements: Advertisements) -> None:
        packets, error = advertisements.read()
        if error is not None:
            self._stop_reading(hearing, advertisements, error)
        if packets:
            self._on_datagrams(advertisements.device, packets)

    def _read_announcements(self, hearing: _Hearing) -> None:
        for heard in hearing.announcements.read():
            if isinstance(heard, OSError):
                self._stop_reading(hearing, hearing.announcements, heard)
                return
            self._on_announcement(heard)
            if hearing.announcements.socket.fileno() < 0:
                return  # closed by who was told

    def _stop_reading(self, hearing: _Hearing, opened: Advertisements | Announcements, error: OSError) -> None:
        """Whatever the socket has, it would have it again at once: a reader must not spin."""
        self._loop.remove_reader(opened.socket)
        hearing.broken = True
        self._log.warning("stopped listening", interface=opened.device, problem=error.strerror)


def _name(opened: Ear | Channel) -> Hashable:
    """What stays the same while it is tried again and again."""
    if isinstance(opened, Ear):
        return (opened.device, opened.family)
    return (opened.device, opened.source, opened.destinations, opened.protocol)
