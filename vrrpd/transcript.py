"""What an engine did, in lines for people: `vrrpd replay`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from vrrpd.actions import Action, CheckChanged, ConflictSeen, FaultsChanged, RouterAction
from vrrpd.model import SECOND, Instant
from vrrpd.states import AddAddresses, RemoveAddresses, SendAdvertisement, StateChanged

Turn: TypeAlias = tuple[Instant, list[Action]]

_PRIORITY_BYTE = 2


def lines(turns: Iterable[Turn]) -> Iterator[str]:
    """A line for each thing done, with the seconds since the first event. Equal advertisements are told once."""
    first: Instant | None = None
    said: dict[str, bytes] = {}
    for at, actions in turns:
        first = at if first is None else first
        for action in actions:
            words = _words(action, said)
            if words:
                yield f"{(at - first) / SECOND:12.6f}  {words}"


def _words(action: Action, said: dict[str, bytes]) -> str | None:
    match action:
        case RouterAction(router, StateChanged(old, new, why)):
            said.pop(router.name, None)
            return f"{router.name}: {type(old).__name__.upper()} -> {type(new).__name__.upper()}: {why.words}"
        case RouterAction(router, SendAdvertisement(message)):
            if said.get(router.name) == message:
                return None
            said[router.name] = message
            return f"{router.name}: advertises priority {message[_PRIORITY_BYTE]}"
        case RouterAction(router, AddAddresses(addresses)) if addresses:
            return f"{router.name}: + {', '.join(map(str, addresses))}"
        case RouterAction(router, RemoveAddresses(addresses)) if addresses:
            return f"{router.name}: - {', '.join(map(str, addresses))}"
        case CheckChanged(check):
            return check.words
        case FaultsChanged(router, faults):
            return f"{router.name}: held back by {', '.join(fault.words for fault in sorted(faults)) or 'nothing'}"
        case ConflictSeen(router, conflict):
            return f"{router.name}: {conflict.peer} disagrees: {conflict.theirs}, we: {conflict.ours}"
        case _:
            return None
