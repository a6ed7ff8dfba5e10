"""What an engine and its parts seldom meet."""

from __future__ import annotations

import hmac
import struct
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from driver import Node, guide_node
from sample import BAD, GONE, HAPROXY, MS, THIRD, VIP, VIP2, S, interface, ipv4, message, password_message, router
from sample3 import message3
from test_fsm import T, backup, master, params

from vrrpd.actions import AddressAnnounced, ConfigChanged, InterfaceChanged, NodeAction
from vrrpd.addresses import AddressBook
from vrrpd.checks import Checks
from vrrpd.fsm import step
from vrrpd.model import (
    Announcing,
    Authentication,
    AuthenticationType,
    Config,
    DeviceSetting,
    Script,
    SyncGroup,
    Tracker,
    TrackerKind,
    Version,
)
from vrrpd.packet import DropReason
from vrrpd.retrying import Repair
from vrrpd.states import AddAddresses, ParametersChanged, Reason, TakeOver
from vrrpd.tracking import CheckState
from vrrpd.voice import Voice

THEIR_MAC = bytes.fromhex("020000000002")


def test_a_checksum_without_pseudo_header_is_counted_although_the_datagram_was_heard_before() -> None:
    node = Node(router(version=Version.V3))
    packet = ipv4(message3(200, plain=True))
    for now in (S, 2 * S, 3 * S):
        node.now = now
        node.hear_packet(packet)
    assert node.record().memory is not None
    assert node.record().counters["received_plain_checksum"] == 3


def test_an_announcement_means_nothing_to_a_router_that_has_never_had_an_address_to_speak_from() -> None:
    node = Node()
    node.tell(InterfaceChanged("eth0", interface("fe80::1/64")))
    node.configure(router())
    assert node.record().parameters is None
    assert node.tell(AddressAnnounced("eth0", VIP.ip, THEIR_MAC, node.now)) == []
    assert node.state() == "Initialize"


def test_who_is_no_master_any_more_asks_nobody_to_relieve_it() -> None:
    node = guide_node()
    node.run(10 * S)
    node.check = lambda _: BAD
    node.run(30 * S)
    assert node.state() == "Master"
    asks_at = node.record().asking.next_at
    assert asks_at is not None
    node.run(asks_at - 1500 * MS)
    node.run_hearing(asks_at + 3 * S, password_message(200))
    assert node.state() == "Backup"
    assert node.record().asking.next_at is None
    assert [priority for _, priority in node.sent(asks_at)] == []


def test_an_address_that_is_lost_concerns_the_router_that_has_it() -> None:
    node = Node(router(), router(name="R2", vrid=51, addresses=(VIP2,)))
    both = interface("10.230.137.1/24", str(VIP.interface), str(VIP2.interface))
    node.run(10 * S)
    node.tell(InterfaceChanged("eth0", both))
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", str(VIP2.interface))))
    lost = [node.record(vrid).counters["addresses_lost"] for vrid in (50, 51)]
    assert lost == [1, 0]


def test_a_backup_that_is_not_ready_is_not_told_to_take_over() -> None:
    state = backup()
    assert step(params(), state, TakeOver(), T) == (state, ())


def test_a_lower_priority_moves_an_early_takeover_by_the_difference_of_skew() -> None:
    """Skew_Time of 150 is 0.4140625 s, of 140 it is 0.453125 s."""
    state = backup(T + 500 * MS, master_priority=100, cause=Reason.MASTER_WORSE)
    after, effects = step(params(140), state, ParametersChanged(params(150)), T)
    assert (after, effects) == (replace(state, master_down_at=T + 539_062_500), ())


def test_a_new_pace_elsewhere_counts_from_the_reload() -> None:
    before, now = params(), params(announcing=Announcing(extra_interfaces=10 * S))
    after, _ = step(now, master(), ParametersChanged(before), T)
    assert after == master(elsewhere_at=T + 10 * S)


def test_while_no_member_is_ready_a_group_waits_for_nobody() -> None:
    node = Node()
    members = (router(), router(name="R2", vrid=51, addresses=(VIP2,)))
    node.tell(ConfigChanged(Config(members, groups=(SyncGroup("G", ("R1", "R2")),)), GONE))
    (group,) = node.engine.groups
    assert node.engine.groups.waited_for(group) == []


