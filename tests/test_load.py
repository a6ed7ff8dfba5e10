from __future__ import annotations

import os
from pathlib import Path

import pytest

from vrrpd.config.diagnostics import Severity
from vrrpd.config.load import load
from vrrpd.config.node import Offline
from vrrpd.model import Config

GUIDE = (Path(__file__).parent / "data" / "guide.conf").read_bytes()
GUIDE_2 = GUIDE.replace(b"MASTER", b"BACKUP").replace(b"priority  100", b"priority  99")


def written(path: Path, data: bytes, mode: int = 0o644) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("data", "about_preemption"),
    [
        (GUIDE, [(14, "small-weights"), (24, "defined-later"), (26, "nopreempt-with-master")]),
        (GUIDE_2, [(24, "defined-later"), (26, "nopreempt-with-weight")]),
    ],
    ids=["lb1", "lb2"],
)
def test_both_nodes_of_the_guide_start_with_advice_in_the_files_order(
    tmp_path: Path, data: bytes, about_preemption: list[tuple[int, str]]
) -> None:
    loaded = load(written(tmp_path / "keepalived.conf", data), Offline())
    assert loaded.starts
    assert loaded.errors == ()
    assert [(found.line, found.code) for found in loaded.diagnostics] == [
        (2, "nobody-mails"),
        *about_preemption,
        (27, "preempt-delay-cancelled"),
        (30, "process-check"),
    ]
    assert [found.text for found in loaded.diagnostics[-2:]] == [
        "    preempt_delay 2",
        '    script  "killall -0 haproxy"',
    ]


def test_a_missing_file_is_one_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "nosuch.conf"
    loaded = load(path, Offline())
    assert loaded.config == Config()
    assert not loaded.starts
    assert [str(found) for found in loaded.diagnostics] == [
        f"{path}: error: cannot be read: No such file or directory (name the file with -f)"
    ]


@pytest.mark.parametrize(
    ("data", "mode", "code"),
    [
        (GUIDE, 0o755, "executable"),
        (b"#" * ((64 << 20) + 1), 0o644, "too-long"),
    ],
)
def test_what_is_no_configuration_is_one_error(tmp_path: Path, data: bytes, mode: int, code: str) -> None:
    loaded = load(written(tmp_path / "x.conf", data, mode), Offline())
    assert loaded.config == Config()
    assert [(found.severity, found.code, found.line) for found in loaded.diagnostics] == [(Severity.ERROR, code, 0)]


def test_a_directory_and_a_pipe_are_no_configuration_and_hold_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, code in ((tmp_path, "not-a-file"), (tmp_path / "pipe", "not-a-file"), ("a\0b", "unreadable")):
        assert [found.code for found in load(path, Offline()).diagnostics] == [code]


def test_a_file_without_a_router_is_a_warning(tmp_path: Path) -> None:
    loaded = load(written(tmp_path / "x.conf", b"# nothing\n"), Offline())
    assert loaded.starts
    assert [(found.severity, found.code) for found in loaded.diagnostics] == [(Severity.WARNING, "no-router")]


@pytest.mark.parametrize(
    "line", ["auth_pass geheim#x", "autp_pass geheim1", "auth_type PASS auth_pass geheim12345", 'auth_pass "geheim']
)
def test_no_line_that_is_shown_shows_a_password(tmp_path: Path, line: str) -> None:
    text = f"vrrp_instance V {{\ninterface eth0\nvirtual_router_id 1\nauthentication {{\n{line}\n}}\n}}\n"
    loaded = load(written(tmp_path / "x.conf", text.encode()), Offline())
    assert any(found.line == 5 for found in loaded.diagnostics)
    assert "geheim" not in repr(loaded)


def test_nothing_in_a_file_can_steer_the_terminal(tmp_path: Path) -> None:
    loaded = load(written(tmp_path / "x.conf", b"vrrp_instance \x1b[2J\x9b {\n} \x1b]0;x\x07"), Offline())
    assert loaded.diagnostics
    for found in loaded.diagnostics:
        assert f"{found}{found.text}".isprintable()


def test_nor_can_a_hint_that_names_something_of_it(tmp_path: Path) -> None:
    text = 'vrrp_script \u2028hk {\n script "killall -0 haproxy"\n}\n'
    loaded = load(written(tmp_path / "x.conf", text.encode()), Offline())
    assert all(f"{found}".isprintable() for found in loaded.diagnostics)


def test_a_long_line_is_shown_in_part(tmp_path: Path) -> None:
    loaded = load(written(tmp_path / "x.conf", b"nonsense " + b"x" * 5_000), Offline())
    assert loaded.diagnostics[1].code == "unknown-keyword"
    assert loaded.diagnostics[1].text == "nonsense " + "x" * 191 + "…"


def test_text_that_is_not_utf_8_is_fine_in_a_comment_and_an_error_in_a_word(tmp_path: Path) -> None:
    commented = load(written(tmp_path / "a.conf", b"# Stra\xdfe\n" + GUIDE), Offline())
    assert commented.starts
    first = commented.diagnostics[0]
    assert (first.severity, first.code, first.line) == (Severity.ADVICE, "not-utf-8", 0)
    named = load(written(tmp_path / "b.conf", GUIDE.replace(b"R1", b"R\xdf")), Offline())
    assert [(found.line, found.code) for found in named.errors] == [(10, "not-utf-8")]


@pytest.mark.parametrize(
    "lines",
    [
        ["$PW=geheim#12", "{auth_pass} $PW"],
        ["$A=$B", "$B=geheim\\\\", "{auth_pass} ${A}"],
        ["~LST(x, geheim, geheim2) {auth_pass} ${x} ${y}"],
        ["$A= \\", "  {auth_pass} geheim#x \\", "  auth_type PASS", "$A"],
        ["$PASSWORD = geheim", "{auth_pass} $PASSWORD"],
    ],
)
def test_a_password_from_a_definition_is_not_shown_either(tmp_path: Path, lines: list[str]) -> None:
    """Each of the files has something to complain about in the line that holds the password."""
    inside = "\n".join(lines).replace("{auth_pass}", "auth_pass")
    text = f"vrrp_instance V {{\ninterface eth0\nvirtual_router_id 1\nauthentication {{\n{inside}\n}}\n}}\n"
    loaded = load(written(tmp_path / "x.conf", text.encode()), Offline())
    assert loaded.diagnostics
    assert "geheim" not in repr(loaded.diagnostics)


def test_the_line_that_is_shown_is_that_of_the_file_that_is_included(tmp_path: Path) -> None:
    written(tmp_path / "a.conf", b"include b.conf\n" + GUIDE)
    written(tmp_path / "b.conf", b"# nothing\n  nonsense here\n")
    found = next(found for found in load(tmp_path / "a.conf", Offline()).diagnostics if found.code == "unknown-keyword")
    assert (found.file, found.line, found.column, found.text) == (str(tmp_path / "b.conf"), 2, 3, "  nonsense here")
