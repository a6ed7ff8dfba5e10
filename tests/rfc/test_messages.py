"""Sections 5, 7.1 and 7.2: what is in a message, what is taken, and what is wrong with what is not. Bytes by hand."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from typing import Any

import pytest
from sample import MS, OURS, PASSWORD, THEIRS, THIRD, VIP, S, internet_checksum, message, router
from sample3 import GROUP4, GROUP6, OURS6, THEIRS6, VIP6, message3, router6

from vrrpd.frames import Datagram
from vrrpd.fsm import step
from vrrpd.model import (
    Authentication,
    AuthenticationType,
    Subject,
    Tracker,
    TrackerKind,
    Version,
    VirtualAddress,
    VirtualRouter,
)
from vrrpd.packet import ChecksumForm, DropReason, PacketError, decode, encode
from vrrpd.reception import accept, differences
from vrrpd.tracking import Check, LinkState, effective_priority

from .dialect import HALF, V2_IPV4, V3_IPV4, V3_IPV6, Dialect, every_dialect, master, version_3


def router3(**changes: Any) -> VirtualRouter:
    return router(**({"version": Version.V3} | changes))


def ours(d: Dialect) -> VirtualRouter:
    return router(version=d.version, addresses=d.addresses)


def datagram(d: Dialect, payload: bytes, ttl: int = 255) -> Datagram:
    return Datagram(d.theirs, GROUP6 if d is V3_IPV6 else GROUP4, ttl, payload)


def theirs(d: Dialect, priority: int = 100, *, version_type: int | None = None) -> bytes:
    """A message of theirs with d's addresses; another first byte leaves the checksum right."""
    ips = tuple(str(address.ip) for address in d.addresses)
    sent = message(priority, addresses=ips) if d is V2_IPV4 else message3(priority, d.theirs, addresses=ips)
    if version_type is None:
        return sent
    shift = (version_type - sent[0]) << 8
    checksum = (int.from_bytes(sent[6:8], "big") - shift) % 0xFFFF
    return bytes([version_type]) + sent[1:6] + checksum.to_bytes(2, "big") + sent[8:]


def refused(of: VirtualRouter, found: Datagram) -> DropReason:
    with pytest.raises(PacketError) as caught:
        accept(of, found, OURS if found.source.version == 4 else OURS6)
    return caught.value.reason


# --- 5.1: what carries it ---


@every_dialect
@pytest.mark.rfc("5798-5.1.1.3-2", "5798-5.1.2.3-2", "5798-7.1-1")
@pytest.mark.rfc_not("5798-5.1.1.3-1")
@pytest.mark.parametrize("ttl", [254, 64, 1, 0])
def test_another_ttl_is_dropped_such_as_the_kernels_defaults_and_none(d: Dialect, ttl: int) -> None:
    assert refused(ours(d), datagram(d, theirs(d), ttl)) is DropReason.TTL


@every_dialect
@pytest.mark.rfc_not("5798-5.1.1.3-2", "5798-5.1.2.3-2", "5798-7.1-1", "5798-9-2")
def test_a_ttl_of_255_is_enough_whoever_on_the_link_sends_it(d: Dialect) -> None:
    assert accept(ours(d), datagram(d, theirs(d, 255)), d.ours).priority == 255


@every_dialect
@pytest.mark.rfc("5798-9-2")
def test_one_router_hop_away_is_too_far(d: Dialect) -> None:
    assert refused(ours(d), datagram(d, theirs(d), 254)) is DropReason.TTL


@pytest.mark.rfc("5798-5.1.2.2-1", "5798-5.1.1.2-1")
def test_the_group_is_that_of_the_family() -> None:
    assert (router().group, router6().group) == (IPv4Address("224.0.0.18"), IPv6Address("ff02::12"))


@every_dialect
@pytest.mark.rfc_not("5798-5.1.1.2-1", "5798-5.1.2.2-1", "5798-5.1.1.4-1")
def test_what_is_sent_elsewhere_is_dropped(d: Dialect) -> None:
    elsewhere = IPv6Address("ff02::1") if d is V3_IPV6 else IPv4Address("224.0.0.1")
    shifted = replace(datagram(d, theirs(d)), destination=elsewhere)
    assert refused(ours(d), shifted) in {DropReason.DESTINATION, DropReason.CHECKSUM}


# --- 5.2: layout ---


