"""A world: a few nodes on one LAN, what is in flight between them, and every way it can go on."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from vrrpd.model import MILLISECOND, Duration

from .node import SERVING, Machine, Message, Node, Op, Role, Setting, Told
from .rules import Violation, judge

QUARTER: Duration = 250 * MILLISECOND
LATEST: Duration = 1000 * MILLISECOND
"""A late message comes at most so late."""

State: TypeAlias = bytes
"""The nodes' numbers, then what is in flight: 8 bytes each. Equal worlds are equal bytes."""

_RECEIVER_BITS, _LATE_BITS = 2, 32
_LATE_MASK = (1 << _LATE_BITS) - 1


class Kind(IntEnum):
    """What a move is. The first three need nobody's help: they are what happens on a quiet day."""

    WAIT = 0
    TELL = 1
    """A node's timer expires, or something is done to it."""
    DELIVER = 2
    LOSE = 3
    DUPLICATE = 4
    DELAY = 5


class Course(IntEnum):
    """What a move counts as."""

    QUIET = 0
    MENDING = 1
    """It undoes a fault, at no cost."""
    FAULT = 2


class Step(NamedTuple):
    """A move that can be replayed: `node` and `op` of a TELL, `message` and receiver (`node`) of the others."""

    kind: Kind
    node: int = 0
    op: int = 0
    """An `Op`, or the number of a message."""


class Move(NamedTuple):
    """One way on."""

    step: Step
    course: Course
    after: State
    lasts: Duration = 0


@dataclass(frozen=True, slots=True)
class World:
    """What is to be explored."""

    name: str
    about: str
    settings: tuple[Setting, ...]
    faults: frozenset[Op | Kind]
    """Which may happen."""
    most_faults: int
    """How many of them."""
    remembers: bool = True
    """With a Backup's memory of the datagram that last refreshed it. Without it there are far fewer states."""
    horizon: Duration | None = None
    """Waits of a minute and more (asking again, no early takeover) are shortened to this."""


_MENDS = {
    Op.CHECK_RECOVERS: Op.CHECK_FAILS,
    Op.UNDRAIN: Op.DRAIN,
    Op.LINK_UP: Op.LINK_DOWN,
    Op.PLUG: Op.UNPLUG,
}


class Facts(NamedTuple):
    """Of one node's value, all that choosing moves needs."""

    node: Node
    deadline: Duration | None
    role: Role
    heard: bool
    """It can be reached over the LAN."""
    offers: tuple[tuple[Op, Course], ...]
    """What can be done to it."""


