"""The state machine of one virtual router (RFC 5798 section 6.4): `step`, `deadline` and the timers' formulas.

Rule 1: all that decides a transition stands in this file, and nothing else does. `deadline` says when to call
again; a `Tick` that comes early or twice is harmless. What departs from RFC 5798 is marked "Departure" and
described in docs/keepalived.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from vrrpd import packet
from vrrpd.frames import Frame
from vrrpd.grid import next_on_grid
from vrrpd.model import (
    MILLISECOND,
    OWNER_PRIORITY,
    SECOND,
    Duration,
    Family,
    Held,
    InitialState,
    Instant,
    IPAddress,
    Version,
    VirtualRouter,
)
from vrrpd.states import (
    AddAddresses,
    AddressAnnounced,
    AdvertisementReceived,
    AnnounceAddresses,
    Backup,
    BidFarewell,
    Effect,
    Effects,
    Event,
    Initialize,
    Master,
    Parameters,
    ParametersChanged,
    Reason,
    RemoveAddresses,
    Resign,
    Resigning,
    Resume,
    SendAdvertisement,
    SendFailed,
    Shutdown,
    Startup,
    State,
    StateChanged,
    TakeOver,
    Then,
    Tick,
    Why,
)

RESIGNATION_REPEAT: Duration = 5 * MILLISECOND
"""Between the two copies of the priority 0."""
HEIR_ANNOUNCES_WITHIN: Duration = 50 * MILLISECOND
"""How long after its first advertisement an heir's gratuitous ARP is waited for."""
FAREWELL_AFTER: Duration = 2 * MILLISECOND
"""Addresses kept longer than this after the heir's announcement have answered hosts last."""
RESIGN_MARGIN: Duration = 250 * MILLISECOND
HEIR_NEEDS_EACH: Duration = 20 * MILLISECOND
"""A keepalived heir takes about half of that for each router that it takes over."""
LEAVE_LIMIT: Duration = 10 * SECOND
RETRY_AFTER: Duration = 2 * MILLISECOND
ANSWER_ANNOUNCEMENTS_APART: Duration = SECOND
EARLY_TAKEOVER_PROBATION: Duration = 60 * SECOND
EARLY_TAKEOVER_PAUSE: Duration = 600 * SECOND
FAREWELL_PRIORITY = 1


# --- time (RFC 5798 section 6.1, RFC 3768 section 6.2) ---


def skew_time(version: Version, priority: int, master_adver_interval: Duration) -> Duration:
    """Skew_Time: never 0, and shorter the higher the priority. Version 2 counts it in parts of a second."""
    base = SECOND if version is Version.V2 else master_adver_interval
    return (256 - priority) * base // 256


def master_down_interval(p: Parameters, master_adver_interval: Duration) -> Duration:
    """Master_Down_Interval: this long without an advertisement, and the Master is taken for dead."""
    skew = skew_time(p.router.version, p.priority, master_adver_interval)
    return p.router.down_timer_adverts * master_adver_interval + skew


def asking_time(p: Parameters) -> Duration:
    """How long a Master that asks to be relieved keeps the addresses: any heir has come by then.

    A lost packet and the largest skew are covered.
    """
    together = (p.router, *p.company)
    # Over IPv6 no lost packet: while we hold it, the duplicate address detection of a late heir would fail.
    if any(map(_holds_ipv6, together)):
        return _heirs_time(p)
    return max(r.down_timer_adverts * r.advertisement_interval for r in together) + _heirs_time(p)


def leaving_time(p: Parameters) -> Duration:
    """How long a Master that will go in any case keeps the addresses for its heir."""
    return min(_heirs_time(p), LEAVE_LIMIT)


def _heirs_time(p: Parameters) -> Duration:
    # The heir of a sync group takes over when its last member is ready.
    largest_skew = max(skew_time(r.version, 0, r.advertisement_interval) for r in (p.router, *p.company))
    return largest_skew + RESIGN_MARGIN + (p.crowd - 1) * HEIR_NEEDS_EACH


# --- the machine ---


