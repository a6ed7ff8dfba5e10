"""The metrics: what Prometheus's own parser makes of them."""

from __future__ import annotations

import re

from driver import guide_node
from prometheus_client.parser import text_string_to_metric_families
from test_report import master, status

from vrrpd import metrics

NAME = re.compile(r"vrrpd_[a-z]+(_[a-z]+)*")
EXTRA = {
    "reload_ms": None,
    "takeovers": {"count": 2, "total_ms": 3.5},
    "loop_lag_ms": 1.25,
    "drops": {"unknown_vrid": 7},
}


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_masters_metrics_are_read_by_prometheuss_own_parser() -> None:
    found = samples("".join(metrics.render(status(master()) | EXTRA)))
    assert found["vrrpd_router_state", "router=R1", "state=master"] == 1
    assert found["vrrpd_router_state", "router=R1", "state=backup"] == 0
    assert found["vrrpd_router_priority", "router=R1"] == 100
    assert found["vrrpd_router_addresses_due", "router=R1"] == 1
    assert found["vrrpd_router_addresses_present", "router=R1"] == 1
    assert found["vrrpd_router_transitions_total", "reason=master_silent", "router=R1", "to=master"] == 1
    assert found["vrrpd_tracker_failing", "kind=script", "router=R1", "tracker=chk_haproxy"] == 0
    assert found["vrrpd_stray_advertisements_total", "reason=unknown_vrid"] == 7
    assert found["vrrpd_loop_lag_max_seconds",] == 0.00125
    assert found["vrrpd_takeover_seconds_total",] == 0.0035
    assert found["vrrpd_takeovers_total",] == 2
    assert not any(name.startswith("vrrpd_reload") for name, *_ in found), "there was no reload"


def test_names_and_kinds_are_as_prometheus_wants_them() -> None:
    for family in metrics.FAMILIES:
        name = f"vrrpd_{family.name}"
        assert NAME.fullmatch(name)
        assert (family.kind == "counter") == name.endswith("_total")
        assert family.words.endswith(".")
    names = [family.name for family in metrics.FAMILIES]
    assert len(names) == len(set(names))


def test_what_a_file_calls_a_router_cannot_forge_a_metric() -> None:
    told = status(guide_node()) | EXTRA
    told["virtual_routers"][0]["name"] = 'R"} 1\nvrrpd_forged{x="\\'
    text = "".join(metrics.render(told))
    assert not any(line.startswith("vrrpd_forged") for line in text.splitlines())
    assert samples(text)["vrrpd_router_priority", 'router=R"} 1\nvrrpd_forged{x="\\'] == 100
