"""What is judged router by router: what it sends and when, when it takes over, and what it counts."""

from __future__ import annotations

import struct
from collections import Counter, deque

from vrrpd.frames import Datagram
from vrrpd.model import SECOND, Duration, Family, Identity, Instant, Version, VirtualRouter
from vrrpd.packet import DropReason
from vrrpd.records import Record
from vrrpd.simulate.daemons import VrrpdDaemon
from vrrpd.simulate.lan import Content
from vrrpd.simulate.node import Node
from vrrpd.simulate.plan import Drained, Kind

from .calm import SLACK, Calm
from .oracle import (
    Mark,
    MemberKey,
    down,
    expected_priority,
    interval_in,
    members,
    message_of,
    record_of,
    skew,
    sound,
)

WINDOW_ADVERTISEMENTS = 14
"""More than these in one interval are a flood: one on the grid, ten outside it, and entries into Master."""


class WireCheckers(Calm):
    """Each of its methods judges one thing that has just happened."""

    def __init__(self) -> None:
        super().__init__()
        self.last_sent: dict[MemberKey, Instant] = {}
        self._sent: dict[MemberKey, deque[Instant]] = {}
        self._content: dict[MemberKey, tuple[bytes, object]] = {}
        self._heard: dict[MemberKey, tuple[Instant | None, Instant | None, Duration]] = {}
        """When it last heard a Master, when one that gave up, and the interval that it learned."""
        self._marks: dict[MemberKey, Mark | None] = {}
        self._sequences: dict[tuple[MemberKey, int], int] = {}
        self._tallies: dict[int, tuple[Record, Counter[str]]] = {}
        """What each record should have counted."""

    def unsettle(self) -> None:
        super().unsettle()
        self._marks.clear()

    def gone(self, node: Node) -> None:
        """Forget what its routers did."""
        for memory in (self.last_sent, self._sent, self._content, self._heard, self._marks):
            for key in [key for key in memory if key[0] == node.name]:
                del memory[key]

    def sent(self, node: Node, router: VirtualRouter, message: bytes) -> None:
        key = (node.name, router.interface, router.vrid)
        now = self.now
        if node.plan.kind is not Kind.VRRPD:
            return
        times = self._sent.get(key)
        if times is None:
            times = self._sent[key] = deque(maxlen=WINDOW_ADVERTISEMENTS)
        if len(times) == WINDOW_ADVERTISEMENTS and now - times[0] < router.advertisement_interval:
            self.fail("flood", f"{node.name} {router.name} sent {WINDOW_ADVERTISEMENTS + 1} advertisements an interval")
        times.append(now)
        last = self.last_sent.get(key)
        if last is not None and last > self.quiet_since and not node.stalls:
            self.counts["gap"] += 1
            if now - last > router.advertisement_interval + SLACK:
                self.fail("gap", f"{node.name} {router.name} was silent for {(now - last) / SECOND:.3f} s as Master")
        if message[2]:
            self.last_sent[key] = now
        else:
            self.last_sent.pop(key, None)
        record = record_of(node, router.identity)
        self._tally(record, "sent")
        if record is None or record.parameters is None:
            return
        known = self._content.get(key)
        if known is None or known[0] != message or known[1] is not record.parameters:
            self._judge_content(node, record, message)
            self._content[key] = (message, record.parameters)

    def _judge_content(self, node: Node, record: Record, message: bytes) -> None:
        """The bytes say what the configuration and the checks say."""
        router = record.router
        self.counts["content"] += 1
        n = len(router.addresses)
        resigns = message[2] == 0
        expected = 0 if resigns else expected_priority(node, router)
        fields = (message[0], message[1], message[2], message[3])
        if message[2] == 1 and any(isinstance(f, Drained) and f.node == node.name for f in self.world.scenario.faults):
            expected = 1  # It resumes, and says what it is worth right after.
        due = (int(router.version) << 4 | 1, router.vrid, expected, n)
        body = b"".join(a.ip.packed for a in router.addresses)
        if fields != due or message[8 : 8 + len(body)] != body:
            self.fail("content", f"{node.name} {router.name} sends {message.hex()}, due {due}")
        if interval_in(message) != router.advertisement_interval or not Mark.of(router).accepts(message):
            self.fail("content", f"{node.name} {router.name} sends {message.hex()}: authentication or interval")
        covered = message
        if router.version == Version.V3 and record.parameters is not None:
            source, group = record.parameters.primary_address.packed, router.group.packed
            covered = source + group + struct.pack("!I3xB", len(message), 112) + message
            if router.family == Family.IPV4:
                covered = source + group + struct.pack("!BBH", 0, 112, len(message)) + message
        if not sound(covered):
            self.fail("content", f"{node.name} {router.name} sends a wrong checksum")

    def changed(self, node: Node, router: VirtualRouter, change: tuple[str, str, str]) -> None:
        old, new, reason = change
        key = (node.name, router.interface, router.vrid)
        self.counts[f"{old} -> {new}"] += 1
        if new == "Master":
            self._judge_takeover(node, router, old, reason)
        else:
            self.last_sent.pop(key, None)
        if new != "Initialize":  # Its record may be gone, and its successor's be there.
            self._tally(record_of(node, router.identity), new.lower())

    def _judge_takeover(self, node: Node, router: VirtualRouter, old: str, reason: str) -> None:
        """Nobody takes over sooner than the timers allow."""
        if old != "Backup" or self.disturbed or node.plan.kind is not Kind.VRRPD:
            return
        unheard = (None, None, router.advertisement_interval)
        heard, resigned, interval = self._heard.get((node.name, router.interface, router.vrid), unheard)
        priority = expected_priority(node, router)
        since, least = heard, down(router, priority, interval)
        if reason == "master_gave_up":
            since, least = resigned, skew(router, priority, interval)
        elif reason != "master_silent":
            return
        self.counts["takeover"] += 1
        if since is not None and since > self.quiet_since and self.now - since < least:
            early = (self.now - since) / SECOND
            self.fail("takeover", f"{node.name} {router.name} took over after {early:.6f} s, not {least / SECOND:.6f}")

    def heard(self, node: Node, device: str, content: Content) -> None:
        message = message_of(content)
        key = (node.name, device, message[1])
        family = Family.IPV6 if isinstance(content, Datagram) else Family.IPV4
        self._tally(record_of(node, Identity(device, family, message[1])), "heard")
        mark = self._marks.get(key)
        if mark is None:
            mark = self._marks[key] = self._mark(node, device, message[1])
        if mark is None or not mark.accepts(message) or not mark.opens(content):
            return
        if isinstance(content, bytes) and content[9] == 51:
            # A number counts once for each daemon's life, and one that starts anew begins with 1.
            sequence, of = int.from_bytes(content[28:32], "big"), (key, id(node.daemon))
            if sequence <= self._sequences.get(of, 0):
                return
            self._sequences[of] = sequence
        heard, resigned, interval = self._heard.get(key, (None, None, mark.interval))
        if message[2]:
            self._heard[key] = (self.now, resigned, interval_in(message))
        else:
            self._heard[key] = (heard, self.now, interval)

    def _mark(self, node: Node, device: str, vrid: int) -> Mark | None:
        for member in members(node):
            router = member.router
            if (router.interface, router.vrid) == (device, vrid):
                return Mark.of(router)
        return None

    def woken(self, node: Node, deadline: Instant | None) -> None:
        if deadline is not None and deadline <= node.clock():
            self.fail("deadline", f"{node.name} wants to be called at {deadline}, and it is {node.clock()}")

    # --- what it counts ---

    def _tally(self, record: Record | None, what: str) -> None:
        if record is not None:
            known = self._tallies.get(id(record))
            if known is None:
                known = self._tallies[id(record)] = (record, Counter())
            known[1][what] += 1

    def finish(self) -> None:
        """Its counters say what has happened."""
        for node in self.world.nodes.values():
            if isinstance(node.daemon, VrrpdDaemon):
                for record in node.daemon.engine.records.values():
                    self._judge_counters(node, record)

    def _judge_counters(self, node: Node, record: Record) -> None:
        _, tally = self._tallies.get(id(record), (record, Counter()))
        counters = record.counters
        taken = counters["received"] + sum(counters[reason] for reason in DropReason)
        pairs = {"sent": (counters["sent"], tally["sent"]), "received": (taken, tally["heard"])}
        for state in ("backup", "master", "resigning"):
            moves = sum(count for (new, _), count in record.moves.items() if new.lower() == state)
            pairs[state] = (moves, tally[state])
        self.counts["counters"] += 1
        for what, (counted, happened) in pairs.items():
            if counted != happened:
                self.fail("counters", f"{node.name} {record.router.name} counts {counted} of {what}: {happened}")
