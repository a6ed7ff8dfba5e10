from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keywords import DOCUMENT, document

from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.config.keywords import BLOCKS, Built, build
from vrrpd.config.language import parse
from vrrpd.config.node import Offline
from vrrpd.model import (
    SECOND,
    Announcing,
    Authentication,
    AuthenticationType,
    Config,
    InitialState,
    Mail,
    Script,
    Tracker,
    User,
    Version,
    VirtualAddress,
    VirtualRouter,
)

DATA = Path(__file__).parent / "data"
GUIDE = (DATA / "guide.conf").read_text(encoding="utf-8")
GUIDE_2 = GUIDE.replace("MASTER", "BACKUP").replace("priority  100", "priority  99")
CHECK = 'vrrp_script chk {\n script "/bin/true"\n}\n'


class Machine(oracle.Machine):
    """That of the recordings, with a routing table of its own."""

    def routing_number(self, kind: str, name: str) -> int | None:
        return {("tables", "blue"): 77}.get((kind, name))


def read(text: str) -> Built:
    parsed = parse(text, "f")
    built = build(parsed.statements, Machine())
    return Built(built.config, parsed.diagnostics + built.diagnostics, built.routers, built.scripts)


def router(*lines: str, before: str = "") -> tuple[VirtualRouter, list[Diagnostic]]:
    """The one router of a file in which these lines stand in its block."""
    block = "\n".join(lines)
    built = read(f"{before}vrrp_instance V1 {{\ninterface eth0\nvirtual_router_id 51\n{block}\n}}\n{CHECK}")
    said = [found for found in built.diagnostics if found.code not in ("unused-script", "defined-later")]
    return built.config.routers[0], said


def said(diagnostics: list[Diagnostic]) -> list[tuple[Severity, str]]:
    return [(found.severity, found.code) for found in diagnostics]


GUIDES_ROUTER = VirtualRouter(
    name="R1",
    interface="eth0",
    vrid=50,
    multicast_group=IPv4Address("224.0.0.18"),
    priority=100,
    version=Version.V2,
    initial_state=InitialState.MASTER,
    advertisement_interval=1_000_000_000,
    preempt=True,
    resigns_when_worse=True,
    preempt_delay=0,
    down_timer_adverts=3,
    strict=False,
    addresses=(VirtualAddress(IPv4Interface("10.230.137.100/32"), "eth0", 0, None, None),),
    authentication=Authentication(AuthenticationType.PASS, b"passwd"),
    announcing=Announcing(5_000_000_000, 5, 5_000_000_000, 5),
    trackers=(Tracker("chk_haproxy", -2, reverse=False),),
)
GUIDES_SCRIPT = Script(
    name="chk_haproxy",
    argv=("/usr/bin/killall", "-0", "haproxy"),
    interval=2_000_000_000,
    timeout=2_000_000_000,
    weight=-2,
    rise=1,
    fall=3,
    user=None,
)
GUIDES_MAIL = Mail(
    recipients=("[email\xa0protected]",),
    sender="[email\xa0protected]",
    server="127.0.0.1",
    port=25,
    connect_timeout=60_000_000_000,
)


def test_the_guides_file_is_this_configuration() -> None:
    built = read(GUIDE)
    assert built.config == Config(
        routers=(GUIDES_ROUTER,),
        scripts=(GUIDES_SCRIPT,),
        router_id=None,
        mail=GUIDES_MAIL,
    )
    assert [(found.line, found.column, found.severity, found.code) for found in built.diagnostics] == [
        (24, 9, Severity.INFO, "defined-later"),
        (27, 5, Severity.ADVICE, "preempt-delay-cancelled"),
    ]


def test_the_second_nodes_file_is_this_configuration() -> None:
    built = read(GUIDE_2)
    assert built.config.routers == (
        VirtualRouter(
            name="R1",
            interface="eth0",
            vrid=50,
            priority=99,
            initial_state=InitialState.BACKUP,
            preempt=False,
            resigns_when_worse=True,
            preempt_delay=0,
            multicast_group=IPv4Address("224.0.0.18"),
            addresses=GUIDES_ROUTER.addresses,
            authentication=GUIDES_ROUTER.authentication,
            trackers=GUIDES_ROUTER.trackers,
        ),
    )
    assert built.config.scripts == (GUIDES_SCRIPT,)
    assert said(list(built.diagnostics)) == [
        (Severity.INFO, "defined-later"),
        (Severity.ADVICE, "preempt-delay-cancelled"),
    ]


