"""Virtual time: a heap of (time, sequence, call)."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from vrrpd.model import Instant


class Timeline:
    """What happens when. Calls of one time happen in the order in which they were asked for."""

    def __init__(self) -> None:
        self.now: Instant = 0
        self._heap: list[tuple[Instant, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, when: Instant, call: Callable[..., object], *arguments: Any) -> None:
        """Call it then; what lies in the past, now."""
        self._count += 1
        heapq.heappush(self._heap, (max(when, self.now), self._count, call, arguments))

    def run(self, until: Instant) -> None:
        """Let time pass."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, call, arguments = heapq.heappop(heap)
            call(*arguments)
        self.now = until
