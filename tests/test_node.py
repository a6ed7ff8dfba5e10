from __future__ import annotations

from ipaddress import ip_interface
from pathlib import Path

import pytest

from vrrpd.linux.node import ThisNode
from vrrpd.model import User

NOBODY = User("nobody", 65534, 65534)


def script(path: Path, data: bytes, mode: int = 0o755) -> str:
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


def test_interfaces_are_those_of_the_kernel() -> None:
    node = ThisNode()
    assert node.has_interface("lo")
    assert not node.has_interface("nosuch0")
    assert not node.has_interface("")
    assert not node.has_interface("a\0b")
    assert not node.has_interface("é" * 20)


def test_a_bare_name_is_looked_for_in_path_in_order(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    script(first / "plain", b"", 0o644)
    wanted = script(second / "plain", b"#!/bin/sh\n")
    node = ThisNode(f"{first}:{second}")
    assert node.find_program("plain") == wanted
    assert node.find_program("nosuch") is None
    assert node.find_program("") is None
    assert node.find_program("a\0b") is None
    assert ThisNode().find_program("sh") in ("/usr/bin/sh", "/bin/sh")


def test_users_and_groups_are_looked_up() -> None:
    node = ThisNode()
    assert node.user("root", None) == User("root", 0, 0)
    assert node.user("root", "daemon") == User("root", 0, 1)
    assert node.user("nosuchuser", None) is None
    assert node.user("root", "nosuchgroup") is None
    assert node.user("a\0b", None) is None


def test_programs_and_scripts_that_can_run_are_fine(tmp_path: Path) -> None:
    node = ThisNode()
    assert node.why_not_executable("/bin/sh", None) is None
    assert node.why_not_executable(script(tmp_path / "a", b"#!/bin/sh\nexit 0\n"), None) is None
    assert node.why_not_executable(script(tmp_path / "b", b"#! /usr/bin/env python3 -B\n"), NOBODY) is None


@pytest.mark.parametrize(
    ("data", "mode", "user", "why"),
    [
        (b"#!/bin/sh\n", 0o644, None, "it is not executable: its mode is 0644"),
        (b"#!/bin/sh\n", 0o700, NOBODY, "it is not executable for user nobody: its mode is 0700"),
        (b"#!/bin/sh\r\nexit 0\r\n", 0o755, None, "carriage return (Windows line ends)"),
        (b"#!/no/such/shell\n", 0o755, None, "its interpreter /no/such/shell does not exist"),
        (b"#!\n", 0o755, None, "names no interpreter"),
        (b"exit 0\n", 0o755, None, "neither a program nor does its first line begin with #!"),
        (b"", 0o755, None, "neither a program"),
    ],
)
def test_a_script_that_cannot_run_says_why(tmp_path: Path, data: bytes, mode: int, user: User | None, why: str) -> None:
    problem = ThisNode().why_not_executable(script(tmp_path / "check", data, mode), user)
    assert problem is not None
    assert why in problem


def test_what_is_no_file_says_why(tmp_path: Path) -> None:
    node = ThisNode()
    assert node.why_not_executable(str(tmp_path / "nosuch"), None) == "no such file or directory"
    assert node.why_not_executable(str(tmp_path), None) == "it is not a regular file"
    assert node.why_not_executable("/a\0b", None) == "the name holds a NUL character"


def test_who_else_may_change_a_script_is_named_with_the_part_of_its_path(tmp_path: Path) -> None:
    node = ThisNode()
    folder = tmp_path / "checks"
    folder.mkdir(mode=0o755)
    check = script(folder / "check", b"#!/bin/sh\n")
    assert node.insecure_part(check) is None
    Path(check).chmod(0o757)
    assert node.insecure_part(check) == f"everybody may write the file {check}"
    Path(check).chmod(0o775)
    assert node.insecure_part(check) is None, "group root is root"
    folder.chmod(0o777)
    assert node.insecure_part(check) == f"everybody may write the directory {folder}"
    folder.chmod(0o1777)
    assert node.insecure_part(check) is None, "what is root's in a sticky directory cannot be replaced"


def test_a_link_to_a_script_is_followed_through_every_directory(tmp_path: Path) -> None:
    node = ThisNode()
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir(mode=0o755)
    check = script(tmp_path / "c" / "check", b"#!/bin/sh\n")
    (tmp_path / "b" / "link").symlink_to("../c/check")
    (tmp_path / "a" / "link").symlink_to(tmp_path / "b" / "link")
    assert node.insecure_part(str(tmp_path / "a" / "link")) is None
    (tmp_path / "b").chmod(0o777)
    assert node.insecure_part(check) is None
    assert node.insecure_part(str(tmp_path / "a" / "link")) == f"everybody may write the directory {tmp_path / 'b'}"
    (tmp_path / "a" / "loop").symlink_to("loop")
    assert node.insecure_part(str(tmp_path / "a" / "loop")) is None, "it cannot be run anyway"
    assert node.insecure_part(str(tmp_path / "nosuch" / "x")) is None


def test_the_text_of_a_script_is_its_beginning(tmp_path: Path) -> None:
    node = ThisNode()
    assert (
        node.script_text(script(tmp_path / "check", b"#!/bin/sh\n" + b"x" * 100_000)) == b"#!/bin/sh\n" + b"x" * 65526
    )
    assert node.script_text(str(tmp_path / "nosuch")) == b""
    assert node.script_text("/a\0b") == b""


def test_addresses_are_those_of_the_kernel() -> None:
    node = ThisNode()
    assert ip_interface("127.0.0.1/8") in node.addresses("lo")
    assert ip_interface("127.0.0.1/8") in node.addresses()
    assert node.addresses("nosuch0") == ()


def test_whether_secondary_addresses_are_promoted_is_the_kernels_setting() -> None:
    settings = [Path("/proc/sys/net/ipv4/conf", name, "promote_secondaries") for name in ("all", "lo")]
    before = [setting.read_text(encoding="ascii") for setting in settings]
    try:
        for everywhere, here, promotes in (("0", "0", False), ("0", "1", True), ("1", "0", True)):
            settings[0].write_text(everywhere, encoding="ascii")
            settings[1].write_text(here, encoding="ascii")
            assert ThisNode().promotes_secondaries("lo") is promotes
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.write_text(value, encoding="ascii")
    assert not ThisNode().promotes_secondaries("no/such")
