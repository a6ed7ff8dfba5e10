"""The first process of a container: it passes signals on and reaps what others leave, and the daemon is its child.

Whatever a script leaves behind there becomes a child of process 1, and stays a zombie until that one waits for it.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

FIRST = 1
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMIN + 2)


def become_init() -> int | None:
    """In process 1: fork, return None in the child, and in process 1 its exit code once it has ended.

    Anywhere else: None, and nothing has happened. Call it before anything large is imported.
    """
    if os.getpid() != FIRST:
        return None
    # Until the child is there, signals wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    child = os.fork()
    if child:
        _pass_signals_to(child)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    return _reap_until_it_ends(child) if child else None


def _pass_signals_to(child: int) -> None:
    def forward(number: int, _frame: FrameType | None) -> None:
        os.kill(child, number)

    for number in _PASSED_ON:
        signal.signal(number, forward)


def _reap_until_it_ends(child: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == child:
            return _exit_code(os.waitstatus_to_exitcode(status))


def _exit_code(code: int) -> int:
    """As a shell has it: 128 and the signal's number for who was killed."""
    return code if code >= 0 else 128 - code
