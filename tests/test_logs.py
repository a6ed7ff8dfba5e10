"""How an event is told: as a sentence, as JSON, and to the journal."""

from __future__ import annotations

import json
import socket
import struct
from contextlib import closing
from pathlib import Path

import pytest

from vrrpd import logs

CHANGE = {
    "router": "R1",
    "old": "BACKUP",
    "new": "MASTER",
    "reason": "master_gave_up",
    "why": "10.230.137.1 gave up (priority 0)",
    "event": "state changed",
    "level": "info",
    "timestamp": "2026-01-02T03:04:05.250001Z",
}
DISAGREES = {
    "router": "R1",
    "peer": "10.0.0.2",
    "theirs": "every 2 s",
    "count": 41,
    "event": "peer disagrees",
    "level": "warning",
    "timestamp": "2026-01-02T03:04:05.250001Z",
}


def test_a_transition_is_one_sentence_that_says_what_and_why() -> None:
    assert logs.sentence(CHANGE) == "R1: BACKUP -> MASTER: 10.230.137.1 gave up (priority 0)"


def test_other_events_have_their_facts_behind_them() -> None:
    assert logs.sentence(DISAGREES) == 'R1: peer disagrees peer=10.0.0.2 theirs="every 2 s" count=41'


def test_a_terminal_sees_time_and_level_first() -> None:
    assert logs.for_people(DISAGREES) == (
        b'2026-01-02T03:04:05.250001Z warning R1: peer disagrees peer=10.0.0.2 theirs="every 2 s" count=41\n'
    )


def test_what_a_peer_sends_cannot_steer_a_terminal() -> None:
    assert logs.sentence({"event": "x", "peer": "\x1b[2J\n"}) == "x peer=?[2J?"


def test_json_is_one_object_a_line_with_all_that_is_known() -> None:
    line = logs.as_json(CHANGE)
    assert line.count(b"\n") == 1
    assert json.loads(line) == CHANGE


def fields(entry: bytes) -> dict[str, str]:
    """An entry of the journal's native protocol, taken apart."""
    found = {}
    while entry:
        head, _, rest = entry.partition(b"\n")
        name, equals, value = head.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", rest)
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        found[name.decode()] = value.decode()
        entry = rest
    return found


def test_the_journal_is_given_fields_to_search_by() -> None:
    told = fields(logs.for_journal(CHANGE))
    assert told == {
        "MESSAGE": "R1: BACKUP -> MASTER: 10.230.137.1 gave up (priority 0)",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "vrrpd",
        "MESSAGE_ID": told["MESSAGE_ID"],
        "VRRP_INSTANCE": "R1",
        "OLD_STATE": "BACKUP",
        "NEW_STATE": "MASTER",
        "REASON": "master_gave_up",
        "VRRPD_WHY": "10.230.137.1 gave up (priority 0)",
    }


def test_the_message_id_of_a_kind_of_event_never_changes() -> None:
    assert logs.message_id("state changed") == "0a8d8ae3909a542091c9608e5be89eb5"
    assert logs.message_id("peer disagrees") != logs.message_id("state changed")


def test_a_newline_in_a_fact_does_not_forge_a_field() -> None:
    told = fields(logs.for_journal(CHANGE | {"why": "x\nPRIORITY=0"}))
    assert told["PRIORITY"] == "6"
    assert told["VRRPD_WHY"] == "x\nPRIORITY=0"


def test_the_journals_socket_takes_an_entry_as_one_datagram(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        with closing(logs.Journal(str(path))) as written:
            written.write(logs.for_journal(DISAGREES))
        assert fields(journal.recv(65536))["PRIORITY"] == "4"


def test_without_a_journal_it_says_so() -> None:
    with pytest.raises(OSError, match="No such file"):
        logs.Journal("/nonexistent/journal")
