"""What follows from a state if nothing is done to it any more: by when, and whether for good.

The quiet moves are a graph. Where it runs in a circle things have settled, so nothing may change there; along every
way to such a circle it is counted for how long nobody serves, and for how long two do.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from vrrpd.model import MILLISECOND, SECOND, Duration
from vrrpd.states import Backup, Resigning

from .node import SERVING, Op, Role
from .search import Found
from .world import Facts, Kind, Step, World

FOR_EVER: Duration = 1 << 60
_SLACK: Duration = 110 * MILLISECOND
"""An answer outside the grid waits for its slot, a tenth of an interval; the repetition of a priority 0, 5 ms."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be, and where it begins."""

    rule: str
    words: str
    state: int
    witness: tuple[int, ...] = ()
    """The states that follow, quietly."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, and the longest times that were seen."""

    findings: tuple[Finding, ...]
    unserved: Duration
    crowded: Duration
    settling: Duration
    """Until the address has moved for the last time."""
    planned: int
    """Handovers that were asked for, with a peer that could take over."""


@dataclass(frozen=True, slots=True)
class Status:
    """A state, as far as service goes."""

    unserved: bool
    """On some side of a cut there is a node that could serve, and none does."""
    crowded: bool
    """Two Masters that could hear one another."""
    serving: int
    """Which nodes do, one bit each."""
    wrong: str = ""
    """Why this could not stay so for ever."""


def bounds(world: World) -> tuple[Duration, Duration]:
    """For how long nobody may serve, and for how long two may, once nothing more happens."""
    interval = max(s.router.advertisement_interval for s in world.settings)
    skew = SECOND
    late = SECOND if Kind.DELAY in world.faults else 0
    down = 3 * interval + skew
    holds_back = Op.DRAIN in world.faults or any(s.router.resigns_when_worse for s in world.settings)
    asking = 3 * interval + SECOND + 250 * MILLISECOND if holds_back else 0
    return max(down, asking + skew) + skew + late + _SLACK, interval + late + _SLACK


def examine(found: Found) -> Verdict:
    """All that can be said about what was reached."""
    return _Examination(found).run()


class _Examination:
    def __init__(self, found: Found) -> None:
        self._found = found
        count = len(found.states)
        self._max_unserved, self._max_crowded = bounds(found.world)
        self._status = [self._judge(found.explorer.facts(state)) for state in found.states]
        self._unserved, self._crowded, self._settling = (array("q", bytes(8 * count)) for _ in range(3))
        self._will_fail = bytearray(count)
        self._findings: dict[str, Finding] = {}

    def run(self) -> Verdict:
        for component in _components(self._found.edges):
            state = component[0]
            if len(component) > 1 or state in self._found.edges[state][::2]:
                self._circle(component)
            else:
                self._passing(state)
        planned = self._handovers()
        for number in range(len(self._status)):
            if self._unserved[number] > self._max_unserved:
                words = f"nobody serves for {_s(self._unserved[number])}"
                self._find("served", words, number, self._follow(number, self._unserved))
            if self._crowded[number] > self._max_crowded:
                words = f"two Masters hear one another for {_s(self._crowded[number])}"
                self._find("one Master", words, number, self._follow(number, self._crowded))
        return Verdict(
            tuple(sorted(self._findings.values(), key=lambda finding: finding.state)),
            max(self._unserved),
            max(self._crowded),
            max(self._settling),
            planned,
        )

    def _find(self, rule: str, words: str, state: int, witness: tuple[int, ...] = ()) -> None:
        known = self._findings.get(rule)
        if known is None or state < known.state:
            self._findings[rule] = Finding(rule, words, state, witness)

    # --- a state ---

    def _judge(self, nodes: list[Facts]) -> Status:
        return _status(
            tuple(
                (
                    facts.role,
                    facts.node.able,
                    facts.node.linked,
                    facts.node.plugged,
                    facts.node.daemon is not None and facts.node.daemon.parameters.holds_back,
                    facts.node.daemon is not None and facts.node.daemon.parameters.handed_over,
                    0 if facts.node.daemon is None else facts.node.daemon.parameters.priority,
                    self._found.world.settings[i].router.preempt,
                )
                for i, facts in enumerate(nodes)
            )
        )

    # --- what becomes of it ---

    def _passing(self, state: int) -> None:
        status, edges = self._status[state], self._found.edges[state]
        unserved = crowded = settling = 0
        fails = status.unserved
        for at in range(0, len(edges), 2):
            after, lasts = edges[at], edges[at + 1]
            if status.unserved:
                unserved = max(unserved, min(FOR_EVER, lasts + self._unserved[after]))
            if status.crowded:
                crowded = max(crowded, min(FOR_EVER, lasts + self._crowded[after]))
            if self._settling[after] or self._status[after].serving != status.serving:
                settling = max(settling, min(FOR_EVER, max(1, lasts + self._settling[after])))
            fails = fails or bool(self._will_fail[after])
        self._unserved[state], self._crowded[state], self._settling[state] = unserved, crowded, settling
        self._will_fail[state] = fails

    def _circle(self, component: list[int]) -> None:
        """It can go on like this for ever."""
        statuses = [self._status[state] for state in component]
        first = min(component)
        witness = self._round(first, set(component))
        if len({status.serving for status in statuses}) > 1:
            self._find("settled", "the address moves to and fro for ever", first, witness)
        for state, status in zip(component, statuses, strict=True):
            if status.wrong:
                self._find("settled", status.wrong, state, witness)
        fails = any(s.unserved for s in statuses) or any(
            self._will_fail[after] for state in component for after in self._found.edges[state][::2]
        )
        settling = max(
            (
                self._settling[after] + lasts
                for state in component
                for after, lasts in self._ways(state)
                if self._settling[after] or self._status[after].serving != statuses[0].serving
            ),
            default=0,
        )
        for state, status in zip(component, statuses, strict=True):
            self._unserved[state] = FOR_EVER if status.unserved else 0
            self._crowded[state] = FOR_EVER if status.crowded else 0
            self._settling[state] = settling
            self._will_fail[state] = fails

    def _ways(self, state: int) -> Iterator[tuple[int, Duration]]:
        edges = self._found.edges[state]
        return zip(edges[::2], edges[1::2], strict=True)

    def _round(self, state: int, component: set[int]) -> tuple[int, ...]:
        """Once round, from the state on."""
        seen: dict[int, None] = {}
        while state not in seen:
            seen[state] = None
            state = next(after for after, _ in self._ways(state) if after in component)
        return tuple(seen)

    def _follow(self, state: int, what: array[int]) -> tuple[int, ...]:
        """The way on which it lasts longest."""
        way: list[int] = []
        while what[state] and len(way) < 200:
            state = max(self._ways(state), key=lambda on: on[1] + what[on[0]])[0]
            way.append(state)
        return tuple(way)

    # --- handovers that were asked for ---

    def _handovers(self) -> int:
        count = 0
        for number, step, after in self._found.asked:
            if not self._can_be_handed_over(number, step):
                continue
            count += 1
            if self._will_fail[after]:
                witness = self._to_failure(after)
                words = f"{self._found.explorer.words(step)}, and then nobody serves"
                self._find("handover", words, number, (after, *witness))
        return count

    def _can_be_handed_over(self, number: int, step: Step) -> bool:
        """One node serves, nothing is late or cut off, and of a stop: another one is there that would take over."""
        nodes = self._found.explorer.facts(self._found.states[number])
        status = self._status[number]
        late = self._found.explorer.is_late(self._found.states[number])
        if status.serving != 1 << step.node or late or any(f.heard and not f.node.able for f in nodes):
            return False
        if any(facts.role is Role.INITIALIZE or not facts.node.plugged for facts in nodes):
            return False
        daemon = nodes[step.node].node.daemon
        if daemon is not None and isinstance(daemon.state, Resigning) and daemon.state.heir_at is not None:
            return False  # It is under way to an heir that may have died since.
        if step.op != Op.STOP:
            return True
        return any(
            isinstance(f.node.daemon.state, Backup) and not f.node.daemon.parameters.holds_back
            for f in nodes
            if f.node.daemon is not None and f.heard
        )

    def _to_failure(self, state: int) -> tuple[int, ...]:
        way: list[int] = []
        while not self._status[state].unserved and len(way) < 500:
            state = next(after for after, _ in self._ways(state) if self._will_fail[after])
            way.append(state)
        return tuple(way)


