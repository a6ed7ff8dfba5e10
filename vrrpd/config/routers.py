"""`vrrp_instance NAME { … }`: a virtual router, as it is read. `vrrpd.config.settled` makes one of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vrrpd.config.addresses import AddressDraft, read_address
from vrrpd.config.announcing import AnnouncingDraft, announcing_keywords
from vrrpd.config.authentication import AUTHENTICATION, AuthenticationDraft
from vrrpd.config.diagnostics import Severity
from vrrpd.config.fields import at, number, off, on, part, truth, word
from vrrpd.config.globals import MAX_ADVERTS_TO_MISS
from vrrpd.config.links import entries
from vrrpd.config.macs import MacDraft, read_mac
from vrrpd.config.peers import SPEAKING, PeersDraft
from vrrpd.config.routes import RouteDraft, read_route
from vrrpd.config.rules import RuleDraft, read_rule
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Block, Keyword, Reading, block, flag, ignored, read_block, switch, value
from vrrpd.config.telling import OF_ROUTERS, NotificationDraft
from vrrpd.config.trackers import TRACKING, TrackerDraft
from vrrpd.config.values import seconds, whole
from vrrpd.model import OWNER_PRIORITY, SECOND, Duration, Family, InitialState

DEFAULT_PRIORITY = 100
MAX_ADVERTISEMENT_INTERVAL = 255 * SECOND
_MIN_ADVERTISEMENT_INTERVAL = SECOND // 100
_MAX_PREEMPT_DELAY = 1000 * SECOND
_LONGEST_STALL = 254
_STATES = {state.value: state for state in InitialState}


@dataclass(slots=True)
class RouterDraft:
    """What a vrrp_instance block has said so far. None: nothing."""

    name: Word
    state: InitialState | None = None
    interface: Word | None = None
    vrid: int | None = None
    vrid_at: Word | None = None
    priority: int | None = None
    version: int | None = None
    native_ipv6: bool = False
    strict: bool | None = None
    advertisement_interval: Duration = SECOND
    advertisement_interval_at: Word | None = None
    nopreempt_at: Statement | None = None
    preempt_delay: Duration = 0
    preempt_delay_at: Statement | None = None
    down_timer_adverts: int | None = None
    accept: bool | None = None
    lower_prio_no_advert: bool | None = None
    higher_prio_send_advert: bool | None = None
    owner_ignore_adverts: bool | None = None
    skip_check_adv_addr: bool = False
    checksum_as_v2: bool | None = None
    yields_after_stall: int | None = None
    promote_secondaries: Statement | None = None
    dont_track_primary: bool = False
    no_virtual_ipaddress: bool = False
    use_vmac: MacDraft | None = None
    use_vmac_addr: bool = False
    vmac_xmit_base: Statement | None = None
    authentication: AuthenticationDraft = field(default_factory=AuthenticationDraft)
    speaking: PeersDraft = field(default_factory=PeersDraft)
    announcing: AnnouncingDraft = field(default_factory=AnnouncingDraft)
    notification: NotificationDraft = field(default_factory=NotificationDraft)
    addresses: list[AddressDraft] = field(default_factory=list)
    excluded: list[AddressDraft] = field(default_factory=list)
    routes: list[RouteDraft] = field(default_factory=list)
    rules: list[RuleDraft] = field(default_factory=list)
    trackers: list[TrackerDraft] = field(default_factory=list)

    @property
    def family(self) -> Family:
        """That of the first address; without any, IPv4."""
        return self.speaking.family or Family.IPV4


def _state(draft: RouterDraft, line: Statement, to: Reading) -> None:
    word = line.values[0]
    state = _STATES.get(word.text, InitialState.BACKUP)
    if word.text not in _STATES:
        to.warning(word, "bad-state", f"{quoted(word)} is neither MASTER nor BACKUP: BACKUP is taken")
    if draft.state is InitialState.MASTER and word.text == InitialState.BACKUP:
        to.warning(word, "duplicate-keyword", "a second state: MASTER stands, as in keepalived")
        return
    draft.state = state


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
    version = whole(line.values[0], 2, 3, to, strict=True)
    if version == 2 and draft.speaking.family is Family.IPV6:  # noqa: PLR2004 - the protocol's
        to.warning(line, "ipv6-version", "IPv6 has version 3 only: the line counts for nothing")
    elif version is not None:
        draft.version = version


def _native_ipv6(draft: RouterDraft, line: Statement, to: Reading) -> None:
    if draft.speaking.family is Family.IPV4:
        to.warning(line, "other-family", "this router is for IPv4 by what stands before: the line counts for nothing")
        return
    draft.speaking.family, draft.native_ipv6 = Family.IPV6, True


def _preempt(draft: RouterDraft, line: Statement, to: Reading) -> None:
    """Takes an earlier nopreempt back."""
    del line, to
    draft.nopreempt_at = None


def _preempt_delay(draft: RouterDraft, line: Statement, to: Reading) -> None:
    delay = seconds(line.values[0], 0, _MAX_PREEMPT_DELAY, to)
    if delay is not None:
        draft.preempt_delay, draft.preempt_delay_at = delay, line


def _authentication(draft: RouterDraft, line: Statement, to: Reading) -> None:
    draft.authentication.at = line
    read_block(AUTHENTICATION, line.children or (), draft.authentication, to)


def _virtual_ipaddress(draft: RouterDraft, line: Statement, to: Reading) -> None:
    for entry in line.children or ():
        address = read_address(entry, to)
        if address is None:
            continue
        if draft.speaking.is_of_family(address.interface.ip):
            draft.addresses.append(address)
        else:
            to.warning(
                entry,
                "other-family",
                f"this router is for IPv{draft.speaking.family}: {address.interface.ip} is left out, as in keepalived",
                "virtual_ipaddress_excluded takes either family",
            )


def _use_vmac(draft: RouterDraft, line: Statement, to: Reading) -> None:
    draft.use_vmac = read_mac(line, to)


def _timer_expired_backup(draft: RouterDraft, line: Statement, to: Reading) -> None:
    found = whole(line.values[0], 1, _LONGEST_STALL, to) if line.values else _LONGEST_STALL
    draft.yields_after_stall = draft.yields_after_stall if found is None else found


def _nothing(draft: RouterDraft, line: Statement, to: Reading) -> None:
    """What is so anyway."""
    del draft, line, to


_ELECTING: Mapping[str, Keyword[RouterDraft]] = {
    "state": value(1, _state, note="a hint: every router but an owner starts as Backup"),
    "interface": value(1, word("interface")),
    "virtual_router_id": value(1, _vrid),
    "priority": value(1, _priority),
    "advert_int": value(1, _advert_int, note="whole seconds in version 2"),
    "version": value(2, _version),
    "native_ipv6": flag(4, _native_ipv6),
    "strict_mode": switch(3, truth("strict")),
    "nopreempt": flag(1, at("nopreempt_at")),
    "preempt": flag(4, _preempt),
    "preempt_delay": value(2, _preempt_delay),
    "down_timer_adverts": value(3, number("down_timer_adverts", 1, MAX_ADVERTS_TO_MISS)),
    "lower_prio_no_advert": switch(3, truth("lower_prio_no_advert")),
    "higher_prio_send_advert": switch(3, truth("higher_prio_send_advert")),
    "owner_ignore_adverts": switch(4, truth("owner_ignore_adverts")),
    "timer_expired_backup": value(4, _timer_expired_backup, least=0),
    "thread_timer_expired": value(4, _timer_expired_backup, least=0, note="another name of timer_expired_backup"),
    "skip_check_adv_addr": flag(3, on("skip_check_adv_addr"), note="a different list is counted, never dropped"),
    "v3_checksum_as_v2": switch(3, truth("checksum_as_v2")),
    "authentication": block(1, _authentication),
}
_HOLDING: Mapping[str, Keyword[RouterDraft]] = {
    "virtual_ipaddress": block(1, _virtual_ipaddress),
    "virtual_ipaddress_excluded": block(2, entries("excluded", read_address)),
    "no_virtual_ipaddress": flag(4, on("no_virtual_ipaddress")),
    "virtual_routes": block(2, entries("routes", read_route)),
    "virtual_rules": block(3, entries("rules", read_rule)),
    "promote_secondaries": flag(3, at("promote_secondaries")),
    "use_vmac": value(2, _use_vmac, most=None, least=0, note="[NAME] [MAC] [netlink_notify_msg] [group G]"),
    "use_vmac_addr": flag(4, on("use_vmac_addr")),
    "vmac_xmit_base": flag(2, at("vmac_xmit_base")),
    "accept": flag(3, on("accept")),
    "no_accept": flag(3, off("accept")),
    "dont_track_primary": flag(3, on("dont_track_primary")),
}
_UNANSWERED: Mapping[str, Keyword[Any]] = {
    "use_ipvlan": ignored(4, "its addresses are put on the interface itself, with its MAC address", Severity.WARNING),
    "vrf": ignored(4, "a router has an interface, which may be in a VRF", Severity.WARNING),
    "auth_hmac": ignored(
        4, "advertisements are neither signed nor checked: nodes that use it are not heard", Severity.WARNING
    ),
    "old_unicast_checksum": ignored(4, "either checksum is accepted; the one of keepalived before 1.3.6 is not sent"),
    "linkbeat_use_polling": ignored(4, "link state comes from the kernel as it changes"),
    "lvs_sync_daemon_interface": ignored(4, "load balancing is not vrrpd's"),
    "debug": ignored(4, "it concerns keepalived's log"),
    "kernel_rx_buf_size": ignored(4, "vrrpd sizes its receive buffers itself"),
}

ROUTER: Block[RouterDraft] = Block(
    "vrrp_instance",
    {
        **_ELECTING,
        **_HOLDING,
        **part("speaking", SPEAKING),
        **TRACKING,
        **part("notification", OF_ROUTERS),
        **part("announcing", announcing_keywords("")),
        **_UNANSWERED,
    },
)
