"""Trackers: the blocks that are tracked, the lines that track them, and what a weight may do where."""

from __future__ import annotations

import pytest
from reading import CHECK, codes, config, instance, read, router, router_and_codes

from vrrpd.model import (
    SECOND,
    Notification,
    ParameterMatch,
    Script,
    SyncGroup,
    TrackedFile,
    TrackedHAProxy,
    TrackedProcess,
    Tracker,
    TrackerKind,
)

BLOCKS = (
    "vrrp_script c1 {\nscript /bin/true\nweight 5\n}\nvrrp_script c2 {\nscript /bin/true\n}\n"
    "track_file f1 {\nfile /f\n}\ntrack_file f3 {\nfile /f\nweight 3\n}\ntrack_file f0 {\nfile /f\nweight 0\n}\n"
    "vrrp_track_process p4 {\nprocess a\nweight 4\n}\nvrrp_track_process p0 {\nprocess a\n}\n"
    "vrrp_track_haproxy h {\nsocket /s\nweight 6\n}\n"
)
TRACKING = (
    "track_script {\nc1\nc2\nh\n}\ntrack_file {\nf1\nf3\nf0\n}\ntrack_process {\np4\np0\n}\n"
    "track_interface {\neth1 weight 7\n}\n"
)


def weights(trackers: tuple[Tracker, ...]) -> dict[str, int]:
    return {tracker.name: tracker.weight for tracker in trackers}


def group(*members: str, lines: str = "", name: str = "G") -> str:
    return f"vrrp_sync_group {name} {{\ngroup {{\n{' '.join(members)}\n}}\n{lines}\n}}\n"


def test_a_file_has_a_weight_of_1_and_may_be_written_at_start() -> None:
    text = "track_file f {\nfile /x\n}\nvrrp_track_file g {\nfile /y\nweight -254 reverse\ninit_file 5 overwrite\n}\n"
    found = config(text + instance("track_file {\nf\ng weight 3 noreverse\n}"))
    assert found.files == (
        TrackedFile("f", "/x"),
        TrackedFile("g", "/y", -254, reverse=True, initial=5, overwrites=True),
    )
    assert found.routers[0].trackers == (
        Tracker("f", 1, kind=TrackerKind.FILE),
        Tracker("g", 3, kind=TrackerKind.FILE),
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("process haproxy", {"process": "haproxy"}),
        ("process haproxy\nfull_command", {"process": "haproxy", "full_command": True}),
        (
            'process "a b" c "d e"\nparam_match initial\nquorum 3\ndelay 2\nfork_delay 1.5',
            {
                "process": "a b",
                "parameters": ("c", "d e"),
                "match": ParameterMatch.INITIAL,
                "full_command": True,
                "quorum": 3,
                "fork_delay": 1_500_000_000,
                "terminate_delay": 2 * SECOND,
            },
        ),
        (
            "process x\nparam_match partial\nquorum_max 0\nweight -254 reverse",
            {
                "process": "x",
                "parameters": (),
                "match": ParameterMatch.PARTIAL,
                "full_command": True,
                "quorum": 0,
                "quorum_max": 0,
                "weight": -254,
                "reverse": True,
            },
        ),
        (
            "process x\nquorum 2\nquorum_max 5\nterminate_delay 3600",
            {"process": "x", "quorum": 2, "quorum_max": 5, "terminate_delay": 3600 * SECOND},
        ),
    ],
)
def test_a_process_is_read_whole(lines: str, expected: dict[str, object]) -> None:
    found = config(f"vrrp_track_process p {{\n{lines}\n}}\n" + instance("track_process {\np\n}"))
    assert found.processes == (TrackedProcess("p", **expected),)  # type: ignore[arg-type]


