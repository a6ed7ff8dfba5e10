from __future__ import annotations

import json
from pathlib import Path

import pytest

from vrrpd.check import as_json, exit_code
from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.config.load import load
from vrrpd.config.node import Offline

GUIDE = Path(__file__).parent / "data" / "guide.conf"


def found(severity: Severity) -> Diagnostic:
    return Diagnostic(severity, "code", "f", 1, 1, "message")


@pytest.mark.parametrize(
    ("severities", "plain", "strict"),
    [
        ([], 0, 0),
        ([Severity.INFO], 0, 0),
        ([Severity.ADVICE], 0, 2),
        ([Severity.WARNING, Severity.INFO], 0, 2),
        ([Severity.WARNING, Severity.ERROR], 1, 1),
    ],
)
def test_the_exit_status_is_that_of_the_worst(severities: list[Severity], plain: int, strict: int) -> None:
    diagnostics = [found(severity) for severity in severities]
    assert exit_code(diagnostics) == plain
    assert exit_code(diagnostics, strict=True) == strict


def test_programs_see_the_configuration_without_its_password() -> None:
    document = json.loads(as_json([load(GUIDE, Offline())]))
    assert document["files"] == [str(GUIDE)]
    assert document["starts"] is True
    assert document["sync_groups"] == []
    assert document["diagnostics"][2] == {
        "severity": "info",
        "code": "defined-later",
        "file": str(GUIDE),
        "line": 24,
        "column": 9,
        "message": 'keepalived would not track "chk_haproxy", since its vrrp_script comes later (line 29); vrrpd does',
        "hint": "",
    }
    assert document["virtual_routers"] == [
        {
            "name": "R1",
            "version": 2,
            "state": "MASTER",
            "interface": "eth0",
            "vrid": 50,
            "priority": 100,
            "advert_interval_ms": 1000,
            "down_timer_adverts": 3,
            "preempt": True,
            "preempt_delay_ms": 0,
            "hands_over_when_worse": True,
            "auth": {"type": "PASS", "pass": "********"},
            "addresses": ["10.230.137.100 dev eth0 scope global"],
            "excluded_addresses": [],
            "routes": [],
            "rules": [],
            "unicast_source": None,
            "unicast_peers": [],
            "unicast": None,
            "multicast_source": None,
            "multicast_group": "224.0.0.18",
            "tracked_scripts": [{"name": "chk_haproxy", "weight": -2, "reverse": False}],
            "tracked_interfaces": [],
            "tracked_files": [],
            "tracked_processes": [],
            "tracked_haproxies": [],
            "tracks_interface": True,
            "tracks_source": False,
            "sync_group": None,
            "virtual_mac": None,
            "strict": False,
            "accept": True,
            "answers_lower_priority": True,
            "announces_defeat": False,
            "promotes_secondaries": False,
            "gratuitous_arp": {
                "master_delay_ms": 5000,
                "master_repeat": 5,
                "lower_priority_delay_ms": 5000,
                "lower_priority_repeat": 5,
                "refresh_ms": 0,
                "refresh_repeat": 1,
                "extra_interfaces_ms": 0,
            },
            "notify": {},
            "smtp_alert": False,
        }
    ]
    assert document["scripts"] == [
        {
            "name": "chk_haproxy",
            "command": ["killall", "-0", "haproxy"],
            "interval_ms": 2000,
            "timeout_ms": 2000,
            "weight": -2,
            "rise": 1,
            "fall": 3,
            "user": None,
            "starts_failed": False,
        }
    ]
    assert "passwd" not in json.dumps(document)


def test_several_files_are_answered_together_and_one_that_cannot_start_tells(tmp_path: Path) -> None:
    broken = tmp_path / "broken.conf"
    broken.write_text("vrrp_instance V1 {\ninterface eth0\n}\n")
    broken.chmod(0o644)
    document = json.loads(as_json([load(GUIDE, Offline()), load(broken, Offline())]))
    assert document["starts"] is False
    assert [found["code"] for found in document["diagnostics"] if found["severity"] == "error"] == ["no-vrid"]
    assert [router["name"] for router in document["virtual_routers"]] == ["R1"]


def test_an_address_is_shown_as_keepalived_shows_it(tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    file.write_text(
        "vrrp_instance V1 {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n"
        "10.0.0.1/24 brd + dev eth1 label eth1:1 scope link\n10.0.0.2 scope 16\n}\n}\n"
    )
    file.chmod(0o644)
    assert json.loads(as_json([load(file, Offline())]))["virtual_routers"][0]["addresses"] == [
        "10.0.0.1/24 brd 10.0.0.255 dev eth1 scope link label eth1:1",
        "10.0.0.2 dev eth0 scope 16",
    ]
