"""Programs that we start: posix_spawn and a pidfd, each a session and process group of its own.

A fork would stop the loop for as long as the daemon's memory takes to copy, which is also why another user is
setpriv's business: Python forks for `user=`. And we stand still until the child executes its program: on a busy machine
an ordinary process waits tens of milliseconds for its first turn, so that ours is a real-time one until then.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import signal
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias, TypeGuard

from vrrpd.model import SECOND, Command, Duration, ScriptResult, User

SETPRIV = "/usr/bin/setpriv"
_CANNOT_EXECUTE, _NOT_FOUND = 126, 127
"""setpriv's exit codes when it does not get as far as the program."""

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
_ORDINARY = (os.SCHED_OTHER, os.sched_param(0))
_UNTIL_IT_EXECUTES = (os.SCHED_RR, os.sched_param(1))
"""Before every ordinary process, and after us: we take it away once `posix_spawn` returns."""
_CATCHABLE = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
_NO_FACTS: Mapping[str, str] = MappingProxyType({})

Done: TypeAlias = Callable[[ScriptResult], None]


@dataclass(slots=True, eq=False)
class Child:
    """One run of a program."""

    command: Command
    done: Done | None
    """None once it was called."""
    loop: asyncio.AbstractEventLoop
    pid: int
    pidfd: int
    started_at: float
    timer: asyncio.TimerHandle | None = None
    ends_alone: bool = True
    """False: what it leaves behind in its group ends with it."""
    because: str = ""
    """Why it does not end by itself, in words."""
    is_ending: bool = False
    has_ended: bool = False

    def end_after(self, rest: Duration, because: str) -> None:
        """SIGTERM to its whole group then, and SIGKILL 2 s later; 0: now."""
        if self.has_ended or self.is_ending:
            return
        self.cancel_timer()
        self.because = because
        self.timer = self.loop.call_later(rest / SECOND, self._end)

    def signal_group(self, number: signal.Signals) -> None:
        """To all of the group: its id is taken as long as the leader is not reaped."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def cancel_timer(self) -> None:
        """No longer."""
        if self.timer is not None:
            self.timer.cancel()

    def report(self, result: ScriptResult) -> None:
        """Once."""
        done, self.done = self.done, None
        if done is not None:
            done(result)

    def duration(self) -> Duration:
        """Since it was started."""
        return round((self.loop.time() - self.started_at) * SECOND)

    def _end(self) -> None:
        self.is_ending = True
        self.signal_group(signal.SIGTERM)
        self.timer = self.loop.call_later(_GRACE_S, self._kill)

    def _kill(self) -> None:
        self.signal_group(signal.SIGKILL)
        self.timer = self.loop.call_later(_UNKILLABLE_S, self._give_up)

    def _give_up(self) -> None:
        self.report(ScriptResult(None, self.duration(), f"{self.because} and cannot be killed"))


class Children:
    """Belongs to the main thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._environment = {name: value for name, value in os.environ.items() if name not in _UNSAFE}
        self._running: set[Child] = set()
        self._refusals: set[asyncio.Handle] = set()
        # Whoever started us may have ignored it, and then every exit code would be lost.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def start(
        self,
        command: Command,
        timeout: Duration | None,
        done: Done,
        facts: Mapping[str, str] = _NO_FACTS,
        *,
        ends_alone: bool = True,
    ) -> Child | None:
        """Run it with these facts in its environment; None when it cannot be.

        `done` is called exactly once, never before this returns, and not at all after `stop`: when it has ended, or
        cannot be killed. Without a timeout it may run for ever.
        """
        started_at = self._loop.time()
        try:
            pid, pidfd = self._spawn(command, facts)
        except (OSError, ValueError) as error:
            self.refuse(done, f"cannot be executed: {_explain(command, error)}")
            return None
        child = Child(command, done, self._loop, pid, pidfd, started_at, ends_alone=ends_alone)
        self._running.add(child)
        if timeout is not None:
            child.end_after(timeout, f"timed out after {timeout / SECOND:g} s")
        self._loop.add_reader(pidfd, self._ended, child)
        return child

    def refuse(self, done: Done, problem: str) -> None:
        """Say so, in a turn of its own."""

        def tell() -> None:
            self._refusals.discard(handle)
            done(ScriptResult(exit_code=None, duration=0, problem=problem))

        handle = self._loop.call_soon(tell)
        self._refusals.add(handle)

    def stop(self) -> None:
        """SIGTERM, at most 0.2 s, SIGKILL: blocks for that long, for the end of the daemon."""
        for refusal in self._refusals:
            refusal.cancel()
        self._refusals.clear()
        running = list(self._running)
        self._running.clear()
        for child in running:
            child.cancel_timer()
            self._loop.remove_reader(child.pidfd)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for child in running:
                child.signal_group(number)
            _wait_for_exits([child.pidfd for child in running])
        for child in running:
            os.close(child.pidfd)
            os.waitpid(child.pid, os.WNOHANG)

    def _spawn(self, command: Command, facts: Mapping[str, str]) -> tuple[int, int]:
        argv = _argument_vector(command)
        pid = os.posix_spawn(
            argv[0],
            argv,
            {**self._environment, **facts} if facts else self._environment,
            file_actions=_FILES,
            setsid=True,
            setsigmask=(),
            setsigdef=_CATCHABLE,
            scheduler=_UNTIL_IT_EXECUTES if os.sched_getscheduler(0) == os.SCHED_RR else _ORDINARY,
        )
        with suppress(ProcessLookupError):
            os.sched_setscheduler(pid, *_ORDINARY)
        try:
            return pid, os.pidfd_open(pid)
        except OSError:  # no descriptor left: what we cannot watch must not run
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise

    def _ended(self, child: Child) -> None:
        self._running.discard(child)
        child.has_ended = True
        child.cancel_timer()
        self._loop.remove_reader(child.pidfd)
        os.close(child.pidfd)
        if child.is_ending or not child.ends_alone:
            child.signal_group(signal.SIGKILL)  # whom it leaves behind
        _, status = os.waitpid(child.pid, 0)
        child.report(_judge(child, os.waitstatus_to_exitcode(status), child.duration()))


