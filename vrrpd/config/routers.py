"""`vrrp_instance NAME { … }`: a virtual router."""

from __future__ import annotations

from dataclasses import dataclass, field

from vrrpd.config.addresses import AddressDraft, read_address
from vrrpd.config.globals import MAX_ADVERTS_TO_MISS, MAX_COUNT, garp_delay, garp_repeat
from vrrpd.config.scripts import MAX_WEIGHT, nearest_weight
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import FALSE, Block, Reading, block, flag, ignored, read_block, unread, value
from vrrpd.config.values import seconds, spoken, utf8, whole
from vrrpd.model import (
    NO_AUTHENTICATION,
    OWNER_PRIORITY,
    SECOND,
    Authentication,
    AuthenticationType,
    Duration,
    InitialState,
)

DEFAULT_PRIORITY = 100
MAX_ADVERTISEMENT_INTERVAL = 255 * SECOND
_MIN_ADVERTISEMENT_INTERVAL = SECOND // 100
_MAX_PREEMPT_DELAY = 1000 * SECOND
_MAX_PASSWORD_BYTES = 8
_STATES = {state.value: state for state in InitialState}


@dataclass(slots=True)
class TrackerDraft:
    """A line of track_script; the script is looked for when the whole file is read."""

    name: Word
    weight: int | None = None
    reverse: bool | None = None


@dataclass(slots=True)
class RouterDraft:
    """What a vrrp_instance block has said so far. None: nothing."""

    name: Word
    state: InitialState | None = None
    interface: Word | None = None
    vrid: int | None = None
    vrid_at: Word | None = None
    priority: int | None = None
    advertisement_interval: Duration = SECOND
    advertisement_interval_at: Word | None = None
    nopreempt_at: Statement | None = None
    preempt_delay: Duration = 0
    preempt_delay_at: Statement | None = None
    down_timer_adverts: int | None = None
    authentication_at: Statement | None = None
    authentication_type: AuthenticationType = AuthenticationType.NONE
    password: bytes = b""
    garp_delay: Duration | None = None
    garp_repeat: int | None = None
    garp_lower_priority_delay: Duration | None = None
    garp_lower_priority_repeat: int | None = None
    addresses: list[AddressDraft] = field(default_factory=list)
    trackers: list[TrackerDraft] = field(default_factory=list)

    @property
    def authentication(self) -> Authentication:
        """None where keepalived has none: without a type or without a password."""
        if self.authentication_type is AuthenticationType.NONE or not self.password:
            return NO_AUTHENTICATION
        return Authentication(self.authentication_type, self.password)


def _state(draft: RouterDraft, line: Statement, to: Reading) -> None:
    word = line.values[0]
    state = _STATES.get(word.text, InitialState.BACKUP)
    if word.text not in _STATES:
        to.warning(word, "bad-state", f"{quoted(word)} is neither MASTER nor BACKUP: BACKUP is taken")
    if draft.state is InitialState.MASTER and state is InitialState.BACKUP:
        to.warning(word, "duplicate-keyword", "a second state: MASTER stands, as in keepalived")
        return
    draft.state = state


def _interface(draft: RouterDraft, line: Statement, to: Reading) -> None:
    del to
    draft.interface = line.values[0]


def _vrid(draft: RouterDraft, line: Statement, to: Reading) -> None:
    number = whole(line.values[0], 1, 255, to, strict=True)
    if number is not None:
        draft.vrid, draft.vrid_at = number, line.values[0]


def _priority(draft: RouterDraft, line: Statement, to: Reading) -> None:
    taken = f"{DEFAULT_PRIORITY} is taken"
    number = whole(line.values[0], 1, OWNER_PRIORITY, to, otherwise=taken, strict=True)
    draft.priority = number or DEFAULT_PRIORITY