M, B = InitialState.MASTER, InitialState.BACKUP


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), (B, 100, True, False, 0)),
        (("state MASTER",), (M, 255, True, False, 0)),
        (("state MASTER", "priority 300"), (M, 100, True, False, 0)),
        (("priority 255",), (M, 255, True, False, 0)),
        (("state BACKUP", "priority 255"), (B, 255, True, False, 0)),
        (("state BACKUP", "priority 255", "nopreempt", "preempt_delay 2"), (B, 255, True, True, 2 * SECOND)),
        (("state MASTER", "priority 9", "nopreempt"), (M, 9, True, True, 0)),
        (("state MASTER", "priority 9", "preempt_delay 3"), (M, 9, True, False, 0)),
        (("nopreempt", "preempt_delay 3"), (B, 100, False, True, 0)),
        (("preempt_delay 2.5",), (B, 100, True, False, 2_500_000_000)),
        (("nopreempt", "preempt"), (B, 100, True, False, 0)),
        (("state MASTER", "state BACKUP", "priority 7"), (M, 7, True, False, 0)),
        (("state master", "priority 7"), (B, 7, True, False, 0)),
        (("priority 150", "priority abc"), (B, 100, True, False, 0)),
    ],
)
def test_state_priority_and_preemption_bear_on_each_other_as_in_keepalived(
    lines: tuple[str, ...], expected: tuple[InitialState, int, bool, bool, int]
) -> None:
    found, _ = router(*lines)
    assert (
        found.initial_state,
        found.priority,
        found.preempt,
        found.resigns_when_worse,
        found.preempt_delay,
    ) == expected


@pytest.mark.parametrize(
    ("written", "seconds"), [("1.5", 2), ("2.5", 3), ("1.49999", 1), ("0.4", 1), ("255", 255), ("255.4", 1), (".5", 1)]
)
def test_version_2_advertises_at_whole_seconds(written: str, seconds: int) -> None:
    found, diagnostics = router(f"advert_int {written}")
    assert found.advertisement_interval == seconds * 1_000_000_000
    assert [severity for severity, _ in said(diagnostics)] == [Severity.WARNING] * (written != "255")


def test_a_long_password_is_cut_at_8_bytes_and_never_shown() -> None:
    found, diagnostics = router("authentication {", "auth_type PASS", "auth_pass £6nj7^5geheim", "}")
    assert found.authentication == Authentication(AuthenticationType.PASS, "£6nj7^5".encode())
    assert said(diagnostics) == [(Severity.WARNING, "long-password")]
    assert "14 bytes" in str(diagnostics[0])
    assert "8" in str(diagnostics[0])
    assert "6nj7" not in str(diagnostics)


