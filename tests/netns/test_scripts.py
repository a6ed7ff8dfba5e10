from __future__ import annotations

import asyncio
import os
import pwd
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from lan import PATIENCE_S, run

from vrrpd.linux.scripts import PosixScripts
from vrrpd.model import MILLISECOND, SECOND, Script, ScriptResult, User


@contextmanager
def scripts() -> Iterator[PosixScripts]:
    under_test = PosixScripts(asyncio.get_running_loop())
    try:
        yield under_test
    finally:
        under_test.stop()


def script(*argv: str, timeout: int = 5 * SECOND, user: User | None = None) -> Script:
    return Script(name="check", argv=argv, timeout=timeout, user=user)


def shell(line: str, *, timeout: int = 5 * SECOND, user: User | None = None) -> Script:
    return script("/bin/sh", "-c", line, timeout=timeout, user=user)


def nobody() -> User:
    entry = pwd.getpwnam("nobody")
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


async def result_of(under_test: PosixScripts, what: Script) -> ScriptResult:
    done: asyncio.Future[ScriptResult] = asyncio.get_running_loop().create_future()
    under_test.run(what, done.set_result)  # a second call would raise InvalidStateError
    return await done


def result_alone(what: Script) -> ScriptResult:
    async def main() -> ScriptResult:
        with scripts() as under_test:
            return await result_of(under_test, what)

    return run(main())


