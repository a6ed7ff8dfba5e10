"""What is told of routers and groups, in keepalived's words: who is now what, what it was, and why.

A router that resigns still holds its addresses: it is told to be Master until they are gone. What only waits for the
first result of a check is told nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias, assert_never

from vrrpd.actions import (
    Action,
    FaultsChanged,
    GroupChanged,
    LowerPriorityHeard,
    PriorityChanged,
    RouterAction,
    RouterGone,
)
from vrrpd.groups import GroupState
from vrrpd.model import NO_NOTIFICATION, Command, Config, Identity, IPAddress, Notification, SyncGroup, VirtualRouter
from vrrpd.records import Fault, FaultKind, Record
from vrrpd.states import Backup, Initialize, Master, Reason, Resigning, State, StateChanged, Why


class Kind(StrEnum):
    """Of what it is told."""

    INSTANCE = "INSTANCE"
    GROUP = "GROUP"


class Word(StrEnum):
    """What it is, or what has happened to it."""

    MASTER = "MASTER"
    BACKUP = "BACKUP"
    FAULT = "FAULT"
    STOP = "STOP"
    DELETED = "DELETED"
    MASTER_RX_LOWER_PRI = "MASTER_RX_LOWER_PRI"
    MASTER_PRIORITY = "MASTER_PRIORITY"
    BACKUP_PRIORITY = "BACKUP_PRIORITY"

    @property
    def is_state(self) -> bool:
        """False: an event, after which it is what it was."""
        return self in _STATES


_STATES = frozenset({Word.MASTER, Word.BACKUP, Word.FAULT, Word.STOP, Word.DELETED})
_OF_GROUP = {GroupState.BACKUP: Word.BACKUP, GroupState.MASTER: Word.MASTER, GroupState.FAULT: Word.FAULT}
_NOTHING = Why(Reason.STARTED, "")

Key: TypeAlias = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that is told."""

    kind: Kind
    name: str
    word: Word
    priority: int
    """The effective one; of a group 0."""
    why: Why
    old: Word | None = None
    master: IPAddress | None = None
    """None: not known."""
    notification: Notification = NO_NOTIFICATION
    is_repeated: bool = False
    """After a reload: for FIFOs, whose readers may have been started anew."""

    @property
    def key(self) -> Key:
        """Whose queue it stands in."""
        return self.kind, self.name

    @property
    def line(self) -> str:
        """For a FIFO."""
        return f'{self.kind} "{self.name}" {self.word} {self.priority}\n'

    @property
    def commands(self) -> tuple[Command, ...]:
        """What is run, one after the other: the state's own command, then the one for every state."""
        if self.is_repeated:
            return ()
        told = self.notification
        match self.word:
            case Word.MASTER:
                own = told.on_master
            case Word.BACKUP:
                own = told.on_backup
            case Word.FAULT:
                own = told.on_fault
            case Word.STOP:
                own = told.on_stop
            case Word.DELETED:
                own = told.on_deleted
            case Word.MASTER_RX_LOWER_PRI:
                own = told.on_lower_priority
            case Word.MASTER_PRIORITY | Word.BACKUP_PRIORITY:
                own = None
        arguments = (self.kind.value, self.name, self.word.value, str(self.priority))
        every = told.on_change if self.word.is_state else None
        general = () if every is None else (replace(every, argv=every.argv + arguments),)
        return general if own is None else (own, *general)

    @property
    def facts(self) -> Mapping[str, str]:
        """For the environment of a command."""
        return {
            f"VRRP_{self.kind}": self.name,
            "VRRP_STATE": self.word.value,
            "VRRP_OLD_STATE": "" if self.old is None else self.old.value,
            "VRRP_PRIORITY": str(self.priority),
            "VRRP_MASTER_IP": "" if self.master is None else str(self.master),
            "VRRP_REASON": self.why.reason.value,
            "VRRP_WHY": self.why.words,
        }


@dataclass(slots=True)
class _Router:
    router: VirtualRouter
    state: State
    faults: frozenset[Fault] = frozenset()
    word: Word | None = None
    priority: int = 0