def step(p: Parameters, state: State, event: Event, now: Instant) -> tuple[State, Effects]:
    """The state after the event, and what has to be done, in this order."""
    match state:
        case Initialize():
            return _initialize(p, state, event, now)
        case Backup():
            return _backup(p, state, event, now)
        case Master():
            return _master(p, state, event, now)
        case Resigning():
            return _resigning(p, state, event, now)
        case _:
            assert_never(state)


def deadline(state: State) -> Instant | None:
    """When `step` wants its next `Tick`; None: never."""
    match state:
        case Initialize():
            return None
        case Backup():
            return state.master_down_at
        case Master():
            at = state.adver_at
            dates = (state.extra_at, state.announce_at, state.answer_at, state.refresh_at, state.elsewhere_at)
            for other in dates:
                if other is not None and other < at:
                    at = other
            return at
        case Resigning():
            if not state.is_said:
                return state.resigned_at
            return state.until if state.repeat_at is None else min(state.until, state.repeat_at)
        case _:
            assert_never(state)


def refresh(p: Parameters, state: Backup, event: AdvertisementReceived, now: Instant) -> Backup:
    """The Master is alive and may stay (RFC 5798 section 6.4.2: reset the Master_Down_Timer)."""
    interval = event.advertisement.advertisement_interval
    return Backup(
        master_down_at=now + master_down_interval(p, interval),
        master_adver_interval=interval,
        master=event.source,
        master_priority=event.advertisement.priority,
        heard_at=now,
        preempt_at=state.preempt_at,
        patience_until=state.patience_until,
    )


def preempts(p: Parameters) -> bool:
    """Preempt_Mode as it is in force now."""
    return (p.router.preempt or p.router.is_owner) and not (p.holds_back or p.handed_over)


# --- Initialize (section 6.4.1) ---


def _initialize(p: Parameters, state: Initialize, event: Event, now: Instant) -> tuple[State, Effects]:
    match event:
        case Startup(why, first):
            return _start(p, state, why, first=first, now=now)
        case (
            Shutdown()
            | Resign()
            | Resume()
            | TakeOver()
            | Tick()
            | AdvertisementReceived()
            | AddressAnnounced()
            | ParametersChanged()
            | SendFailed()
        ):
            return state, ()
        case _:
            assert_never(event)


def _start(p: Parameters, state: Initialize, why: Why, *, first: bool, now: Instant) -> tuple[State, Effects]:
    interval = p.router.advertisement_interval
    claims = p.router.is_owner and first and p.router.initial_state is InitialState.MASTER
    if claims and not p.company and now >= p.held_until:
        return _become_master(p, state, Why(Reason.OWNER, "it owns the addresses (priority 255)"), now)
    wait = master_down_interval(p, interval)
    if p.router.is_owner:
        wait = 0 if claims else interval + skew_time(p.router.version, p.priority, interval)
    begins_at = max(now, p.held_until)
    new = Backup(master_down_at=begins_at + wait, master_adver_interval=interval, heard_at=begins_at)
    # Departure (keepalived's): an address of ours that is here already is a predecessor's.
    sweep: Effects = () if p.router.is_owner else (RemoveAddresses(p.router.let_go),)
    if p.own_announcement and not first:
        sweep = (*sweep, AnnounceAddresses(p.own_announcement, 1))
    return new, (*sweep, StateChanged(state, new, why))


# --- Backup (section 6.4.2) ---


def _backup(p: Parameters, state: Backup, event: Event, now: Instant) -> tuple[State, Effects]:
    match event:
        case AdvertisementReceived():
            return _backup_hears(p, state, event, now), ()
        case Tick():
            if now < state.master_down_at:
                return state, ()
            if p.company:
                return _wait_for_company(p, state, now), ()
            return _become_master(p, state, _takeover(p, state, now), now)
        case TakeOver():
            if not state.ready:
                return state, ()
            return _become_master(p, state, _takeover(p, state, now), now)
        case Shutdown(why) | Resign(why, _):
            new = Initialize()
            return new, (StateChanged(state, new, why),)
        case ParametersChanged(previous):
            added = _without(p.router.held, previous.router.held)
            sweep = added and not p.router.is_owner
            return _backup_adapts(p, previous, state), (RemoveAddresses(added),) if sweep else ()
        case Startup() | Resume() | AddressAnnounced() | SendFailed():
            return state, ()
        case _:
            assert_never(event)


