"""Who becomes Master, and whether a failure moves that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from vrrpd.config.lint.rules import GLOBALS, GROUP, SCRIPT, Advice, Rule, Subject
from vrrpd.model import OWNER_PRIORITY, InitialState, Tracker, TrackerKind, VirtualRouter

_HIGHEST = OWNER_PRIORITY - 1
_SMALL = 10
"""Most priorities of real pairs differ by so much or more."""


def priorities(priority: int, trackers: Sequence[Tracker]) -> tuple[int, int]:
    """A router's priority while nothing that it tracks fails, and when everything does."""
    good = bad = priority
    for tracker in trackers:
        if tracker.kind is TrackerKind.FILE:  # its number is not known
            continue
        effect = -tracker.weight if tracker.reverse else tracker.weight
        if tracker.weight > 0:
            good += effect
        else:
            bad += effect
    return _within(good), _within(bad)


def needed(router: VirtualRouter, bad: int) -> int:
    """The priority with which a Backup takes over from a Master that has fallen to `bad`.

    One that hands over by itself does so to an equal one too.
    """
    return bad if router.resigns_when_worse and not router.strict else bad + 1


def _within(priority: int) -> int:
    return min(max(priority, 1), _HIGHEST)


def _nopreempt_with_master(subject: Subject) -> Iterator[Advice]:
    for router in subject.config.routers:
        if not router.resigns_when_worse or router.is_owner or router.initial_state is not InitialState.MASTER:
            continue
        moves = not router.strict and any(tracker.weight for tracker in subject.trackers(router))
        yield Advice(
            subject.at(router, "nopreempt"),
            f"{router.name}: state MASTER cancels nopreempt, here as in keepalived: this router takes the addresses"
            " back when it is better" + ("; it still hands them over when one of its checks fails" if moves else ""),
            "for a pair that moves only on failure write state BACKUP on both nodes",
        )


def _nopreempt_with_weight(subject: Subject) -> Iterator[Advice]:
    for router in subject.config.routers:
        weighted = [tracker.name for tracker in subject.trackers(router) if tracker.weight]
        if router.preempt or not weighted:
            continue
        never = f"the weight of {', '.join(weighted)} would never move the addresses, since a nopreempt Backup leaves"
        if router.strict:
            yield Advice(
                subject.at(router, "nopreempt"),
                f"{router.name}: {never} a living Master alone, and a strict Master does not hand over",
                "use weight 0, which makes a failure a FAULT, or take nopreempt out",
            )
        else:
            yield Advice(
                subject.at(router, "nopreempt"),
                f"{router.name}: under keepalived {never} a living Master alone; under vrrpd the Master hands over",
                "a keepalived peer needs weight 0 or no nopreempt for that",
            )


def _weight_without_effect(subject: Subject) -> Iterator[Advice]:
    for router in subject.config.routers:
        trackers = subject.trackers(router)
        for tracker in trackers:
            if not tracker.weight or tracker.kind is TrackerKind.FILE or router.is_owner:
                continue
            others = [-other.weight if other.reverse else other.weight for other in trackers if other is not tracker]
            if any(other.kind is TrackerKind.FILE for other in trackers):
                continue
            raises = (tracker.weight > 0) != tracker.reverse
            lowest = router.priority + sum(effect for effect in others if effect < 0)
            highest = router.priority + sum(effect for effect in others if effect > 0)
            if lowest >= _HIGHEST if raises else highest <= 1:
                yield Advice(
                    subject.at_tracker(router, tracker),
                    f"{router.name}: the weight {tracker.weight} of {tracker.name} changes nothing: priority"
                    f" {router.priority} is at the end of 1 to {_HIGHEST}",
                    "choose a priority with room for the weight",
                )


def _small_weights(subject: Subject) -> Iterator[Advice]:
    """Several files are compared; of one alone only this is known."""
    for router in subject.config.routers if subject.alone else ():
        good, bad = priorities(router.priority, subject.trackers(router))
        if router.preempt and not router.is_owner and 0 < good - bad < _SMALL:
            yield Advice(
                subject.at(router, "priority"),
                f"{router.name}: its checks lower its priority from {good} to {bad} at most: only a peer with priority"
                f" {needed(router, bad)} or more takes over when they fail",
                "a weight larger than the gap; check both nodes' files together (-f lb1.conf -f lb2.conf) to be told",
            )


