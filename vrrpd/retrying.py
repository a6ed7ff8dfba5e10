"""When a router tries again: to be relieved while it is worse than others, and to have its addresses."""

from __future__ import annotations

from dataclasses import dataclass

from vrrpd.model import SECOND, Duration, Instant

ASK_APART: Duration = 60 * SECOND
ASK_PAUSE_FIRST, ASK_PAUSE_MAX = 10, 20
"""In advertisement intervals: a Backup that boots later cannot be heard, so a Master that is worse asks again."""
ASK_PAUSE_LIMIT: Duration = 300 * SECOND
REPAIR_PAUSE_FIRST: Duration = SECOND
REFUSED_PAUSE_FIRST: Duration = 10 * SECOND
REPAIR_PAUSE_MAX: Duration = 300 * SECOND


@dataclass(slots=True)
class Asking:
    """When a Master that is worse asks to be relieved."""

    last_at: Instant | None = None
    next_at: Instant | None = None
    pause: int = 0
    """In intervals, until the next time."""

    def on_failure(self, now: Instant) -> None:
        """A tracker has just failed: ask now, but a check that flaps asks at most once a minute."""
        self.next_at = now if self.last_at is None else max(now, self.last_at + ASK_APART)

    def later(self, interval: Duration, now: Instant) -> None:
        """It is Master and worse, and has not been asked to be, or nobody came."""
        self.pause = min(max(self.pause * 2, ASK_PAUSE_FIRST), ASK_PAUSE_MAX)
        self.next_at = now + min(self.pause * interval, ASK_PAUSE_LIMIT)

    def is_due(self, now: Instant) -> bool:
        """It is time to ask."""
        return self.next_at is not None and now >= self.next_at

    def rest(self) -> None:
        """It is good again: the next failure is the first one."""
        self.next_at, self.pause = None, 0


@dataclass(slots=True)
class Repair:
    """When missing addresses are tried again, and when an address fault is over."""

    next_at: Instant | None = None
    pause: Duration = 0
    hopeless_at: Instant | None = None
    """From then on they have been missing for as long as peers would wait for a dead Master."""
    lost_at: Instant | None = None
    retry_at: Instant | None = None
    """When it may be Master again after the kernel refused all of its addresses."""
    retry_pause: Duration = 0

    def expect(self, patience: Duration, now: Instant) -> None:
        """Addresses have been asked for; the kernel has so long to confirm them."""
        self.hopeless_at = self.next_at = now + patience

    def again(self, now: Instant) -> None:
        """Some are missing: try once more, at growing intervals."""
        self.pause = min(max(self.pause * 2, REPAIR_PAUSE_FIRST), REPAIR_PAUSE_MAX)
        self.next_at = now + self.pause
        if self.hopeless_at is not None and now < self.hopeless_at:
            self.next_at = min(self.next_at, self.hopeless_at)

    def lost(self, patience: Duration, now: Instant) -> None:
        """Somebody else took one away: put it back at once, but not in a race without end."""
        if self.lost_at is None or now - self.lost_at >= REPAIR_PAUSE_FIRST:
            self.next_at = now
        else:
            self.again(now)
        self.lost_at = now
        if self.hopeless_at is None:
            self.hopeless_at = now + patience

    def refused(self, now: Instant) -> None:
        """None is there: let others be Master for a while."""
        self.retry_pause = min(max(self.retry_pause * 2, REFUSED_PAUSE_FIRST), REPAIR_PAUSE_MAX)
        self.retry_at = now + self.retry_pause

    def is_due(self, now: Instant) -> bool:
        """It is time to look."""
        return self.next_at is not None and now >= self.next_at

    def is_over(self, now: Instant) -> bool:
        """Others have been Master for long enough."""
        return self.retry_at is not None and now >= self.retry_at

    def is_hopeless(self, now: Instant) -> bool:
        """They have been missing for longer than peers would wait for a dead Master."""
        return self.hopeless_at is not None and now >= self.hopeless_at

    def rest(self) -> None:
        """All are there."""
        self.suspend()
        self.retry_pause = 0

    def suspend(self) -> None:
        """None is due any more."""
        self.hopeless_at, self.next_at, self.pause = None, None, 0