def _wait_for_company(p: Parameters, state: Backup, now: Instant) -> Backup:
    """Its sync group decides (keepalived's rule): the timer begins again, so that it does not stay in the past."""
    wait = master_down_interval(p, state.master_adver_interval)
    return replace(state, master_down_at=now + wait, ready=True)


def _backup_hears(p: Parameters, state: Backup, event: AdvertisementReceived, now: Instant) -> Backup:
    advertisement = event.advertisement
    interval = state.master_adver_interval
    if advertisement.priority == 0:
        return replace(
            state,
            master_down_at=now + _heir_wait(p, interval),
            cause=Reason.MASTER_GAVE_UP,
            master=event.source,
            master_priority=0,
            heard_at=now,
            ready=False,
        )
    if advertisement.priority >= p.priority:
        refreshed = refresh(p, state, event, now)
        return refreshed if refreshed.preempt_at is None else replace(refreshed, preempt_at=None)
    if not preempts(p):
        return refresh(p, state, event, now)
    if p.router.preempt_delay:
        preempt_at = now + p.router.preempt_delay if state.preempt_at is None else state.preempt_at
        if now < preempt_at:
            return replace(refresh(p, state, event, now), preempt_at=preempt_at)
        state = replace(state, preempt_at=preempt_at)
    return _backup_outranks(p, state, event, now)


def _heir_wait(p: Parameters, interval: Duration) -> Duration:
    """From a priority 0 until we take over."""
    wait = skew_time(p.router.version, p.priority, interval)
    # Departure: a Master that only asks keeps its addresses so long; one that left gets a worse heir late.
    return wait + asking_time(p) if p.holds_back else wait


def _backup_outranks(p: Parameters, state: Backup, event: AdvertisementReceived, now: Instant) -> Backup:
    """A Master below our priority: the timer runs on (section 6.4.2), or is shortened for one that fell."""
    heard = replace(state, master=event.source, master_priority=event.advertisement.priority, heard_at=now)
    early = now + skew_time(p.router.version, p.priority, state.master_adver_interval)
    fell = event.source == state.master and state.master_priority >= p.priority
    allowed = not p.router.strict and not p.router.preempt_delay and now >= state.patience_until
    if fell and allowed and early < state.master_down_at:
        # Departure: a Master that says itself that it is worse is relieved at once.
        return replace(heard, master_down_at=early, cause=Reason.MASTER_WORSE)
    cause = Reason.PREEMPTING if state.cause is Reason.MASTER_SILENT else state.cause
    return replace(heard, cause=cause)


def _backup_adapts(p: Parameters, previous: Parameters, state: Backup) -> Backup:
    """Our own parameters changed while the timer runs: shift it by what the whole interval changed."""
    interval = p.router.advertisement_interval if p.router.version is Version.V2 else state.master_adver_interval
    outranked = state.cause in (Reason.MASTER_WORSE, Reason.PREEMPTING) and state.master_priority >= p.priority
    if outranked:
        return replace(
            state,
            master_down_at=state.heard_at + master_down_interval(p, interval),
            master_adver_interval=interval,
            cause=Reason.MASTER_SILENT,
            ready=False,
        )
    if state.cause is Reason.MASTER_SILENT or state.cause is Reason.PREEMPTING:
        before = master_down_interval(previous, state.master_adver_interval)
        shift = master_down_interval(p, interval) - before
    elif state.cause is Reason.MASTER_GAVE_UP:
        shift = _heir_wait(p, interval) - _heir_wait(previous, state.master_adver_interval)
    else:
        shift = skew_time(p.router.version, p.priority, interval) - skew_time(
            previous.router.version, previous.priority, state.master_adver_interval
        )
    return replace(state, master_down_at=state.master_down_at + shift, master_adver_interval=interval)


def _takeover(p: Parameters, state: Backup, now: Instant) -> Why:
    """Why a Backup takes over, in words."""
    match state.cause:
        case Reason.MASTER_GAVE_UP:
            words = f"{state.master} gave up (priority 0)"
        case Reason.MASTER_WORSE:
            words = f"{state.master} fell to priority {state.master_priority}, below our {p.priority}"
        case Reason.PREEMPTING:
            words = f"our priority {p.priority} is above {state.master}'s {state.master_priority}"
        case _:
            silence = (now - state.heard_at) / SECOND
            who = "nobody" if state.master is None else state.master
            words = f"no advertisement from {state.master} for {silence:.2f} s"
            if state.master is None:
                words = f"{who} advertised for {silence:.2f} s"
    return Why(state.cause, words)