@pytest.mark.rfc("5798-5.2-1", "5798-5.2.7-1", "5798-5.2.8-2", "5798-7.2-1")
def test_a_message_of_version_3_is_these_twelve_bytes() -> None:
    """The pseudo-header 0ae6 + 8901 + e000 + 0012 + 0070 + 000c, then 3132 + 6401 + 0064 + 0ae6 + 8964: 0x29e56."""
    assert encode(router3(), 100, OURS).hex() == "31326401" + "0064" + "61a7" + "0ae68964"


@pytest.mark.rfc_not("5798-5.2-1", "5798-9-1")
def test_version_3_carries_no_authentication() -> None:
    assert len(encode(router3(), 100, OURS)) == 8 + 4
    assert len(encode(router6(), 100, OURS6)) == 8 + 2 * 16
    assert refused(router3(), datagram(V3_IPV4, theirs(V3_IPV4) + bytes(8))) is DropReason.LENGTH


@pytest.mark.rfc("5798-9-1")
def test_version_3_cannot_be_given_a_password() -> None:
    with pytest.raises(ValueError, match="version 3 has no authentication"):
        router3(authentication=PASSWORD)


@pytest.mark.rfc("3768-5.3-1", "3768-5.3.7-1", "3768-5.3.8-1", "3768-5.3.10-1", "5798-7.2-1")
def test_a_message_of_version_2_is_these_twenty_bytes() -> None:
    assert encode(router(), 100, OURS).hex() == "21326401" + "0001" + "e680" + "0ae68964" + "0000000000000000"


@pytest.mark.rfc_not("3768-5.3-1")
def test_version_2_without_its_authentication_bytes_is_no_message() -> None:
    assert refused(router(), datagram(V2_IPV4, message()[:-8])) is DropReason.LENGTH


@every_dialect
@pytest.mark.rfc("5798-5.2.2-1", "9568-7.1-3")
@pytest.mark.parametrize("kind", [0, 2, 15])
def test_another_type_is_dropped(d: Dialect, kind: int) -> None:
    assert refused(ours(d), datagram(d, theirs(d, version_type=d.version << 4 | kind))) is DropReason.TYPE


@every_dialect
@pytest.mark.rfc_not("5798-5.2.2-1", "9568-7.1-3", "5798-7.1-2", "5798-8.4.1-1", "5798-7.1-4", "5798-7.1-5")
def test_a_whole_message_of_its_version_with_type_1_and_a_right_checksum_is_taken(d: Dialect) -> None:
    taken = accept(ours(d), datagram(d, theirs(d, 7)), d.ours)
    assert (taken.vrid, taken.priority, taken.advertisement_interval) == (50, 7, S)
    assert type(taken.advertisement_interval) is int
    assert taken.addresses == tuple(address.ip for address in d.addresses)


@pytest.mark.rfc("5798-5.2.3-1")
@pytest.mark.parametrize("vrid", [0, 256, -1])
def test_there_is_no_virtual_router_0_nor_256(vrid: int) -> None:
    with pytest.raises(ValueError, match="VRID"):
        router(vrid=vrid)


@pytest.mark.rfc_not("5798-5.2.3-1")
@pytest.mark.parametrize("vrid", [1, 255])
def test_there_is_any_other(vrid: int) -> None:
    assert encode(router(vrid=vrid), 100, OURS)[1] == vrid


@pytest.mark.rfc("5798-5.2.4-1")
def test_a_router_of_which_nothing_else_is_said_has_priority_100() -> None:
    assert VirtualRouter("R1", "eth0", 50).priority == 100


@pytest.mark.rfc("5798-5.2.4-2")
def test_255_is_the_owners_and_no_check_changes_it() -> None:
    owner = router(priority=255, trackers=(Tracker("down", -50, kind=TrackerKind.INTERFACE),))
    assert owner.is_owner
    assert effective_priority(owner, CHECKS) == 255


@pytest.mark.rfc_not("5798-5.2.4-2", "5798-5.2.4-3")
@pytest.mark.parametrize("priority", [0, 256, -1])
def test_no_priority_lies_outside_1_to_255(priority: int) -> None:
    with pytest.raises(ValueError, match="priority"):
        router(priority=priority)


CHECKS: dict[Subject, Check] = {
    Subject(TrackerKind.INTERFACE, "up"): LinkState("up", up=True, since=0),
    Subject(TrackerKind.INTERFACE, "down"): LinkState("down", up=False, since=0),
}


