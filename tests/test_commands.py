from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from vrrpd.config.commands import ScriptPolicy, finish_command, read_command
from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.config.language import parse
from vrrpd.config.node import Offline
from vrrpd.config.table import Reading
from vrrpd.model import Command, User

NOBODY, ROOT = User("nobody", 65534, 65534), User("root", 0, 0)


@dataclass
class Machine(Offline):
    """Everything can run; somebody else may write what is in /opt."""

    is_here: bool = True
    missing: set[str] = field(default_factory=set)
    default: User | None = None
    text: bytes = b""

    def find_program(self, name: str) -> str | None:
        return f"/bin/{name}" if name in ("true", "killall") else None

    def user(self, name: str, group: str | None) -> User | None:
        return {("nobody", None): NOBODY, ("root", None): ROOT, ("nobody", "adm"): User("nobody", 65534, 4)}.get(
            (name, group)
        )

    def script_user(self) -> User | None:
        return self.default

    def why_not_executable(self, program: str, user: User | None) -> str | None:
        del user
        return "no such file or directory" if program in self.missing else None

    def insecure_part(self, program: str) -> str | None:
        return "everybody may write the directory /opt" if program.startswith("/opt/") else None

    def script_text(self, program: str) -> bytes:
        del program
        return self.text


def read(
    line: str,
    machine: Machine | Offline | None = None,
    policy: ScriptPolicy | None = None,
    *,
    is_check: bool = False,
    own: User | None = None,
) -> tuple[Command | None, list[Diagnostic]]:
    to = Reading(machine or Machine(), {})
    statement = parse(line, "f").statements[0]
    draft = read_command(statement, "notify_master of V1", to, is_check=is_check)
    command = finish_command(draft, policy or ScriptPolicy(), to, own) if draft else None
    return command, list(to.all())


def said(diagnostics: list[Diagnostic]) -> list[tuple[Severity, str]]:
    return [(found.severity, found.code) for found in diagnostics]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("notify_master /x.sh", Command(("/x.sh",))),
        ("notify_master \"/x.sh a 'b c'\"", Command(("/x.sh", "a", "b c"))),
        ("notify_master '/x.sh a'", Command(("/x.sh", "a"))),
        ("notify_master /x.sh nobody", Command(("/x.sh",), NOBODY)),
        ('notify_master "/x.sh a" nobody adm', Command(("/x.sh", "a"), User("nobody", 65534, 4))),
        ("notify_master true", Command(("/bin/true",))),
    ],
)
def test_a_command_is_taken_apart_as_keepalived_does(line: str, command: Command) -> None:
    assert read(line) == (command, [])


def test_words_after_a_notification_are_whom_it_runs_as() -> None:
    command, diagnostics = read("notify_master /x.sh MASTER")
    assert command is None
    assert said(diagnostics) == [(Severity.WARNING, "bad-script")]
    assert diagnostics[0].message == (
        "notify_master of V1 is not run, as in keepalived: what stands after the command is whom it runs as,"
        ' and there is no user "MASTER"'
    )
    assert "double quotes" in diagnostics[0].hint


def test_words_after_a_check_are_lost() -> None:
    command, diagnostics = read("script killall -0 haproxy", is_check=True)
    assert command == Command(("/bin/killall",))
    assert said(diagnostics) == [(Severity.ADVICE, "surplus-words")]
    assert diagnostics[0].hint == 'put the whole command in double quotes: script "killall -0 haproxy"'
    assert said(read('notify "/x.sh" nobody adm more')[1]) == [(Severity.ADVICE, "surplus-words")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("notify_master /gone", "cannot run /gone: no such file or directory"),
        ("notify_master nosuch", "cannot run nosuch: no such program in PATH"),
        ("notify_master bin/x", "cannot run bin/x: the path is not absolute"),
        ('notify_master ""', "its command is empty"),
        ("notify_master", "notify_master has no command"),
        ('notify_master "/x \'y"', "a ' without its second"),
    ],
)
def test_what_cannot_run_is_an_error_of_a_check_and_a_warning_of_a_notification(line: str, problem: str) -> None:
    for is_check, severity in ((True, Severity.ERROR), (False, Severity.WARNING)):
        command, diagnostics = read(line, Machine(missing={"/gone"}), is_check=is_check)
        assert command is None
        assert said(diagnostics) == [(severity, "bad-script")]
        assert problem in diagnostics[0].message


