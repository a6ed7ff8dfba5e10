"""Another Master of a lower priority that goes on although it is answered each time: it does not hear us."""

from __future__ import annotations

from dataclasses import dataclass

from vrrpd.model import Duration, Instant, IPAddress

_DEAF_AFTER = 2
"""Intervals: who hears an answer is Backup at once (RFC 5798 section 6.4.3)."""


@dataclass(slots=True)
class Rival:
    """The one that was heard last."""

    source: IPAddress | None = None
    since: Instant = 0
    last: Instant = 0

    def is_deaf(self, source: IPAddress, interval: Duration, now: Instant) -> bool:
        """It has advertised again, and whether it has gone on for longer than one that hears us would."""
        goes_on = source == self.source and now - self.last <= _DEAF_AFTER * interval
        self.since = self.since if goes_on else now
        self.source, self.last = source, now
        return now - self.since >= _DEAF_AFTER * interval