@pytest.mark.rfc("5798-5.2.4-3")
@pytest.mark.parametrize(("interface", "weight", "effective"), [("up", 253, 254), ("down", -253, 1), ("down", -30, 70)])
def test_checks_leave_everybody_else_between_1_and_254(interface: str, weight: int, effective: int) -> None:
    tracker = Tracker(interface, weight, kind=TrackerKind.INTERFACE)
    assert effective_priority(router(trackers=(tracker,)), CHECKS) == effective


@version_3
@pytest.mark.rfc("5798-5.2.5-1")
def test_version_3_without_an_address_is_dropped(d: Dialect) -> None:
    assert refused(ours(d), datagram(d, message3(100, d.theirs, addresses=()))) is DropReason.LENGTH


@pytest.mark.rfc_not("5798-5.2.5-1")
def test_version_2_without_an_address_is_taken_and_the_difference_told() -> None:
    taken = accept(router(), datagram(V2_IPV4, message(addresses=())), OURS)
    assert [difference.theirs for difference in differences(router(), taken)] == ["no address"]


@every_dialect
@pytest.mark.rfc("5798-5.2.5-1", "5798-7.1-4")
@pytest.mark.parametrize("count", [0, 1, 3, 255])
def test_a_count_that_the_length_does_not_bear_out_is_dropped(d: Dialect, count: int) -> None:
    lying = bytearray(theirs(d))
    lying[3] = count
    assert refused(ours(d), datagram(d, bytes(lying))) is DropReason.LENGTH


@version_3
@pytest.mark.rfc("5798-5.2.6-1")
@pytest.mark.parametrize("reserved", [1, 8, 15])
def test_reserved_bits_are_not_looked_at(d: Dialect, reserved: int) -> None:
    ips = tuple(str(address.ip) for address in d.addresses)
    taken = accept(ours(d), datagram(d, message3(100, d.theirs, addresses=ips, reserved=reserved)), d.ours)
    assert taken.advertisement_interval == S


@version_3
@pytest.mark.rfc_not("5798-5.2.6-1")
def test_reserved_bits_are_never_sent(d: Dialect) -> None:
    sent = encode(router(version=Version.V3, addresses=d.addresses, advertisement_interval=40_950 * MS), 100, d.ours)
    assert sent[4:6].hex() == "0fff"


@pytest.mark.rfc_not("5798-5.2.7-1")
@pytest.mark.parametrize("interval", [40_960 * MS, 15 * MS, 1, 0, -S])
def test_what_twelve_bits_of_centiseconds_cannot_say_is_no_interval(interval: int) -> None:
    with pytest.raises(ValueError, match="interval"):
        router3(advertisement_interval=interval)


@pytest.mark.rfc_not("3768-5.3.7-1")
@pytest.mark.parametrize("interval", [256 * S, 1_500 * MS, 10 * MS, 0])
def test_what_a_byte_of_seconds_cannot_say_is_no_interval(interval: int) -> None:
    with pytest.raises(ValueError, match="interval"):
        router(advertisement_interval=interval)


# --- 5.2.8: checksums ---


@every_dialect
@pytest.mark.rfc("5798-5.2.8-1", "5798-7.1-5")
def test_one_wrong_bit_anywhere_is_dropped(d: Dialect) -> None:
    whole = theirs(d)
    for position in (1, 2, 6, 7, *range(8, len(whole))):
        bent = bytearray(whole)
        bent[position] ^= 0x10
        assert refused(ours(d), datagram(d, bytes(bent))) is DropReason.CHECKSUM, position


@pytest.mark.rfc("5798-5.2.8-1")
def test_the_example_of_rfc_1071_and_the_sum_of_a_message() -> None:
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D
    assert internet_checksum(encode(router(), 100, OURS)) == 0


@every_dialect
@pytest.mark.rfc_not("5798-5.2.8-1", "5798-7.2-1")
def test_the_checksum_is_another_one_for_each_priority(d: Dialect) -> None:
    sums = {encode(ours(d), priority, d.ours)[6:8] for priority in range(256)}
    assert len(sums) == 256


@version_3
@pytest.mark.rfc("5798-5.2.8-2")
def test_the_pseudo_header_counts_in_version_3(d: Dialect) -> None:
    elsewhere = replace(datagram(d, theirs(d)), source=OURS6 if d is V3_IPV6 else THIRD)
    assert decode(ours(d), datagram(d, theirs(d))).checksum_form is ChecksumForm.PSEUDO_HEADER
    with pytest.raises(PacketError, match="checksum"):
        decode(ours(d), elsewhere)