# --- Master (section 6.4.3) ---


def _become_master(p: Parameters, state: State, why: Why, now: Instant) -> tuple[State, Effects]:
    early = isinstance(state, Backup) and state.cause is Reason.MASTER_WORSE
    delay = p.router.announcing.master_delay
    new = Master(
        adver_at=_next_on_grid(p, now),
        since=now,
        sent_at=now,
        announce_at=now + delay if delay else None,
        announce_repeat=p.router.announcing.master_repeat,
        refresh_at=_in(p.router.announcing.refresh, now),
        elsewhere_at=_in(p.router.announcing.extra_interfaces, now),
        relieved=state.master if isinstance(state, Backup) and early else None,
        patience_until=0 if isinstance(state, Initialize | Master) else state.patience_until,
    )
    return new, (
        SendAdvertisement(p.advertisement),
        AddAddresses(p.router.held),
        AnnounceAddresses(p.announcement, p.router.announcing.master_repeat),
        StateChanged(state, new, why),
    )


def _master(p: Parameters, state: Master, event: Event, now: Instant) -> tuple[State, Effects]:
    match event:
        case Tick() | AdvertisementReceived() if _has_been_away(p, state, now):
            return _yield_unseen(p, state, now)
        case Tick():
            return _master_ticks(p, state, now)
        case AdvertisementReceived():
            return _master_hears(p, state, event, now)
        case ParametersChanged(previous):
            return _master_adapts(p, previous, state, now)
        case Resign(why, then) if then is Then.STAY or not p.router.strict:
            return _resign(p, state, why, then, now)
        case Shutdown(why) | Resign(why, _):
            new = Initialize()
            return new, (
                SendAdvertisement(p.resignation),
                RemoveAddresses(p.router.let_go),
                StateChanged(state, new, why),
            )
        case SendFailed(was_retry):
            if was_retry:
                return state, ()
            return replace(state, extra_at=now + RETRY_AFTER, extra_is_retry=True), ()
        case Startup() | Resume() | TakeOver() | AddressAnnounced():
            return state, ()
        case _:
            assert_never(event)


def _has_been_away(p: Parameters, state: Master, now: Instant) -> bool:
    """So long that a peer of that priority is Master by now, which we are not to preempt (timer_expired_backup)."""
    priority = p.router.yields_after_stall
    if priority is None or p.router.preempt or p.router.is_owner:
        return False
    interval = p.router.advertisement_interval
    patience = p.router.down_timer_adverts * interval + skew_time(p.router.version, priority, interval)
    return now - state.sent_at >= patience


def _yield_unseen(p: Parameters, state: Master, now: Instant) -> tuple[State, Effects]:
    interval = p.router.advertisement_interval
    new = Backup(now + master_down_interval(p, interval), interval, heard_at=now, patience_until=state.patience_until)
    words = f"it was stalled for {(now - state.sent_at) / SECOND:.2f} s: another one may be Master"
    return new, (RemoveAddresses(p.router.let_go), StateChanged(state, new, Why(Reason.STALLED, words)))


def _master_ticks(p: Parameters, state: Master, now: Instant) -> tuple[State, Effects]:
    effects: list[Effect] = []
    on_grid = now >= state.adver_at
    if on_grid or (state.extra_at is not None and now >= state.extra_at):
        effects.append(SendAdvertisement(p.advertisement, is_retry=state.extra_is_retry and not on_grid))
        adver_at = _next_on_grid(p, now) if on_grid else state.adver_at
        state = replace(state, adver_at=adver_at, sent_at=now, extra_at=None, extra_is_retry=False)
    if state.announce_at is not None and now >= state.announce_at:
        effects.append(AnnounceAddresses(p.announcement, state.announce_repeat))
        state = replace(state, announce_at=None)
    if state.answer_at is not None and now >= state.answer_at:
        effects.append(AnnounceAddresses(p.announcement, p.router.announcing.lower_priority_repeat))
        state = replace(state, answered_at=now, answer_at=None)
    state, more = _announce_again(p, state, now)
    return state, (*effects, *more)


