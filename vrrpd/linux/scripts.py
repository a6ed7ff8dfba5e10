"""The body of `ports.Scripts`: posix_spawn and a pidfd, each run a session and process group of its own.

A fork would stop the loop for as long as the daemon's memory takes to copy, which is also why another user is
setpriv's business: Python forks for `user=`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from vrrpd.model import SECOND, Duration, Script, ScriptResult, User

SETPRIV = "/usr/bin/setpriv"
_CANNOT_EXECUTE, _NOT_FOUND = 126, 127
"""setpriv's exit codes when it does not get as far as the script."""

_GRACE_S = 2.0
"""From SIGTERM to SIGKILL, as keepalived."""
_UNKILLABLE_S = 1.0
"""From SIGKILL until we no longer wait: what hangs on a dead disk ends when that comes back."""
_STOP_S = 0.2

_UNSAFE = frozenset({"IFS", "LD_PRELOAD", "LD_LIBRARY_PATH"})
_FILES = (
    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0),
    (os.POSIX_SPAWN_DUP2, 0, 1),
    (os.POSIX_SPAWN_DUP2, 0, 2),
)
_NOT_REALTIME = (os.SCHED_OTHER, os.sched_param(0))
_CATCHABLE = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


@dataclass(slots=True, eq=False)
class _Run:
    script: Script
    done: Callable[[ScriptResult], None] | None
    """None once it was called."""
    pid: int
    pidfd: int
    started_at: float
    timer: asyncio.TimerHandle
    timed_out: bool = False

    def signal_group(self, number: signal.Signals) -> None:
        """To all of the group: its id is taken as long as the leader is not reaped."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


class PosixScripts:
    """Belongs to the main thread. A script is not started again while its last run cannot be killed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._environment = {name: value for name, value in os.environ.items() if name not in _UNSAFE}
        self._runs: dict[Script, _Run] = {}
        self._refusals: set[asyncio.Handle] = set()
        # Whoever started us may have ignored it, and then every exit code would be lost.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def run(self, script: Script, done: Callable[[ScriptResult], None]) -> None:
        """Start it; `done` is called exactly once, never before this returns, and not at all after `stop`."""
        if script in self._runs:
            self._refuse(done, "its last run has not ended and cannot be killed")
            return
        started_at = self._loop.time()
        try:
            pid, pidfd = self._spawn(script)
        except (OSError, ValueError) as error:
            self._refuse(done, f"cannot be executed: {_explain(script, error)}")
            return
        timer = self._loop.call_later(script.timeout / SECOND, self._time_out, script)
        self._runs[script] = _Run(script, done, pid, pidfd, started_at, timer)
        self._loop.add_reader(pidfd, self._ended, script)

    def stop(self) -> None:
        """SIGTERM, at most 0.2 s, SIGKILL: blocks for that long, for the end of the daemon."""
        for refusal in self._refusals:
            refusal.cancel()
        self._refusals.clear()
        runs = list(self._runs.values())
        self._runs.clear()
        for run in runs:
            run.timer.cancel()
            self._loop.remove_reader(run.pidfd)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for run in runs:
                run.signal_group(number)
            _wait_for_exits([run.pidfd for run in runs])
        for run in runs:
            os.close(run.pidfd)
            os.waitpid(run.pid, os.WNOHANG)

    def _spawn(self, script: Script) -> tuple[int, int]:
        argv = _argument_vector(script)
        pid = os.posix_spawn(
            argv[0],
            argv,
            self._environment,
            file_actions=_FILES,
            setsid=True,
            setsigmask=(),
            setsigdef=_CATCHABLE,
            scheduler=_NOT_REALTIME,
        )
        try:
            return pid, os.pidfd_open(pid)
        except OSError:  # no descriptor left: what we cannot watch must not run
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise

    def _refuse(self, done: Callable[[ScriptResult], None], problem: str) -> None:
        def tell() -> None:
            self._refusals.discard(handle)
            done(ScriptResult(exit_code=None, duration=0, problem=problem))

        handle = self._loop.call_soon(tell)
        self._refusals.add(handle)

    def _time_out(self, script: Script) -> None:
        run = self._runs[script]
        run.timed_out = True
        run.signal_group(signal.SIGTERM)
        run.timer = self._loop.call_later(_GRACE_S, self._kill, script)

    def _kill(self, script: Script) -> None:
        run = self._runs[script]
        run.signal_group(signal.SIGKILL)
        run.timer = self._loop.call_later(_UNKILLABLE_S, self._give_up, script)

    def _give_up(self, script: Script) -> None:
        run = self._runs[script]
        timed_out = f"timed out after {_seconds(script.timeout)} and cannot be killed"
        self._report(run, ScriptResult(None, self._duration(run), timed_out))

    def _ended(self, script: Script) -> None:
        run = self._runs.pop(script)
        run.timer.cancel()
        self._loop.remove_reader(run.pidfd)
        os.close(run.pidfd)
        if run.timed_out:
            run.signal_group(signal.SIGKILL)  # whom it leaves behind
        _, status = os.waitpid(run.pid, 0)
        self._report(run, _judge(run, os.waitstatus_to_exitcode(status), self._duration(run)))

    def _report(self, run: _Run, result: ScriptResult) -> None:
        done, run.done = run.done, None
        if done is not None:
            done(result)

    def _duration(self, run: _Run) -> Duration:
        return round((self._loop.time() - run.started_at) * SECOND)