def _weight_zero(subject: Subject) -> Iterator[Advice]:
    for router in subject.config.routers:
        for tracker in subject.trackers(router):
            if tracker.weight or tracker.reverse or not _zero_was_written(subject, router, tracker):
                continue
            yield Advice(
                subject.at_tracker(router, tracker),
                f"{router.name}: weight 0 does not mean without effect: when {tracker.name} fails, the router is in"
                " FAULT and gives its addresses up",
                "fine if that is meant; otherwise give it a weight",
            )


def _zero_was_written(subject: Subject, router: VirtualRouter, tracker: Tracker) -> bool:
    """Without a word about the weight, FAULT is what everybody expects."""
    of_script = tracker.kind is TrackerKind.SCRIPT and subject.places.stands(SCRIPT, tracker.name, "weight")
    return of_script or "weight" in subject.words(router, tracker)


def _strict_mode(subject: Subject) -> Iterator[Advice]:
    for router in subject.config.routers:
        if not router.strict:
            continue
        effects = []
        if not router.accept and not router.is_owner:
            effects.append("its addresses answer nobody, no ping and no HAProxy")
        effects += [
            f"{keyword} {fate}"
            for keyword, fate in (
                ("authentication", "is dropped"),
                ("preempt_delay", "is dropped"),
                ("vmac_xmit_base", "is dropped"),
                ("unicast_peer", "is refused"),
            )
            if subject.says(router, keyword)
        ]
        if any(tracker.weight for tracker in subject.trackers(router)):
            effects.append("a failing check hands over only after the peer's whole Master_Down_Interval")
        own = subject.says(router, "strict_mode")
        yield Advice(
            subject.at(router, "strict_mode") if own else subject.places.find(GLOBALS, "", "vrrp_strict"),
            f"{router.name} is strict: " + ("; ".join(effects) or "what RFC 5798 does not have is refused or dropped"),
            f"take {'strict_mode' if own else 'vrrp_strict'} out: it is in a sample file and not for load balancers",
        )


def _not_accepted(subject: Subject) -> Iterator[Advice]:
    for router in subject.config.routers:
        if not router.accept and not router.strict and not router.is_owner:
            yield Advice(
                subject.at(router, "no_accept"),
                f"{router.name}: with no_accept its addresses answer nobody, no ping and no HAProxy",
                "take no_accept out: it is for routers that only forward",
            )


def _owner_of_nothing(subject: Subject) -> Iterator[Advice]:
    for router in subject.config.routers:
        if not router.is_owner or not subject.node.is_here or not router.addresses:
            continue
        if any(address.ip in _held(subject, address.device) for address in router.addresses):
            continue
        yield Advice(
            subject.at(router, "priority"),
            f"{router.name}: priority 255 is for the node that has the addresses as its own, and this one has none of"
            " them: it takes them at once and never gives way, whatever its checks say",
            "a priority from 1 to 254",
        )


def _held(subject: Subject, device: str) -> set[object]:
    return {interface.ip for interface in subject.node.addresses(device)}


def _group_priorities(subject: Subject) -> Iterator[Advice]:
    routers = {router.name: router for router in subject.config.routers}
    for group in subject.config.groups:
        members = [routers[name] for name in group.members if name in routers]
        if len({member.priority for member in members}) > 1 and not any(member.is_owner for member in members):
            listed = ", ".join(f"{member.name} {member.priority}" for member in members)
            yield Advice(
                subject.places.find(GROUP, group.name, "group"),
                f"{group.name}: its members have different priorities ({listed}): unless every one of them is higher"
                " than its peer on the same node, the group never settles",
                "one priority for all members of a group on a node",
            )


RULES: Mapping[str, Rule] = {
    "nopreempt-with-master": _nopreempt_with_master,
    "nopreempt-with-weight": _nopreempt_with_weight,
    "weight-without-effect": _weight_without_effect,
    "small-weights": _small_weights,
    "weight-zero": _weight_zero,
    "strict-mode": _strict_mode,
    "not-accepted": _not_accepted,
    "owner-of-nothing": _owner_of_nothing,
    "group-priorities": _group_priorities,
}