@pytest.mark.rfc_not("5798-5.2.8-2", "3768-5.3.8-1")
def test_no_pseudo_header_counts_in_version_2() -> None:
    for source in (THEIRS, THIRD):
        assert decode(router(), Datagram(source, GROUP4, 255, message())).checksum_form is ChecksumForm.MESSAGE
    head = message()[:6] + b"\0\0" + message()[8:]
    pseudo = THEIRS.packed + GROUP4.packed + b"\0\x70\0\x14"
    wrong = head[:6] + internet_checksum(pseudo + head).to_bytes(2, "big") + head[8:]
    assert refused(router(), datagram(V2_IPV4, wrong)) is DropReason.CHECKSUM


@pytest.mark.rfc("9568-5.2.8-3")
def test_the_plain_checksum_is_taken_over_ipv4_and_sent_where_it_is_asked_for() -> None:
    """3132 + 6401 + 0064 + 0ae6 + 8964 = 0x129e1, so 0x29e2 and its complement."""
    sent = encode(router3(plain_checksum=True), 100, OURS)
    assert sent.hex() == "31326401" + "0064" + "d61d" + "0ae68964"
    taken = decode(router3(), datagram(V3_IPV4, message3(100, THEIRS, plain=True)))
    assert taken.checksum_form is ChecksumForm.MESSAGE


@pytest.mark.rfc_not("9568-5.2.8-3")
def test_the_plain_checksum_is_not_taken_over_ipv6() -> None:
    assert refused(router6(), datagram(V3_IPV6, message3(100, THEIRS6, plain=True))) is DropReason.CHECKSUM


# --- 5.2.9: addresses ---


@pytest.mark.rfc("5798-5.2.9-1")
def test_addresses_of_two_families_make_no_router() -> None:
    with pytest.raises(ValueError, match="two families"):
        router3(addresses=(VIP, VIP6))


@pytest.mark.rfc_not("5798-5.2.9-1")
def test_version_2_has_no_ipv6() -> None:
    with pytest.raises(ValueError, match="version 2 is for IPv4"):
        router(addresses=(VIP6,))
    many = tuple(VirtualAddress(IPv4Interface(f"10.1.0.{n}/32"), "eth0") for n in range(1, 256))
    assert encode(router3(addresses=many), 100, OURS)[3] == 255


@every_dialect
@pytest.mark.rfc("5798-5.2.9-3", "5798-7.1-11", "3768-7.1-3")
@pytest.mark.parametrize("priority", [100, 255])
def test_another_list_of_addresses_is_told_and_counts(d: Dialect, priority: int) -> None:
    found = {"fe80::9"} if d is V3_IPV6 else {"10.9.9.9"}
    sent = (
        message(priority, addresses=tuple(found))
        if d is V2_IPV4
        else message3(priority, d.theirs, addresses=tuple(found))
    )
    taken = accept(ours(d), datagram(d, sent), d.ours)
    assert taken.priority == priority
    assert [(difference.field, difference.theirs) for difference in differences(ours(d), taken)] == [
        ("addresses", *found)
    ]


@every_dialect
@pytest.mark.rfc_not("5798-7.1-11", "3768-7.1-3", "9568-7.1-12")
def test_the_same_list_in_another_order_is_no_difference(d: Dialect) -> None:
    ips = tuple(str(address.ip) for address in reversed(d.addresses))
    sent = message(addresses=ips) if d is V2_IPV4 else message3(100, d.theirs, addresses=ips)
    assert differences(ours(d), accept(ours(d), datagram(d, sent), d.ours)) == []


@every_dialect
@pytest.mark.rfc_not("5798-5.2.9-3")
def test_addresses_that_a_peer_lists_are_not_taken_on(d: Dialect) -> None:
    p = d.params()
    _, effects = step(p, master(), d.heard(99), HALF)
    foreign = d.heard(99)
    other = replace(foreign, advertisement=replace(foreign.advertisement, addresses=(d.theirs,)))
    assert step(p, master(), other, HALF)[1] == effects


# --- RFC 2338 and 3768: authentication ---


@pytest.mark.rfc("3768-5.3.6-1")
@pytest.mark.parametrize("kind", [1, 2, 3, 255])
def test_an_authentication_type_that_is_not_ours_is_dropped(kind: int) -> None:
    assert refused(router(), datagram(V2_IPV4, message(auth_type=kind))) is DropReason.AUTHENTICATION_TYPE
    with_password = router(authentication=PASSWORD)
    assert refused(with_password, datagram(V2_IPV4, message())) is DropReason.AUTHENTICATION_TYPE


