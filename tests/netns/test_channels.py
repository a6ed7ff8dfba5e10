"""Both families, groups, unicast and Authentication Headers on real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from lan import Lan, capturing_log, run
from sample import internet_checksum
from structlog.typing import EventDict

from vrrpd.channels import Channel, Outgoing
from vrrpd.frames import Datagram
from vrrpd.linux.claims import parse_unsolicited_na
from vrrpd.linux.sockets import RawNetwork
from vrrpd.model import Family, IPAddress
from vrrpd.ports import Announcement, Ear, Openings, Packet

GROUP4, GROUP6 = IPv4Address("224.0.0.18"), IPv6Address("ff02::12")
ADDRESSES = {"a": "10.7.0.1", "b": "10.7.0.2"}
LINK_LOCAL = {"a": IPv6Address("fe80::a"), "b": IPv6Address("fe80::b")}
VRRP, AH = 112, 51


class Node:
    """A RawNetwork on a node of the LAN, and what it heard."""

    def __init__(self, lan: Lan, name: str) -> None:
        self.lan, self.name = lan, name
        self.packets: list[Packet] = []
        self.announcements: list[Announcement] = []
        self.logged: list[EventDict]
        log, self.logged = capturing_log()
        self._heard = asyncio.Event()
        with lan.inside(name):
            self.network = RawNetwork(asyncio.get_running_loop(), self._on_datagrams, self._on_announcement, log)

    @property
    def index(self) -> int:
        return self.lan.index(self.name)

    def open(self, *opened: Ear | Channel) -> None:
        ears = frozenset(one for one in opened if isinstance(one, Ear))
        channels = frozenset(one for one in opened if isinstance(one, Channel))
        with self.lan.inside(self.name):
            self.network.open(Openings(ears, channels))

    def ear(self, *groups: IPAddress, family: Family = Family.IPV6, protocol: int = VRRP) -> Ear:
        return Ear("eth0", self.index, family, frozenset(groups), frozenset({protocol}))

    def channel(self, source: IPAddress, *destinations: IPAddress, protocol: int = VRRP) -> Channel:
        return Channel("eth0", self.index, source, destinations, 255, protocol)

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._heard.clear()
            await self._heard.wait()

    def _on_datagrams(self, _device: str, packets: Sequence[Packet]) -> None:
        self.packets += packets
        self._heard.set()

    def _on_announcement(self, announcement: Announcement) -> None:
        self.announcements.append(announcement)
        self._heard.set()


@contextmanager
def two_nodes() -> Iterator[Lan]:
    """Each with an IPv4 and a link-local IPv6 address."""
    with Lan() as lan:
        for name, address in ADDRESSES.items():
            lan.node(name, f"{address}/24")
            lan.run(name, f"ip address add {LINK_LOCAL[name]}/64 dev eth0 nodad")
        yield lan


def ipv6(source: IPAddress, destination: IPAddress, payload: bytes, hop_limit: int = 255) -> bytes:
    head = struct.pack("!IHBB", 6 << 28 | 0xC0 << 20, len(payload), VRRP, hop_limit)
    return head + source.packed + destination.packed + payload


def ipv4(source: IPAddress, destination: IPAddress, payload: bytes, ttl: int = 255, protocol: int = VRRP) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + len(payload), 0, 0, ttl, protocol, 0)
    return head + source.packed + destination.packed + payload


@pytest.mark.rfc("5798-5.1.2.1-1", "5798-5.1.2.2-1", "5798-5.1.1.3-1", "5798-5.1.1.4-1")
def test_over_ipv6_an_advertisement_leaves_from_the_link_local_address_to_ff02_12_with_hop_limit_255() -> None:
    async def main(lan: Lan) -> None:
        tap = lan.tap("a")
        a, b = Node(lan, "a"), Node(lan, "b")
        from_a, from_b = a.channel(LINK_LOCAL["a"], GROUP6), b.channel(LINK_LOCAL["b"], GROUP6)
        a.open(a.ear(GROUP6), from_a)
        b.open(b.ear(GROUP6), from_b)
        a.network.send(from_a, [Outgoing(GROUP6, ipv6(LINK_LOCAL["a"], GROUP6, b"from a"))])
        frame = tap.next(lambda data: data[12:14] == b"\x86\xdd" and data[20] == VRRP).data
        b.network.send(from_b, [Outgoing(GROUP6, ipv6(LINK_LOCAL["b"], GROUP6, b"from b", 254))])
        await a.until(lambda: bool(a.packets))
        await b.until(lambda: bool(b.packets))

        assert frame[:6] == bytes.fromhex("333300000012")
        assert frame[14:22] == bytes.fromhex("6c000000" + "0006" + "70" + "ff")
        assert frame[22:54] == LINK_LOCAL["a"].packed + GROUP6.packed
        assert frame[54:] == b"from a"
        # and nobody hears itself; the kernel says where from, where to and the hop limit
        assert b.packets == [Datagram(LINK_LOCAL["a"], GROUP6, 255, b"from a")]
        assert a.packets == [Datagram(LINK_LOCAL["b"], GROUP6, 254, b"from b")]
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_over_ipv6_a_wrong_checksum_is_heard_so_that_it_can_be_counted() -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        from_a = a.channel(LINK_LOCAL["a"], GROUP6)
        a.open(from_a)
        b.open(b.ear(GROUP6))
        a.network.send(from_a, [Outgoing(GROUP6, ipv6(LINK_LOCAL["a"], GROUP6, b"\x31\x32\x64\1\0\x64\xbe\xef"))])
        await b.until(lambda: bool(b.packets))
        assert [packet.payload for packet in b.packets if isinstance(packet, Datagram)] == [
            b"\x31\x32\x64\1\0\x64\xbe\xef"
        ]
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_both_families_are_heard_on_one_interface() -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        four, six = a.channel(IPv4Address(ADDRESSES["a"]), GROUP4), a.channel(LINK_LOCAL["a"], GROUP6)
        a.open(four, six)
        b.open(b.ear(GROUP4, family=Family.IPV4), b.ear(GROUP6))
        a.network.send(four, [Outgoing(GROUP4, ipv4(four.source, GROUP4, b"four"))])
        a.network.send(six, [Outgoing(GROUP6, ipv6(LINK_LOCAL["a"], GROUP6, b"six!"))])
        await b.until(lambda: len(b.packets) == 2)
        assert {packet[20:] if isinstance(packet, bytes) else packet.payload for packet in b.packets} == {
            b"four",
            b"six!",
        }
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_an_interface_that_came_back_with_another_index_is_heard_again_over_ipv6() -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        a.open(a.ear(GROUP6), a.channel(LINK_LOCAL["a"], GROUP6))
        before = a.index
        lan.run("a", "ip link delete eth0")
        lan.plug("a", f"{ADDRESSES['a']}/24")
        lan.run("a", f"ip address add {LINK_LOCAL['a']}/64 dev eth0 nodad")
        assert a.index != before
        from_a, from_b = a.channel(LINK_LOCAL["a"], GROUP6), b.channel(LINK_LOCAL["b"], GROUP6)
        a.open(a.ear(GROUP6), from_a)
        b.open(b.ear(GROUP6), from_b)
        a.network.send(from_a, [Outgoing(GROUP6, ipv6(LINK_LOCAL["a"], GROUP6, b"here again"))])
        await b.until(lambda: bool(b.packets))
        b.network.send(from_b, [Outgoing(GROUP6, ipv6(LINK_LOCAL["b"], GROUP6, b"welcome"))])
        await a.until(lambda: bool(a.packets))
        assert (a.logged, b.logged) == ([], [])
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


def test_several_groups_are_heard_by_one_socket_and_a_group_less_is_not() -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        other = IPv4Address("224.0.0.99")
        source = IPv4Address(ADDRESSES["a"])
        to_group, to_other = a.channel(source, GROUP4), a.channel(source, other)
        a.open(to_group, to_other)
        b.open(b.ear(GROUP4, other, family=Family.IPV4))
        a.network.send(to_other, [Outgoing(other, ipv4(source, other, b"one"))])
        await b.until(lambda: len(b.packets) == 1)
        b.open(b.ear(GROUP4, family=Family.IPV4))
        a.network.send(to_other, [Outgoing(other, ipv4(source, other, b"two"))])
        a.network.send(to_group, [Outgoing(GROUP4, ipv4(source, GROUP4, b"three"))])
        await b.until(lambda: len(b.packets) == 2)
        assert [bytes(packet)[20:] for packet in b.packets if isinstance(packet, bytes)] == [b"one", b"three"]
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


@pytest.mark.parametrize("family", Family)
def test_unicast_reaches_each_peer_with_its_own_ttl_and_one_that_is_refused_costs_no_other(family: Family) -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        ours, theirs, nowhere = (
            (IPv4Address(ADDRESSES["a"]), IPv4Address(ADDRESSES["b"]), IPv4Address("192.0.2.1"))
            if family is Family.IPV4
            else (IPv6Address("2001:db8::a"), IPv6Address("2001:db8::b"), IPv6Address("2001:db9::1"))
        )
        if family is Family.IPV6:
            for name, address in (("a", ours), ("b", theirs)):
                lan.run(name, f"ip address add {address}/64 dev eth0 nodad")
        build = ipv4 if family is Family.IPV4 else ipv6
        channel = a.channel(ours, nowhere, theirs)
        a.open(channel)
        b.open(b.ear(family=family))
        packets = [Outgoing(to, build(ours, to, b"hello", 7)) for to in (nowhere, theirs)]
        words = "ip daddr" if family is Family.IPV4 else "ip6 daddr"
        lan.run("a", "nft add table inet t")
        lan.run("a", "nft add chain inet t out { type filter hook output priority 0 ; }")
        lan.run("a", f"nft add rule inet t out {words} {nowhere} drop")
        with pytest.raises(OSError, match=r"not permitted|unreachable"):
            a.network.send(channel, packets)
        await b.until(lambda: bool(b.packets))
        (packet,) = b.packets
        if isinstance(packet, Datagram):
            assert packet == Datagram(IPv6Address("2001:db8::a"), IPv6Address("2001:db8::b"), 7, b"hello")
        else:
            assert (packet[8], packet[12:20], packet[20:]) == (7, ours.packed + theirs.packed, b"hello")
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


@pytest.mark.parametrize("source", ["192.0.2.77", "2001:db8::77", "fe80::77"])
def test_a_source_address_need_not_be_on_the_node(source: str) -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        ours = ip_address(source)
        group: IPAddress = GROUP4 if ours.version == 4 else GROUP6
        channel = a.channel(ours, group)
        a.open(channel)
        b.open(b.ear(group, family=Family(ours.version)))
        build = ipv4 if ours.version == 4 else ipv6
        a.network.send(channel, [Outgoing(group, build(ours, group, b"foreign"))])
        await b.until(lambda: bool(b.packets))
        (packet,) = b.packets
        seen = packet.source if isinstance(packet, Datagram) else ip_address(packet[12:16])
        assert (seen, a.logged) == (ours, [])
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        # Over IPv4 a reply has to be possible, or the kernel drops it (rp_filter).
        lan.run("b", "ip route add 192.0.2.0/24 dev eth0")
        run(main(lan))


def test_what_has_an_authentication_header_is_heard_with_it() -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        source = IPv4Address(ADDRESSES["a"])
        sealed, plain = a.channel(source, GROUP4, protocol=AH), a.channel(source, GROUP4)
        a.open(sealed, plain)
        b.open(Ear("eth0", b.index, Family.IPV4, frozenset({GROUP4}), frozenset({VRRP, AH})))
        a.network.send(sealed, [Outgoing(GROUP4, ipv4(source, GROUP4, b"sealed", protocol=AH))])
        a.network.send(plain, [Outgoing(GROUP4, ipv4(source, GROUP4, b"plain"))])
        await b.until(lambda: len(b.packets) == 2)
        assert {(packet[9], packet[20:]) for packet in b.packets if isinstance(packet, bytes)} == {
            (AH, b"sealed"),
            (VRRP, b"plain"),
        }
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


@pytest.mark.parametrize("family", Family)
def test_an_advertisement_that_the_queue_drops_is_an_error(family: Family) -> None:
    async def main(lan: Lan) -> None:
        a = Node(lan, "a")
        source, group = (IPv4Address(ADDRESSES["a"]), GROUP4) if family is Family.IPV4 else (LINK_LOCAL["a"], GROUP6)
        channel = a.channel(source, group)
        a.open(channel)
        lan.run("a", "tc qdisc add dev eth0 root tbf rate 8kbit burst 10b latency 1ms")
        build = ipv4 if family is Family.IPV4 else ipv6
        with pytest.raises(OSError, match="No buffer space available"):
            a.network.send(channel, [Outgoing(group, build(source, group, bytes(40)))])
        a.network.close()

    with two_nodes() as lan:
        run(main(lan))


# --- who claims an address ---


def na(mac: bytes, target: str, *, flags: int = 0x20, option: bool = True, hop_limit: int = 255) -> bytes:
    """A Neighbor Advertisement to all nodes (RFC 4861 section 4.4), Override set."""
    source, to = IPv6Address(target).packed, IPv6Address("ff02::1").packed
    body = bytes([flags, 0, 0, 0]) + IPv6Address(target).packed + (b"\x02\x01" + mac if option else b"")
    length = 4 + len(body)
    pseudo = source + to + struct.pack("!II", length, 58)
    checksum = internet_checksum(pseudo + b"\x88\0\0\0" + body)
    icmp = b"\x88\0" + struct.pack("!H", checksum) + body
    head = struct.pack("!IHBB", 6 << 28, length, 58, hop_limit)
    return bytes.fromhex("333300000001") + mac + b"\x86\xdd" + head + source + to + icmp


def test_only_unsolicited_neighbor_advertisements_of_others_are_announcements() -> None:
    async def main(lan: Lan) -> None:
        a, b = Node(lan, "a"), Node(lan, "b")
        a.open(Ear("eth0", a.index, Family.IPV6))
        ours, theirs = bytes.fromhex("0200000000aa"), bytes.fromhex("0200000000bb")
        lan.run("a", "ip link set eth0 address 02:00:00:00:00:aa")
        frames = [
            na(theirs, "2001:db8::1", flags=0x60),  # an answer to a question
            na(theirs, "2001:db8::2", hop_limit=254),  # from far away
            na(theirs, "2001:db8::3", option=False),  # for nobody
            na(ours, "2001:db8::4"),  # ours, thrown back by the LAN
            na(theirs, "2001:db8::5"),
        ]
        b.network.send_frames("eth0", frames)
        await a.until(lambda: bool(a.announcements))
        assert [(str(heard.address), heard.mac) for heard in a.announcements] == [("2001:db8::5", theirs)]
        a.network.close()
        b.network.close()

    with two_nodes() as lan:
        run(main(lan))


MAC = bytes.fromhex("020000000001")


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(na(MAC, "2001:db8::1")[:-1], id="one byte short"),
        pytest.param(na(MAC, "2001:db8::1", flags=0x40), id="solicited"),
        pytest.param(na(MAC, "2001:db8::1", option=False), id="without a link-layer address"),
        pytest.param(na(MAC, "2001:db8::1")[:54] + b"\x87" + na(MAC, "2001:db8::1")[55:], id="a solicitation"),
        pytest.param(na(MAC, "2001:db8::1")[:20] + b"\x11" + na(MAC, "2001:db8::1")[21:], id="UDP"),
        pytest.param(na(MAC, "2001:db8::1")[:12] + b"\x08\0" + na(MAC, "2001:db8::1")[14:], id="IPv4"),
        pytest.param(na(MAC, "2001:db8::1")[:78] + b"\x01" + na(MAC, "2001:db8::1")[79:], id="a source's address"),
    ],
)
def test_what_is_no_unsolicited_neighbor_advertisement_claims_nothing(frame: bytes) -> None:
    assert parse_unsolicited_na(frame) is None


def test_an_unsolicited_neighbor_advertisement_claims_its_target_for_its_option() -> None:
    assert parse_unsolicited_na(na(MAC, "2001:db8::1")) == (IPv6Address("2001:db8::1"), MAC)


def test_the_kernel_takes_no_checksum_of_ours_for_its_own() -> None:
    """A raw IPv6 socket of protocol 255 sends what it is given, header and all."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        assert sock.getsockopt(socket.IPPROTO_IPV6, 36) == 1  # IPV6_HDRINCL