def test_haproxy_is_tracked_as_a_script_so_that_keepalived_reads_the_file_too() -> None:
    block = (
        "vrrp_track_haproxy h {\nsocket /run/haproxy/admin.sock\nbackend web\nmin_servers 2\nweight -20\n"
        "interval 0.5\nrise 2\nfall 3\n}\n"
    )
    found = config(block + "vrrp_track_haproxy plain {\nsocket /s\n}\n" + instance("track_script {\nh\nplain\n}"))
    assert found.haproxies == (
        TrackedHAProxy("h", "/run/haproxy/admin.sock", "web", 2, SECOND // 2, SECOND // 2, -20, rise=2, fall=3),
        TrackedHAProxy("plain", "/s"),
    )
    assert found.routers[0].trackers == (
        Tracker("h", -20, kind=TrackerKind.HAPROXY),
        Tracker("plain", 0, kind=TrackerKind.HAPROXY),
    )
    built = read("vrrp_track_haproxy h {\nbackend web\n}\n" + instance("track_script {\nh\n}"))
    assert "no-socket" in codes(built.diagnostics)


def test_a_check_may_start_as_failed() -> None:
    found = config("vrrp_script c {\nscript /bin/true\ninit_fail\n}\n" + instance("track_script {\nc\n}"))
    assert found.scripts == (Script("c", ("/bin/true",), starts_failed=True),)


@pytest.mark.parametrize(
    ("entry", "expected", "said"),
    [
        ("eth1", (0, False), []),
        ("eth1 weight 254", (253, False), ["bad-number"]),
        ("eth1 weight -254 reverse", (-253, True), ["bad-number"]),
        ("eth1 weight 300", (0, False), ["bad-number"]),
        ("eth1 weight 5 foo", (5, False), ["unknown-option"]),
        ("eth1 foo", None, ["unknown-option"]),
        ("eth1 weight", None, ["unknown-option"]),
        ("eth0", None, ["own-interface"]),
        ("eth7", None, ["unknown-interface"]),
        ("eth1 weight 3\neth1 weight 4", (3, False), ["duplicate-tracker"]),
    ],
)
def test_a_line_of_track_interface(entry: str, expected: tuple[int, bool] | None, said: list[str]) -> None:
    found, codes_ = router_and_codes(f"track_interface {{\n{entry}\n}}")
    assert [(tracker.weight, tracker.reverse) for tracker in found.trackers] == ([expected] if expected else [])
    assert codes_ == said


def test_an_ignored_bfd_changes_when_a_router_moves_and_that_is_a_warning() -> None:
    built = read(instance("track_bfd {\nb\n}"))
    assert [(str(found.severity), found.code) for found in built.diagnostics] == [("warning", "ignored")]
    assert "moves without regard to it" in built.diagnostics[0].message


def test_what_is_not_there_is_not_tracked() -> None:
    found, said = router_and_codes("track_file {\nx\n}\ntrack_process {\ny\n}\ntrack_script {\nz\n}")
    assert found.trackers == ()
    assert said == ["unknown-tracker", "unknown-tracker", "unknown-script"]


def test_a_block_that_names_nothing_is_left_out() -> None:
    built = read(
        "track_file f {\n}\nvrrp_track_process p {\n}\n" + instance("track_file {\nf\n}\ntrack_process {\np\n}")
    )
    assert (built.config.files, built.config.processes) == ((), ())
    assert codes(built.diagnostics) == ["no-file", "no-process"]


def test_a_name_that_the_kernel_cuts_never_runs() -> None:
    built = read("vrrp_track_process p {\nprocess abcdefghijklmnop\n}\n" + instance("track_process {\np\n}"))
    assert codes(built.diagnostics) == ["long-process-name"]


def test_a_router_alone_has_all_its_weights() -> None:
    assert weights(router(TRACKING, before=BLOCKS).trackers) == {
        "c1": 5,
        "c2": 0,
        "h": 6,
        "f1": 1,
        "f3": 3,
        "f0": 0,
        "p4": 4,
        "p0": 0,
        "eth1": 7,
    }


def test_priority_255_tracks_nothing_with_a_weight() -> None:
    found, said = router_and_codes("priority 255", TRACKING, before=BLOCKS)
    assert weights(found.trackers) == {"c2": 0, "f0": 0, "p0": 0}
    assert said == ["owner-weight"] * 6


def test_a_member_of_a_group_has_no_weights_of_its_own() -> None:
    """keepalived 2.2.7 overlooks processes."""
    built = read(BLOCKS + instance(TRACKING) + instance(name="V2", vrid=52) + group("V1", "V2"))
    assert weights(built.config.routers[0].trackers) == {"c2": 0, "f1": 0, "f0": 0, "p4": 4, "p0": 0, "eth1": 0}
    assert codes(built.diagnostics) == ["member-weight"] * 5


def test_a_group_may_let_its_members_have_weights() -> None:
    for line in ("sync_group_tracking_weight", "global_tracking"):
        built = read(BLOCKS + instance(TRACKING) + instance(name="V2", vrid=52) + group("V1", "V2", lines=line))
        assert weights(built.config.routers[0].trackers)["c1"] == 5


def test_a_group_has_trackers_and_is_told_of_changes() -> None:
    built = read(
        BLOCKS
        + group("V1", "V2", lines=TRACKING + "notify /bin/true\nsmtp_alert")
        + instance()
        + instance(name="V2", vrid=52)
    )
    found = built.config.groups[0]
    assert (found.name, found.members) == ("G", ("V1", "V2"))
    assert weights(found.trackers)["c1"] == 5
    assert found.notification.on_change is not None
    assert found.notification.mails
    assert codes(built.diagnostics) == []
    assert [script.name for script in built.config.scripts] == ["c1", "c2"]


def test_a_group_with_an_owner_has_no_weights() -> None:
    built = read(BLOCKS + instance("priority 255") + instance(name="V2", vrid=52) + group("V1", "V2", lines=TRACKING))
    assert set(weights(built.config.groups[0].trackers).values()) == {0}
    assert codes(built.diagnostics).count("owner-weight") == 6
    assert "mixed-owners" in codes(built.diagnostics)


def test_a_router_is_in_one_group_and_a_group_has_members() -> None:
    built = read(
        instance()
        + instance(name="V2", vrid=52)
        + group("V1", "V2", "V9")
        + group("V2", "V1", name="H")
        + group(name="E")
    )
    assert built.config.groups == (SyncGroup("G", ("V1", "V2"), (), Notification()),)
    said = codes(built.diagnostics)
    assert sorted(said) == [
        "duplicate-member",
        "duplicate-member",
        "empty-group",
        "empty-group",
        "empty-group",
        "unknown-router",
    ]


def test_a_group_of_one_is_pointed_out() -> None:
    assert codes(read(instance() + group("V1")).diagnostics) == ["single-member"]


def test_an_unused_block_is_not_looked_at() -> None:
    found = read(BLOCKS + CHECK + instance())
    assert (found.config.files, found.config.processes, found.config.haproxies, found.config.scripts) == (
        (),
        (),
        (),
        (),
    )
