"""What keepalived made of a file is what we make of it, or a difference that docs/keepalived.md lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from oracle import differences, group_as_told, read, told_besides, tracked_as_told
from oracle_cases import CASES

from vrrpd.config.pending import REFUSED, WAITING

ROOT = Path(__file__).parents[1]


def recorded(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ROOT / "tests/data" / name).read_text(encoding="utf-8").splitlines()]


GIVEN, OURS = recorded("oracle.jsonl"), recorded("oracle-ours.jsonl")
ENTRIES = GIVEN + OURS
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
    "own-C21": "`noreverse` in `track_script`",
    "own-C23": "`track_script` of a `vrrp_script` that comes later",
    "own-S06": "`version 2` before an IPv6 address",
}
TOLD_OF_THE_MOMENT = {
    "own-G32": "a group goes by its members: what one of them wants is not what it was told to start as",
    "own-G36": "a group goes by its members: what one of them wants is not what it was told to start as",
}


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["id"] for entry in ENTRIES])
def test_a_file_is_what_keepalived_made_of_it_or_differs_on_purpose(entry: dict[str, Any]) -> None:
    found = differences(entry)
    if entry["id"] in TOLD_OF_THE_MOMENT:
        found = [line for line in found if " state: " not in line]
    assert bool(found) is (entry["id"] in ON_PURPOSE), found


@pytest.mark.parametrize("entry", OURS, ids=[entry["id"] for entry in OURS])
def test_groups_and_what_is_announced_told_and_watched_are_keepalived_s_too(entry: dict[str, Any]) -> None:
    config, _ = read(entry["config"])
    groups = [{key: group[key] for key in group.keys() - {"rest"}} for group in entry["sync_groups"]]
    assert [group_as_told(group) for group in config.groups] == groups
    for router, theirs in zip(config.routers, entry["virtual_routers"], strict=False):
        assert set(told_besides(router)) <= set(theirs["rest"])
        assert router.source_address is None or str(router.source_address) == theirs["source"]
    for lines in tracked_as_told(config):
        assert any(lines <= set(section) for section in entry["tracked"]), lines


@pytest.mark.parametrize("difference", sorted(set(ON_PURPOSE.values())))
def test_the_page_names_the_difference(difference: str) -> None:
    assert f"| {difference} |" in PAGE


def test_the_recordings_are_whole() -> None:
    assert len({entry["id"] for entry in GIVEN}) == 167
    assert [(entry["id"], entry["title"], entry["config"]) for entry in OURS] == [
        (f"own-{name}", *case) for name, case in CASES.items()
    ], "python tests/record_oracle.py"


def test_a_keyword_that_is_not_acted_on_is_so_for_one_reason() -> None:
    for block in REFUSED.keys() & WAITING.keys():
        assert REFUSED[block].keys() & WAITING[block].keys() == set()
