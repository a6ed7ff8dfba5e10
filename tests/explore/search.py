"""Every state that a world can reach, fewest faults first, and then fewest steps."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from vrrpd.model import Duration

from .node import Op
from .rules import Violation
from .world import Explorer, Kind, Move, State, Step, World

NOWHERE = -1


@dataclass(slots=True)
class Found:
    """What was reached. States have numbers, in the order in which they were found."""

    explorer: Explorer
    states: list[State] = field(default_factory=list)
    parents: array[int] = field(default_factory=lambda: array("q"))
    steps: list[Step] = field(default_factory=list)
    """The one that led here from its parent."""
    depths: array[int] = field(default_factory=lambda: array("l"))
    layers: list[int] = field(default_factory=list)
    """How many states need no more than 0, 1, 2 … faults."""
    edges: list[tuple[int, ...]] = field(default_factory=list)
    """Of each state: its quiet successors, and how long each takes: target, duration, target, duration …"""
    open: set[int] = field(default_factory=set)
    """Not gone on from, since they lie as deep as was asked for."""
    asked: list[tuple[int, Step, int]] = field(default_factory=list)
    """Where somebody asked for a change that need not interrupt service: state, step, state."""
    moves: int = 0

    @property
    def world(self) -> World:
        """What was explored."""
        return self.explorer.world

    def path(self, state: int) -> list[Step]:
        """The steps from the beginning."""
        steps: list[Step] = []
        while self.parents[state] != NOWHERE:
            steps.append(self.steps[state])
            state = self.parents[state]
        return steps[::-1]

    def way(self, state: int) -> list[int]:
        """The states that these steps lead to."""
        states: list[int] = []
        while self.parents[state] != NOWHERE:
            states.append(state)
            state = self.parents[state]
        return states[::-1]

    def lasts(self, state: int, after: int) -> Duration:
        """How long the quiet move from the one to the other takes; 0 if there is none."""
        edges = self.edges[state]
        return next((lasts for to, lasts in zip(edges[::2], edges[1::2], strict=True) if to == after), 0)


class BrokenRule(Exception):  # noqa: N818  a finding, not an error of the program
    """A step of one node broke a rule; `state` is where it was taken."""

    def __init__(self, found: Found, state: int, violation: Violation) -> None:
        super().__init__(str(violation))
        self.found, self.state, self.violation = found, state, violation


_PLANNED = {Op.STOP, Op.DRAIN, Op.UNDRAIN, Op.FAILOVER, Op.CHECK_FAILS, Op.CHECK_RECOVERS}


class Search:
    """Breadth first within as many faults as a state needs."""

    def __init__(self, world: World, depth: int | None = None, faults: int | None = None) -> None:
        self._found = Found(Explorer(world))
        self._numbers: dict[State, int] = {}
        self._depth = depth
        self._faults = world.most_faults if faults is None else faults
        self._ways: list[tuple[int, list[Move]]] = []
        """Quiet moves whose ends have no number yet."""
        self._asked: list[tuple[int, Move]] = []
        self._buckets: dict[int, list[tuple[State, int, Step]]] = {}

    def run(self) -> Found:
        """Raises `BrokenRule`."""
        found = self._found
        self._buckets[0] = [(found.explorer.first(), NOWHERE, Step(Kind.WAIT))]
        begin = 0
        for faults_left in range(self._faults, -1, -1):
            self._close()
            end = len(found.states)
            found.layers.append(end)
            if faults_left:
                for number in range(begin, end):
                    if number not in found.open:
                        self._offer(number, found.explorer.faults)
            begin = end
        found.asked = [(number, move.step, self._numbers[move.after]) for number, move in self._asked]
        return found

    def _close(self) -> None:
        """All that can be reached without another fault."""
        while self._buckets:
            depth = min(self._buckets)
            for state, parent, step in self._buckets.pop(depth):
                if state not in self._numbers:
                    self._enter(state, parent, step, depth)
        for number, moves in self._ways:
            self._found.edges[number] = tuple(x for m in moves for x in (self._numbers[m.after], m.lasts))
        self._ways.clear()

    def _enter(self, state: State, parent: int, step: Step, depth: int) -> None:
        found, number = self._found, len(self._found.states)
        self._numbers[state] = number
        found.states.append(state)
        found.parents.append(parent)
        found.steps.append(step)
        found.depths.append(depth)
        found.edges.append(())
        if self._depth is not None and depth >= self._depth:
            found.open.add(number)
            return
        try:
            quiet = list(found.explorer.quiet(state))
        except Violation as violation:
            raise BrokenRule(found, number, violation) from violation
        found.moves += len(quiet)
        self._ways.append((number, quiet))
        self._queue(number, depth, quiet)
        self._offer(number, found.explorer.mending)

    def _offer(self, number: int, moves: Callable[[State], Iterator[Move]]) -> None:
        found = self._found
        try:
            loud = list(moves(found.states[number]))
        except Violation as violation:
            raise BrokenRule(found, number, violation) from violation
        found.moves += len(loud)
        self._asked += [(number, m) for m in loud if m.step.kind is Kind.TELL and m.step.op in _PLANNED]
        self._queue(number, found.depths[number], loud)

    def _queue(self, number: int, depth: int, moves: list[Move]) -> None:
        fresh = [(move.after, number, move.step) for move in moves if move.after not in self._numbers]
        if fresh:
            self._buckets.setdefault(depth + 1, []).extend(fresh)
