"""scapy's VRRP layers as an independent oracle: they read what we send, and we read what they send, field by field."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_interface
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.config import conf

conf.route_autoload = conf.route6_autoload = False
conf.max_list_count = 255  # by default it reads no more than 100 addresses
from sample import MAC, MS, OURS, THEIRS, S, router  # noqa: E402
from sample3 import GROUP4, GROUP6, OURS6, THEIRS6  # noqa: E402
from scapy.layers.inet import IP  # noqa: E402
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6  # noqa: E402
from scapy.layers.l2 import ARP, Ether  # noqa: E402
from scapy.layers.vrrp import VRRP, VRRPv3  # noqa: E402  after the routes are left alone

from vrrpd.frames import Datagram, gratuitous_arp, unsolicited_na  # noqa: E402
from vrrpd.model import (  # noqa: E402
    Authentication,
    AuthenticationType,
    IPAddress,
    Version,
    VirtualAddress,
    VirtualRouter,
)
from vrrpd.packet import Advertisement, ChecksumForm, decode, encode  # noqa: E402

FEW = settings(derandomize=True, max_examples=60, deadline=None)
IPV4S = st.lists(st.integers(1, 2**32 - 1).map(IPv4Address), min_size=1, max_size=6, unique=True)
IPV6S = st.lists(st.integers(1, 2**128 - 1).map(IPv6Address), min_size=1, max_size=6, unique=True)
PRIORITIES, VRIDS, CENTISECONDS = st.integers(0, 255), st.integers(1, 255), st.integers(1, 4095)


def ours(ips: list[Any], **changes: Any) -> VirtualRouter:
    return router(addresses=tuple(VirtualAddress(ip_interface(ip), "eth0") for ip in ips), **changes)


def carried(message: bytes, source: IPAddress) -> Any:
    """The message in an IP packet, as scapy makes one of it."""
    if source.version == 4:
        whole = IP(src=str(source), dst=str(GROUP4), ttl=255, proto=112) / message
        return IP(bytes(whole))
    whole = IPv6(src=str(source), dst=str(GROUP6), hlim=255, nh=112) / message
    return IPv6(bytes(whole))


@FEW
@given(PRIORITIES, VRIDS, st.integers(1, 255), IPV4S, st.binary(max_size=8).filter(bool) | st.none())
def test_scapy_reads_our_version_2(
    priority: int, vrid: int, seconds: int, ips: list[IPv4Address], password: bytes | None
) -> None:
    authentication = Authentication(AuthenticationType.PASS, password) if password else Authentication()
    ours_ = ours(ips, vrid=vrid, advertisement_interval=seconds * S, authentication=authentication)
    sent = encode(ours_, priority, OURS)
    read = VRRP(sent)
    assert (read.version, read.type, read.vrid, read.priority, read.ipcount) == (2, 1, vrid, priority, len(ips))
    assert (read.authtype, read.adv) == (int(password is not None), seconds)
    assert read.addrlist == [str(ip) for ip in ips]
    assert read.auth1 << 32 | read.auth2 == int.from_bytes((password or b"").ljust(8, b"\0"), "big")
    del read.chksum
    assert bytes(read) == sent, "its checksum is ours"


@FEW
@given(PRIORITIES, VRIDS, CENTISECONDS, IPV4S | IPV6S)
def test_scapy_reads_our_version_3(priority: int, vrid: int, centiseconds: int, ips: list[Any]) -> None:
    interval = centiseconds * 10 * MS
    ours_ = ours(ips, version=Version.V3, vrid=vrid, advertisement_interval=interval)
    source: IPAddress = OURS if ips[0].version == 4 else OURS6
    sent = encode(ours_, priority, source)
    read = carried(sent, source)[VRRPv3]
    assert (read.version, read.type, read.vrid, read.priority, read.ipcount) == (3, 1, vrid, priority, len(ips))
    assert (read.res, read.adv) == (0, centiseconds)
    assert [IPv4Address(a) if source.version == 4 else IPv6Address(a) for a in read.addrlist] == ips
    again = carried(sent, source)
    del again[VRRPv3].chksum
    assert bytes(again[VRRPv3]) == sent, "its checksum is ours, pseudo-header and all"


@FEW
@given(PRIORITIES, VRIDS, st.integers(1, 255), IPV4S)
def test_we_read_scapys_version_2(priority: int, vrid: int, seconds: int, ips: list[IPv4Address]) -> None:
    sent = bytes(VRRP(vrid=vrid, priority=priority, adv=seconds, addrlist=[str(ip) for ip in ips], auth1=0, auth2=0))
    ours_ = ours(ips, vrid=vrid, advertisement_interval=seconds * S)
    expected = Advertisement(vrid, priority, seconds * S, tuple(ips), ChecksumForm.MESSAGE)
    assert decode(ours_, Datagram(THEIRS, GROUP4, 255, sent)) == expected


@FEW
@given(PRIORITIES, VRIDS, CENTISECONDS, IPV4S | IPV6S)
def test_we_read_scapys_version_3(priority: int, vrid: int, centiseconds: int, ips: list[Any]) -> None:
    source, group = (THEIRS, GROUP4) if ips[0].version == 4 else (THEIRS6, GROUP6)
    layer = VRRPv3(vrid=vrid, priority=priority, adv=centiseconds, addrlist=[str(ip) for ip in ips])
    below = IP(src=str(source), dst=str(group), ttl=255, proto=112) if source.version == 4 else None
    below = below or IPv6(src=str(source), dst=str(group), hlim=255, nh=112)
    sent = bytes((below / layer).payload)
    expected = Advertisement(vrid, priority, centiseconds * 10 * MS, tuple(ips), ChecksumForm.PSEUDO_HEADER)
    assert decode(ours(ips, version=Version.V3), Datagram(source, group, 255, sent)) == expected


@pytest.mark.parametrize("router_", [True, False])
@pytest.mark.parametrize("ip", ["fe80::5", "2001:db8::5", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"])
def test_scapy_reads_our_neighbor_advertisement_and_makes_the_same_one(ip: str, router_: bool) -> None:
    sent = unsolicited_na(MAC, IPv6Address(ip), router=router_)
    read = Ether(sent)
    assert (read.src, read.dst, read[IPv6].src, read[IPv6].dst) == (
        "02:00:00:00:00:01",
        "33:33:00:00:00:01",
        ip,
        "ff02::1",
    )
    assert (read[IPv6].hlim, read[IPv6].nh) == (255, 58)
    na = read[ICMPv6ND_NA]
    assert (na.R, na.S, na.O, na.tgt) == (int(router_), 0, 1, ip)
    assert read[ICMPv6NDOptDstLLAddr].lladdr == "02:00:00:00:00:01"
    made = (
        Ether(src="02:00:00:00:00:01", dst="33:33:00:00:00:01")
        / IPv6(src=ip, dst="ff02::1", hlim=255)
        / ICMPv6ND_NA(R=int(router_), S=0, O=1, tgt=ip)
        / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:01")
    )
    assert bytes(made) == sent


@pytest.mark.parametrize("ip", ["10.230.137.100", "255.255.255.254"])
def test_scapy_reads_our_gratuitous_arp(ip: str) -> None:
    read = Ether(gratuitous_arp(MAC, IPv4Address(ip)))
    arp = read[ARP]
    assert (read.dst, read.src, arp.op) == ("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01", 1)
    assert (arp.hwsrc, arp.psrc, arp.hwdst, arp.pdst) == ("02:00:00:00:00:01", ip, "ff:ff:ff:ff:ff:ff", ip)


def test_addresses_of_both_families_can_be_as_many_as_a_byte_counts() -> None:
    for ips in (
        [IPv4Interface((0x0A010000 + n, 32)).ip for n in range(255)],
        [IPv6Interface(((0xFE80 << 112) + n, 128)).ip for n in range(255)],
    ):
        source: IPAddress = OURS if ips[0].version == 4 else OURS6
        sent = encode(ours(ips, version=Version.V3), 100, source)
        assert carried(sent, source)[VRRPv3].ipcount == 255
        group = GROUP4 if source.version == 4 else GROUP6
        assert decode(ours(ips, version=Version.V3), Datagram(source, group, 255, sent)).addresses == tuple(ips)