def _announce_again(p: Parameters, state: Master, now: Instant) -> tuple[Master, Effects]:
    """As keepalived does without a cause: hosts and switches forget."""
    effects: list[Effect] = []
    announcing = p.router.announcing
    if state.refresh_at is not None and now >= state.refresh_at:
        effects.append(AnnounceAddresses(p.announcement, announcing.refresh_repeat))
        state = replace(state, refresh_at=_in(announcing.refresh, now))
    if state.elsewhere_at is not None and now >= state.elsewhere_at:
        frames = _elsewhere(p)
        effects += [AnnounceAddresses(frames, 1)] if frames else []
        state = replace(state, elsewhere_at=_in(announcing.extra_interfaces, now))
    return state, tuple(effects)


def _elsewhere(p: Parameters) -> tuple[Frame, ...]:
    """On the devices that advertisements do not keep in the switches' memory."""
    devices = p.router.macvlans
    return tuple(
        frame
        for frame in p.announcement
        if frame.device != p.router.advertising_device and (p.router.announcing.extra_on_all or frame.device in devices)
    )


def _holds_ipv6(router: VirtualRouter) -> bool:
    held = (*router.addresses, *router.excluded)
    return any(Family(address.ip.version) is Family.IPV6 for address in held)


def _in(delay: Duration, now: Instant) -> Instant | None:
    """None: never."""
    return now + delay if delay else None


def _master_hears(p: Parameters, state: Master, event: AdvertisementReceived, now: Instant) -> tuple[State, Effects]:
    theirs = event.advertisement.priority
    if theirs > p.priority or (theirs == p.priority and _is_higher(event.source, p.primary_address)):
        return _yield_to(p, state, event, now)
    announcing = p.router.announcing
    effects: Effects = ()
    if theirs == 0 or (p.router.answers_lower_priority and not p.router.strict):
        # RFC 9568 section 6.4.3: answer a losing advertisement at once, so that its sender gives way.
        state, effects = _send_soon(p, state, now, p.router.advertisement_interval)
    if p.router.strict or not announcing.lower_priority_repeat:
        return state, effects
    # Departure: a rival may have drawn hosts to itself (a healed split, or one that leaves late): they learn our MAC
    # again, and the last one's hosts too.
    slot = now if state.answered_at is None else state.answered_at + ANSWER_ANNOUNCEMENTS_APART
    if now < slot:
        return replace(state, answer_at=slot), effects
    if announcing.lower_priority_delay and state.announce_at is None:
        state = replace(
            state,
            announce_at=now + announcing.lower_priority_delay,
            announce_repeat=announcing.lower_priority_repeat,
        )
    announce = AnnounceAddresses(p.announcement, announcing.lower_priority_repeat)
    return replace(state, answered_at=now, answer_at=None), (*effects, announce)


def _yield_to(p: Parameters, state: Master, event: AdvertisementReceived, now: Instant) -> tuple[State, Effects]:
    theirs, source = event.advertisement.priority, event.source
    if theirs > p.priority:
        why = Why(Reason.PREEMPTED, f"{source} advertises priority {theirs}, above our {p.priority}")
    else:
        why = Why(Reason.TIE_LOST, f"{source} advertises our priority {theirs} and has the higher address")
    undone = source == state.relieved and now - state.since <= EARLY_TAKEOVER_PROBATION
    patience_until = now + EARLY_TAKEOVER_PAUSE if undone else state.patience_until
    blank = Backup(0, p.router.advertisement_interval, patience_until=patience_until)
    new = refresh(p, blank, event, now)
    # Departure: our last word, once our addresses are gone, makes the other one announce again. After a healed split
    # it may never have heard of us, and hosts may hold our MAC.
    farewell: Effects = () if p.router.strict else (BidFarewell(_farewell(p), unless_by=None),)
    defeat: Effects = (SendAdvertisement(p.advertisement),) if p.router.announces_defeat else ()
    return new, (*defeat, RemoveAddresses(p.router.let_go), *farewell, StateChanged(state, new, why))


