from __future__ import annotations

import struct
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from vrrpd.lab import entry, guide
from vrrpd.lab.client import Request, longest_gap
from vrrpd.lab.daemons import KEEPALIVED, VRRPD, News
from vrrpd.lab.host import Lines
from vrrpd.lab.story import Outcome, table
from vrrpd.lab.tap import AdvertisementSeen, ArpSeen, ConnectionAccepted, Frame, decode

MS = 1_000_000
MAC = bytes.fromhex("020000000001")
VIP = "10.230.137.100"


def request(started_ms: int, outcome: str = "answered") -> Request:
    return Request(started_ms * MS, (started_ms + 1) * MS, 40000, outcome)


def ethernet(ether_type: int, payload: bytes) -> Frame:
    return Frame(7, "lb1", sent=True, data=b"\xff" * 6 + MAC + struct.pack("!H", ether_type) + payload)


def ipv4(protocol: int, payload: bytes, options: bytes = b"") -> Frame:
    first = 0x45 + len(options) // 4
    source, destination = IPv4Address("10.230.137.1").packed, IPv4Address("10.230.137.50").packed
    header = struct.pack("!BBHHHBBH4s4s", first, 0, 0, 0, 0, 255, protocol, 0, source, destination)
    return ethernet(0x0800, header + options + payload)


def test_a_gap_is_the_longest_time_between_the_starts_of_two_answered_requests() -> None:
    requests = [request(0), request(20), request(40, "refused"), request(60, "no answer"), request(80), request(100)]
    assert longest_gap(requests, since=30 * MS, until=110 * MS) == 60 * MS


def test_a_gap_that_was_over_before_the_fault_does_not_count() -> None:
    requests = [request(0), request(500), request(520), request(540), request(560)]
    assert longest_gap(requests, since=520 * MS, until=570 * MS) == 20 * MS


def test_a_gap_that_begins_before_the_fault_counts_whole() -> None:
    assert longest_gap([request(0), request(100)], since=90 * MS, until=110 * MS) == 100 * MS


def test_requests_are_ordered_by_their_starts_not_by_their_ends() -> None:
    late_end = Request(20 * MS, 400 * MS, 40000, "answered")
    assert longest_gap([request(0), request(40), late_end], since=10 * MS, until=60 * MS) == 20 * MS


def test_a_gap_that_nobody_ends_lasts_until_the_end() -> None:
    assert longest_gap([request(0), request(20, "refused")], since=10 * MS, until=900 * MS) == 900 * MS


def test_where_nothing_was_answered_before_the_gap_begins_with_the_fault() -> None:
    assert longest_gap([request(300)], since=100 * MS, until=310 * MS) == 200 * MS


def test_a_tap_reads_advertisements_of_both_versions_behind_ip_options_too() -> None:
    version_2 = AdvertisementSeen(7, "lb1", True, IPv4Address("10.230.137.1"), 2, 50, 99)
    assert decode(ipv4(112, bytes.fromhex("213263010001"))) == version_2
    assert decode(ipv4(112, bytes.fromhex("213263010001"), options=bytes(4))) == version_2
    version_3 = decode(ipv4(112, bytes.fromhex("313200010064")))
    assert isinstance(version_3, AdvertisementSeen)
    assert (version_3.version, version_3.priority) == (3, 0)


@pytest.mark.parametrize(("target", "gratuitous"), [(VIP, True), ("10.230.137.7", False)])
def test_a_tap_tells_gratuitous_arp_from_other_arp(target: str, gratuitous: bool) -> None:
    addresses = (IPv4Address(VIP).packed, b"\xff" * 6, IPv4Address(target).packed)
    seen = decode(ethernet(0x0806, struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, MAC, *addresses)))
    assert seen == ArpSeen(7, "lb1", True, 2, MAC, IPv4Address(VIP), IPv4Address(target))
    assert seen.gratuitous is gratuitous


def test_a_tap_sees_who_accepts_a_connection() -> None:
    syn_ack = struct.pack("!HHIIBB", 80, 40000, 0, 0, 0x50, 0x12)
    accepted = ConnectionAccepted(
        7, "lb1", True, IPv4Address("10.230.137.1"), IPv4Address("10.230.137.50"), client_port=40000
    )
    assert decode(ipv4(6, syn_ack)) == accepted
    assert decode(ipv4(6, struct.pack("!HHIIBB", 80, 40000, 0, 0, 0x50, 0x10))) is None