class Explorer:
    """The worlds that one world can become. Nodes and messages have numbers; what a node does is worked out once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.count = len(world.settings)
        self.told = 0
        """How often an engine has really been asked."""
        self._machines = [
            Machine(i, setting, world.horizon, remembers=world.remembers) for i, setting in enumerate(world.settings)
        ]
        self._numbers: list[dict[Node, int]] = [{} for _ in self._machines]
        self._facts: list[list[Facts]] = [[] for _ in self._machines]
        self._later: list[dict[tuple[int, Duration], int]] = [{} for _ in self._machines]
        self._tells: list[dict[tuple[int, int], tuple[int, tuple[int, ...]]]] = [{} for _ in self._machines]
        self._messages: list[Message] = []
        self._message_numbers: dict[Message, int] = {}
        self._pack = [struct.Struct(f"={self.count + n}Q") for n in range(64)]

    # --- numbers ---

    def nodes(self, state: State) -> list[Node]:
        """What the nodes are."""
        return [facts.node for facts in self.facts(state)]

    def facts(self, state: State) -> list[Facts]:
        """The same, and what follows from it."""
        return [self._facts[i][n] for i, n in enumerate(self._unpack(state)[: self.count])]

    def first(self) -> State:
        """All daemons have been started at once, and nothing is under way."""
        return self._packed([self._number(i, m.first()) for i, m in enumerate(self._machines)], [])

    def in_flight(self, state: State) -> list[tuple[Message, int]]:
        """What, and to whom."""
        return [
            (self._messages[f >> _RECEIVER_BITS + _LATE_BITS], f >> _LATE_BITS & 3)
            for f in self._unpack(state)[self.count :]
        ]

    def is_late(self, state: State) -> bool:
        """A message is still to come that was delayed, or whose sender has been Master and is no longer.

        The second matters to a handover only: a daemon or a link came back sooner than what was sent before arrived.
        """
        facts = self.facts(state)
        return any(
            f & _LATE_MASK or facts[self._messages[f >> _RECEIVER_BITS + _LATE_BITS].sender].role not in SERVING
            for f in self._unpack(state)[self.count :]
        )

    def _unpack(self, state: State) -> tuple[int, ...]:
        return self._pack[len(state) // 8 - self.count].unpack(state)

    def _packed(self, nodes: list[int], flight: list[int]) -> State:
        return self._pack[len(flight)].pack(*nodes, *sorted(flight))

    def _number(self, i: int, node: Node) -> int:
        known = self._numbers[i].get(node)
        if known is not None:
            return known
        number = self._numbers[i][node] = len(self._facts[i])
        heard = node.daemon is not None and node.plugged and node.linked
        facts = Facts(node, self._machines[i].deadline(node), node.role, heard, tuple(self._offers(node)))
        self._facts[i].append(facts)
        return number

    def _offers(self, node: Node) -> Iterator[tuple[Op, Course]]:
        faults, runs = self.world.faults, node.daemon is not None
        wanted = node.daemon is not None and node.daemon.wanted
        for op in (Op.KILL, Op.POWER_OFF, Op.STOP):
            if op in faults and (wanted if op is Op.STOP else runs):
                yield op, Course.FAULT
        if not runs:
            yield Op.START, Course.MENDING
            if node.held or node.last_will:
                yield Op.RELEASE, Course.MENDING
        for mend, fault in _MENDS.items():
            broken = {
                Op.CHECK_FAILS: not node.healthy,
                Op.DRAIN: wanted and node.daemon is not None and (node.daemon.drained or node.daemon.handed_over),
                Op.LINK_DOWN: not node.linked,
                Op.UNPLUG: not node.plugged,
            }[fault]
            if broken:
                yield mend, Course.MENDING
            elif fault in faults and (wanted or fault is not Op.DRAIN):
                yield fault, Course.FAULT
        if Op.FAILOVER in faults and wanted and node.role is Role.MASTER:
            yield Op.FAILOVER, Course.FAULT

    # --- moves ---

    def quiet(self, state: State) -> Iterator[Move]:
        """What can happen by itself: timers that are due, messages that arrive, or else time."""
        values = self._unpack(state)
        nodes, flight = values[: self.count], values[self.count :]
        busy = False
        waits = QUARTER - self._facts[0][nodes[0]].node.clock % QUARTER
        for i, n in enumerate(nodes):
            deadline = self._facts[i][n].deadline
            if deadline is not None and deadline <= 0:
                busy = True
                yield self._tell(nodes, flight, Step(Kind.TELL, i, Op.TICK), Course.QUIET)
            elif deadline is not None and deadline < waits:
                waits = deadline
        before = -1
        for at, f in enumerate(flight):
            late = f & _LATE_MASK
            if not late:
                busy = True
            elif late < waits:
                waits = late
            if f != before:
                before = f
                yield self._deliver(nodes, flight, at)
        if not busy:
            yield self._wait(nodes, flight, waits)

    def mending(self, state: State) -> Iterator[Move]:
        """What undoes a fault."""
        return self._done_to(self._unpack(state), Course.MENDING)

    def faults(self, state: State) -> Iterator[Move]:
        """What can go wrong, or is wanted by an operator."""
        values = self._unpack(state)
        yield from self._done_to(values, Course.FAULT)
        nodes, flight = values[: self.count], values[self.count :]
        faults, before = self.world.faults, -1
        for at, f in enumerate(flight):
            if f == before:
                continue
            before = f
            message, receiver = f >> _RECEIVER_BITS + _LATE_BITS, f >> _LATE_BITS & 3
            rest = [*flight[:at], *flight[at + 1 :]]
            if Kind.LOSE in faults:
                yield Move(Step(Kind.LOSE, receiver, message), Course.FAULT, self._packed(list(nodes), rest))
            if f & _LATE_MASK:
                continue
            if Kind.DUPLICATE in faults:
                after = self._packed_again(self._deliver(nodes, flight, at).after, f)
                yield Move(Step(Kind.DUPLICATE, receiver, message), Course.FAULT, after)
            if Kind.DELAY in faults:
                after = self._packed(list(nodes), [*rest, f | LATEST])
                yield Move(Step(Kind.DELAY, receiver, message), Course.FAULT, after)

    def _done_to(self, values: tuple[int, ...], wanted: Course) -> Iterator[Move]:
        nodes, flight = values[: self.count], values[self.count :]
        for i, n in enumerate(nodes):
            for op, course in self._facts[i][n].offers:
                if course is wanted:
                    yield self._tell(nodes, flight, Step(Kind.TELL, i, op), course)

    def _packed_again(self, state: State, f: int) -> State:
        values = self._unpack(state)
        return self._packed(list(values[: self.count]), [*values[self.count :], f])

    def _wait(self, nodes: tuple[int, ...], flight: tuple[int, ...], by: Duration) -> Move:
        after = self._packed([self._pass(i, n, by) for i, n in enumerate(nodes)], [f - by for f in flight])
        return Move(Step(Kind.WAIT), Course.QUIET, after, by)

    def _pass(self, i: int, n: int, by: Duration) -> int:
        known = self._later[i].get((n, by))
        if known is None:
            known = self._number(i, self._machines[i].later(self._facts[i][n].node, by))
            self._later[i][n, by] = known
        return known

    def _deliver(self, nodes: tuple[int, ...], flight: tuple[int, ...], at: int) -> Move:
        f = flight[at]
        message, receiver = f >> _RECEIVER_BITS + _LATE_BITS, f >> _LATE_BITS & 3
        rest = (*flight[:at], *flight[at + 1 :])
        return self._told(
            nodes, rest, receiver, ~message, Move(Step(Kind.DELIVER, receiver, message), Course.QUIET, b"")
        )

    def _tell(self, nodes: tuple[int, ...], flight: tuple[int, ...], step: Step, course: Course) -> Move:
        return self._told(nodes, flight, step.node, step.op, Move(step, course, b""))

    def _told(self, nodes: tuple[int, ...], flight: tuple[int, ...], i: int, what: int, move: Move) -> Move:
        n, sent = self._answer(i, nodes[i], what)
        after, flying = list(nodes), list(flight)
        after[i] = n
        facts = self._facts[i][n]
        if not facts.heard:
            flying = [f for f in flying if f >> _LATE_BITS & 3 != i]
        if sent and facts.node.plugged and facts.node.linked:
            for j in range(self.count):
                if j != i and self._facts[j][nodes[j]].heard:
                    flying += [(m << _RECEIVER_BITS | j) << _LATE_BITS for m in sent if self._matters(m, j, nodes[j])]
        return move._replace(after=self._packed(after, flying))

    def _answer(self, i: int, n: int, what: int) -> tuple[int, tuple[int, ...]]:
        known = self._tells[i].get((n, what))
        if known is None:
            known = self._tells[i][n, what] = self._ask(i, n, what)
        return known

    def _matters(self, message: int, receiver: int, n: int) -> bool:
        """An announcement that a Backup would not even notice need not be on its way."""
        if not self._messages[message].announcement or self._facts[receiver][n].role in SERVING:
            return True
        return self._answer(receiver, n, ~message)[0] != n

    def _ask(self, i: int, n: int, what: int) -> tuple[int, tuple[int, ...]]:
        """The engine itself."""
        self.told += 1
        before = self._facts[i][n].node
        told: Told = Op(what) if what >= 0 else self._messages[~what]
        after, sent = self._machines[i].tell(before, told)
        number = self._number(i, after)
        try:
            judge(before, told, after, sent, self._facts[i][number].deadline)
        except Violation as violation:
            violation.node = i
            raise
        return number, tuple(self._message_number(m) for m in sent)

    def _message_number(self, message: Message) -> int:
        known = self._message_numbers.get(message)
        if known is None:
            known = self._message_numbers[message] = len(self._messages)
            self._messages.append(message)
        return known

    # --- for people ---

    def words(self, step: Step) -> str:
        """A step."""
        match step.kind:
            case Kind.WAIT:
                return "time passes"
            case Kind.TELL if step.op == Op.TICK:
                return f"node {step.node + 1}: its timer expires"
            case Kind.TELL:
                return f"node {step.node + 1}: {Op(step.op).name.lower().replace('_', ' ')}"
            case _:
                verb = {Kind.DELIVER: "hears", Kind.LOSE: "loses", Kind.DUPLICATE: "hears and will hear again"}
                does = verb.get(step.kind, "will hear late")
                return f"node {step.node + 1} {does} {self._messages[step.op]}"

    def show(self, state: State) -> str:
        """What the nodes are."""
        shown = []
        for facts in self.facts(state):
            node = facts.node
            marks = "".join(
                mark
                for mark, is_so in (
                    ("+address", node.held and node.role not in SERVING),
                    ("-link", not node.linked),
                    ("-LAN", not node.plugged),
                    ("-check", not node.healthy),
                )
                if is_so
            )
            priority = "" if node.daemon is None else f" {node.daemon.parameters.priority}"
            shown.append(f"{node.role.name.lower()}{priority}{marks}")
        return " | ".join(shown)
