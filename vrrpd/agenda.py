"""Who wants to be called when. One heap for all, read lazily: moving a date later costs nothing until it comes."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

from vrrpd.model import Instant

K = TypeVar("K")


class Agenda(Generic[K]):
    """At most one live entry per key. A key may come due too early, never too late."""

    def __init__(self) -> None:
        self._heap: list[tuple[Instant, int, K]] = []
        self._armed: dict[K, Instant] = {}
        self._count = 0

    def set(self, key: K, at: Instant | None) -> None:
        """Call the key at that time, or an earlier one that stands already; None: never."""
        if at is None:
            self._armed.pop(key, None)
            return
        armed = self._armed.get(key)
        if armed is None or at < armed:
            self._armed[key] = at
            self._count += 1
            heapq.heappush(self._heap, (at, self._count, key))

    def next_at(self) -> Instant | None:
        """When the first key is due."""
        while self._heap and self._armed.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: Instant) -> Iterator[K]:
        """Take out every key that is due, in the order of time."""
        while (at := self.next_at()) is not None and at <= now:
            key = heapq.heappop(self._heap)[2]
            del self._armed[key]
            yield key
