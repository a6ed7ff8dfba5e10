"""Which event brings a router from what it is to what it is allowed to be."""

from __future__ import annotations

from typing import assert_never

from vrrpd import faults
from vrrpd.groups import Company
from vrrpd.records import Record
from vrrpd.states import (
    Backup,
    Event,
    Initialize,
    Master,
    Reason,
    Resign,
    Resigning,
    Resume,
    Shutdown,
    Startup,
    Then,
    Why,
)

STARTED = Why(Reason.STARTED, "started")


def next_move(record: Record, *, asks: bool, company: Company) -> Event | None:
    """None: it is what it may be. `asks`: a check makes it ask to be relieved."""
    if not record.wanted:
        return _leave(record, record.leaving or record.why)
    match record.state:
        case Initialize() if not record.faults and record.parameters is not None:
            return Startup(_recovered(record) if record.has_run else STARTED, first=not record.has_run)
        case Backup() | Master() | Resigning() as state if record.faults:
            return _give_up(record, state, Why(Reason.FAULT, ", ".join(fault.words for fault in sorted(record.faults))))
        case Master() | Resigning(then=Then.STAY) if company.defeat is not None:
            return Resign(company.defeat, Then.BACKUP)
        case Resigning(then=Then.FAULT | Then.STAY, heir_at=None, why=why) if company.may_resume and not _stands(
            record, why.reason, asks=asks
        ):
            return Resume(_recovered(record))
        case _:
            return None


def _stands(record: Record, cause: Reason, *, asks: bool) -> bool:
    """What made a Master resign is still so."""
    match cause:
        case Reason.DRAINED:
            return record.drained
        case Reason.FAILED_OVER:
            return record.handed_over
        case Reason.FAULT:
            return bool(record.faults)
        case _:
            return asks


def _recovered(record: Record) -> Why:
    return Why(Reason.RECOVERED, f"recovered from: {record.why.words}")


def _leave(record: Record, why: Why) -> Event | None:
    match record.state:
        case Initialize() | Resigning(then=Then.LEAVE):
            return None
        case Backup() | Master() | Resigning():
            return Resign(why, Then.LEAVE)
        case _:
            assert_never(record.state)


def _give_up(record: Record, state: Backup | Master | Resigning, why: Why) -> Event | None:
    """Hand over if anybody can hear us, else stop at once."""
    deaf = any(faults.deafens(fault, record.router) for fault in record.faults)
    match state:
        case Resigning(then=then) if not deaf:
            return None if then >= Then.FAULT else Resign(why, Then.FAULT)
        case Master() if not deaf:
            return Resign(why, Then.FAULT)
        case Backup() | Master() | Resigning():
            return Shutdown(why)
        case _:
            assert_never(state)
