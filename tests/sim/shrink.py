"""A scenario that fails, made as short as it can be and still fails the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from vrrpd.model import MILLISECOND, SECOND
from vrrpd.simulate.plan import Cut, Fault, Noise, Scenario

from .calm import Violation
from .trial import trial

TRIALS_MAX = 300


class Shrinker:
    """Tries smaller scenarios, at most so many, and keeps those that fail in the same checker."""

    def __init__(
        self, scenario: Scenario, checker: str, judge: Callable[[Scenario], Violation | None] | None = None
    ) -> None:
        self.best = scenario
        self._checker = checker
        self._judge = judge or _judged
        self._left = TRIALS_MAX

    def run(self) -> Scenario:
        """The shortest that was found."""
        while self._left > 0 and sum(self._keep(smaller) for smaller in self._smaller()):
            pass
        return self.best

    def _smaller(self) -> Iterator[Scenario]:
        """Each is made from the best at that time."""
        for n in reversed(range(len(self.best.faults))):
            if n < len(self.best.faults):
                yield replace(self.best, faults=self.best.faults[:n] + self.best.faults[n + 1 :])
        for name in [node.name for node in self.best.nodes]:
            yield without(self.best, name)
        for n in range(len(self.best.faults)):
            if (fault := self.best.faults[n]).lasts > SECOND:
                faults = list(self.best.faults)
                faults[n] = replace(fault, lasts=fault.lasts // 2)
                yield replace(self.best, faults=tuple(faults))

    def _keep(self, smaller: Scenario) -> bool:
        if self._left <= 0 or not smaller.nodes:
            return False
        self._left -= 1
        violation = self._judge(smaller)
        if violation is None or violation.checker != self._checker:
            return False
        self.best = replace(smaller, lasts=violation.at + MILLISECOND)
        return True


def _judged(scenario: Scenario) -> Violation | None:
    return trial(scenario).violation


def without(scenario: Scenario, name: str) -> Scenario:
    """The same without a node and what concerns it."""
    faults = [left for fault in scenario.faults if (left := _fault_without(fault, name)) is not None]
    return replace(scenario, nodes=tuple(node for node in scenario.nodes if node.name != name), faults=tuple(faults))


def _fault_without(fault: Fault, name: str) -> Fault | None:
    match fault:
        case Noise():
            return fault
        case Cut(sources=sources, destinations=destinations):
            left = tuple(s for s in sources if s != name), tuple(d for d in destinations if d != name)
            return replace(fault, sources=left[0], destinations=left[1]) if all(left) else None
        case _:
            return None if fault.node == name else fault


def describe(scenario: Scenario) -> str:
    """For people: who is there, and what befalls them."""
    lines = [f"{scenario.name}, {scenario.lasts / SECOND:.3f} s"]
    for node in scenario.nodes:
        lines.append(f"  {node.name} ({node.kind}) from {node.starts_at / SECOND:.3f} s")
        lines += [f"    {script}" for script in node.config.scripts]
        lines += [f"    {router}" for router in node.config.routers]
    lines += [f"  {fault.at / SECOND:.6f} s {fault}" for fault in scenario.faults]
    return "\n".join(lines)
