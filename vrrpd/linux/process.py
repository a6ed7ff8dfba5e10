"""How the daemon's own process runs: scheduling, memory, processors, network namespace."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from vrrpd.model import MICROSECOND, SECOND, Process

REALTIME_PRIORITY = 50
REALTIME_LIMIT_US = 10 * SECOND // MICROSECOND
"""A real-time process that computes so long without a pause is broken; the kernel ends it, systemd starts it again."""

_NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x4000_0000
_MCL_CURRENT, _MCL_FUTURE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)


def go_realtime(process: Process, *, is_worker: bool = False) -> None:
    """SCHED_RR for the calling thread: a busy machine must not make its peers believe that it is dead.

    What a worker starts is ordinary; the loop's own thread waits for its children's first steps (linux/children.py).
    OSError or ValueError where that is not allowed.
    """
    limit = REALTIME_LIMIT_US if process.realtime_limit is None else process.realtime_limit // MICROSECOND
    resource.setrlimit(resource.RLIMIT_RTTIME, (limit, limit))
    priority = REALTIME_PRIORITY if process.realtime_priority is None else process.realtime_priority
    policy = os.SCHED_RR | (os.SCHED_RESET_ON_FORK if is_worker else 0)
    os.sched_setscheduler(0, policy, os.sched_param(priority))


def go_ordinary() -> None:
    """For a thread that reads files: nobody waits for it."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def settle(process: Process, log: FilteringBoundLogger) -> None:
    """Run as the configuration asks. What is not allowed is a warning: an address served late beats none."""
    wishes: list[tuple[str, Callable[[], None]]] = [
        ("no real-time priority: a busy machine may be late", lambda: go_realtime(process))
    ]
    if process.nice is not None:
        nice = process.nice
        wishes.append(("nice value not set", lambda: os.setpriority(os.PRIO_PROCESS, 0, nice)))
    if process.cpus:
        wishes.append(("processors not chosen", lambda: os.sched_setaffinity(0, process.cpus)))
    if process.locks_memory:
        wishes.append(("memory not locked", _lock_memory))
    for problem, wish in wishes:
        try:
            wish()
        except (OSError, ValueError) as error:
            log.warning(problem, error=str(error))


def _lock_memory() -> None:
    if _libc.mlockall(_MCL_CURRENT | _MCL_FUTURE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def enter_network(name: str) -> None:
    """Go on in a network namespace that `ip netns` shows, before any thread is started. OSError."""
    path = _NAMESPACES / name
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise OSError(f"there is no network namespace {name} (net_namespace): ip netns add {name}") from None
    try:
        if _libc.setns(descriptor, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter the network namespace {name}: {os.strerror(number)}")
    finally:
        os.close(descriptor)
