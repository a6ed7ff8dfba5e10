"""`vrrpd check --keepalived` beside `keepalived -t`, for every recorded file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from oracle import Machine

from vrrpd.cli import main
from vrrpd.config.load import Loaded, load
from vrrpd.verdict import status

DATA = Path(__file__).parent / "data"
ENTRIES: list[dict[str, Any]] = [
    json.loads(line)
    for name in ("oracle.jsonl", "oracle-ours.jsonl")
    for line in (DATA / name).read_text(encoding="utf-8").splitlines()
]

DIFFERENT = {
    "G01": "vrrp_garp_interval 0 of its own sample is no error here",
    "G12": "the recording could not look the mail server's name up",
    "L30": "keepalived crashes",
    "L34": "a long line is read whole",
    "L34b": "keepalived crashes",
    "L56b": "debug without a number is ignored",
    "T08b": "decimals of a script's interval are read",
    "T18": "a second vrrp_script of one name is said",
    "T24": "keepalived ends by a signal of its own",
    "T41": "a check that cannot run is an error",
    "U15": "what stands in blocks of load balancing is not read",
    "own-T06": "2.2.7 does not know v3_checksum_as_v2 in global_defs",
    "own-C21": "2.2.7 does not know noreverse",
    "own-G35": "an interface may be tracked by a router and its group",
    "own-W37": "2.2.7 does not know no_virtual_ipaddress",
    "own-R21": "an untracked route is said as advice",
}


def answer(loaded: Loaded) -> int:
    """Of a vrrpd that acts on everything it reads."""
    said = [found for found in loaded.diagnostics if found.code != "not-yet"]
    return status(said, insecure=loaded.runs_insecurely)


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["id"] for entry in ENTRIES])
def test_the_status_is_keepalived_s_or_differs_on_purpose(entry: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "keepalived.conf"
    file.write_text(entry["config"], encoding="utf-8", newline="")
    file.chmod(0o644)
    ours, theirs = answer(load(file, Machine())), entry["check_rc"]
    assert (ours != theirs) is (entry["id"] in DIFFERENT), (ours, theirs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vrrp_instance V {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n10.0.0.1\n}\n}\n", 0),
        ("nonsense\n", 5),
        ("vrrp_instance V {\ninterface\n}\n", 2),
        ("includem nosuch\n", 6),
    ],
)
def test_the_command_exits_with_it(text: str, expected: int, tmp_path: Path) -> None:
    file = tmp_path / "keepalived.conf"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o644)
    assert main(["check", "--keepalived", "--offline", "-f", str(file)]) == expected
