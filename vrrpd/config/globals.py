"""`global_defs`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from vrrpd.config.announcing import MAX_SECONDS, AnnouncingDraft, announcing_keywords
from vrrpd.config.commands import CommandDraft, ScriptPolicy, named_user
from vrrpd.config.elsewhere import IN_GLOBAL_DEFS
from vrrpd.config.fields import number, on, part, text, time, truth, whole_seconds, word
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Block, Keyword, Reader, Reading, flag, shown, shown_block, switch, value
from vrrpd.config.telling import FifoDraft, command, fifo_path, fifo_reader, finished
from vrrpd.config.values import ip, whole
from vrrpd.model import (
    MICROSECOND,
    MILLISECOND,
    SECOND,
    Announcing,
    Duration,
    Family,
    IPAddress,
    Mail,
    Process,
    Telling,
    User,
)

MAX_ADVERTS_TO_MISS = 100
_MAX_PORT = 65535
_LINK_LOCAL = 2
_MAX_CPUS = 1024
_LONGEST = MAX_SECONDS * SECOND


@dataclass(slots=True)
class GlobalsDraft:
    """What global_defs has said so far. None: nothing."""

    router_id: str | None = None
    announcing: AnnouncingDraft = field(default_factory=AnnouncingDraft)
    mail: Mail = field(default_factory=Mail)
    mails: bool | None = None
    mails_vrrp: bool | None = None
    version: int = 2
    groups: dict[Family, IPAddress] = field(default_factory=dict)
    scripts: ScriptPolicy = field(default_factory=ScriptPolicy)
    minimal_garp: bool = False
    arp_interval: Duration = 0
    na_interval: Duration = 0
    down_timer_adverts: int = 3
    strict: bool = False
    lower_prio_no_advert: bool | None = None
    higher_prio_send_advert: bool = False
    owner_ignore_adverts: bool | None = None
    check_unicast_src: bool = False
    skip_check_adv_addr: bool = False
    checksum_as_v2: bool = False
    startup_delay: Duration = 0
    boot_delay: Duration = 0
    dynamic_interfaces: bool = False
    interfaces_may_change: bool = False
    disable_local_igmp: bool = False
    default_interface: Word | None = None
    vmac_prefix: str = "vrrp"
    vmac_addr_prefix: str | None = None
    fifo: FifoDraft = field(default_factory=FifoDraft)
    router_fifo: FifoDraft = field(default_factory=FifoDraft)
    tells_priority: bool = False
    tells_after_reload: bool = False
    startup: CommandDraft | None = None
    startup_timeout: Duration = 10 * SECOND
    shutdown: CommandDraft | None = None
    shutdown_timeout: Duration = 10 * SECOND
    process: Process = field(default_factory=Process)

    @property
    def defaults(self) -> Announcing:
        """What a router takes that says nothing itself: lower_prio follows the values for a new Master."""
        own = self.announcing
        base = own.finished(Announcing(0, 1, 0, 1) if self.minimal_garp else Announcing())
        delay, repeat = own.garp_lower_priority_delay, own.garp_lower_priority_repeat
        return replace(
            base,
            lower_priority_delay=base.master_delay if delay is None else delay,
            lower_priority_repeat=base.master_repeat if repeat is None else repeat,
        )

    @property
    def mails_by_default(self) -> bool:
        """smtp_alert_vrrp, else smtp_alert."""
        found = self.mails if self.mails_vrrp is None else self.mails_vrrp
        return bool(found)

    def telling(self, to: Reading) -> Telling:
        """With programs found and users looked up."""
        return Telling(
            fifo=self.fifo.finished(self.scripts, to),
            router_fifo=self.router_fifo.finished(self.scripts, to),
            tells_priority=self.tells_priority,
            tells_after_reload=self.tells_after_reload,
            startup=finished(self.startup, self.scripts, to),
            startup_timeout=self.startup_timeout,
            shutdown=finished(self.shutdown, self.scripts, to),
            shutdown_timeout=self.shutdown_timeout,
        )


def _router_id(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    if not line.values:
        to.warning(line, "missing-value", "router_id needs a name: the line counts for nothing")
        return
    draft.router_id = line.values[0].text


def _recipients(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    """Each word is an address, as in keepalived."""
    del to
    found = tuple(word.text for entry in line.children or () for word in entry.words)
    draft.mail = replace(draft.mail, recipients=draft.mail.recipients + found)


def _sender(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    del to
    draft.mail = replace(draft.mail, sender=line.values[0].text)


def _helo(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    del to
    draft.mail = replace(draft.mail, helo=line.values[0].text)


def _no_faults(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    del line, to
    draft.mail = replace(draft.mail, tells_faults=False)


def _smtp_server(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    server, *rest = line.values
    port = whole(rest[0], 1, _MAX_PORT, to, otherwise="25 is taken") if rest else None
    draft.mail = replace(draft.mail, server=server.text, port=port or Mail().port)


def _smtp_connect_timeout(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    timeout = whole(line.values[0], 0, MAX_SECONDS, to)
    if timeout is not None:
        draft.mail = replace(draft.mail, connect_timeout=timeout * SECOND)


def _version(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    found = whole(line.values[0], 2, 3, to, strict=True)
    if found is not None:
        draft.version = found


def _multicast_group(family: Family) -> Reader[GlobalsDraft]:
    def read(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
        word = line.values[0]
        group = ip(word.text)
        if group is None or not group.is_multicast or group.version != family:
            to.warning(
                word, "bad-address", f"{quoted(word)} is no IPv{family} multicast address: the line does not count"
            )
            return
        if family is Family.IPV6 and group.packed[1] & 0x0F != _LINK_LOCAL:
            to.warning(word, "bad-address", f"{quoted(word)} is not of link-local scope; it is taken all the same")
        draft.groups[family] = group

    return read


def _script_user(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    user = script_user(line, to) or draft.scripts.user
    draft.scripts = replace(draft.scripts, user=user)


def script_user(line: Statement, to: Reading) -> User | None:
    """`USER [GROUP]`; an error when there is none of that name, since a check would run as somebody else."""
    name, *group = line.values[:2]
    user = named_user((name, *group), to.node)
    if user is None:
        whom = f"user {quoted(name)}" + (f" or group {quoted(group[0])}" if group else "")
        to.error(name, "unknown-user", f"there is no {whom} on this node", "create it, or name another")
    return user


def _script_security(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    del line, to
    draft.scripts = replace(draft.scripts, secure=True)


def _supplementary(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    del line, to
    draft.scripts = replace(draft.scripts, supplementary=True)


def _dynamic_interfaces(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    draft.dynamic_interfaces = True
    if not line.values:
        return
    word = line.values[0]
    draft.interfaces_may_change = word.text == "allow_if_changes"
    if not draft.interfaces_may_change:
        to.warning(word, "unknown-option", f"{quoted(word)} is not allow_if_changes; it is ignored")


def _process(name: str, low: int, high: int, unit: int = 1) -> Reader[GlobalsDraft]:
    def read(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
        found = whole(line.values[0], low, high, to)
        if found is not None:
            changed: dict[str, Any] = {name: found * unit}
            draft.process = replace(draft.process, **changed)

    return read


def _no_swap(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    del line, to
    draft.process = replace(draft.process, locks_memory=True)


def _cpus(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    found = (whole(word, 0, _MAX_CPUS - 1, to, otherwise="it is left out") for word in line.values)
    draft.process = replace(draft.process, cpus=tuple(cpu for cpu in found if cpu is not None))


def _elsewhere(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    """The language has read it already."""
    del draft, line, to


_ZERO = frozenset({"0", "0.0"})

_VRRP: dict[str, Keyword[GlobalsDraft]] = {
    "vrrp_version": value(2, _version),
    "vrrp_mcast_group4": value(2, _multicast_group(Family.IPV4)),
    "vrrp_mcast_group6": value(2, _multicast_group(Family.IPV6)),
    **part("announcing", announcing_keywords("vrrp_")),
    "vrrp_min_garp": switch(3, truth("minimal_garp")),
    "vrrp_garp_interval": value(1, time("arp_interval", 0, _LONGEST), harmless=_ZERO),
    "vrrp_gna_interval": value(1, time("na_interval", 0, _LONGEST), harmless=_ZERO),
    "vrrp_down_timer_adverts": value(3, number("down_timer_adverts", 1, MAX_ADVERTS_TO_MISS)),
    "vrrp_strict": flag(1, on("strict")),
    "vrrp_skip_check_adv_addr": flag(1, on("skip_check_adv_addr")),
    "vrrp_lower_prio_no_advert": switch(3, truth("lower_prio_no_advert")),
    "vrrp_higher_prio_send_advert": switch(3, truth("higher_prio_send_advert")),
    "vrrp_owner_ignore_adverts": switch(4, truth("owner_ignore_adverts")),
    "vrrp_check_unicast_src": flag(3, on("check_unicast_src")),
    "v3_checksum_as_v2": switch(3, truth("checksum_as_v2")),
    "vrrp_startup_delay": value(3, time("startup_delay", MILLISECOND, _LONGEST), harmless=_ZERO),
    "vrrp_delay_after_boot": value(3, time("boot_delay", MILLISECOND, _LONGEST), harmless=_ZERO),
    "dynamic_interfaces": value(2, _dynamic_interfaces, least=0, note="[allow_if_changes]"),
    "default_interface": value(3, word("default_interface"), note="of static addresses"),
    "disable_local_igmp": flag(4, on("disable_local_igmp")),
    "vmac_prefix": value(4, text("vmac_prefix")),
    "vmac_addr_prefix": value(4, text("vmac_addr_prefix")),
}
_SCRIPTS: dict[str, Keyword[GlobalsDraft]] = {
    "script_user": value(1, _script_user, most=2, note="USER [[:]GROUP]"),
    "enable_script_security": flag(1, _script_security),
    "set_supplementary_groups": flag(4, _supplementary),
    "notify_fifo": value(2, fifo_path("fifo"), most=3),
    "notify_fifo_script": value(2, fifo_reader("fifo"), most=None),
    "vrrp_notify_fifo": value(2, fifo_path("router_fifo"), most=3),
    "vrrp_notify_fifo_script": value(2, fifo_reader("router_fifo"), most=None),
    "vrrp_notify_priority_changes": switch(4, truth("tells_priority")),
    "fifo_write_vrrp_states_on_reload": flag(4, on("tells_after_reload")),
    "startup_script": value(4, command("startup"), most=None),
    "startup_script_timeout": value(4, whole_seconds("startup_timeout", 1, 1000)),
    "shutdown_script": value(4, command("shutdown"), most=None),
    "shutdown_script_timeout": value(4, whole_seconds("shutdown_timeout", 1, 1000)),
}
_MAIL: dict[str, Keyword[GlobalsDraft]] = {
    "notification_email": shown_block(2, _recipients),
    "notification_email_from": shown(2, _sender, most=None),
    "smtp_server": shown(2, _smtp_server, most=2),
    "smtp_connect_timeout": shown(2, _smtp_connect_timeout),
    "smtp_helo_name": shown(4, _helo),
    "smtp_alert": switch(3, truth("mails")),
    "smtp_alert_vrrp": switch(3, truth("mails_vrrp")),
    "no_email_faults": flag(4, _no_faults),
}
_RUNNING: dict[str, Keyword[GlobalsDraft]] = {
    "vrrp_priority": value(3, _process("nice", -20, 19)),
    "vrrp_rt_priority": value(3, _process("realtime_priority", 1, 99)),
    "vrrp_rlimit_rttime": value(4, _process("realtime_limit", 1, (1 << 63) // MICROSECOND - 1, MICROSECOND)),
    "vrrp_rlimit_rtime": value(4, _process("realtime_limit", 1, (1 << 63) // MICROSECOND - 1, MICROSECOND)),
    "vrrp_no_swap": flag(3, _no_swap),
    "vrrp_cpu_affinity": value(4, _cpus, most=None),
}

_LANGUAGE: dict[str, Keyword[GlobalsDraft]] = {
    "random_seed": value(4, _elsewhere, note="of ${_RANDOM}"),
    "include_check": value(4, _elsewhere, most=None, least=0, note="what is wrong with an include"),
}

GLOBALS: Block[GlobalsDraft] = Block(
    "global_defs",
    {
        "router_id": shown(1, _router_id, least=0),
        **_VRRP,
        **_SCRIPTS,
        **_MAIL,
        **_RUNNING,
        **_LANGUAGE,
        **IN_GLOBAL_DEFS,
    },
)
