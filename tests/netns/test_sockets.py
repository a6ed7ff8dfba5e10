from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from lan import PATIENCE_S, Lan, capturing_log, run
from sample import ipv4
from structlog.typing import EventDict

from vrrpd.channels import Channel, Outgoing
from vrrpd.linux.claims import parse_gratuitous_arp
from vrrpd.linux.sockets import RawNetwork
from vrrpd.model import Family
from vrrpd.ports import Announcement, Ear, Openings, Packet

GROUP = IPv4Address("224.0.0.18")
SOURCES = {"a": "10.7.0.1", "b": "10.7.0.2"}
BROADCAST = b"\xff" * 6


class Node:
    """A RawNetwork on a node of the LAN, and what it heard."""

    def __init__(self, lan: Lan, name: str) -> None:
        self.lan = lan
        self.name = name
        self.calls: list[tuple[str, list[Packet]]] = []
        self.announcements: list[Announcement] = []
        self.logged: list[EventDict]
        log, self.logged = capturing_log()
        self._heard = asyncio.Event()
        with lan.inside(name):
            self.network = RawNetwork(asyncio.get_running_loop(), self._on_datagrams, self._on_announcement, log)

    @property
    def payloads(self) -> list[bytes]:
        return [packet[20:] for _, packets in self.calls for packet in packets if isinstance(packet, bytes)]

    def listen(self, *, index: int | None = None) -> None:
        index = self.lan.index(self.name) if index is None else index
        source = IPv4Address(SOURCES[self.name])
        self.ear = Ear("eth0", index, Family.IPV4, frozenset({GROUP}), frozenset({112}))
        self.channel = Channel("eth0", index, source, (GROUP,), 255, 112)
        with self.lan.inside(self.name):
            self.network.open(Openings(frozenset({self.ear}), frozenset({self.channel})))

    def send(self, payload: bytes) -> None:
        assert isinstance(self.channel.source, IPv4Address)
        self.network.send(self.channel, [Outgoing(GROUP, ipv4(payload, self.channel.source))])

    def send_frame(self, frame: bytes) -> None:
        self.network.send_frames("eth0", [frame])

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._heard.clear()
            await self._heard.wait()

    def _on_datagrams(self, interface: str, datagrams: Sequence[Packet]) -> None:
        self.calls.append((interface, list(datagrams)))
        self._heard.set()

    def _on_announcement(self, announcement: Announcement) -> None:
        self.announcements.append(announcement)
        self._heard.set()


@contextmanager
def two_nodes() -> Iterator[Lan]:
    with Lan() as lan:
        for name, source in SOURCES.items():
            lan.node(name, f"{source}/24")
        yield lan


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def mac_of(lan: Lan, name: str) -> bytes:
    return bytes.fromhex(lan.run(name, "cat /sys/class/net/eth0/address").strip().replace(":", ""))


def arp(operation: int, mac: bytes, sender: str, target: str) -> bytes:
    return (
        BROADCAST
        + mac
        + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, operation)
        + mac
        + socket.inet_aton(sender)
        + bytes(6)
        + socket.inet_aton(target)
    )


def is_vrrp(frame: bytes) -> bool:
    return frame[12:14] == b"\x08\x00" and frame[23] == 112


