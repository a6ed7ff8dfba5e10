"""What keepalived made of a file is what we make of it, or a difference that docs/keepalived.md lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from oracle import differences

from vrrpd.config.pending import REFUSED, WAITING

ROOT = Path(__file__).parents[1]
ENTRIES = [json.loads(line) for line in (ROOT / "tests/data/oracle.jsonl").read_text(encoding="utf-8").splitlines()]
PAGE = (ROOT / "docs" / "keepalived.md").read_text(encoding="utf-8")

ON_PURPOSE = {
    "G10": "a block without its `{`",
    "L20": "a byte order mark",
    "L34b": "a line longer than 1,023 characters",
    "L36": "a router or a check without a name",
    "L39": "a block without its `{`",
    "L39b": "a block without its `{`",
    "L41b": "a missing `}`",
    "L56b": "`debug` without a number",
    "T11": "a check without a command",
    "T12": "a check that cannot run",
    "T12b": "a check that cannot run",
    "T23": "a check that cannot run",
    "T30": "a check without a command",
    "T40": "a check that cannot run",
    "T41": "a check that cannot run",
    "U03": "an unknown block",
    "U04": "an unknown block",
    "U13": "an unknown block",
}
NOT_READ_YET = {"L43": "definitions", "L47": "conditions"}


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["id"] for entry in ENTRIES])
def test_a_file_is_what_keepalived_made_of_it_or_differs_on_purpose(entry: dict[str, Any]) -> None:
    found = differences(entry)
    if entry["id"] in NOT_READ_YET:
        assert found, "it is read now: take it out of NOT_READ_YET"
    else:
        assert bool(found) is (entry["id"] in ON_PURPOSE), found


@pytest.mark.parametrize("difference", sorted(set(ON_PURPOSE.values())))
def test_the_page_names_the_difference(difference: str) -> None:
    assert f"| {difference} |" in PAGE


def test_the_recording_is_whole() -> None:
    assert len({entry["id"] for entry in ENTRIES}) == 167


def test_a_keyword_that_is_not_acted_on_is_so_for_one_reason() -> None:
    for block in REFUSED.keys() & WAITING.keys():
        assert REFUSED[block].keys() & WAITING[block].keys() == set()