def _advert_int(draft: RouterDraft, line: Statement, to: Reading) -> None:
    interval = seconds(line.values[0], _MIN_ADVERTISEMENT_INTERVAL, MAX_ADVERTISEMENT_INTERVAL, to)
    if interval is not None:
        draft.advertisement_interval, draft.advertisement_interval_at = interval, line.values[0]


def _version(draft: RouterDraft, line: Statement, to: Reading) -> None:
    del draft
    if whole(line.values[0], 2, 3, to, strict=True) == 3:  # noqa: PLR2004 - the other version
        to.pending(line, "vrrp_instance", "version 3")


def _nopreempt(draft: RouterDraft, line: Statement, to: Reading) -> None:
    del to
    draft.nopreempt_at = line


def _preempt(draft: RouterDraft, line: Statement, to: Reading) -> None:
    """Takes an earlier nopreempt back."""
    del line, to
    draft.nopreempt_at = None


def _preempt_delay(draft: RouterDraft, line: Statement, to: Reading) -> None:
    delay = seconds(line.values[0], 0, _MAX_PREEMPT_DELAY, to)
    if delay is not None:
        draft.preempt_delay, draft.preempt_delay_at = delay, line


def _down_timer_adverts(draft: RouterDraft, line: Statement, to: Reading) -> None:
    draft.down_timer_adverts = whole(line.values[0], 1, MAX_ADVERTS_TO_MISS, to) or draft.down_timer_adverts


def _garp_delay(draft: RouterDraft, line: Statement, to: Reading) -> None:
    draft.garp_delay = garp_delay(line, to, draft.garp_delay)


def _garp_repeat(draft: RouterDraft, line: Statement, to: Reading) -> None:
    draft.garp_repeat = garp_repeat(line, to, draft.garp_repeat)


def _garp_lower_delay(draft: RouterDraft, line: Statement, to: Reading) -> None:
    draft.garp_lower_priority_delay = garp_delay(line, to, draft.garp_lower_priority_delay)


def _garp_lower_repeat(draft: RouterDraft, line: Statement, to: Reading) -> None:
    number = whole(line.values[0], 0, MAX_COUNT, to)
    draft.garp_lower_priority_repeat = draft.garp_lower_priority_repeat if number is None else number


def _accept_default(draft: RouterDraft, line: Statement, to: Reading) -> None:
    """What is so anyway."""
    del draft, line, to


def _authentication(draft: RouterDraft, line: Statement, to: Reading) -> None:
    draft.authentication_at = line
    read_block(AUTHENTICATION, line.children or (), draft, to)


def _auth_type(draft: RouterDraft, line: Statement, to: Reading) -> None:
    word = line.values[0]
    match word.text:
        case "PASS":
            draft.authentication_type = AuthenticationType.PASS
        case "AH":
            to.pending(word, "authentication", "auth_type AH")
        case _:
            draft.authentication_type = AuthenticationType.NONE
            to.warning(word, "bad-authentication", f"unknown authentication type {quoted(word)}: none is used", "PASS")


def _auth_pass(draft: RouterDraft, line: Statement, to: Reading) -> None:
    """Says nothing of the password but its length."""
    password = utf8(line.values[0].text)
    if len(password) > _MAX_PASSWORD_BYTES:
        to.warning(
            line.values[0],
            "long-password",
            f"the password has {len(password)} bytes: its first {_MAX_PASSWORD_BYTES} are taken, as keepalived does",
        )
    draft.password = password[:_MAX_PASSWORD_BYTES]


def _virtual_ipaddress(draft: RouterDraft, line: Statement, to: Reading) -> None:
    for entry in line.children or ():
        address = read_address(entry, to)
        if address is not None:
            draft.addresses.append(address)


def _track_script(draft: RouterDraft, line: Statement, to: Reading) -> None:
    for entry in line.children or ():
        tracker = _tracker(entry, to)
        if tracker is None:
            continue
        if any(tracker.name.text == other.name.text for other in draft.trackers):
            to.warning(entry, "duplicate-tracker", f"{quoted(tracker.name)} is tracked twice: the first counts")
        else:
            draft.trackers.append(tracker)