@pytest.mark.parametrize(
    "frame", [ipv4(112, b"\x21\x32"), ipv4(6, b"\0"), ethernet(0x0806, b"\0"), ipv4(17, b"\0" * 8)]
)
def test_a_tap_passes_over_what_is_too_short_or_something_else(frame: Frame) -> None:
    assert decode(frame) is None


def test_the_guides_files_are_those_that_the_tests_of_the_reader_stand_on() -> None:
    printed = Path(__file__).parent / "data" / "guide.conf"
    assert printed.read_text(encoding="utf-8") == guide.KEEPALIVED_CONF


def test_the_second_node_differs_in_state_and_priority_alone() -> None:
    pairs = zip(
        guide.KEEPALIVED_CONF.splitlines(), guide.keepalived_conf_of_the_second_node().splitlines(), strict=True
    )
    changed = [(one.split(), two.split()) for one, two in pairs if one != two]
    assert changed == [(["state", "MASTER"], ["state", "BACKUP"]), (["priority", "100"], ["priority", "99"])]


def test_without_root_haproxy_loses_the_two_lines_that_need_it() -> None:
    left_out = set(guide.HAPROXY_CFG.splitlines()) - set(guide.haproxy_cfg_without_users().splitlines())
    assert {tuple(line.split()) for line in left_out} == {("user", "haproxy"), ("group", "haproxy")}


def test_vrrpds_log_tells_changes_in_words_at_their_own_time() -> None:
    line = (
        '{"event": "state changed", "router": "R1", "old": "BACKUP", "new": "MASTER", "reason": "master_gave_up", '
        '"why": "10.230.137.1 gave up (priority 0)", "level": "info", "timestamp": "2026-01-02T03:04:05.250001Z"}'
    )
    assert VRRPD.news(line) == News("R1 MASTER: 10.230.137.1 gave up (priority 0)", 1_767_323_045_250_001_000)
    check = (
        '{"event": "check changed", "check": "chk", "state": "ok", "why": "chk ok", "level": "info", '
        '"timestamp": "2026-01-02T03:04:05.250001Z"}'
    )
    assert VRRPD.news(check) == News("chk ok", 1_767_323_045_250_001_000)


def test_of_vrrpds_other_lines_warnings_and_refusals_are_told() -> None:
    warning = VRRPD.news(
        '{"event": "no real-time priority", "error": "[Errno 1] no", "level": "warning", '
        '"timestamp": "2026-01-02T03:04:05.000000Z"}'
    )
    assert warning is not None
    assert warning.words == 'no real-time priority error="[Errno 1] no"'
    assert VRRPD.news('{"event": "stopped", "level": "info", "timestamp": "2026-01-02T03:04:05.000000Z"}') is None
    assert VRRPD.news("vrrpd: eth0: no such interface") == News("vrrpd: eth0: no such interface")


def test_keepaliveds_log_tells_states_and_what_it_ignores() -> None:
    entering = "Sun Nov 22 11:00:45 2026: (R1) Entering MASTER STATE"
    assert KEEPALIVED.news(entering) == News("(R1) Entering MASTER STATE")
    assert KEEPALIVED.news("Sun Nov 22 11:00:45 2026: (R1) Sending/queueing gratuitous ARPs on eth0 for x") is None


def test_a_growing_file_is_read_by_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = Lines(path)
    assert lines.read() == []
    path.write_text("one\ntw", encoding="utf-8")
    assert lines.read() == ["one"]
    path.write_text("one\ntwo\n", encoding="utf-8")
    assert lines.read() == ["two"]
    assert lines.read() == []


def test_the_table_says_how_long_who_and_where() -> None:
    moved = Outcome("HAProxy killed on lb1", 6480.4, "lb1", "lb2", served=True, address_on=("lb2",))
    stuck = Outcome("kill -9", 15020.0, "lb2", "nobody", served=False, address_on=("lb1", "lb2"))
    assert table([moved, stuck]).splitlines() == [
        "fault                  no answer for  served before  after   address on",
        "HAProxy killed on lb1  6.48 s         lb1            lb2     lb2",
        "kill -9                over 15.02 s   lb2            nobody  lb1 and lb2",
        "The client asks every 20 ms: 0.02 s is no outage at all.",
        "An address on two nodes is not safe: who reaches which is decided by the latest ARP.",
    ]


def test_wrong_usage_is_64(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        entry.main(["--deamon", "vrrpd"])
    assert exit_.value.code == 64
    assert "vrrpd lab: unrecognized arguments: --deamon" in capsys.readouterr().err