def test_a_password_that_stands_where_a_keyword_should_is_not_repeated() -> None:
    _, diagnostics = router("authentication {", "auth_type PASS", "auth_pass", "geheim", "}")
    assert said(diagnostics) == [
        (Severity.WARNING, "no-authentication"),
        (Severity.ERROR, "missing-value"),
        (Severity.WARNING, "unknown-keyword"),
    ]
    assert "geheim" not in str(diagnostics)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("10.0.0.1", VirtualAddress(IPv4Interface("10.0.0.1/32"), "eth0")),
        (
            "10.0.0.2/24 dev eth1 label eth1:abc brd +",
            VirtualAddress(IPv4Interface("10.0.0.2/24"), "eth1", 0, "eth1:abc", IPv4Address("10.0.0.255")),
        ),
        (
            "10.0.0.3/24 brd - scope link",
            VirtualAddress(IPv4Interface("10.0.0.3/24"), "eth0", 253, None, IPv4Address("10.0.0.0")),
        ),
        (
            "10.0.0.4/24 brd 10.0.0.99 scope 250",
            VirtualAddress(IPv4Interface("10.0.0.4/24"), "eth0", 250, None, IPv4Address("10.0.0.99")),
        ),
        ("10.0.0.5/24 scope 0x10", VirtualAddress(IPv4Interface("10.0.0.5/24"), "eth0", 16)),
        ("10.0.0.5/24 scope 010", VirtualAddress(IPv4Interface("10.0.0.5/24"), "eth0", 8)),
        ("10.0.0.5/+024 scope nowhere", VirtualAddress(IPv4Interface("10.0.0.5/24"), "eth0", 255)),
        ('"10.0.0.6"', VirtualAddress(IPv4Interface("10.0.0.6/32"), "eth0")),
    ],
)
def test_an_address_line_is_read_whole(line: str, expected: VirtualAddress) -> None:
    found, diagnostics = router(f"virtual_ipaddress {{ {line} }}")
    assert found.addresses == (expected,)
    assert diagnostics == []


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        ("10.0.0.1/33", "10.0.0.1/32"),
        ("10.0.0.1/255.255.255.0", "10.0.0.1/32"),
        ("10.0.0.1/-1", "10.0.0.1/32"),
        ("10.0.0.1/24/24", "10.0.0.1/24"),
        ("10.0.0.1/24 scope foo", "10.0.0.1/24"),
        ("10.0.0.1/32 brd +", "10.0.0.1/32"),
        ("10.0.0.1/24 frob", "10.0.0.1/24"),
        ("10.0.0.1 255.255.255.0", "10.0.0.1/32"),
        ("10.0.0.1/24 brd foo", None),
        ("10.0.0.1/24 brd", None),
        ("10.0.0.1/24 label eth0:abcdefghijk", None),
        ("10.0.0.1/24 dev eth0 dev eth1", None),
        ("10.0.0.300/24", None),
        ("10.0.12/24", None),
        ("010.0.0.1", None),
        ("localhost", None),
    ],
)
def test_a_wrong_address_line_is_a_warning_and_comes_to_what_keepalived_makes_of_it(
    line: str, taken: str | None
) -> None:
    found, diagnostics = router(f"virtual_ipaddress {{ {line} }}")
    assert [str(address.interface) for address in found.addresses] == ([taken] if taken else [])
    assert [found.severity for found in diagnostics] == [Severity.WARNING]


def test_announcing_comes_from_the_router_then_from_global_defs_then_from_keepalived() -> None:
    defaults = "global_defs {\nvrrp_garp_master_delay 7\nvrrp_garp_master_repeat 3\nvrrp_garp_lower_prio_delay 9\n}\n"
    plain, _ = router()
    inheriting, _ = router(before=defaults)
    own, diagnostics = router(
        "garp_master_delay 0", "garp_master_repeat 0", "garp_lower_prio_delay 0", "garp_lower_prio_repeat 0"
    )
    assert plain.announcing == Announcing(5 * SECOND, 5, 5 * SECOND, 5)
    assert inheriting.announcing == Announcing(7 * SECOND, 3, 9 * SECOND, 3)
    assert own.announcing == Announcing(0, 1, 0, 0)
    assert said(diagnostics) == [(Severity.WARNING, "bad-number")]


def test_a_script_has_keepalived_defaults_and_its_timeout_is_its_interval() -> None:
    built = read(f"vrrp_script slow {{\nscript '/bin/true a'\ninterval 3\n}}\n{CHECK}{tracking('slow', 'chk')}")
    assert built.config.scripts == (
        Script("slow", ("/bin/true", "a"), 3 * SECOND, 3 * SECOND, 0, 1, 1, None),
        Script("chk", ("/bin/true",), SECOND, SECOND, 0, 1, 1, None),
    )


def tracking(*entries: str) -> str:
    lines = "\n".join(entries)
    return f"vrrp_instance V1 {{\ninterface eth0\nvirtual_router_id 51\ntrack_script {{\n{lines}\n}}\n}}\n"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("chk", (Tracker("chk", 0),)),
        ("chk weight -20", (Tracker("chk", -20),)),
        ("chk weight 20 reverse", (Tracker("chk", 20, reverse=True),)),
        ("chk weight 254", (Tracker("chk", 253),)),
        ("chk weight 300", (Tracker("chk", 0),)),
        ("chk reverse", (Tracker("chk", 0, reverse=True),)),
        ("chk -20", ()),
        ("chk weight", ()),
        ("chk chk", ()),
        ("nosuch", ()),
        ("chk\nchk weight 5", (Tracker("chk", 0),)),
    ],
)
def test_a_line_of_track_script(entry: str, expected: tuple[Tracker, ...]) -> None:
    assert read(CHECK + tracking(entry)).config.routers[0].trackers == expected


def test_a_weight_and_its_reverse_come_from_the_script_when_the_tracker_has_none() -> None:
    script = 'vrrp_script chk {\nscript "/bin/true"\nweight -5 reverse\n}\n'
    assert read(script + tracking("chk")).config.routers[0].trackers == (Tracker("chk", -5, reverse=True),)
    assert read(script + tracking("chk noreverse")).config.routers[0].trackers == (Tracker("chk", -5),)