def _tracker(entry: Statement, to: Reading) -> TrackerDraft | None:
    """`NAME [weight W] [reverse|noreverse]`; None when keepalived drops the entry as well."""
    if not entry.words:
        to.warning(entry, "unexpected-brace", "a block where a script's name is expected; it is skipped")
        return None
    tracker = TrackerDraft(entry.words[0])
    words = iter(entry.values)
    for word in words:
        match word.text:
            case "reverse" | "noreverse":
                tracker.reverse = word.text == "reverse"
            case "weight" if (number := next(words, None)) is not None:
                tracker.weight = _tracker_weight(number, to)
            case _:
                to.warning(
                    word,
                    "unknown-option",
                    f"{quoted(word)} is no option of a tracked script: {quoted(tracker.name)} is not tracked here",
                    "NAME [weight W] [reverse], one script a line",
                )
                return None
    return tracker


def _tracker_weight(word: Word, to: Reading) -> int | None:
    """Beyond 254 it counts for nothing, and 254 is 253, as in keepalived."""
    number = whole(word, -MAX_WEIGHT - 1, MAX_WEIGHT + 1, to, otherwise="the script's own weight counts")
    return None if number is None else nearest_weight(number, word, to)


AUTHENTICATION: Block[RouterDraft] = Block(
    "authentication",
    {
        "auth_type": value(_auth_type, note="PASS; AH is refused for now"),
        "auth_pass": value(_auth_pass, note="the first 8 bytes"),
    },
    secret=True,
)

_UNICAST = "it concerns unicast_peer, which is refused"
_V3 = "it concerns VRRP version 3, which is refused"

ROUTER: Block[RouterDraft] = Block(
    "vrrp_instance",
    {
        "state": value(_state),
        "interface": value(_interface),
        "virtual_router_id": value(_vrid),
        "priority": value(_priority),
        "advert_int": value(_advert_int, note="whole seconds in version 2"),
        "version": value(_version, note="2; 3 is refused for now"),
        "authentication": block(_authentication),
        "virtual_ipaddress": block(_virtual_ipaddress, note="IPv4: dev, label, scope, brd; no other option yet"),
        "track_script": block(_track_script),
        "nopreempt": flag(_nopreempt),
        "preempt": flag(_preempt),
        "preempt_delay": value(_preempt_delay),
        "garp_master_delay": value(_garp_delay),
        "garp_master_repeat": value(_garp_repeat),
        "garp_lower_prio_delay": value(_garp_lower_delay),
        "garp_lower_prio_repeat": value(_garp_lower_repeat),
        "down_timer_adverts": value(_down_timer_adverts),
        "accept": flag(_accept_default, note="the default"),
        "no_virtual_ipaddress": flag(_accept_default, note="a router may have no address"),
        **dict.fromkeys(
            (
                "notify",
                "notify_master",
                "notify_backup",
                "notify_fault",
                "notify_stop",
                "notify_deleted",
                "notify_master_rx_lower_pri",
            ),
            unread(),
        ),
        "unicast_src_ip": unread(),
        "unicast_peer": unread(),
        "unicast_fault_no_peer": unread(),
        "mcast_src_ip": unread(),
        "mcast_dst_ip": unread(),
        "track_src_ip": unread(),
        "track_interface": unread(),
        "track_file": unread(),
        "track_process": unread(),
        "track_bfd": unread(),
        "dont_track_primary": unread(),
        "timer_expired_backup": unread(),
        "thread_timer_expired": unread(),
        "lower_prio_no_advert": unread(FALSE),
        "higher_prio_send_advert": unread(FALSE),
        "owner_ignore_adverts": unread(FALSE),
        "no_accept": unread(),
        "strict_mode": unread(FALSE),
        "promote_secondaries": unread(),
        "virtual_ipaddress_excluded": unread(),
        "virtual_routes": unread(),
        "virtual_rules": unread(),
        "use_vmac": unread(),
        "use_vmac_addr": unread(),
        "vmac_xmit_base": unread(),
        "use_ipvlan": unread(),
        "vrf": unread(),
        "native_ipv6": unread(),
        "auth_hmac": unread(),
        "garp_master_refresh": unread(frozenset({"0"})),
        "garp_extra_if": unread(frozenset({"0"})),
        "garp_master_refresh_repeat": ignored("it concerns garp_master_refresh, which is refused"),
        "check_unicast_src": ignored(_UNICAST),
        "unicast_ttl": ignored(_UNICAST),
        "old_unicast_checksum": ignored(_UNICAST),
        "v3_checksum_as_v2": ignored(_V3),
        "skip_check_adv_addr": ignored("a different address list is counted, never a reason to drop"),
        "smtp_alert": ignored("nothing is mailed yet"),
        "notify_priority_changes": ignored("it concerns the notify FIFO, which is refused"),
        "linkbeat_use_polling": ignored("link state comes from the kernel as it changes"),
        "lvs_sync_daemon_interface": ignored("load balancing is not vrrpd's"),
        "debug": ignored("it concerns keepalived's log"),
        "kernel_rx_buf_size": ignored("vrrpd sizes its receive buffers itself"),
    },
)