def test_promote_secondaries_is_set_while_its_router_is_configured() -> None:
    node = Node()
    actions = node.configure(router(promotes_secondaries=True))
    put = [a.effect for a in actions if isinstance(a, NodeAction) and isinstance(a.effect, AddAddresses)]
    assert put == [AddAddresses((DeviceSetting("eth0", "promote_secondaries", 1),))]


def test_what_is_lost_again_at_once_waits_and_keeps_its_patience() -> None:
    repair = Repair()
    repair.lost(3 * S, 10 * S)
    assert (repair.next_at, repair.hopeless_at) == (10 * S, 13 * S)
    repair.lost(3 * S, 10 * S + 500 * MS)
    assert (repair.next_at, repair.hopeless_at) == (11 * S + 500 * MS, 13 * S)


def test_an_announcement_of_an_address_whose_router_has_left_means_nothing() -> None:
    node = Node(router(), router(name="R2", vrid=51, addresses=(VIP2,)))
    node.run(10 * S)
    node.configure(router())
    node.run(20 * S)
    assert [record.router.vrid for record in node.engine.records.values()] == [50]
    assert node.tell(AddressAnnounced("eth0", VIP2.ip, THEIR_MAC, node.now)) == []


def sealed(spi: IPv4Address, following: int = 112) -> bytes:
    """Priority 200 in an Authentication Header, signed as RFC 2402 section 3.3.3 says, but without TOS (keepalived)."""
    content = message(200, auth_type=2)
    packet = ipv4(bytes(24) + content)
    covered = packet[:1] + bytes(1) + packet[2:4] + bytes(4) + packet[8:9] + bytes([51]) + bytes(2) + packet[12:20]
    header = struct.pack("!BBH4sI", following, 4, 0, spi.packed, 5)
    value = hmac.digest(b"secret", covered + header + bytes(12) + content, "md5")[:12]
    return packet[:9] + bytes([51]) + packet[10:20] + header + value + content


@pytest.mark.parametrize(
    ("packet", "taken", "dropped", "stray"),
    [
        pytest.param(sealed(IPv4Address("10.230.137.2")), 1, {}, {}, id="as it should be"),
        pytest.param(sealed(THIRD), 0, {DropReason.AUTHENTICATION: 1}, {}, id="another sender's SPI"),
        pytest.param(sealed(THIRD, following=6), 0, {}, {DropReason.LENGTH: 1}, id="TCP follows"),
    ],
)
def test_a_seal_names_its_sender_and_what_follows(
    packet: bytes, taken: int, dropped: dict[DropReason, int], stray: dict[DropReason, int]
) -> None:
    node = Node(router(authentication=Authentication(AuthenticationType.AH, b"secret")))
    node.hear_packet(packet)
    counters = node.record().counters
    assert counters["received"] == taken
    assert {reason: counters[reason] for reason in DropReason if counters[reason]} == dropped
    assert node.engine.strays.drops == stray


def test_who_has_no_channel_says_nothing() -> None:
    voice = Voice()
    assert (voice.say(message(100)), voice.testament(message(0))) == ((), ())


def test_a_disabled_script_never_runs_and_another_may_start_as_failed() -> None:
    checks = Checks()
    disabled, failed = replace(HAPROXY, disabled="it is not executable"), Script("late", ("true",), starts_failed=True)
    checks.configure(Config(scripts=(disabled, failed)), {}, 0, running=False)
    assert checks[disabled.subject].state is CheckState.DISABLED
    assert (checks.next_at(disabled.subject), checks.start(disabled.subject, S)) == (None, None)
    assert checks[failed.subject].state is CheckState.FAILING


def test_an_interface_that_is_shown_as_it_was_changes_nobodys_mind() -> None:
    checks = Checks()
    ours = router(trackers=(Tracker("eth1", -10, kind=TrackerKind.INTERFACE),))
    up, down = (interface("10.9.0.1/24", name="eth1", up=up) for up in (True, False))
    checks.configure(Config(routers=(ours,)), {"eth1": up}, 0, running=False)
    told = [checks.show("eth1", shown, S) is not None for shown in (up, down, down, up)]
    assert told == [False, True, False, True]


def test_the_book_knows_what_the_kernel_has_confirmed() -> None:
    book, ours = AddressBook(), router().identity
    assert not book.is_confirmed(VIP.key)
    book.need(ours, (VIP,))
    assert not book.is_confirmed(VIP.key)
    book.report(VIP, present=True, error=0)
    assert book.is_confirmed(VIP.key)
