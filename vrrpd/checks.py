"""The checks of a node: which there are, which are due, what a result makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from vrrpd import tracking
from vrrpd.model import Instant, Script, ScriptResult
from vrrpd.tracking import Check, CheckState


class Checks(Mapping[str, Check]):
    """By the name of their script."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def __getitem__(self, name: str) -> Check:
        return self._checks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._checks)

    def __len__(self) -> int:
        return len(self._checks)

    def configure(self, scripts: Iterable[Script], now: Instant, *, running: bool) -> None:
        """Watch these too. One that is the same keeps its results.

        On a running node a new one is good until it says otherwise.
        """
        state = CheckState.OK if running else CheckState.PENDING
        for script in scripts:
            known = self._checks.get(script.name)
            if known is None or known.script != script:
                self._checks[script.name] = Check(script, state, now, next_at=now)

    def keep(self, names: set[str]) -> list[str]:
        """Forget all but these; returns what is forgotten."""
        forgotten = [name for name in self._checks if name not in names]
        for name in forgotten:
            del self._checks[name]
        return forgotten

    def start(self, name: str, now: Instant) -> Script | None:
        """It may be due: what is to be run now. None: nothing, since it is early, unknown, or still runs."""
        check = self._checks.get(name)
        if check is None or now < check.next_at:
            return None
        self._checks[name] = replace(check, running=True, next_at=now + check.script.interval)
        return None if check.running else check.script

    def finish(self, script: Script, result: ScriptResult, now: Instant) -> Check | None:
        """The check, if the result has changed its mind. A script that a reload has replaced concerns nobody."""
        check = self._checks.get(script.name)
        if check is None or check.script != script:
            return None
        after = self._checks[script.name] = tracking.finished(check, result, now)
        return None if after.state is check.state else after
