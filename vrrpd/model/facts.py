"""What comes back from the node: facts, not wishes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from vrrpd.model.units import Duration, IPInterface


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface as the kernel shows it now."""

    name: str
    index: int
    up: bool
    """IFF_UP and a carrier."""
    mac: bytes
    """Empty where nothing is resolved to a MAC: nothing is announced there."""
    addresses: tuple[IPInterface, ...] = ()
    """In the kernel's order, virtual ones included."""
    forwards: bool = False
    """This node is a router for IPv6 there: what a Neighbor Advertisement says of it."""


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """How a run of a script ended."""

    exit_code: int | None
    """0 is success; None when it was ended for its timeout, could not be started, or died of a signal."""
    duration: Duration
    problem: str = ""
    """What happened in words when it is not the exit code: "timed out after 2 s", "killed by SIGSEGV",
    "cannot be executed: Permission denied"."""

    @property
    def succeeded(self) -> bool:
        """Exit code 0, and nothing else."""
        return self.exit_code == 0

    def __str__(self) -> str:
        return self.problem or f"exit {self.exit_code}"


@dataclass(frozen=True, slots=True)
class Answer:
    """How HAProxy is, as it says itself or as its silence says."""

    duration: Duration
    problem: str = ""
    """In words: "backend web has 0 of 3 servers up"; empty when all is well."""

    @property
    def succeeded(self) -> bool:
        """Nothing is wrong."""
        return not self.problem

    def __str__(self) -> str:
        return self.problem or "well"


CheckResult: TypeAlias = ScriptResult | Answer
