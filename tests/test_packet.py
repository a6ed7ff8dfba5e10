"""VRRP messages on the wire: what we send, what we take, and the first thing wrong with what we do not take."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.config import conf

conf.route_autoload = conf.route6_autoload = False
from sample import OURS, PASSWORD, THEIRS, VIP, VIP2, S, message, router  # noqa: E402
from scapy.layers.vrrp import VRRP  # noqa: E402  after the routes are left alone

from vrrpd.frames import Datagram, internet_checksum  # noqa: E402
from vrrpd.model import Authentication, AuthenticationType, VirtualAddress  # noqa: E402
from vrrpd.packet import Advertisement, DropReason, PacketError, decode, encode  # noqa: E402

GROUP = IPv4Address("224.0.0.18")


def datagram(payload: bytes, ttl: int = 255) -> Datagram:
    return Datagram(THEIRS, GROUP, ttl, payload)


def refused(payload: bytes, *, ttl: int = 255, authentication: Authentication | None = None) -> PacketError:
    ours = router() if authentication is None else router(authentication=authentication)
    with pytest.raises(PacketError) as caught:
        decode(ours, datagram(payload, ttl))
    return caught.value


def test_an_advertisement_is_these_twenty_bytes() -> None:
    sent = bytes.fromhex("213264010001e6800ae689640000000000000000")
    assert encode(router(), 100, OURS) == sent


def test_a_password_fills_the_last_eight_bytes() -> None:
    sent = bytes.fromhex("213264010101" + "8a47" + "0ae68964" + "7061737377640000")
    assert encode(router(authentication=PASSWORD), 100, OURS) == sent


def test_a_resignation_is_the_same_message_with_priority_0() -> None:
    assert encode(router(), 0, OURS) == bytes.fromhex("2132000100014a810ae689640000000000000000")


def test_addresses_are_sent_in_configured_order() -> None:
    assert encode(router(addresses=(VIP2, VIP)), 100, OURS)[8:16] == bytes.fromhex("0ae689650ae68964")


def test_a_message_may_have_no_address_and_may_have_255() -> None:
    assert len(encode(router(addresses=()), 100, OURS)) == 16
    many = tuple(VirtualAddress(IPv4Interface(f"10.1.0.{n}/32"), "eth0") for n in range(1, 256))
    assert len(encode(router(addresses=many), 100, OURS)) == 8 + 4 * 255 + 8
    assert encode(router(addresses=many), 100, OURS)[3] == 255


@pytest.mark.parametrize("priority", [0, 1, 100, 255])
@pytest.mark.parametrize("interval", [1, 255])
def test_scapy_reads_what_we_send(priority: int, interval: int) -> None:
    sent = encode(router(addresses=(VIP, VIP2), advertisement_interval=interval * S), priority, OURS)
    read = VRRP(sent)
    assert (read.version, read.type, read.vrid, read.priority, read.ipcount) == (2, 1, 50, priority, 2)
    assert (read.authtype, read.adv, read.auth1, read.auth2) == (0, interval, 0, 0)
    assert read.addrlist == ["10.230.137.100", "10.230.137.101"]
    del read.chksum
    assert bytes(read) == sent, "scapy's own checksum is ours"


def test_we_read_what_scapy_sends() -> None:
    packet = VRRP(vrid=50, priority=101, addrlist=["10.230.137.100"], adv=1, auth1=0, auth2=0)
    assert decode(router(), datagram(bytes(packet))) == Advertisement(50, 101, S, (IPv4Address("10.230.137.100"),))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", 0xFFFF),
        (b"\0\0", 0xFFFF),
        (b"\xff\xff", 0x0000),
        (b"\xff\xff\xff\xff", 0x0000),
        (b"\x80\x00\x80\x00", 0xFFFE),
        (b"\x01", 0xFEFF),
        (bytes.fromhex("0001f203f4f5f6f7"), 0x220D),  # the example of RFC 1071, section 3
    ],
)
def test_the_checksum_is_that_of_rfc_1071(content: bytes, expected: int) -> None:
    assert internet_checksum(content) == expected


def test_a_good_advertisement_is_taken() -> None:
    taken = decode(router(), datagram(message(7)))
    assert taken == Advertisement(50, 7, S, (IPv4Address("10.230.137.100"),))


def test_authentication_data_is_ignored_with_type_0() -> None:
    assert decode(router(), datagram(message(auth_data=b"whatever"))).priority == 100


def test_a_list_of_other_addresses_is_no_reason_to_drop() -> None:
    taken = decode(router(), datagram(message(addresses=("10.9.9.9", "10.9.9.8"))))
    assert taken.addresses == (IPv4Address("10.9.9.9"), IPv4Address("10.9.9.8"))


@pytest.mark.parametrize("ttl", [254, 64, 1, 0])
def test_a_ttl_other_than_255_is_refused(ttl: int) -> None:
    error = refused(message(), ttl=ttl)
    assert (error.reason, error.theirs) == (DropReason.TTL, f"TTL {ttl}")


@pytest.mark.parametrize("message_type", [0, 2, 15])
def test_a_type_other_than_1_is_refused(message_type: int) -> None:
    assert refused(message(version_type=0x20 | message_type)).reason == DropReason.TYPE


@pytest.mark.parametrize("version", [0, 1, 3, 4, 15])
def test_another_version_is_refused(version: int) -> None:
    sent = message(version_type=version << 4 | 1)
    error = refused(sent[:-8] if version == 3 else sent)
    assert (error.reason, error.theirs, error.ours) == (DropReason.VERSION, f"version {version}", "version 2")


@pytest.mark.parametrize("length", [0, 1, 2, 7, 8, 12, 19])
def test_a_short_message_is_refused_for_its_length(length: int) -> None:
    assert refused(message()[:length]).reason == DropReason.LENGTH


def test_a_message_with_bytes_behind_its_end_is_refused() -> None:
    assert refused(message() + b"\0").reason == DropReason.LENGTH


def test_a_count_beyond_the_message_is_refused() -> None:
    lying = bytearray(message())
    lying[3] = 255
    assert refused(bytes(lying)).reason == DropReason.LENGTH


def test_one_wrong_bit_is_refused_for_its_checksum() -> None:
    for position in (1, 2, 6, 7, 8, 11, 12, 19):
        bent = bytearray(message())
        bent[position] ^= 0x10
        assert refused(bytes(bent)).reason == DropReason.CHECKSUM, position


@pytest.mark.parametrize("interval", [0, 2, 255])
def test_another_interval_is_refused_in_version_2(interval: int) -> None:
    error = refused(message(interval=interval))
    assert error.reason == DropReason.INTERVAL
    assert (error.theirs, error.ours) == (f"advertises every {interval} s", "every 1 s")


@pytest.mark.parametrize(("auth_type", "name"), [(1, "PASS"), (2, "AH"), (3, "type 3"), (255, "type 255")])
def test_an_authentication_type_that_is_not_ours_is_refused(auth_type: int, name: str) -> None:
    error = refused(message(auth_type=auth_type))
    assert (error.reason, error.theirs, error.ours) == (
        DropReason.AUTHENTICATION_TYPE,
        f"authentication {name}",
        "none",
    )


def test_no_authentication_is_refused_where_a_password_is_due() -> None:
    assert refused(message(), authentication=PASSWORD).reason == DropReason.AUTHENTICATION_TYPE


@pytest.mark.parametrize("password", [b"", b"passwD", b"passwd1", b"pass"])
def test_another_password_is_refused_and_none_is_told(password: bytes) -> None:
    error = refused(message(auth_type=1, auth_data=password), authentication=PASSWORD)
    assert error.reason == DropReason.AUTHENTICATION
    assert "passwd" not in str(error)


def test_the_right_password_is_taken() -> None:
    ours = router(authentication=PASSWORD)
    assert decode(ours, datagram(message(100, auth_type=1, auth_data=b"passwd"))).priority == 100


def test_what_is_wrong_first_is_told_in_keepaliveds_order() -> None:
    everything = bytearray(message(version_type=0x42, interval=9, auth_type=1))
    everything[6] ^= 1
    assert refused(bytes(everything) + b"x", ttl=1).reason == DropReason.TTL, (
        "how long a message of version 4 is nobody knows"
    )
    version_2 = bytearray(message(version_type=0x22, interval=9, auth_type=1))
    version_2[6] ^= 1
    assert refused(bytes(version_2) + b"x", ttl=1).reason == DropReason.LENGTH
    assert refused(bytes(version_2), ttl=1).reason == DropReason.TTL
    assert refused(bytes(version_2)).reason == DropReason.AUTHENTICATION_TYPE
    version_2[4] = 0
    assert refused(bytes(version_2)).reason == DropReason.INTERVAL
    version_2[5] = 1
    assert refused(bytes(version_2)).reason == DropReason.TYPE
    version_2[0] = 0x21
    assert refused(bytes(version_2)).reason == DropReason.CHECKSUM


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    priority=st.integers(0, 255),
    vrid=st.integers(1, 255),
    interval=st.integers(1, 255),
    hosts=st.lists(st.integers(0, 2**32 - 1), max_size=8, unique=True),
    password=st.binary(max_size=8).filter(bool) | st.none(),
)
def test_what_is_encoded_is_decoded(
    priority: int, vrid: int, interval: int, hosts: list[int], password: bytes | None
) -> None:
    ours = router(
        vrid=vrid,
        advertisement_interval=interval * S,
        addresses=tuple(VirtualAddress(IPv4Interface((host, 32)), "eth0") for host in hosts),
        authentication=Authentication(AuthenticationType.PASS, password) if password else Authentication(),
    )
    expected = Advertisement(vrid, priority, interval * S, tuple(map(IPv4Address, hosts)))
    assert decode(ours, datagram(encode(ours, priority, OURS))) == expected


@settings(derandomize=True, max_examples=400, deadline=None)
@given(payload=st.binary(max_size=64), ttl=st.integers(0, 255))
def test_any_bytes_are_an_advertisement_or_a_packet_error(payload: bytes, ttl: int) -> None:
    with contextlib.suppress(PacketError):
        assert decode(router(), datagram(payload, ttl)).vrid == payload[1]


@settings(derandomize=True, max_examples=400, deadline=None)
@given(position=st.integers(0, 19), value=st.integers(0, 255), password=st.booleans())
def test_any_changed_byte_is_an_advertisement_or_a_packet_error(position: int, value: int, password: bool) -> None:
    bent = bytearray(message(auth_type=int(password), auth_data=b"passwd" * password))
    bent[position] = value
    ours = router(authentication=PASSWORD) if password else router()
    try:
        taken = decode(ours, datagram(bytes(bent)))
    except PacketError:
        return
    assert taken.vrid == 50, OURS
