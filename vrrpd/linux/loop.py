"""An event loop whose timers are exact.

asyncio rounds a timeout up to whole milliseconds, because epoll takes no less. Two priorities next to each other
differ by 3.9 ms of Skew_Time at one second, by 0.04 ms at the shortest interval: a grid of a millisecond would
make them expire together.
"""

from __future__ import annotations

import asyncio
import ctypes
import math
import os
import selectors
import time

_NANOSECONDS = 1_000_000_000
_TFD_TIMER_ABSTIME = 1
_SAME_DATE = 20_000
"""asyncio hands on what is left of the time, not the date: computed again, the date is so many nanoseconds later."""
_libc = ctypes.CDLL(None, use_errno=True)


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class PreciseSelector(selectors.EpollSelector):
    """epoll that is woken by a timerfd instead of its own timeout: late by tens of microseconds, never early."""

    def __init__(self) -> None:
        super().__init__()
        # Python has os.timerfd_create from 3.13 on.
        self._timer = _libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._timer < 0:
            super().close()
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._spec = _TimerSpec()
        self._armed_for = 0
        self.register(self._timer, selectors.EVENT_READ)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As `selectors.BaseSelector.select`, the timeout exact."""
        if timeout is not None and timeout > 0:
            now = time.monotonic_ns()
            self._arm(now + math.ceil(timeout * _NANOSECONDS), now)
            timeout = None
        ready = super().select(timeout)
        others = [event for event in ready if event[0].fd != self._timer]
        if len(others) < len(ready):
            os.read(self._timer, 8)
        return others

    def _arm(self, at: int, now: int) -> None:
        """Ring once at that time; what was armed or has rung before is forgotten."""
        if self._armed_for > now and abs(at - self._armed_for) < _SAME_DATE:
            return
        self._spec.value.seconds, self._spec.value.nanoseconds = divmod(at, _NANOSECONDS)
        if _libc.timerfd_settime(self._timer, _TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")
        self._armed_for = at

    def close(self) -> None:
        super().close()
        os.close(self._timer)


def new_loop() -> asyncio.SelectorEventLoop:
    """What `asyncio.Runner(loop_factory=...)` is given."""
    return asyncio.SelectorEventLoop(PreciseSelector())