@cache
def _status(nodes: tuple[tuple[Role, bool, bool, bool, bool, bool, int, bool], ...]) -> Status:
    together = [i for i, (_, _, linked, plugged, *_) in enumerate(nodes) if linked and plugged]
    groups = [together, *([i] for i, (_, _, linked, plugged, *_) in enumerate(nodes) if linked and not plugged)]
    serving = [i for i, node in enumerate(nodes) if node[0] in SERVING]
    unserved = crowded = False
    wrong = ""
    for group in groups:
        able = [i for i in group if nodes[i][1]]
        here = [i for i in group if i in serving]
        unserved = unserved or (bool(able) and not here)
        crowded = crowded or sum(nodes[i][0] is Role.MASTER for i in group) > 1
        if able and len(here) != 1:
            wrong = f"{len(here)} nodes serve for ever"
        elif not able and here:
            wrong = "a node that should not serve does so for ever"
        elif able and all(nodes[i][7] and not nodes[i][4] and not nodes[i][5] for i in able):
            best = max(able, key=lambda i: nodes[i][6])
            if nodes[here[0]][6] < nodes[best][6]:
                wrong = f"node {here[0] + 1} serves for ever, and node {best + 1} is better and preempts"
    return Status(unserved, crowded, sum(1 << i for i in serving), wrong)


def _components(edges: list[tuple[int, ...]]) -> Iterator[list[int]]:
    """Strongly connected components (Tarjan), those that others lead to first."""
    index = array("q", [-1]) * len(edges)
    low = array("q", bytes(8 * len(edges)))
    on_stack = bytearray(len(edges))
    stack: list[int] = []
    counter = 0
    for root in range(len(edges)):
        if index[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            state, at = work.pop()
            if at == 0:
                index[state] = low[state] = counter
                counter += 1
                stack.append(state)
                on_stack[state] = 1
            ways = edges[state]
            descended = False
            while at < len(ways):
                after = ways[at]
                at += 2
                if index[after] < 0:
                    work += [(state, at), (after, 0)]
                    descended = True
                    break
                if on_stack[after]:
                    low[state] = min(low[state], index[after])
            if descended:
                continue
            if low[state] == index[state]:
                component: list[int] = []
                while not component or component[-1] != state:
                    component.append(stack.pop())
                    on_stack[component[-1]] = 0
                yield component
            if work:
                parent = work[-1][0]
                low[parent] = min(low[parent], low[state])


def _s(duration: Duration) -> str:
    return "ever" if duration >= FOR_EVER else f"{duration / SECOND:g} s"
