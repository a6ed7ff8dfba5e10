"""Clients of some addresses, and how long they are not answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from vrrpd.lab.client import GIVEN_UP_AFTER, Client, Request, longest_gap
from vrrpd.lab.host import Host, wait_until
from vrrpd.model import SECOND, Duration, Instant

_AFTERMATH: Duration = 3 * SECOND
_PATIENCE: Duration = 30 * SECOND
_STEADY = 50
"""Requests in a row that were answered: a second."""


class Audience:
    """A client for each address, asking until it leaves. Instants are on the monotonic clock."""

    def __init__(self, host: Host, addresses: Sequence[str]) -> None:
        self._since = time.monotonic_ns()
        self._clients = {address: Client(host, address) for address in addresses}
        self._heard: dict[str, list[Request]] = {address: [] for address in addresses}

    def wait_until_served(self) -> None:
        """Return when every client is answered without a break."""
        wait_until(lambda: self.served_since(self._since), _PATIENCE, "the clients are answered")

    def served_since(self, since: Instant) -> bool:
        """Every client is answered without a break, by now; what was asked before then does not count."""

        def steady(heard: list[Request]) -> bool:
            last = heard[-_STEADY:]
            return len(last) == _STEADY and all(r.answered and r.started > since for r in last)

        return self._listen(steady)

    def longest_gap(self, since: Instant) -> Duration:
        """The longest of any client, from then to a few seconds from now."""
        until = time.monotonic_ns() + _AFTERMATH
        wait_until(
            lambda: self._listen(lambda heard: bool(heard) and heard[-1].started > until + GIVEN_UP_AFTER),
            _PATIENCE,
            "the clients ask on",
        )
        return max(longest_gap(heard, since, until) for heard in self._heard.values())

    def leave(self) -> None:
        """Ask no more."""
        for client in self._clients.values():
            client.stop()

    def _listen(self, condition: Callable[[list[Request]], bool]) -> bool:
        for address, client in self._clients.items():
            # What an earlier client of this address has written is in the same file.
            self._heard[address] += [r for r in client.requests() if r.started > self._since]
        return all(map(condition, self._heard.values()))
