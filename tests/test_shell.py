from __future__ import annotations

import pytest

from vrrpd.config.shell import always_succeeds, looked_for_process, shell_syntax
from vrrpd.config.syntax import command_words


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("ps ax | grep x", "|"),
        ("[ -f /x ] && exit 1 || exit 0", "&&"),
        ("/x.sh; /y.sh", "/x.sh;"),
        ("/usr/bin/curl -s http://h/ >/dev/null", ">/dev/null"),
        ("/usr/bin/curl -s http://h/ 2>&1", "2>&1"),
        ("kill -0 $(cat /run/haproxy.pid)", "$(cat"),
        ("kill -0 `pidof haproxy`", "`pidof"),
        ("/bin/test $STATE = MASTER", "$STATE"),
        ("/bin/ls /tmp/*.lock", "/tmp/*.lock"),
        ("PATH=/bin check", "PATH=/bin"),
        ("exit 0", "exit"),
        ("/x.sh &", "&"),
    ],
)
def test_what_only_a_shell_would_understand_is_seen(command: str, word: str) -> None:
    argv = command_words(command)
    # A word that ends in a semicolon is also seen where it names the program.
    assert (shell_syntax(argv) or argv[0]) == word


@pytest.mark.parametrize(
    "command",
    [
        "killall -0 haproxy",
        "/bin/sh -c 'ps ax | grep x'",
        "/bin/bash -c '</dev/tcp/127.0.0.1/80'",
        "/usr/bin/curl -fs http://127.0.0.1/health?a=1&b=2",
        "/bin/grep -q a|b /etc/hosts",
        "/usr/bin/awk $1>5{exit(1)} /proc/loadavg",
        "/usr/bin/find /run -name haproxy* -newer /x",
        "/usr/bin/pgrep -f /usr/sbin/haproxy.*",
        "/usr/bin/timeout 2 /bin/sh -c 'exit 1'",
        "/etc/keepalived/check.sh --backend=web --min 2",
    ],
)
def test_what_a_program_takes_for_itself_is_left_alone(command: str) -> None:
    assert shell_syntax(command_words(command)) is None


@pytest.mark.parametrize(
    ("command", "process"),
    [
        ("/usr/bin/killall -0 haproxy", "haproxy"),
        ("killall -q -0 haproxy", "haproxy"),
        ("pkill -0 haproxy", "haproxy"),
        ("/sbin/pidof haproxy", "haproxy"),
        ("/bin/pidof -s /usr/sbin/haproxy", "haproxy"),
        ("pgrep -x nginx", "nginx"),
        ("killall haproxy", None),
        ("pkill haproxy", None),
        ("killall -0", None),
        ("pgrep -f haproxy.cfg", None),
        ("pgrep haproxy", None),
        ("/x.sh haproxy", None),
    ],
)
def test_a_command_that_only_looks_for_a_process_is_known(command: str, process: str | None) -> None:
    assert looked_for_process(command_words(command)) == process


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\npidof haproxy\necho $?\n",
        "#!/bin/bash\n# a comment\nif pidof haproxy; then\n  echo 0\nelse\n  echo 1\nfi\n",
        "#!/usr/bin/env bash\nif pidof haproxy; then echo 0; elif pidof nginx; then echo 1; else echo 2; fi\n\n",
        "#!/bin/sh\nkillall -0 haproxy || systemctl stop keepalived\nexit 0\n",
        "#!/bin/sh\ntrue\n",
    ],
)
def test_a_script_that_prints_its_verdict_always_succeeds(script: str) -> None:
    assert always_succeeds(script.encode())


@pytest.mark.parametrize(
    "script",
    [
        "",
        "#!/bin/sh\n",
        "#!/bin/sh\nkillall -0 haproxy\n",
        "#!/bin/sh\nif pidof haproxy; then\n exit 0\nfi\nexit 1\n",
        "#!/bin/sh\npidof haproxy || exit 1\necho fine\n",
        "#!/bin/sh\nset -e\npidof haproxy\necho fine\n",
        "#!/bin/sh -e\npidof haproxy\necho fine\n",
        "#!/bin/sh\npidof haproxy\nrc=$?\necho $rc\nexit $rc\n",
        "#!/bin/sh\nif pidof haproxy; then\n echo up\nelse\n echo down\n false\nfi\n",
        "#!/bin/sh\nif a; then\n if b; then\n  false\n fi\nelse\n echo 1\nfi\n",
        "#!/bin/sh\necho show info | socat - /run/haproxy.sock\n",
        "#!/usr/bin/python3\nprint(1)\n",
        "#!/bin/sh\nmain() {\n echo 1\n}\nmain\n",
    ],
)
def test_a_script_that_may_fail_is_not_said_to_succeed(script: str) -> None:
    assert not always_succeeds(script.encode())


def test_any_bytes_are_looked_at_without_a_fault() -> None:
    assert not always_succeeds(b"#!/bin/sh\n\xff\xfe\0")
    assert not always_succeeds(b"\x7fELF")