def _argument_vector(script: Script) -> tuple[str, ...]:
    if not _is_other(script.user):
        return script.argv
    # Like keepalived: the user's own group and no supplementary ones.
    return (
        SETPRIV,
        f"--reuid={script.user.uid}",
        f"--regid={script.user.gid}",
        "--clear-groups",
        "--",
        *script.argv,
    )


def _is_other(user: User | None) -> TypeGuard[User]:
    return user is not None and (user.uid, user.gid) != (os.geteuid(), os.getegid())


def _judge(run: _Run, code: int, duration: Duration) -> ScriptResult:
    """From a code as `os.waitstatus_to_exitcode` gives it."""
    script = run.script
    if run.timed_out:
        return ScriptResult(None, duration, f"timed out after {_seconds(script.timeout)}")
    if code < 0:
        return ScriptResult(None, duration, f"killed by {_signal_name(-code)}")
    if _is_other(script.user) and code in {_CANNOT_EXECUTE, _NOT_FOUND}:
        why = _explain_setpriv(script, code)
        return ScriptResult(None, duration, f"cannot be executed as {script.user.name}: {why}")
    return ScriptResult(code, duration)


def _explain(script: Script, error: OSError | ValueError) -> str:
    """The kernel says "No such file" of a script whose interpreter is missing, too."""
    if not isinstance(error, OSError):
        return str(error)
    program = script.argv[0]
    if error.filename not in {None, program}:
        return f"{error.filename}: {error.strerror}"
    if error.errno == errno.ENOENT and (interpreter := _interpreter(program)):
        return _missing(interpreter)
    if error.errno == errno.ENOEXEC:
        return f"{error.strerror} (its first line names no interpreter)"
    return error.strerror or str(error)


def _explain_setpriv(script: Script, code: int) -> str:
    program = script.argv[0]
    if code == _CANNOT_EXECUTE:
        return "no permission, or not a program"
    if not Path(program).exists():
        return os.strerror(errno.ENOENT)
    interpreter = _interpreter(program)
    if interpreter and not Path(interpreter).exists():
        return _missing(interpreter)
    return f"exit code {code}; is the daemon allowed to change to another user?"


def _missing(interpreter: str) -> str:
    if interpreter.endswith("\r"):
        return "its lines end in CR LF (Windows), which makes its interpreter's name wrong"
    return f"its interpreter {interpreter} does not exist"


def _interpreter(program: str) -> str | None:
    """What its first line names, None when it is no script."""
    try:
        with Path(program).open("rb") as file:
            line = file.readline(256)
    except OSError:
        return None
    words = line[2:].rstrip(b"\n").strip(b" \t").split(b" ")
    return os.fsdecode(words[0]) if line.startswith(b"#!") else None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _seconds(duration: Duration) -> str:
    return f"{duration / SECOND:g} s"


def _wait_for_exits(pidfds: Collection[int]) -> None:
    """Until all have ended, at most `_STOP_S`."""
    deadline = time.monotonic() + _STOP_S
    running = select.poll()
    for pidfd in pidfds:
        running.register(pidfd, select.POLLIN)
    left = len(pidfds)
    while left and (remaining := deadline - time.monotonic()) > 0:
        for pidfd, _ in running.poll(remaining * 1000):
            running.unregister(pidfd)
            left -= 1