@pytest.mark.rfc_not("3768-5.3.6-1", "2338-5.3.6.2-1")
def test_the_right_password_is_taken() -> None:
    sent = message(7, auth_type=1, auth_data=b"passwd")
    assert accept(router(authentication=PASSWORD), datagram(V2_IPV4, sent), OURS).priority == 7


@pytest.mark.rfc("2338-5.3.6.2-1")
def test_a_password_is_filled_up_with_zeros_and_another_one_is_dropped() -> None:
    ours = router(authentication=PASSWORD)
    assert encode(ours, 100, OURS)[12:].hex() == "7061737377640000"
    for other in (b"passwD", b"passwd1", b"pass", b""):
        found = datagram(V2_IPV4, message(auth_type=1, auth_data=other))
        assert refused(ours, found) is DropReason.AUTHENTICATION
    with pytest.raises(ValueError, match="8 bytes"):
        Authentication(AuthenticationType.PASS, b"ninebytes")


@pytest.mark.rfc_not("3768-5.3.10-1")
def test_without_authentication_its_bytes_are_not_looked_at() -> None:
    assert accept(router(), datagram(V2_IPV4, message(auth_data=b"whatever")), OURS).priority == 100


# --- 7.1: receiving ---


@pytest.mark.rfc("5798-7.1-2", "5798-8.4.1-1")
def test_another_version_is_dropped() -> None:
    assert refused(router(), datagram(V2_IPV4, theirs(V3_IPV4))) is DropReason.VERSION
    assert refused(router3(), datagram(V3_IPV4, theirs(V2_IPV4))) is DropReason.VERSION
    for version in (0, 1, 4, 15):
        found = datagram(V2_IPV4, theirs(V2_IPV4, version_type=version << 4 | 1))
        assert refused(router(), found) is DropReason.VERSION


@every_dialect
@pytest.mark.rfc("5798-7.1-4")
def test_a_message_that_is_cut_short_or_too_long_is_dropped(d: Dialect) -> None:
    whole = theirs(d)
    for length in range(len(whole)):
        assert refused(ours(d), datagram(d, whole[:length])) is DropReason.LENGTH
    assert refused(ours(d), datagram(d, whole + b"\0")) is DropReason.LENGTH


@version_3
@pytest.mark.rfc("9568-7.1-10")
@pytest.mark.parametrize("reserved", [0, 15])
def test_an_interval_of_0_is_dropped(d: Dialect, reserved: int) -> None:
    sent = message3(100, d.theirs, centiseconds=0, reserved=reserved)
    if d is V3_IPV6:
        assert refused(ours(d), datagram(d, sent)) is DropReason.INTERVAL
    else:
        assert refused(router3(), datagram(d, sent)) is DropReason.INTERVAL


@version_3
@pytest.mark.rfc_not("9568-7.1-10")
@pytest.mark.rfc("9568-7.1-12")
@pytest.mark.parametrize(("centiseconds", "interval"), [(1, 10 * MS), (500, 5 * S), (4095, 40_950 * MS)])
def test_another_interval_is_told_and_counts_in_version_3(d: Dialect, centiseconds: int, interval: int) -> None:
    ips = tuple(str(address.ip) for address in d.addresses)
    sent = message3(100, d.theirs, addresses=ips, centiseconds=centiseconds)
    taken = accept(ours(d), datagram(d, sent), d.ours)
    assert (taken.advertisement_interval, type(taken.advertisement_interval)) == (interval, int)
    assert [difference.field for difference in differences(ours(d), taken)] == ["interval"]


@pytest.mark.rfc("3768-7.1-1")
@pytest.mark.parametrize("interval", [0, 2, 255])
def test_another_interval_is_dropped_in_version_2(interval: int) -> None:
    assert refused(router(), datagram(V2_IPV4, message(interval=interval))) is DropReason.INTERVAL


@pytest.mark.rfc_not("3768-7.1-1")
@pytest.mark.parametrize("interval", [1, 255])
def test_the_same_interval_is_taken_in_version_2(interval: int) -> None:
    same = router(advertisement_interval=interval * S)
    assert accept(same, datagram(V2_IPV4, message(interval=interval)), OURS).advertisement_interval == interval * S
