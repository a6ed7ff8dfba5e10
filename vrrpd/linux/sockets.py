"""The body of `ports.Network`: raw sockets for advertisements, packet sockets for ARP."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address

from structlog.typing import FilteringBoundLogger

from vrrpd.linux.options import (
    DROP_ALL,
    IP_MULTICAST_ALL,
    IP_RECVERR,
    RECEIVE_BUFFER,
    SO_BINDTOIFINDEX,
    SO_TIMESTAMPNS,
    FilterInstruction,
    attach_filter,
    detach_filter,
    set_receive_buffer,
)
from vrrpd.model import SECOND, Duration
from vrrpd.ports import Announcement, Listener

IPPROTO_VRRP = 112
ETH_P_ARP = 0x0806
TTL = 255
"""RFC 5798 section 5.1.1.3: a router on this LAN sends it, and nobody beyond can."""
TOS_INTERNETWORK_CONTROL = 0xC0
TC_PRIO_CONTROL = 7

_NON_BLOCKING = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_DATAGRAM_SIZE = 4096
"""An advertisement of 255 addresses has 1096 bytes with every IP option; what is cut off is malformed anyway."""
_DATAGRAMS_PER_TURN = 16384
"""More than a full receive buffer holds, so what is left after a stall came later, yet a flood has an end."""
_ARP_FRAMES_PER_TURN = 512
_ARP_SIZE = 42
_TIMESTAMP = struct.Struct("@ll")
_ARP = struct.Struct("!12xHHHBBH6s4s6s4s")

_GRATUITOUS_ARP: tuple[FilterInstruction, ...] = (
    (0x28, 0, 0, 12),  # the Ethernet type
    (0x15, 0, 10, ETH_P_ARP),
    (0x20, 0, 0, 14),  # hardware and protocol: Ethernet and IPv4
    (0x15, 0, 8, 0x0001_0800),
    (0x28, 0, 0, 18),  # their sizes
    (0x15, 0, 6, 0x0604),
    (0x20, 0, 0, 28),  # the sender's address; a probe (RFC 5227) has none
    (0x15, 4, 0, 0),
    (0x07, 0, 0, 0),
    (0x20, 0, 0, 38),  # equal to the target's: gratuitous
    (0x1D, 0, 1, 0),
    (0x06, 0, 0, _ARP_SIZE),
    (0x06, 0, 0, 0),
)


@dataclass(slots=True)
class _Port:
    """The sockets of one interface. A broken one still sends, and is replaced at the next `listen`."""

    listener: Listener
    receiver: socket.socket
    sender: socket.socket
    arp: socket.socket
    broken: bool = False


class RawNetwork:
    """Needs CAP_NET_RAW: PermissionError from the constructor without it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_datagrams: Callable[[str, Sequence[bytes]], None],
        on_announcement: Callable[[Announcement], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._loop = loop
        self._on_datagrams = on_datagrams
        self._on_announcement = on_announcement
        self._log = log
        self._ports: dict[str, _Port] = {}
        self._refused: dict[str, str] = {}
        # Protocol 0: it sends on every device and receives nothing.
        self._frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | _NON_BLOCKING, 0)

    def listen(self, listeners: Mapping[str, Listener]) -> None:
        """Open, reopen and close so that exactly these are open; a failure is logged once per cause."""
        for interface, port in list(self._ports.items()):
            if port.broken or listeners.get(interface) != port.listener:
                self._close(self._ports.pop(interface))
        for interface in self._refused.keys() - listeners.keys():
            del self._refused[interface]
        for interface, listener in listeners.items():
            if interface not in self._ports:
                self._open(interface, listener)

    def send(self, interface: str, payload: bytes) -> None:
        """Multicast one VRRP message. OSError: not open, or the kernel or the device refused it."""
        port = self._ports.get(interface)
        if port is None:
            raise OSError(errno.ENOTCONN, "no socket is open", interface)
        port.sender.send(payload)

    def send_frames(self, device: str, frames: Sequence[bytes]) -> None:
        """Put Ethernet frames on a device. OSError at the first that is refused; those behind it are not tried."""
        for frame in frames:
            self._frames.sendto(frame, (device, int.from_bytes(frame[12:14], "big")))

    def close(self) -> None:
        """Close everything."""
        self.listen({})
        self._frames.close()

    def _open(self, interface: str, listener: Listener) -> None:
        try:
            with ExitStack() as unfinished:
                receiver = unfinished.enter_context(_open_receiver(listener))
                sender = unfinished.enter_context(_open_sender(listener))
                arp = unfinished.enter_context(_open_arp(listener))
                unfinished.pop_all()
        except OSError as error:
            cause = error.strerror or str(error)
            if self._refused.get(interface) != cause:
                self._refused[interface] = cause
                self._log.warning("cannot listen", interface=interface, source=str(listener.source), problem=cause)
            return
        self._refused.pop(interface, None)
        port = self._ports[interface] = _Port(listener, receiver, sender, arp)
        self._loop.add_reader(receiver, self._read_datagrams, port)
        self._loop.add_reader(arp, self._read_announcements, port)

    def _close(self, port: _Port) -> None:
        self._loop.remove_reader(port.receiver)
        self._loop.remove_reader(port.arp)
        for sock in (port.receiver, port.sender, port.arp):
            sock.close()

    def _read_datagrams(self, port: _Port) -> None:
        receive = port.receiver.recv
        datagrams: list[bytes] = []
        try:
            for _ in range(_DATAGRAMS_PER_TURN):
                datagrams.append(receive(_DATAGRAM_SIZE))  # noqa: PERF401  keeps what came before the error
        except BlockingIOError:
            pass
        except OSError as error:
            self._stop_reading(port, port.receiver, error)
        if datagrams:
            self._on_datagrams(port.listener.interface, datagrams)

    def _read_announcements(self, port: _Port) -> None:
        for _ in range(_ARP_FRAMES_PER_TURN):
            try:
                frame, ancillary, _, address = port.arp.recvmsg(_ARP_SIZE, socket.CMSG_SPACE(_TIMESTAMP.size))
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENETDOWN:  # said once when the link goes down; the socket lives on
                    continue
                self._stop_reading(port, port.arp, error)
                return
            if address[2] == socket.PACKET_OUTGOING:
                continue
            claim = parse_gratuitous_arp(frame)
            if claim is None or claim[1] == port.arp.getsockname()[4]:
                continue
            self._on_announcement(Announcement(port.listener.interface, *claim, _age(ancillary)))
            if self._ports.get(port.listener.interface) is not port:
                return  # closed by who was told

    def _stop_reading(self, port: _Port, sock: socket.socket, error: OSError) -> None:
        """Whatever the socket has, it would have it again at once: a reader must not spin."""
        self._loop.remove_reader(sock)
        port.broken = True
        self._log.warning("stopped listening", interface=port.listener.interface, problem=error.strerror)