def test_shell_syntax_is_pointed_out_with_what_the_program_gets() -> None:
    command, diagnostics = read('notify_master "/x.sh | /y.sh"')
    assert command == Command(("/x.sh", "|", "/y.sh"))
    assert said(diagnostics) == [(Severity.ADVICE, "shell-syntax")]
    assert diagnostics[0].message == "notify_master of V1 runs without a shell: x.sh gets | as it stands"


def test_a_file_that_must_be_readable_is_the_one_thing_that_a_shell_runs() -> None:
    command, diagnostics = read('script "</etc/passwd"', is_check=True)
    assert command == Command(("/bin/sh", "-c", "</etc/passwd"))
    assert diagnostics == []
    command, diagnostics = read('script "</dev/tcp/127.0.0.1/80"', is_check=True)
    assert command == Command(("/bin/sh", "-c", "</dev/tcp/127.0.0.1/80"))
    assert said(diagnostics) == [(Severity.ADVICE, "shell-syntax")]
    assert diagnostics[0].hint == "\"/bin/bash -c '</dev/tcp/127.0.0.1/80'\""


def test_what_root_runs_and_others_may_change_is_forbidden_or_pointed_out() -> None:
    command, diagnostics = read("notify_master /opt/x.sh")
    assert command == Command(("/opt/x.sh",))
    assert said(diagnostics) == [(Severity.ADVICE, "insecure-script")]
    assert "everybody may write the directory /opt" in diagnostics[0].message
    secure = ScriptPolicy(user=ROOT, secure=True)
    command, diagnostics = read("notify_master /opt/x.sh", policy=secure)
    assert command is None
    assert said(diagnostics) == [(Severity.WARNING, "bad-script")]
    assert said(read("script /opt/x.sh", policy=secure, is_check=True)[1]) == [(Severity.ERROR, "bad-script")]
    assert read("notify_master /opt/x.sh nobody", policy=secure) == (Command(("/opt/x.sh",), NOBODY), [])


def test_script_security_wants_a_user_unless_the_node_cannot_be_asked() -> None:
    secure = ScriptPolicy(secure=True)
    command, diagnostics = read("script /x.sh", policy=secure, is_check=True)
    assert command is None
    assert said(diagnostics) == [(Severity.ERROR, "bad-script")]
    assert "neither script_user nor a user keepalived_script" in diagnostics[0].message
    assert read("script /x.sh", Machine(default=NOBODY), secure, is_check=True) == (Command(("/x.sh",), NOBODY), [])
    assert read("script /x.sh", Offline(), secure, is_check=True) == (Command(("/x.sh",)), [])


def test_a_commands_own_user_goes_before_its_blocks_and_that_before_the_files() -> None:
    policy = ScriptPolicy(user=NOBODY)
    assert read("notify_master /x.sh root", policy=policy)[0] == Command(("/x.sh",), ROOT)
    assert read("script /x.sh", policy=policy, is_check=True, own=ROOT)[0] == Command(("/x.sh",), ROOT)
    assert read("script /x.sh", policy=policy, is_check=True)[0] == Command(("/x.sh",), NOBODY)


def test_a_check_that_can_never_fail_is_pointed_out() -> None:
    machine = Machine(text=b"#!/bin/sh\npidof haproxy\necho $?\n")
    command, diagnostics = read("script /x.sh", machine, is_check=True)
    assert command == Command(("/x.sh",))
    assert said(diagnostics) == [(Severity.ADVICE, "always-succeeds")]
    assert read("notify_master /x.sh", machine)[1] == []