def test_an_owner_tracks_nothing_that_has_a_weight() -> None:
    found, diagnostics = router("priority 255", "track_script {", "chk weight 5", "}")
    assert found.trackers == ()
    assert said(diagnostics) == [(Severity.WARNING, "owner-weight")]


def test_a_script_nobody_tracks_is_not_run_and_not_looked_for() -> None:
    built = read('vrrp_script chk {\nscript "/nonexistent"\n}\n' + tracking())
    assert built.config.scripts == ()
    assert said(list(built.diagnostics)) == [(Severity.ADVICE, "unused-script")]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ('script "/nonexistent/x.sh a"', "cannot run /nonexistent/x.sh: no such file or directory"),
        ('script "nosuch -x"', "cannot run nosuch: no such program in PATH"),
        ('script "bin/check"', "the path is not absolute"),
        ('script ""', "its command is empty"),
        ('script "/bin/sh -c \'x"', "a ' without its second"),
        ("interval 1", "has no command"),
    ],
)
def test_a_tracked_script_that_cannot_run_refuses_the_file(command: str, says: str) -> None:
    built = read(f"vrrp_script chk {{\n{command}\n}}\n{tracking('chk')}")
    assert [found.severity for found in built.diagnostics] == [Severity.ERROR]
    assert says in str(built.diagnostics[0])
    assert "chk" in str(built.diagnostics[0])


def test_scripts_run_as_their_own_user_or_as_script_user() -> None:
    text = "global_defs {\nscript_user nobody adm\n}\nvrrp_script own {\nscript /bin/true\nuser root\n}\n"
    built = read(text + CHECK + tracking("own", "chk"))
    assert [script.user for script in built.config.scripts] == [User("root", 0, 0), User("nobody", 65534, 4)]
    unknown = read("global_defs {\nscript_user nosuch\n}\n")
    assert said(list(unknown.diagnostics)) == [(Severity.ERROR, "unknown-user")]


def test_two_routers_of_one_vrid_on_one_interface_are_refused() -> None:
    def instance(name: str, interface: str) -> str:
        return f"vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id 51\n}}\n"

    assert said(list(read(instance("A", "eth0") + instance("B", "eth1")).diagnostics)) == []
    built = read(instance("A", "eth0") + instance("B", "eth0"))
    assert [(found.line, found.severity, found.code) for found in built.diagnostics] == [
        (7, Severity.ERROR, "duplicate-vrid")
    ]


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ("interface eth0", "no-vrid"),
        ("virtual_router_id 51", "no-interface"),
        ("virtual_router_id 51\ninterface nosuch", "unknown-interface"),
        ("virtual_router_id 51\ninterface a23456789012345x", "bad-interface"),
        ("virtual_router_id 51\ninterface lo", "bad-interface"),
        ("virtual_router_id 51\ninterface eth0\nvirtual_ipaddress {\n10.0.0.1 dev eth9\n}", "unknown-interface"),
        ("virtual_router_id 51\ninterface eth0\npriority", "missing-value"),
    ],
)
def test_what_a_router_cannot_do_without_is_an_error(block: str, code: str) -> None:
    built = read(f"vrrp_instance V1 {{\n{block}\n}}")
    assert [found.code for found in built.diagnostics if found.severity is Severity.ERROR] == [code]


@pytest.mark.parametrize(
    "line", ["garp_master_refresh 0", "strict_mode off", "lower_prio_no_advert false", "garp_extra_if 0"]
)
def test_a_refused_keyword_that_says_its_default_is_fine(line: str) -> None:
    assert router(line)[1] == []


def test_the_zero_intervals_of_the_shipped_sample_stop_nothing() -> None:
    built = read("global_defs {\nvrrp_garp_interval 0\nvrrp_gna_interval 0\n}\n")
    assert said(list(built.diagnostics)) == []


def test_load_balancing_is_skipped_balanced_with_one_line() -> None:
    built = read("virtual_server 10.0.0.1 80 {\n real_server 10.0.0.2 80 {\n  x\n }\n}\n" + tracking())
    assert said(list(built.diagnostics)) == [(Severity.INFO, "ignored")]
    assert len(built.config.routers) == 1