@dataclass(frozen=True, slots=True)
class Election:
    """What decides who is Master, after keepalived's side effects."""

    priority: int
    state: InitialState
    preempt: bool
    preempt_delay: Duration


def finish_election(draft: RouterDraft, to: Reading) -> Election:
    """MASTER without a priority is 255; 255 and MASTER cancel nopreempt; MASTER and nopreempt cancel preempt_delay."""
    priority = draft.priority
    if priority is None and draft.state is InitialState.MASTER:
        priority = OWNER_PRIORITY
        to.advice(
            draft.name,
            "owner-by-default",
            "state MASTER without a priority is priority 255, the owner of the addresses, as in keepalived",
            "give it a priority",
        )
    elif priority is None:
        priority = DEFAULT_PRIORITY
    is_owner = priority == OWNER_PRIORITY
    state = draft.state or (InitialState.MASTER if is_owner else InitialState.BACKUP)
    is_master = state is InitialState.MASTER
    if draft.nopreempt_at is not None and is_owner:
        to.advice(draft.nopreempt_at, "owner-preempts", "priority 255 always preempts: nopreempt counts for nothing")
    preempt = draft.nopreempt_at is None or is_owner or is_master
    if draft.preempt_delay_at is not None and (is_master or not preempt):
        to.advice(
            draft.preempt_delay_at,
            "preempt-delay-cancelled",
            f"{'state MASTER' if is_master else 'nopreempt'} cancels preempt_delay, as in keepalived",
            "write state BACKUP if it shall wait" if is_master else "take preempt_delay out",
        )
        return Election(priority, state, preempt, 0)
    return Election(priority, state, preempt, draft.preempt_delay)


def finish_interval(draft: RouterDraft, to: Reading) -> Duration:
    """Version 2 has whole seconds on the wire: halves go up, and nothing goes below 1."""
    interval = max((draft.advertisement_interval + SECOND // 2) // SECOND, 1) * SECOND
    if draft.advertisement_interval_at is not None and interval != draft.advertisement_interval:
        to.warning(
            draft.advertisement_interval_at,
            "rounded-interval",
            f"version 2 advertises at whole seconds: {spoken(interval)} s is taken",
        )
    return interval


def finish_authentication(draft: RouterDraft, to: Reading) -> Authentication:
    """Say what an incomplete block comes to."""
    authentication = draft.authentication
    if draft.authentication_at is not None and authentication is NO_AUTHENTICATION:
        missing = "a password" if draft.authentication_type is not AuthenticationType.NONE else "an auth_type"
        to.warning(
            draft.authentication_at,
            "no-authentication",
            f"authentication without {missing}: none is used, as in keepalived",
        )
    return authentication