def _master_adapts(p: Parameters, previous: Parameters, state: Master, now: Instant) -> tuple[State, Effects]:
    """What it says or holds has changed: both at once."""
    effects: Effects = ()
    if (p.phase, p.router.advertisement_interval) != (previous.phase, previous.router.advertisement_interval):
        state = replace(state, adver_at=_next_on_grid(p, now))
    before, after = previous.router.announcing, p.router.announcing
    if after.refresh != before.refresh:
        state = replace(state, refresh_at=_in(after.refresh, now))
    if after.extra_interfaces != before.extra_interfaces:
        state = replace(state, elsewhere_at=_in(after.extra_interfaces, now))
    if p.advertisement != previous.advertisement:
        # Peers still count by the interval that they know.
        known = min(previous.router.advertisement_interval, p.router.advertisement_interval)
        state, effects = _send_soon(p, state, now, known)
    removed = _without(previous.router.let_go, p.router.held)
    added = _without(p.router.held, previous.router.held)
    if removed:
        effects = (*effects, RemoveAddresses(removed))
    if added:
        effects = (*effects, AddAddresses(added))
    if set(p.announcement) - set(previous.announcement):
        effects = (*effects, AnnounceAddresses(p.announcement, p.router.announcing.master_repeat))
    return state, effects