def test_an_unknown_keyword_names_the_nearest_and_its_block_is_skipped_balanced() -> None:
    found, diagnostics = router("virtual_ipadress {", "10.0.0.1 {", "}", "}", "preemtp_delay 3", "priority 7")
    assert found.priority == 7
    assert [(item.severity, item.code, item.line, item.hint) for item in diagnostics] == [
        (Severity.WARNING, "unknown-keyword", 4, "did you mean virtual_ipaddress?"),
        (Severity.WARNING, "unknown-keyword", 8, "did you mean preempt_delay?"),
    ]


def test_a_keyword_in_the_wrong_block_is_told_where_it_belongs() -> None:
    built = read("priority 100\n")
    assert [(item.code, item.hint.split(":")[0]) for item in built.diagnostics] == [
        ("unknown-keyword", "it belongs in vrrp_instance")
    ]


def test_a_second_keyword_on_a_line_is_pointed_out() -> None:
    found, diagnostics = router("state MASTER priority 200")
    assert (found.priority, found.initial_state) == (255, InitialState.MASTER)
    assert (Severity.ADVICE, "surplus-words") in said(diagnostics)


def test_everything_wrong_is_said_in_one_run_in_the_files_order() -> None:
    built = read("nonsense\nvrrp_instance V1 {\npriority 300\nnonsense\nstate x\n}\nvrrp_script s {\nrise x\n}\n")
    assert [(found.line, found.column, found.code) for found in built.diagnostics] == [
        (1, 1, "unknown-keyword"),
        (2, 15, "no-interface"),
        (2, 15, "no-vrid"),
        (3, 10, "bad-number"),
        (4, 1, "unknown-keyword"),
        (5, 7, "bad-state"),
        (7, 13, "unused-script"),
        (8, 6, "bad-number"),
    ]


def test_a_flood_of_problems_is_counted_not_kept() -> None:
    found = read("nonsense\n" * 5_000).diagnostics
    assert len(found) == 1_001
    assert min(found, key=lambda item: item.line).message == "4000 more of these"


def test_offline_nothing_is_looked_for() -> None:
    built = build(parse(GUIDE, "f").statements, Offline())
    assert all(found.severity is not Severity.ERROR for found in built.diagnostics)
    assert built.config.scripts[0].argv == ("killall", "-0", "haproxy")


def test_the_documentation_lists_every_keyword_with_what_vrrpd_does() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "python -m tests.keywords writes it anew"


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, len(GUIDE)),
        st.integers(0, 12),
        st.sampled_from(
            [
                "",
                "{",
                "}",
                "\n",
                '"',
                "'",
                "\\",
                "#",
                " ",
                "\0",
                "-1",
                "99999999999",
                "0x1p3",
                "\u0661",
                "é",
                "nopreempt\n",
            ]
        )
        | st.sampled_from(sorted({keyword for block in BLOCKS for keyword in block.keywords}))
        | st.text(max_size=8),
    ),
    max_size=6,
)


@given(MUTATIONS)
def test_a_mutated_guide_gives_a_configuration_and_raises_nothing(mutations: list[tuple[int, int, str]]) -> None:
    text = GUIDE
    for position, length, replacement in mutations:
        text = text[:position] + replacement + text[position + length :]
    built = read(text)
    assert isinstance(built.config, Config)
    assert all(found.message for found in built.diagnostics)


KEYWORDS = st.sampled_from(sorted({keyword for block in BLOCKS for keyword in block.keywords}))
WORDS = st.one_of(
    KEYWORDS,
    st.integers(-300, 5000).map(str),
    st.floats().map(str),
    st.sampled_from(["PASS", "MASTER", "weight", "reverse", "dev", "brd", "+", "10.0.0.1/24", "::1", '"a b"', "chk"]),
    st.text(max_size=6),
)
LINES = st.lists(WORDS, max_size=5).map(" ".join)
BLOCK_TEXT = st.recursive(
    LINES,
    lambda inner: st.tuples(KEYWORDS, LINES, st.lists(inner, max_size=6)).map(
        lambda parts: f"{parts[0]} {parts[1]} {{\n" + "\n".join(parts[2]) + "\n}"
    ),
    max_leaves=20,
)


@given(st.lists(BLOCK_TEXT, max_size=6).map("\n".join) | st.text())
def test_any_text_gives_a_configuration_and_raises_nothing(text: str) -> None:
    assert isinstance(read(text).config, Config)
