"""How quiet it is: bounds hold only where no fault began, lasted or ended for long enough."""

from __future__ import annotations

from collections import Counter
from typing import NoReturn

from vrrpd.model import MILLISECOND, SECOND, Duration, Instant
from vrrpd.simulate.node import Node
from vrrpd.simulate.plan import (
    CheckDisturbed,
    Checks,
    Fault,
    KernelRefuses,
    KernelSlow,
    Noise,
    SendsFail,
    Stall,
)
from vrrpd.simulate.world import Observer

SLACK: Duration = 30 * MILLISECOND
"""Latencies, late timers and a healthy kernel together."""


class Violation(Exception):  # noqa: N818  a finding, not an error of the program
    """Something that must not be: when, which checker, and in words."""

    def __init__(self, at: Instant, checker: str, words: str) -> None:
        super().__init__(f"{at / SECOND:.6f} s: {checker}: {words}")
        self.at = at
        self.checker = checker


class Calm(Observer):
    """Follows the faults."""

    def __init__(self) -> None:
        self.quiet_since: Instant = 0
        self.murky = False
        """Hearing is not mutual, or not transitive: nobody can say who should be Master."""
        self.counts: Counter[str] = Counter()
        """How often a checker had something to judge: a bound that is never applied proves nothing."""
        self.disturbing: Counter[type[Fault]] = Counter()

    @property
    def now(self) -> Instant:
        """The simulation's clock."""
        return self.world.timeline.now

    def fail(self, checker: str, words: str) -> NoReturn:
        """Say so."""
        raise Violation(self.now, checker, words)

    @property
    def disturbed(self) -> bool:
        """Something is wrong with the LAN or a node now, so that no bound holds."""
        return self.murky or sum(self.disturbing.values()) > 0

    def quiet_for(self, duration: Duration) -> bool:
        """No fault began, lasted or ended within that time."""
        return not self.disturbed and self.now - self.quiet_since >= duration

    def begins(self, fault: Fault) -> None:
        self.unsettle()
        if keeps_disturbing(fault):
            self.disturbing[type(fault)] += 1

    def ended(self, fault: Fault) -> None:
        if keeps_disturbing(fault):
            self.disturbing[type(fault)] -= 1
            if isinstance(fault, KernelRefuses | KernelSlow):
                # A pause between tries doubles: it may last as long again as the kernel refused, and more.
                self.disturbing[type(fault)] += 1
                self.world.timeline.at(self.now + 2 * fault.lasts + 25 * SECOND, self._aftermath, type(fault))
            if isinstance(fault, Noise):
                # What was delayed is still under way.
                self.disturbing[Noise] += 1
                self.world.timeline.at(self.now + fault.delay + SLACK, self._aftermath, Noise)
        self.unsettle()

    def _aftermath(self, kind: type[Fault]) -> None:
        self.disturbing[kind] -= 1
        self.unsettle()

    def started(self, node: Node) -> None:  # noqa: ARG002  whichever it is
        self.unsettle()

    def unsettle(self) -> None:
        self.quiet_since = self.now


def keeps_disturbing(fault: Fault) -> bool:
    """As long as it lasts, no bound holds; the others change a fact and let things settle."""
    if isinstance(fault, CheckDisturbed):
        return fault.how is not Checks.FAIL
    return isinstance(fault, Noise | Stall | KernelSlow | KernelRefuses | SendsFail)
