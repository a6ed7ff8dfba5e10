"""Gratuitous ARP and Neighbor Advertisements at the pace that the operator allows a device.

Pure: what may be sent is told, and when there is more. Bounded: a frame that is to be sent again does not wait twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import NamedTuple, TypeAlias

from vrrpd.frames import Frame
from vrrpd.model import Duration, Identity, Instant, Pacing

Lane: TypeAlias = tuple[frozenset[str], bool]
"""Devices that share a pace, and whether it is that of ARP."""


class _Waiting(NamedTuple):
    router: Identity
    frame: Frame


@dataclass(slots=True)
class _Queue:
    gap: Duration
    free_at: Instant = 0
    """When the next frame may leave."""
    frames: deque[_Waiting] = field(default_factory=deque)

    def drop(self, router: Identity, frames: frozenset[Frame] | None = None) -> None:
        """These of a router's frames; None: all."""
        kept = (e for e in self.frames if e.router != router or (frames is not None and e.frame not in frames))
        self.frames = deque(kept)


class Pacer:
    """The frames of all routers on their way to their devices."""

    def __init__(self) -> None:
        self._pacing: dict[str, Pacing] = {}
        self._default = Pacing()
        self._queues: dict[Lane, _Queue] = {}

    def configure(self, pacing: Iterable[Pacing]) -> None:
        """From now on this pace; what waits goes by it too."""
        pacing = tuple(pacing)
        self._default = next((p for p in pacing if not p.interfaces), Pacing())
        self._pacing = {name: p for p in pacing for name in p.interfaces}
        waiting = [entry for queue in self._queues.values() for entry in queue.frames]
        self._queues = {}
        for entry in waiting:
            self._queue(entry.frame).frames.append(entry)

    def push(self, router: Identity, frames: Iterable[Frame], repeat: int) -> None:
        """A burst: every frame once, and so often."""
        frames = tuple(frames)
        for queue in self._queues.values():
            queue.drop(router, frozenset(frames))
        for _ in range(repeat):
            for frame in frames:
                self._queue(frame).frames.append(_Waiting(router, frame))

    def purge(self, router: Identity) -> None:
        """It is Master no more, and what it still had to say would be wrong."""
        for queue in self._queues.values():
            queue.drop(router)

    def due(self, now: Instant) -> list[Frame]:
        """What may leave now, in order."""
        found = []
        for queue in self._queues.values():
            while queue.frames and queue.free_at <= now:
                found.append(queue.frames.popleft().frame)
                queue.free_at = now + queue.gap
        return found

    def next_at(self) -> Instant | None:
        """When more may leave; None: nothing waits."""
        return min((queue.free_at for queue in self._queues.values() if queue.frames), default=None)

    def _queue(self, frame: Frame) -> _Queue:
        is_arp = isinstance(frame.address, IPv4Address)
        pacing = self._pacing.get(frame.device, self._default)
        lane = (frozenset(pacing.interfaces or (frame.device,)), is_arp)
        queue = self._queues.get(lane)
        if queue is None:
            queue = self._queues[lane] = _Queue(pacing.arp if is_arp else pacing.na)
        return queue
