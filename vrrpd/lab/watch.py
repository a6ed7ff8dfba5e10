"""What happens in a world, said as it happens: the wire, the nodes' logs and the client's requests as one timeline."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TextIO

from vrrpd.lab.client import GIVEN_UP_AFTER, Client, Request
from vrrpd.lab.daemons import Daemon
from vrrpd.lab.host import POLL_SECONDS, Lines
from vrrpd.lab.node import Node
from vrrpd.lab.tap import AdvertisementSeen, ConnectionAccepted, Sighting, Tap
from vrrpd.model import MILLISECOND, SECOND, Duration, Instant

NOBODY = "nobody"
_SETTLED: Duration = 500 * MILLISECOND
_PATIENCE_WITH_THE_CLIENT: Duration = 30 * SECOND


class Timeline:
    """Lines with the seconds since the beginning."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._start = time.monotonic_ns()
        self._notes: list[tuple[Instant, str, str]] = []

    def note(self, who: str, what: str, at: Instant) -> None:
        """Something that happened at that time on the monotonic clock; said, in order, at the next `flush`."""
        self._notes.append((at, who, what))

    def flush(self) -> None:
        """Say what was noted since the last time."""
        for at, who, what in sorted(self._notes):
            print(f"{(at - self._start) / SECOND:8.2f} s  {who:<7} {what}", file=self._out, flush=True)
        self._notes.clear()

    def say(self, who: str, what: str) -> None:
        """Something that happens now."""
        self.note(who, what, time.monotonic_ns())
        self.flush()


class Watch:
    """Looks at everything and says what is new."""

    def __init__(self, timeline: Timeline, taps: Sequence[Tap], client: Client) -> None:
        self._timeline = timeline
        self._taps = taps
        self._client = client
        self._logs: list[tuple[str, Daemon, Lines]] = []
        self._wall_clock_ahead = time.time_ns() - time.monotonic_ns()
        self._advertised: tuple[str, int] | None = None
        self._accepted_by: dict[int, str] = {}
        self._serving_since: Instant = 0
        self._last_answer: Request | None = None
        self.serving = NOBODY
        """Who answered the latest request."""
        self.requests: list[Request] = []
        """All of them, in the order of their ends."""

    def follow(self, node: Node, daemon: Daemon) -> None:
        """Say what the node's daemon says."""
        self._logs.append((node.name, daemon, Lines(node.log)))

    def until(self, condition: Callable[[], bool], within: Duration) -> bool:
        """Look until the condition holds (True) or the time is over (False)."""
        deadline = time.monotonic_ns() + within
        while not condition():
            if time.monotonic_ns() > deadline:
                return False
            self._look()
            time.sleep(POLL_SECONDS)
        return True

    def settled_on(self, node: str) -> bool:
        """The node, and no other, has answered for half a second."""
        last = self._last_answer
        return self.serving == node and last is not None and last.ended > self._serving_since + _SETTLED

    def finish_requests_before(self, then: Instant) -> None:
        """Look until every request that started before `then` was answered or given up."""
        self.until(lambda: self.requests[-1].ended > then + GIVEN_UP_AFTER, _PATIENCE_WITH_THE_CLIENT)

    def _look(self) -> None:
        for name, daemon, lines in self._logs:
            for news in filter(None, map(daemon.news, lines.read())):
                at = time.monotonic_ns() if news.at is None else news.at - self._wall_clock_ahead
                self._timeline.note(name, news.words, at)
        requests = self._client.requests()  # before the taps: they have then seen who accepted each of them
        for tap in self._taps:
            for sighting in tap.sightings():
                self._see(sighting)
        for request in requests:
            self._hear(request)
        self._timeline.flush()

    def _see(self, sighting: Sighting) -> None:
        match sighting:
            case AdvertisementSeen(sent=True) as seen if (seen.host, seen.priority) != self._advertised:
                self._advertised = (seen.host, seen.priority)
                meaning = "gives up: priority 0" if seen.priority == 0 else f"advertises priority {seen.priority}"
                self._timeline.note("wire", f"{seen.host} {meaning}", seen.at - self._wall_clock_ahead)
            case ConnectionAccepted(sent=True) as seen:
                self._accepted_by[seen.client_port] = seen.host

    def _hear(self, request: Request) -> None:
        self.requests.append(request)
        last = self._last_answer
        if last is not None and request.started < last.started:
            return  # given up late, while younger ones were answered
        server = self._accepted_by.get(request.local_port, NOBODY) if request.answered else NOBODY
        if server != self.serving:
            self._serving_since = request.ended
            self._timeline.note("client", self._change(request, server, last), request.ended)
        self.serving = server
        if server != NOBODY:
            self._last_answer = request

    @staticmethod
    def _change(request: Request, server: str, last: Request | None) -> str:
        if server == NOBODY:
            return f"is not answered: {request.outcome}"
        since = f", {(request.started - last.started) / SECOND:.2f} s after the last answer" if last else ""
        return f"is answered by {server}{since}"