def parse_gratuitous_arp(frame: bytes) -> tuple[IPv4Address, bytes] | None:
    """The address that is claimed and the MAC it is claimed for; None when the frame is nothing of the kind."""
    if len(frame) < _ARP_SIZE:
        return None
    ether_type, hardware, protocol, mac_size, address_size, operation, mac, sender, _, target = _ARP.unpack_from(frame)
    if (ether_type, hardware, protocol, mac_size, address_size) != (ETH_P_ARP, 1, 0x0800, 6, 4):
        return None
    if operation not in {1, 2} or sender != target or not any(sender):
        return None
    return IPv4Address(sender), mac


def _age(ancillary: Sequence[tuple[int, int, bytes]]) -> Duration:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS) and len(data) == _TIMESTAMP.size:
            seconds, nanoseconds = _TIMESTAMP.unpack(data)
            received_at = int(seconds) * SECOND + int(nanoseconds)
            return max(0, time.time_ns() - received_at)
    return 0


@contextmanager
def _opening(family: socket.AddressFamily, protocol: int) -> Iterator[socket.socket]:
    """A raw socket that is closed again when setting it up fails."""
    sock = socket.socket(family, socket.SOCK_RAW | _NON_BLOCKING, protocol)
    try:
        yield sock
    except OSError:
        sock.close()
        raise


def _membership(listener: Listener) -> bytes:
    """A struct ip_mreqn: the group, and the interface by its index."""
    return struct.pack("=4s4xi", listener.group.packed, listener.index)


def _open_receiver(listener: Listener) -> socket.socket:
    with _opening(socket.AF_INET, IPPROTO_VRRP) as sock:
        # Until it is bound it hears every interface: shut it first, then throw away what was faster.
        attach_filter(sock, DROP_ALL)
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTOIFINDEX, listener.index)
        sock.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
        set_receive_buffer(sock, RECEIVE_BUFFER)
        with suppress(BlockingIOError):
            while True:
                sock.recv(1)
        detach_filter(sock)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _membership(listener))
        return sock


def _open_sender(listener: Listener) -> socket.socket:
    with _opening(socket.AF_INET, IPPROTO_VRRP) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTOIFINDEX, listener.index)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _membership(listener))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, TTL)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, TOS_INTERNETWORK_CONTROL)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, TC_PRIO_CONTROL)  # after TOS, which sets it too
        # Without it a packet that a full queue has dropped counts as sent.
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        sock.bind((str(listener.source), 0))
        sock.connect((str(listener.group), 0))  # and so receives nothing: no packet comes from a group
        return sock


def _open_arp(listener: Listener) -> socket.socket:
    with _opening(socket.AF_PACKET, 0) as sock:
        attach_filter(sock, _GRATUITOUS_ARP)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.bind((listener.interface, ETH_P_ARP))
        return sock