def _argument_vector(command: Command) -> tuple[str, ...]:
    user = command.user
    if not _is_other(user):
        return command.argv
    # Like keepalived: the user's own group, and the others only when asked for.
    others = "--init-groups" if user.supplementary else "--clear-groups"
    return (SETPRIV, f"--reuid={user.uid}", f"--regid={user.gid}", others, "--", *command.argv)


def _is_other(user: User | None) -> TypeGuard[User]:
    return user is not None and (user.supplementary or (user.uid, user.gid) != (os.geteuid(), os.getegid()))


def _judge(child: Child, code: int, duration: Duration) -> ScriptResult:
    """From a code as `os.waitstatus_to_exitcode` gives it."""
    user = child.command.user
    if child.is_ending:
        return ScriptResult(None, duration, child.because)
    if code < 0:
        return ScriptResult(None, duration, f"killed by {_signal_name(-code)}")
    if _is_other(user) and code in {_CANNOT_EXECUTE, _NOT_FOUND}:
        why = _explain_setpriv(child.command, code)
        return ScriptResult(None, duration, f"cannot be executed as {user.name}: {why}")
    return ScriptResult(code, duration)


def _explain(command: Command, error: OSError | ValueError) -> str:
    """The kernel says "No such file" of a script whose interpreter is missing, too."""
    if not isinstance(error, OSError):
        return str(error)
    program = command.argv[0]
    if error.filename not in {None, program}:
        return f"{error.filename}: {error.strerror}"
    if error.errno == errno.ENOENT and (interpreter := _interpreter(program)):
        return _missing(interpreter)
    if error.errno == errno.ENOEXEC:
        return f"{error.strerror} (its first line names no interpreter)"
    return error.strerror or str(error)


def _explain_setpriv(command: Command, code: int) -> str:
    program = command.argv[0]
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
