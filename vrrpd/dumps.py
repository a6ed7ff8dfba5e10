"""keepalived's own dumps, for exporters and scripts that read them: field names and words are keepalived 2.2.7's.

Written on signals, and only by a daemon that was started in keepalived's place (`python -m vrrpd.keepalived`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from vrrpd.description import address_line
from vrrpd.engine import Engine
from vrrpd.model import SECOND, AuthenticationType, Instant, TrackerKind, VirtualAddress
from vrrpd.packet import DropReason
from vrrpd.records import Record
from vrrpd.states import Initialize, Master, Resigning

WallClock: TypeAlias = Callable[[Instant], int]
"""From the engine's clock to nanoseconds since 1970."""

_AUTHENTICATION = {AuthenticationType.PASS: "SIMPLE_PASSWORD", AuthenticationType.AH: "IPSEC_AH"}
_STATES = {"INIT": 0, "BACKUP": 1, "MASTER": 2, "FAULT": 3}
_HIDDEN = "********"


def write(path: Path, text: str) -> None:
    """Replace the file's content. OSError, also when somebody has put a symbolic link in its place."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def stats(engine: Engine) -> str:
    """keepalived.stats."""
    return "".join(_stats(record) for record in engine.records.values())


def data(engine: Engine, wall: WallClock) -> str:
    """keepalived.data, as far as it is about virtual routers."""
    topology = "".join(_topology(record, wall) for record in engine.records.values())
    return f"------< VRRP Topology >------\n{topology}"


def as_json(engine: Engine, wall: WallClock) -> str:
    """keepalived.json, version 1."""
    routers = [{"data": _json_data(record, wall), "stats": _counts(record)} for record in engine.records.values()]
    return json.dumps(routers) + "\n"


def _state(record: Record) -> str:
    match record.state:
        case Master() | Resigning():
            return "MASTER"
        case Initialize():
            return "FAULT" if record.faults else "INIT"
        case _:
            return "BACKUP"


def _counts(record: Record) -> dict[str, int]:
    counters = record.counters
    became = sum(count for (state, _), count in record.moves.items() if state == "Master")
    dropped = {reason: counters[reason] for reason in DropReason}
    return {
        "advert_rcvd": counters["received"],
        "advert_sent": counters["sent"],
        "become_master": became,
        "release_master": became - (_state(record) == "MASTER"),
        "packet_len_err": dropped[DropReason.LENGTH],
        "advert_interval_err": dropped[DropReason.INTERVAL],
        "ip_ttl_err": dropped[DropReason.TTL],
        "invalid_type_rcvd": dropped[DropReason.TYPE],
        "addr_list_err": dropped[DropReason.DESTINATION],
        "invalid_authtype": 0,
        "authtype_mismatch": dropped[DropReason.AUTHENTICATION_TYPE],
        "auth_failure": dropped[DropReason.AUTHENTICATION] + dropped[DropReason.REPLAY],
        "pri_zero_rcvd": counters["received_priority_0"],
        "pri_zero_sent": counters["sent_priority_0"],
    }


def _stats(record: Record) -> str:
    counts = _counts(record)
    return f"""VRRP Instance: {record.router.name}
  Advertisements:
    Received: {counts["advert_rcvd"]}
    Sent: {counts["advert_sent"]}
  Became master: {counts["become_master"]}
  Released master: {counts["release_master"]}
  Packet Errors:
    Length: {counts["packet_len_err"]}
    TTL: {counts["ip_ttl_err"]}
    Invalid Type: {counts["invalid_type_rcvd"]}
    Advertisement Interval: {counts["advert_interval_err"]}
    Address List: {counts["addr_list_err"]}
  Authentication Errors:
    Invalid Type: {counts["invalid_authtype"]}
    Type Mismatch: {counts["authtype_mismatch"]}
    Failure: {counts["auth_failure"]}
  Priority Zero:
    Received: {counts["pri_zero_rcvd"]}
    Sent: {counts["pri_zero_sent"]}