def _send_soon(p: Parameters, state: Master, now: Instant, interval: Duration) -> tuple[Master, Effects]:
    """An advertisement outside the grid: at most one per tenth of an interval, and the newest waits for its slot."""
    earliest = state.sent_at + max(10 * MILLISECOND, interval // 10)
    if now >= earliest:
        sent = replace(state, sent_at=now, extra_at=None, extra_is_retry=False)
        return sent, (SendAdvertisement(p.advertisement),)
    if earliest >= state.adver_at or state.extra_at is not None:
        return state, ()
    return replace(state, extra_at=earliest, extra_is_retry=False), ()


# --- Resigning (departure: make before break, docs/architecture.md) ---


def _resign(p: Parameters, state: Master, why: Why, then: Then, now: Instant) -> tuple[State, Effects]:
    """Say priority 0 and keep the addresses. Nothing else is sent until this ends."""
    wait = leaving_time(p) if then is Then.LEAVE else asking_time(p)
    resigned_at = now + p.phase
    new = Resigning(
        until=resigned_at + wait,
        then=then,
        why=why,
        resigned_at=resigned_at,
        repeat_at=resigned_at + RESIGNATION_REPEAT,
        last_priority=p.priority,
        is_said=resigned_at <= now,
        patience_until=state.patience_until,
    )
    said: Effects = (SendAdvertisement(p.resignation),) if new.is_said else ()
    return new, (*said, StateChanged(state, new, why))


def _resigning(p: Parameters, state: Resigning, event: Event, now: Instant) -> tuple[State, Effects]:
    match event:
        case Tick():
            return _resigning_ticks(p, state, now)
        case AdvertisementReceived():
            return _resigning_hears(p, state, event, now)
        case AddressAnnounced(mac, at):
            # Nobody's Skew_Time is shorter: an earlier one is of a Master that has not heard our 0 yet, and may lose.
            shortest = skew_time(p.router.version, OWNER_PRIORITY, p.router.advertisement_interval)
            if at < state.resigned_at + (shortest if state.heir_at is None else 0):
                return state, ()
            return _hand_over(p, replace(state, heir_at=at), str(state.heir or mac), now)
        case Resign(why, then):
            # A second request sharpens what follows; another priority 0 would only restart the heir's timer.
            if then <= state.then:
                return state, ()
            return replace(state, then=then, why=why), ()
        case Resume(why):
            if state.then is Then.LEAVE or state.heir_at is not None:
                return state, ()
            return _become_master(p, state, why, now)
        case Shutdown(why):
            new, effects = _go(p, state, why)
            return new, effects if state.is_said else (SendAdvertisement(p.resignation), *effects)
        case ParametersChanged(previous):
            removed = _without(previous.router.let_go, p.router.held)
            return state, (RemoveAddresses(removed),) if removed else ()
        case Startup() | TakeOver() | SendFailed():
            return state, ()
        case _:
            assert_never(event)


def _resigning_ticks(p: Parameters, state: Resigning, now: Instant) -> tuple[State, Effects]:
    if not state.is_said:
        if now < state.resigned_at:
            return state, ()
        return replace(state, is_said=True), (SendAdvertisement(p.resignation),)
    if now >= state.until:
        if state.heir_at is not None:
            return _hand_over(p, state, str(state.heir), now)
        if state.then is Then.STAY:
            words = f"{state.why.words}; nobody took over, so it stays Master"
            return _become_master(p, state, Why(Reason.NOBODY_TOOK_OVER, words), now)
        if state.then is Then.BACKUP:
            return _retreat(p, state, now)
        return _go(p, state, state.why)
    if state.repeat_at is not None and now >= state.repeat_at:
        repeat = (SendAdvertisement(p.resignation),) if state.heir_at is None else ()
        return replace(state, repeat_at=None), repeat
    return state, ()


def _resigning_hears(
    p: Parameters, state: Resigning, event: AdvertisementReceived, now: Instant
) -> tuple[State, Effects]:
    """Is this the heir? Its addresses follow: ours go with its gratuitous ARP, or a little later."""
    theirs = event.advertisement.priority
    if theirs == 0 or state.heir_at is not None:
        return state, ()
    # It counted its Skew_Time on what it had learned from us, or on its own interval if it never heard us before.
    learned = min(p.router.advertisement_interval, event.advertisement.advertisement_interval)
    skew = skew_time(p.router.version, theirs, learned)
    # An advertisement sent before it heard our 0 comes from a Master that lost to us, or from a reflection.
    if theirs <= state.last_priority and now < state.resigned_at + skew:
        return state, ()
    heard = replace(
        state,
        heir=event.source,
        heir_at=now,
        heir_priority=theirs,
        heir_interval=event.advertisement.advertisement_interval,
        until=min(state.until, now + HEIR_ANNOUNCES_WITHIN),
    )
    if _holds_ipv6(p.router) or p.router.macvlans:
        # No wait for its announcement: its duplicate address detection must not find ours, and what we send with
        # the virtual MAC would draw that back to our port of the switch.
        return _hand_over(p, heard, str(event.source), now)
    return heard, ()


def _hand_over(p: Parameters, state: Resigning, heir: str, now: Instant) -> tuple[State, Effects]:
    why = Why(state.why.reason, f"{state.why.words}, handed over to {heir}")
    new: State = Initialize()
    if state.then <= Then.BACKUP:
        interval = state.heir_interval or p.router.advertisement_interval
        new = Backup(
            master_down_at=now + master_down_interval(p, interval),
            master_adver_interval=interval,
            master=state.heir,
            master_priority=state.heir_priority,
            heard_at=now,
            patience_until=state.patience_until,
        )
    heir_at = now if state.heir_at is None else state.heir_at
    farewell = BidFarewell(_farewell(p), heir_at + FAREWELL_AFTER)
    return new, (RemoveAddresses(p.router.let_go), farewell, StateChanged(state, new, why))


def _farewell(p: Parameters) -> bytes:
    return packet.encode(p.router, FAREWELL_PRIORITY, p.primary_address)


def _go(p: Parameters, state: Resigning, why: Why) -> tuple[State, Effects]:
    new = Initialize()
    return new, (RemoveAddresses(p.router.let_go), StateChanged(state, new, why))


def _retreat(p: Parameters, state: Resigning, now: Instant) -> tuple[State, Effects]:
    """Backup although nobody came: its sync group is."""
    interval = p.router.advertisement_interval
    new = Backup(
        master_down_at=now + master_down_interval(p, interval),
        master_adver_interval=interval,
        heard_at=now,
        patience_until=state.patience_until,
    )
    return new, (RemoveAddresses(p.router.addresses), StateChanged(state, new, state.why))


def _next_on_grid(p: Parameters, now: Instant) -> Instant:
    return next_on_grid(p.router.advertisement_interval, p.phase, now)


def _is_higher(theirs: IPAddress, ours: IPAddress) -> bool:
    """Section 6.4.3: of two Masters of one priority the higher address stays."""
    return int(theirs) > int(ours)


def _without(things: tuple[Held, ...], others: tuple[Held, ...]) -> tuple[Held, ...]:
    return tuple(thing for thing in things if thing not in others)