def file(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_bytes(text.encode())
    path.chmod(mode)
    return str(path)


def open_to_others(tmp_path: Path) -> None:
    """pytest keeps what it makes, the test's directory and those above it, to itself."""
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_mode & 0o777 == 0o700:
            directory.chmod(0o755)


def in_session(leader: int) -> list[int]:
    """Processes of that session that are not zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


class Report:
    """A FIFO that a script writes its process id into when it has come so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    async def leader(self) -> int:
        await until_readable(self._descriptor)
        leader = int(os.read(self._descriptor, 100))
        os.close(self._descriptor)
        return leader


async def until_readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    await readable.wait()
    loop.remove_reader(descriptor)


class Session:
    """The processes of a script, watched to their end."""

    def __init__(self, leader: int) -> None:
        self._pidfds = [os.pidfd_open(pid) for pid in in_session(leader)]

    def __len__(self) -> int:
        return len(self._pidfds)

    async def ended(self) -> None:
        for pidfd in self._pidfds:
            await until_readable(pidfd)
            os.close(pidfd)


def assert_no_children() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("code", [0, 1, 3, 126, 127, 255])
def test_an_exit_code_is_reported(code: int) -> None:
    result = result_alone(shell(f"exit {code}"))
    assert (result.exit_code, result.problem) == (code, "")
    assert 0 < result.duration < 5 * SECOND


def test_a_signal_is_named() -> None:
    result = result_alone(shell("kill -SEGV $$"))
    assert (result.exit_code, result.problem) == (None, "killed by SIGSEGV")
    result = result_alone(shell("kill -40 $$"))
    assert (result.exit_code, result.problem) == (None, "killed by signal 40")


def test_arguments_are_not_a_shells() -> None:
    assert result_alone(script("/usr/bin/test", "a;exit 1", "=", "a;exit 1")).exit_code == 0


def test_done_is_not_called_before_run_returns() -> None:
    async def main() -> None:
        done: asyncio.Future[ScriptResult] = asyncio.get_running_loop().create_future()
        with scripts() as under_test:
            under_test.run(script("/nowhere"), done.set_result)
            assert not done.done()
            await done

    run(main())


def test_a_missing_program_cannot_be_executed() -> None:
    result = result_alone(script("/usr/local/bin/no-such-check"))
    assert (result.exit_code, result.problem) == (None, "cannot be executed: No such file or directory")


def test_a_file_without_the_right_mode_cannot_be_executed(tmp_path: Path) -> None:
    path = file(tmp_path / "check", "#!/bin/sh\n", mode=0o644)
    result = result_alone(script(path))
    assert (result.exit_code, result.problem) == (None, "cannot be executed: Permission denied")


def test_windows_line_ends_are_named(tmp_path: Path) -> None:
    path = file(tmp_path / "check", "#!/bin/sh\r\nexit 0\r\n")
    result = result_alone(script(path))
    assert result.exit_code is None
    assert result.problem == (
        "cannot be executed: its lines end in CR LF (Windows), which makes its interpreter's name wrong"
    )


def test_a_missing_interpreter_is_named(tmp_path: Path) -> None:
    path = file(tmp_path / "check", "#!/opt/no/python3 -I\n")
    result = result_alone(script(path))
    assert result.problem == "cannot be executed: its interpreter /opt/no/python3 does not exist"


def test_a_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    path = file(tmp_path / "check", "exit 0\n")
    result = result_alone(script(path))
    assert result.exit_code is None
    assert result.problem == "cannot be executed: Exec format error (its first line names no interpreter)"


def test_another_user_runs_it(tmp_path: Path) -> None:
    open_to_others(tmp_path)
    tmp_path.chmod(0o777)
    who = tmp_path / "who"
    result = result_alone(shell(f"id -u > {who}; id -G >> {who}; exit 4", user=nobody()))
    assert (result.exit_code, result.problem) == (4, "")
    assert who.read_text().split() == [str(nobody().uid), str(nobody().gid)]


def test_what_another_user_cannot_execute_is_never_success(tmp_path: Path) -> None:
    open_to_others(tmp_path)
    problems = [
        result_alone(script(path, user=nobody())).problem
        for path in (
            str(tmp_path / "missing"),
            file(tmp_path / "mode", "#!/bin/sh\n", mode=0o644),
            file(tmp_path / "windows", "#!/bin/sh\r\n"),
        )
    ]
    assert problems == [
        "cannot be executed as nobody: No such file or directory",
        "cannot be executed as nobody: no permission, or not a program",
        "cannot be executed as nobody: its lines end in CR LF (Windows), which makes its interpreter's name wrong",
    ]


def test_a_script_that_takes_too_long_is_told_to_end() -> None:
    result = result_alone(shell("sleep 60", timeout=300 * MILLISECOND))
    assert (result.exit_code, result.problem) == (None, "timed out after 0.3 s")
    assert 300 * MILLISECOND <= result.duration < 2 * SECOND


def test_a_script_that_ignores_sigterm_is_killed_with_all_it_started(tmp_path: Path) -> None:
    async def main() -> None:
        report = Report(tmp_path / "report")
        line = f"trap '' TERM; sleep 61 & (sleep 62; true) & echo $$ > {report.path}; while :; do sleep 63; done"
        with scripts() as under_test:
            running = asyncio.create_task(result_of(under_test, shell(line, timeout=SECOND)))
            session = Session(await report.leader())
            result = await running
            await session.ended()
        assert len(session) >= 3
        assert (result.exit_code, result.problem) == (None, "timed out after 1 s")
        assert result.duration >= 3 * SECOND

    run(main())


def test_a_leader_that_ends_at_sigterm_leaves_nobody_behind(tmp_path: Path) -> None:
    async def main() -> None:
        report = Report(tmp_path / "report")
        line = f"(trap '' TERM; echo $$ > {report.path}; sleep 64; sleep 65) & wait"
        with scripts() as under_test:
            running = asyncio.create_task(result_of(under_test, shell(line, timeout=SECOND)))
            session = Session(await report.leader())
            result = await running
            await session.ended()
        assert len(session) >= 2
        assert result.duration < 3 * SECOND

    run(main())


def test_stop_ends_everything_and_calls_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        heard: list[ScriptResult] = []
        reports = [Report(tmp_path / "gentle"), Report(tmp_path / "stubborn")]
        with scripts() as under_test:
            under_test.run(shell(f"echo $$ > {reports[0].path}; sleep 66"), heard.append)
            under_test.run(shell(f"trap '' TERM; echo $$ > {reports[1].path}; sleep 67; sleep 68"), heard.append)
            sessions = [Session(await report.leader()) for report in reports]
            under_test.run(script("/nowhere"), heard.append)
            under_test.stop()
            for session in sessions:
                await session.ended()
        assert_no_children()
        assert heard == []

    run(main())


def test_a_script_has_default_signals_no_terminal_and_a_clean_environment(tmp_path: Path) -> None:
    report = tmp_path / "report"
    program = file(
        tmp_path / "check",
        f"""#!/bin/sh
        exec > {report}
        readlink /proc/self/fd/0
        env | grep -E '^(IFS|LD_PRELOAD|LD_LIBRARY_PATH|KEPT)='
        ls /proc/self/fd | wc -l
        chrt -p $$ | head -1
        grep -E '^SigIgn:' /proc/self/status
        """,
    )
    # In a process of its own: it ignores signals, and is real-time where it may be.
    code = f"""
import asyncio, contextlib, os, signal
from vrrpd.linux.loop import new_loop
from vrrpd.linux.scripts import PosixScripts
from vrrpd.model import Script
for ignored in (signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD):
    signal.signal(ignored, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
with contextlib.suppress(PermissionError):
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(50))
no_signal_blocked = ("/bin/grep", "-q", "^SigBlk:[[:space:]]*0*$", "/proc/self/status")  # a shell would unblock them
async def main():
    scripts = PosixScripts(asyncio.get_running_loop())
    for argv in (({program!r},), no_signal_blocked):
        done = asyncio.get_running_loop().create_future()
        scripts.run(Script(name="check", argv=argv), done.set_result)
        result = await done
        assert result.exit_code == 0, (argv, result)
with asyncio.Runner(loop_factory=new_loop) as runner:
    runner.run(main())
"""
    environment = {**os.environ, "IFS": "x", "LD_LIBRARY_PATH": "/nowhere", "KEPT": "yes"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=PATIENCE_S)
    lines = report.read_text().splitlines()
    assert lines[:3] == [
        "/dev/null",
        "KEPT=yes",
        "4",  # 0, 1, 2 and the directory that is listed
    ]
    assert lines[3].endswith("SCHED_OTHER")
    assert int(lines[-1].split()[1], 16) & ~(3 << 31) == 0  # 32 and 33 are the C library's own


def test_200_runs_leave_no_descriptor_and_no_child_behind() -> None:
    async def main() -> None:
        def descriptors() -> int:
            return len(list(Path("/proc/self/fd").iterdir()))

        with scripts() as under_test:
            before = descriptors()
            for number in range(200):
                what = script("/nowhere") if number % 10 == 0 else script("/bin/true")
                result = await result_of(under_test, what)
                assert (result.exit_code == 0) == (number % 10 != 0)
            assert descriptors() == before
            assert_no_children()

    run(main())


def test_many_scripts_that_are_due_together_never_hold_the_loop() -> None:
    """No turn of it starts more than 8: an advertisement that is due waits for those."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ended, all_ended = 0, asyncio.Event()
        grown: list[int] = []

        def end(_result: ScriptResult) -> None:
            nonlocal ended
            ended += 1
            if ended == 100:
                all_ended.set()

        def look(before: int) -> None:
            now = len(under_test._children._running) + ended
            grown.append(now - before)
            if now < 100:
                loop.call_soon(look, now)

        with scripts() as under_test:
            for n in range(100):
                under_test.run(Script(name=str(n), argv=("/bin/true",)), end)
            loop.call_soon(look, 0)
            await all_ended.wait()
        assert sum(grown) == 100
        assert max(grown) <= 8

    run(main())


def test_what_a_reload_weighs_otherwise_is_not_run_twice() -> None:
    async def main() -> None:
        with scripts() as under_test:
            slow = shell("sleep 60")
            under_test.run(slow, lambda _result: pytest.fail("it has not ended"))
            result = await result_of(under_test, replace(slow, weight=-5, interval=2 * SECOND))
            assert result.problem == "its last run has not ended and cannot be killed"

    run(main())


def test_what_a_check_leaves_behind_in_its_group_ends_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        report = Report(tmp_path / "report")
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        line = f"sleep 60 & echo $$ > {report.path}; read -r _ < {gate}"
        with scripts() as under_test:
            running = asyncio.create_task(result_of(under_test, shell(line)))
            session = Session(await report.leader())
            await asyncio.to_thread(gate.write_text, "go\n")
            assert (await running).exit_code == 0
            await session.ended()
        assert len(session) == 2

    run(main())


def test_output_without_end_goes_nowhere_and_ends_with_the_timeout() -> None:
    assert result_alone(script("/usr/bin/yes", timeout=200 * MILLISECOND)).problem == "timed out after 0.2 s"


def test_a_full_process_table_is_a_failure_with_a_name() -> None:
    """In a process of its own, as a user who may have no more processes than there are."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        user = nobody()
        os.setgid(user.gid)
        os.setuid(user.uid)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        os.write(writable, result_alone(script("/bin/true")).problem.encode())
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as pipe:
        assert pipe.read() == "cannot be executed: Resource temporarily unavailable"
    os.waitpid(pid, 0)


def test_a_user_runs_with_its_other_groups_only_when_asked_to(tmp_path: Path) -> None:
    groups = tmp_path / "group"
    groups.write_text(Path("/etc/group").read_text() + "watchers:x:54321:nobody\n")
    open_to_others(tmp_path)
    answer = tmp_path / "answer"
    subprocess.run(["mount", "--bind", groups, "/etc/group"], check=True)
    try:
        for supplementary in (False, True):
            answer.write_text("")
            answer.chmod(0o666)
            result = result_alone(shell(f"id -G > {answer}", user=replace(nobody(), supplementary=supplementary)))
            assert result.exit_code == 0
            assert ("54321" in answer.read_text().split()) is supplementary
    finally:
        subprocess.run(["umount", "/etc/group"], check=True)
