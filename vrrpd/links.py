"""Links that must be down, or up, for a while until that counts (keepalived's interface_up_down_delays)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from vrrpd.model import Instant, Interface, LinkDelay


@dataclass(slots=True)
class _Change:
    at: Instant
    interface: Interface


class LinkDelays:
    """What is shown of each interface: all as it is, but for a link's state that does not count yet."""

    def __init__(self) -> None:
        self._delays: dict[str, LinkDelay] = {}
        self._shown: dict[str, bool] = {}
        self._changes: dict[str, _Change] = {}

    def configure(self, delays: Iterable[LinkDelay]) -> None:
        """From now on these; a change that waits goes on waiting."""
        self._delays = {delay.interface: delay for delay in delays}

    def show(self, name: str, interface: Interface | None, now: Instant) -> Interface | None:
        """An interface is so now, and this is how it counts. One that comes or goes does so at once."""
        if interface is None:
            self._shown.pop(name, None)
            self._changes.pop(name, None)
            return None
        up = self._shown.setdefault(name, interface.up)
        if interface.up == up:
            self._changes.pop(name, None)
            return interface
        wait = self._wait(name, interface)
        if not wait:
            self._shown[name] = interface.up
            return interface
        change = self._changes.setdefault(name, _Change(now + wait, interface))
        change.interface = interface
        return replace(interface, up=up)

    def due(self, now: Instant) -> list[tuple[str, Interface]]:
        """Those whose state counts from now on."""
        found = [(name, change.interface) for name, change in self._changes.items() if change.at <= now]
        for name, interface in found:
            self._shown[name] = interface.up
            del self._changes[name]
        return found

    def next_at(self) -> Instant | None:
        """When one is due; None: never."""
        return min((change.at for change in self._changes.values()), default=None)

    def _wait(self, name: str, interface: Interface) -> int:
        delay = self._delays.get(name)
        if delay is None:
            return 0
        return delay.up if interface.up else delay.down