"""


def _topology(record: Record, wall: WallClock) -> str:
    router, p, state = record.router, record.parameters, _state(record)
    since = wall(record.since)
    moment = datetime.fromtimestamp(since / SECOND, UTC).astimezone()
    interval = router.advertisement_interval
    held = isinstance(record.state, Master | Resigning)
    lines = [
        f" VRRP Instance = {router.name}",
        f"   VRRP Version = {router.version:d}",
        f"   State = {state}",
        f"   Wantstate = {state}",
        f"   Last transition = {since / SECOND:.6f} ({moment:%a %b %d %H:%M:%S.%f %Y})",
        f"   Interface = {router.interface}",
        f"   Using src_ip = {'(none)' if p is None else p.primary_address}",
        f"   Virtual Router ID = {router.vrid}",
        f"   Priority = {router.priority}",
        f"   Effective priority = {router.priority if p is None else p.priority}",
        f"   Advert interval = {interval / SECOND:g} sec",
        f"   Accept = {'enabled' if router.accept else 'disabled'}",
        f"   Preempt = {'enabled' if router.preempt else 'disabled'}",
        f"   Authentication type = {_AUTHENTICATION.get(router.authentication.type, 'none')}",
        *_addresses("Virtual IP", router.addresses, held=held),
        *_addresses("Virtual IP Excluded", router.excluded, held=held),
        *_tracked(record),
    ]
    return "\n".join(lines) + "\n"


def _addresses(title: str, addresses: tuple[VirtualAddress, ...], *, held: bool) -> list[str]:
    if not addresses:
        return []
    return [f"   {title} ({len(addresses)}):", *(f"     {line}" for line in _described(addresses, held=held))]


def _described(addresses: tuple[VirtualAddress, ...], *, held: bool) -> list[str]:
    return [address_line(address) + (" set" if held else "") for address in addresses]


def _tracked(record: Record) -> list[str]:
    lines = []
    for title, kind in (("Tracked interfaces", TrackerKind.INTERFACE), ("Tracked scripts", TrackerKind.SCRIPT)):
        trackers = [tracker for tracker in record.router.trackers if tracker.kind is kind]
        if trackers:
            lines.append(f"   {title} :")
            lines += [f"     {t.name} weight {t.weight}{' reverse' * t.reverse}" for t in trackers]
    return lines


def _json_data(record: Record, wall: WallClock) -> dict[str, Any]:
    router, p, state = record.router, record.parameters, _STATES[_state(record)]
    held = isinstance(record.state, Master | Resigning)
    announcing = router.announcing
    interval = router.advertisement_interval / SECOND
    names = {kind: [t.name for t in router.trackers if t.kind is kind] for kind in TrackerKind}
    lists = {
        "vips": _described(router.addresses, held=held),
        "evips": _described(router.excluded, held=held),
        "track_ifp": names[TrackerKind.INTERFACE],
        "track_script": names[TrackerKind.SCRIPT],
    }
    return {
        "iname": router.name,
        "dont_track_primary": int(not router.tracks_interface),
        "skip_check_adv_addr": int(router.accepts_known_lists),
        "strict_mode": int(router.strict),
        "vmac_ifname": "" if router.virtual_mac is None else router.virtual_mac.device,
        "ifp_ifname": router.interface,
        "master_priority": getattr(record.state, "master_priority", 0),
        "last_transition": wall(record.since) / SECOND,
        "garp_delay": announcing.master_delay // SECOND,
        "garp_refresh": announcing.refresh // SECOND,
        "garp_rep": announcing.master_repeat,
        "garp_refresh_rep": announcing.refresh_repeat,
        "garp_lower_prio_delay": announcing.lower_priority_delay // SECOND,
        "garp_lower_prio_rep": announcing.lower_priority_repeat,
        "lower_prio_no_advert": int(not router.answers_lower_priority),
        "higher_prio_send_advert": int(router.announces_defeat),
        "vrid": router.vrid,
        "base_priority": router.priority,
        "effective_priority": router.priority if p is None else p.priority,
        "vipset": held,
        "promote_secondaries": router.promotes_secondaries,
        "adver_int": interval,
        "master_adver_int": interval,
        "accept": int(router.accept),
        "nopreempt": not router.preempt,
        "preempt_delay": router.preempt_delay // SECOND,
        "state": state,
        "wantstate": state,
        "version": int(router.version),
        "smtp_alert": router.notification.mails,
        "notify_deleted": router.notification.tells_deletion,
        "auth_type": int(router.authentication.type),
        "auth_data": _HIDDEN if router.authentication.password else "",
    } | {name: values for name, values in lists.items() if values}