class Teller:
    """Follows the engine's actions, and knows what was told last."""

    def __init__(self, records: Mapping[Identity, Record]) -> None:
        self._records = records
        self._config = Config()
        self._routers: dict[Identity, _Router] = {}
        self._groups: dict[str, tuple[SyncGroup, Word | None]] = {}
        self._new: set[str] = set()
        """Routers of which nothing was known before the actions of this turn."""
        self._just_told: frozenset[Key] = frozenset()
        self._is_stopping = False

    def configure(self, config: Config) -> None:
        """From now on whom this configuration names."""
        self._config = config
        known = {name: word for name, (_, word) in self._groups.items()}
        self._groups = {group.name: (group, known.get(group.name)) for group in config.groups}

    def stop(self) -> None:
        """Who goes from now on stops; the last configuration still says whom that is told."""
        self._is_stopping = True

    def repeat(self) -> list[Told]:
        """After a reload: what has not changed with it."""
        routers = [self._of(known, known.word, _NOTHING) for known in self._routers.values() if known.word is not None]
        groups = [self._of_group(plan, word, _NOTHING) for plan, word in self._groups.values() if word is not None]
        return [
            replace(one, old=one.word, is_repeated=True)
            for one in (*routers, *groups)
            if one.key not in self._just_told
        ]

    def hear(self, actions: Iterable[Action]) -> list[Told]:
        """What is to be told of these, in this order."""
        found: list[Told] = []
        self._new.clear()
        for action in actions:
            match action:
                case RouterAction(router, StateChanged(new=new, why=why)):
                    known = self._know(router)
                    known.state = new
                    found += self._review(known, why)
                case FaultsChanged(router, faults):
                    known = self._know(router)
                    known.faults = faults
                    found += self._review(known, Why(Reason.FAULT, ", ".join(fault.words for fault in sorted(faults))))
                case GroupChanged(group, _, new):
                    self._change_group(found, group, _OF_GROUP[new])
                case PriorityChanged(router, _):
                    found += self._change_priority(self._know(router))
                case LowerPriorityHeard(router, source, priority):
                    why = Why(Reason.PREEMPTING, f"{source} advertises priority {priority}")
                    found.append(self._of(self._know(router), Word.MASTER_RX_LOWER_PRI, why))
                case RouterGone(router, why):
                    found += self._forget(router, why)
                case _:
                    pass
        self._just_told = frozenset(one.key for one in found)
        return found

    def _know(self, router: VirtualRouter) -> _Router:
        known = self._routers.get(router.identity)
        if known is None:
            known = self._routers[router.identity] = _Router(router, Initialize(), priority=router.priority)
            self._new.add(router.name)
        known.router = router
        return known

    def _review(self, known: _Router, why: Why) -> list[Told]:
        word = _word(known.state, known.faults)
        if word is None or word is known.word:
            return []
        told = self._of(known, word, why)
        known.word = word
        return [told]

    def _change_priority(self, known: _Router) -> list[Told]:
        wanted = known.router.notification.tells_priority
        if known.word is None or not (self._config.telling.tells_priority if wanted is None else wanted):
            return []
        word = Word.MASTER_PRIORITY if known.word is Word.MASTER else Word.BACKUP_PRIORITY
        return [self._of(known, word, _NOTHING)]

    def _change_group(self, found: list[Told], group: SyncGroup, word: Word) -> None:
        """After its members. As in keepalived before them when all of them begin as Backup."""
        of_members = [n for n, one in enumerate(found) if one.kind is Kind.INSTANCE and one.name in group.members]
        why = found[of_members[-1]].why if of_members else _NOTHING
        begins = [n for n in of_members if found[n].name in self._new and found[n].word is Word.BACKUP]
        told = self._of_group(group, word, why)
        first = told.old is None and word is Word.BACKUP and len(begins) == len(group.members)
        found.insert(begins[0] if first else len(found), told)
        self._groups[group.name] = group, word

    def _forget(self, router: VirtualRouter, why: Why) -> list[Told]:
        known = self._know(router)
        del self._routers[router.identity]
        if not self._is_stopping:
            word = Word.DELETED if router.notification.tells_deletion else Word.FAULT
            return [] if known.word is word else [self._of(known, word, why)]
        told = [self._of(known, Word.STOP, why)]
        if not self._routers:
            told += [self._of_group(plan, Word.STOP, why) for plan, _ in self._groups.values()]
            self._groups.clear()
        return told

    def _of(self, known: _Router, word: Word, why: Why) -> Told:
        record = self._records.get(known.router.identity)
        parameters = None if record is None else record.parameters
        if parameters is not None:
            known.priority = parameters.priority
        master: IPAddress | None = None
        if isinstance(known.state, Backup):
            master = known.state.master
        elif isinstance(known.state, Master) and parameters is not None:
            master = parameters.primary_address
        router = known.router
        return Told(Kind.INSTANCE, router.name, word, known.priority, why, known.word, master, router.notification)

    def _of_group(self, group: SyncGroup, word: Word, why: Why) -> Told:
        known = self._groups.get(group.name)
        old = None if known is None else known[1]
        return Told(Kind.GROUP, group.name, word, 0, why, old, notification=group.notification)


def _word(state: State, faults: frozenset[Fault]) -> Word | None:
    """None: nothing new is told of it now."""
    match state:
        case Master():
            return Word.MASTER
        case Backup():
            return Word.BACKUP
        case Initialize() if any(fault.kind is not FaultKind.CHECK_PENDING for fault in faults):
            return Word.FAULT
        case Initialize() | Resigning():
            return None
        case _:
            assert_never(state)
