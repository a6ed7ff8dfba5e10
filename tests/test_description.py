"""What programs are shown of a configuration; tests/test_oracle.py holds its address lines against keepalived's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vrrpd.check import as_json
from vrrpd.config.load import load
from vrrpd.config.node import Offline

WHOLE = """
global_defs {
    router_id lb1
    notification_email {
        ops@example.net
    }
    smtp_server 192.0.2.25 2525
    vrrp_notify_fifo /run/fifo
    vrrp_notify_fifo_script "/bin/reader x"
}
vrrp_script chk {
    script "/bin/check --all"
    interval 0.5
    init_fail
}
track_file drain {
    file /run/drain
    weight -5
}
vrrp_track_process web {
    process haproxy
    quorum 2
    terminate_delay 1.5
}
vrrp_track_haproxy hap {
    socket /run/haproxy.sock
    backend web
    min_servers 2
}
static_ipaddress {
    192.0.2.9/24 dev eth1
}
vrrp_sync_group G {
    group {
        A
        B
    }
    track_interface {
        eth2 weight 5
    }
    notify_master "/bin/group m"
}
vrrp_instance A {
    interface eth0
    virtual_router_id 1
    priority 150
    unicast_src_ip 192.0.2.1
    unicast_peer {
        192.0.2.2
        192.0.2.3 min_ttl 254
    }
    authentication {
        auth_type AH
        auth_pass s3cret!
    }
    virtual_ipaddress {
        192.0.2.100/24 brd + label eth0:a
    }
    virtual_ipaddress_excluded {
        2001:db8::1
    }
    virtual_routes {
        198.51.100.0/24 via 192.0.2.254 dev eth0
    }
    track_file {
        drain
    }
    track_process {
        web
    }
    notify "/bin/told a" root
    smtp_alert
}
vrrp_instance B {
    interface eth0
    virtual_router_id 2
    version 3
    advert_int 0.25
    use_vmac
    nopreempt
    virtual_ipaddress {
        192.0.2.101
    }
    track_script {
        chk
        hap
    }
}
"""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("check") / "keepalived.conf"
    path.write_text(WHOLE)
    path.chmod(0o644)
    return json.loads(as_json([load(path, Offline())]))


def test_a_router_shows_whom_it_speaks_to_and_what_it_holds(document: Any) -> None:
    first = document["virtual_routers"][0]
    assert (first["unicast_source"], first["multicast_group"]) == ("192.0.2.1", None)
    assert first["unicast_peers"] == [
        {"address": "192.0.2.2", "min_ttl": 0, "max_ttl": 255},
        {"address": "192.0.2.3", "min_ttl": 254, "max_ttl": 255},
    ]
    assert first["unicast"] == {"ttl": 255, "checks_source": True}
    assert first["auth"] == {"type": "AH", "pass": "********"}
    assert first["addresses"] == ["192.0.2.100/24 brd 192.0.2.255 dev eth0 scope global label eth0:a"]
    assert first["excluded_addresses"] == ["2001:db8::1 dev eth0 scope global deprecated"]
    assert first["routes"] == ["198.51.100.0/24 via 192.0.2.254 dev eth0"]
    assert first["notify"] == {"notify": {"command": ["/bin/told", "a"], "user": "root"}}
    assert (first["smtp_alert"], first["sync_group"]) == (True, "G")


def test_a_router_shows_what_it_tracks(document: Any) -> None:
    first, second = document["virtual_routers"]
    assert first["tracked_processes"] == [{"name": "web", "weight": 0, "reverse": False}]
    assert second["tracked_scripts"] == [{"name": "chk", "weight": 0, "reverse": False}]
    assert second["tracked_haproxies"] == [{"name": "hap", "weight": 0, "reverse": False}]
    assert document["sync_groups"] == [
        {
            "name": "G",
            "members": ["A", "B"],
            "tracked_scripts": [],
            "tracked_interfaces": [{"name": "eth2", "weight": 5, "reverse": False}],
            "tracked_files": [],
            "tracked_processes": [],
            "tracked_haproxies": [],
            "notify": {"notify_master": {"command": ["/bin/group", "m"], "user": None}},
            "smtp_alert": False,
        }
    ]


def test_a_virtual_mac_and_an_interval_in_milliseconds_are_shown(document: Any) -> None:
    second = document["virtual_routers"][1]
    assert (second["version"], second["advert_interval_ms"], second["preempt"]) == (3, 250, False)
    assert second["virtual_mac"] == {
        "interface": "vrrp.2",
        "mac": None,
        "advertises_on_base": False,
        "on_all_interfaces": False,
    }
    assert second["addresses"] == ["192.0.2.101 dev vrrp.2@eth0 scope global"]


def test_what_is_watched_is_shown_with_its_numbers(document: Any) -> None:
    assert document["track_processes"] == [
        {
            "name": "web",
            "process": "haproxy",
            "parameters": None,
            "match": "exact",
            "full_command": False,
            "weight": 0,
            "reverse": False,
            "quorum": 2,
            "quorum_max": None,
            "fork_delay_ms": 0,
            "terminate_delay_ms": 1500,
        }
    ]


def test_what_concerns_the_whole_node_is_shown(document: Any) -> None:
    (node,) = document["globals"]
    assert node["router_id"] == "lb1"
    assert node["static_addresses"] == ["192.0.2.9/24 dev eth1 scope global"]
    assert node["mail"]["server"] == "192.0.2.25"
    assert node["vrrp_notify_fifo"] == {
        "path": "/run/fifo",
        "user": None,
        "reader": {"command": ["/bin/reader", "x"], "user": None},
    }


def test_no_password_is_shown_anywhere(document: Any) -> None:
    assert "s3cret" not in json.dumps(document)
