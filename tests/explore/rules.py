"""What must be true of every step of one node, whatever the others do."""

from __future__ import annotations

from vrrpd.model import Duration
from vrrpd.states import Resigning

from .node import SERVING, Message, Node, Op, Role, Told


class Violation(Exception):  # noqa: N818  a finding, not an error of the program
    """Something that must not be: which rule, and in words."""

    def __init__(self, rule: str, words: str) -> None:
        super().__init__(f"{rule}: {words}")
        self.rule = rule
        self.node = -1


def judge(before: Node, told: Told, after: Node, sent: tuple[Message, ...], deadline: Duration | None) -> None:
    """Raises `Violation`. `deadline` is the one after."""
    if after.daemon is None:
        if after.held and told not in {Op.KILL, Op.UNPLUG, Op.PLUG} and before.daemon is not None:
            raise Violation("addresses", "the daemon has ended and left its address behind")
    elif after.held != (after.role in SERVING):
        raise Violation("addresses", f"{after.role.name} {'with' if after.held else 'without'} the address")
    if deadline is not None and deadline <= 0 and told is Op.TICK:
        # After anything else it may: a Backup that becomes better may find that it has waited long enough.
        raise Violation("deadline", f"it has just been called, and wants to have been {-deadline} ns ago")
    if before.role is after.role is Role.RESIGNING:
        _judge_silence(before, after, sent)


def _judge_silence(before: Node, after: Node, sent: tuple[Message, ...]) -> None:
    """Nothing follows the priority 0 but its one repetition."""
    if before.daemon is None or after.daemon is None or not sent:
        return
    old, new = before.daemon.state, after.daemon.state
    assert isinstance(old, Resigning)
    assert isinstance(new, Resigning)
    if any(message.announcement or message.priority for message in sent):
        raise Violation("silence", "a Resigning router says something else than priority 0")
    if len(sent) > 1 or old.repeat_at is None or new.repeat_at is not None:
        raise Violation("silence", "a Resigning router repeats its priority 0 more than once")