@pytest.mark.rfc("5798-5.1.1.1-1", "5798-5.1.1.2-1", "5798-5.1.1.3-1", "5798-5.1.1.4-1")
def test_an_advertisement_leaves_as_rfc_5798_wants_it_and_we_do_not_hear_it() -> None:
    async def main(lan: Lan) -> None:
        tap = lan.tap("a")
        a, b = Node(lan, "a"), Node(lan, "b")
        a.listen()
        b.listen()
        a.send(b"from a")
        frame = tap.next(is_vrrp).data
        b.send(b"from b")
        await a.until(lambda: bool(a.calls))

        assert frame[:6] == bytes.fromhex("01005e000012")
        header = frame[14:34]
        assert header[0] == 0x45
        assert header[1] == 0xC0
        assert header[8] == 255
        assert header[9] == 112
        assert header[12:16] == bytes([10, 7, 0, 1])
        assert header[16:20] == bytes([224, 0, 0, 18])
        assert frame[34:] == b"from a"
        # b's came later, so a would have heard its own first
        assert a.payloads == [b"from b"]
        assert a.calls[0][0] == "eth0"
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_all_that_waits_comes_in_one_call() -> None:
    async def main(lan: Lan) -> None:
        # Opened before b's own, it is served after it: what is here is there.
        with lan.inside("b"):
            witness = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
            witness.settimeout(PATIENCE_S)
        a, b = Node(lan, "a"), Node(lan, "b")
        a.listen()
        b.listen()
        sent = [f"number {number}".encode() for number in range(200)]
        for payload in sent:
            a.send(payload)
        with witness:
            for _ in sent:
                witness.recv(100)
        await b.until(lambda: bool(b.calls))

        assert len(b.calls) == 1
        assert b.payloads == sent
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_other_interfaces_and_other_groups_are_not_heard() -> None:
    async def main(lan: Lan) -> None:
        lan.run("b", "ip link add side type veth peer name far")
        lan.run("b", "ip address add 10.8.0.1/24 dev side")
        lan.run("b", "ip link set side up")
        lan.run("b", "ip link set far up")
        a, b = Node(lan, "a"), Node(lan, "b")
        b.listen()
        # Somebody else on b has joined the second group and listens on the side.
        with lan.inside("b"):
            other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            membership = struct.pack("=4s4xi", socket.inet_aton("224.0.0.99"), lan.index("b"))
            other.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            side = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
        with lan.inside("a"):
            sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
        a.listen()
        with other, side, sender:
            side.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"side")
            side.sendto(b"side", ("224.0.0.18", 0))
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            sender.sendto(b"group", ("224.0.0.99", 0))
            a.send(b"last")
            await b.until(lambda: b"last" in b.payloads)

        assert b.payloads == [b"last"]
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_an_interface_that_went_and_came_back_is_heard_again() -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        a.listen()
        b.listen()
        old_index = lan.index("a")
        lan.run("a", "ip link delete eth0")
        with pytest.raises(OSError, match=r"No such device|unreachable"):
            a.send(b"nobody hears it")

        lan.plug("a", "10.7.0.1/24")
        assert lan.index("a") != old_index
        a.listen()
        a.send(b"here again")
        await b.until(lambda: bool(b.calls))
        b.send(b"welcome")
        b.send_frame(arp(1, mac_of(lan, "b"), "10.7.0.99", "10.7.0.99"))
        await a.until(lambda: bool(a.calls) and bool(a.announcements))

        assert b.payloads == [b"here again"]
        assert a.payloads == [b"welcome"]
        assert a.logged == []
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_a_link_that_was_down_is_heard_again_through_the_same_sockets() -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        a.listen()
        b.listen()
        lan.run("a", "ip link set eth0 down")
        await asyncio.sleep(0)  # one turn of the loop in which the sockets say so
        with pytest.raises(OSError, match="unreachable"):
            a.send(b"nobody hears it")
        lan.run("a", "ip link set eth0 up")
        b.send(b"welcome")
        b.send_frame(arp(1, mac_of(lan, "b"), "10.7.0.99", "10.7.0.99"))
        await a.until(lambda: bool(a.calls) and bool(a.announcements))

        assert a.payloads == [b"welcome"]
        assert a.logged == []
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_what_cannot_be_opened_is_logged_once_and_tried_again() -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        a.listen()
        before = open_descriptors()
        a.listen(index=4000)
        a.listen(index=4000)
        assert [(entry["event"], entry["interface"], entry["problem"]) for entry in a.logged] == [
            ("cannot listen", "eth0", "No such device"),
            ("cannot advertise", "eth0", "Cannot assign requested address"),
        ]
        with pytest.raises(OSError, match="no socket is open"):
            a.send(b"nothing")
        assert open_descriptors() == before - 3

        a.listen()
        b.listen()
        a.send(b"at last")
        await b.until(lambda: bool(b.calls))
        assert b.payloads == [b"at last"]
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_an_advertisement_that_the_queue_drops_is_an_error() -> None:
    async def main(lan: Lan) -> None:
        a = Node(lan, "a")
        a.listen()
        lan.run("a", "tc qdisc add dev eth0 root tbf rate 8kbit burst 10b latency 1ms")
        with pytest.raises(OSError, match="No buffer space available"):
            a.send(bytes(40))
        a.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_a_forged_icmp_error_does_not_cost_an_advertisement() -> None:
    async def main(lan: Lan) -> None:
        tap = lan.tap("a")
        a = Node(lan, "a")
        a.listen()
        with lan.inside("a"):
            witness = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            witness.settimeout(PATIENCE_S)
        with lan.inside("b"):
            forger = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        # "Protocol unreachable" about an advertisement of a's, twice: when the second is here, the first is done.
        quoted = bytes.fromhex("45c00028000000 00ff700000 0a070001 e0000012".replace(" ", "")) + bytes(20)
        checked = struct.pack("!BBHI", 3, 2, 0, 0) + quoted
        total = sum(struct.unpack(f"!{len(checked) // 2}H", checked))
        checksum = ~(total % 0xFFFF) & 0xFFFF
        message = checked[:2] + struct.pack("!H", checksum) + checked[4:]
        with witness, forger:
            for _ in range(2):
                forger.sendto(message, ("10.7.0.1", 0))
                witness.recv(100)
        a.send(b"all the same")
        assert tap.next(is_vrrp).data[34:] == b"all the same"
        a.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_only_gratuitous_arp_of_others_is_an_announcement() -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        a.listen()
        b.listen()
        ours, theirs = mac_of(lan, "a"), mac_of(lan, "b")
        a.send_frame(arp(1, ours, "10.7.0.100", "10.7.0.100"))
        started_at = time.time_ns()
        b.send_frame(arp(1, theirs, "10.7.0.2", "10.7.0.1"))  # a question
        b.send_frame(arp(1, theirs, "0.0.0.0", "10.7.0.100"))  # a probe
        b.send_frame(arp(1, ours, "10.7.0.100", "10.7.0.100"))  # ours, thrown back by the LAN
        b.send_frame(arp(1, theirs, "10.7.0.100", "10.7.0.100"))
        b.send_frame(arp(2, theirs, "10.7.0.101", "10.7.0.101"))
        await a.until(lambda: len(a.announcements) == 2)
        took = time.time_ns() - started_at
        await b.until(lambda: bool(b.announcements))

        assert [(heard.interface, str(heard.address), heard.mac) for heard in a.announcements] == [
            ("eth0", "10.7.0.100", theirs),
            ("eth0", "10.7.0.101", theirs),
        ]
        assert all(0 < heard.age <= took for heard in a.announcements)
        assert [(str(heard.address), heard.mac) for heard in b.announcements] == [("10.7.0.100", ours)]
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_the_kernel_hands_over_no_other_arp() -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        a.listen()
        theirs = mac_of(lan, "b")
        b.send_frame(arp(1, theirs, "10.7.0.2", "10.7.0.1"))
        b.send_frame(arp(1, theirs, "0.0.0.0", "10.7.0.100"))
        b.send_frame(arp(1, theirs, "0.0.0.0", "0.0.0.0"))
        b.send_frame(arp(1, theirs, "10.7.0.100", "10.7.0.100"))
        arp_socket = a.network._hearings[a.ear].announcements.socket
        arp_socket.settimeout(PATIENCE_S)
        assert arp_socket.recv(100) == arp(1, theirs, "10.7.0.100", "10.7.0.100")
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_a_socket_that_fails_is_left_alone_until_the_next_listen() -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        a.listen()
        b.listen()
        hearing = a.network._hearings[a.ear]
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, hearing.advertisements[0].socket.fileno())
        os.close(null)
        a.network._read_advertisements(hearing, hearing.advertisements[0])
        a.send(b"we still say")
        await b.until(lambda: bool(b.calls))
        assert [(entry["event"], entry["problem"]) for entry in a.logged] == [
            ("stopped listening", "Socket operation on non-socket")
        ]
        a.listen()
        b.send(b"and hear again")
        await a.until(lambda: bool(a.calls))
        assert len(a.logged) == 1
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_frames_leave_on_a_device_that_has_no_listener() -> None:
    async def main(lan: Lan) -> None:
        tap = lan.tap("a")
        a = Node(lan, "a")
        frame = arp(1, mac_of(lan, "a"), "10.7.0.100", "10.7.0.100")
        a.network.send_frames("eth0", [frame])
        assert tap.next(lambda data: data[12:14] == b"\x08\x06").data[:42] == frame
        with pytest.raises(OSError, match="No such device"):
            a.network.send_frames("eth9", [frame])
        a.network.close()

    with two_nodes() as lan:
        run(main(lan))


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(arp(1, BROADCAST, "10.7.0.1", "10.7.0.1")[:41], id="one byte short"),
        pytest.param(arp(1, BROADCAST, "10.7.0.1", "10.7.0.2"), id="a question"),
        pytest.param(arp(1, BROADCAST, "0.0.0.0", "0.0.0.0"), id="no address"),
        pytest.param(arp(3, BROADCAST, "10.7.0.1", "10.7.0.1"), id="reverse ARP"),
    ],
)
def test_a_frame_that_announces_nothing_is_nothing(frame: bytes) -> None:
    assert parse_gratuitous_arp(frame) is None
