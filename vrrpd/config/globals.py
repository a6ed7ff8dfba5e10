"""`global_defs`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import TypeVar

from vrrpd.config.commands import ScriptPolicy, named_user
from vrrpd.config.syntax import Statement, quoted
from vrrpd.config.table import FALSE, Block, Reading, flag, ignored, shown, shown_block, unread, value
from vrrpd.config.values import ipv4, whole
from vrrpd.model import SECOND, Announcing, Duration, Mail, User

MAX_SECONDS = 4294
"""keepalived keeps most times as microseconds in 32 bits."""
MAX_COUNT = (1 << 31) - 1
MAX_ADVERTS_TO_MISS = 100
_MAX_PORT = 65535


@dataclass(slots=True)
class GlobalsDraft:
    """What global_defs has said so far. None: nothing."""

    router_id: str | None = None
    mail: Mail = field(default_factory=Mail)
    multicast_group: IPv4Address | None = None
    scripts: ScriptPolicy = field(default_factory=ScriptPolicy)
    garp_delay: Duration = Announcing().master_delay
    garp_repeat: int = Announcing().master_repeat
    garp_lower_priority_delay: Duration | None = None
    garp_lower_priority_repeat: int | None = None
    down_timer_adverts: int = 3

    @property
    def announcing(self) -> Announcing:
        """What a router takes that says nothing itself: lower_prio follows the values for a new Master."""
        delay, repeat = self.garp_lower_priority_delay, self.garp_lower_priority_repeat
        return Announcing(
            self.garp_delay,
            self.garp_repeat,
            self.garp_delay if delay is None else delay,
            self.garp_repeat if repeat is None else repeat,
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


def _smtp_server(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    server, *rest = line.values
    port = whole(rest[0], 1, _MAX_PORT, to, otherwise="25 is taken") if rest else None
    draft.mail = replace(draft.mail, server=server.text, port=port or Mail().port)


def _smtp_connect_timeout(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    timeout = whole(line.values[0], 0, MAX_SECONDS, to)
    if timeout is not None:
        draft.mail = replace(draft.mail, connect_timeout=timeout * SECOND)


def _version(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    del draft
    if whole(line.values[0], 2, 3, to, strict=True) == 3:  # noqa: PLR2004 - the other version
        to.pending(line, "global_defs", "vrrp_version 3")


def _multicast_group(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    word = line.values[0]
    group = ipv4(word.text)
    if group is None or not group.is_multicast:
        to.warning(word, "bad-address", f"{quoted(word)} is no IPv4 multicast address: the line counts for nothing")
        return
    draft.multicast_group = group


def _script_user(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    user = script_user(line, to) or draft.scripts.user
    draft.scripts = replace(draft.scripts, user=user)


def script_user(line: Statement, to: Reading) -> User | None:
    """`USER [GROUP]`; an error when there is none of that name, since a check would run as somebody else."""
    name, *group = line.values[:2]
    if group and group[0].text.startswith(":"):
        to.warning(group[0], "supplementary-groups", "scripts run without supplementary groups: the colon is ignored")
    user = named_user((name, *group), to.node)
    if user is None:
        whom = f"user {quoted(name)}" + (f" or group {quoted(group[0])}" if group else "")
        to.error(name, "unknown-user", f"there is no {whom} on this node", "create it, or name another")
    return user


def _script_security(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    del line, to
    draft.scripts = replace(draft.scripts, secure=True)


def _garp_delay(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    draft.garp_delay = garp_delay(line, to, draft.garp_delay)


def _garp_repeat(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    draft.garp_repeat = garp_repeat(line, to, draft.garp_repeat)


def _garp_lower_delay(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    draft.garp_lower_priority_delay = garp_delay(line, to, draft.garp_lower_priority_delay)


def _garp_lower_repeat(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    number = whole(line.values[0], 0, MAX_COUNT, to)
    draft.garp_lower_priority_repeat = draft.garp_lower_priority_repeat if number is None else number


def _down_timer_adverts(draft: GlobalsDraft, line: Statement, to: Reading) -> None:
    draft.down_timer_adverts = whole(line.values[0], 1, MAX_ADVERTS_TO_MISS, to) or draft.down_timer_adverts


T = TypeVar("T")


def garp_delay(line: Statement, to: Reading, otherwise: T) -> Duration | T:
    """Whole seconds; 0 is no second burst."""
    number = whole(line.values[0], 0, MAX_SECONDS, to)
    return otherwise if number is None else number * SECOND


def garp_repeat(line: Statement, to: Reading, otherwise: T) -> int | T:
    """A burst has at least one frame: 0 becomes 1, as in keepalived."""
    number = whole(line.values[0], 0, MAX_COUNT, to)
    if number == 0:
        to.warning(line.values[0], "bad-number", f"{line.keyword} is at least 1: 1 is taken")
        return 1
    return otherwise if number is None else number


_ZERO = frozenset({"0", "0.0"})
_PROCESS = "it concerns keepalived's own processes"
_FIREWALL = "it configures the firewall for no_accept and use_vmac, which are refused"
_MONITORING = "keepalived's SNMP, D-Bus and dump files have no counterpart; see vrrpd status --json"
_MAIL = "nothing is mailed yet"
_FIFO = "it concerns the notify FIFO, which is refused"
_UNICAST = "it concerns unicast_peer, which is refused"
_IPV6 = "it concerns IPv6, which is refused"
_V3 = "it concerns VRRP version 3, which is refused"
_RELOAD = "vrrpd never takes a broken file at reload"
_LVS = "load balancing is not vrrpd's"

GLOBALS: Block[GlobalsDraft] = Block(
    "global_defs",
    {
        "router_id": shown(_router_id, least=0),
        "notification_email": shown_block(_recipients),
        "notification_email_from": shown(_sender, most=None),
        "smtp_server": shown(_smtp_server, most=2),
        "smtp_connect_timeout": shown(_smtp_connect_timeout),
        "vrrp_version": value(_version, note="2; 3 is refused for now"),
        "vrrp_mcast_group4": value(_multicast_group),
        "script_user": value(_script_user, most=2, note="without supplementary groups"),
        "enable_script_security": flag(_script_security),
        "vrrp_garp_master_delay": value(_garp_delay),
        "vrrp_garp_master_repeat": value(_garp_repeat),
        "vrrp_garp_lower_prio_delay": value(_garp_lower_delay),
        "vrrp_garp_lower_prio_repeat": value(_garp_lower_repeat),
        "vrrp_down_timer_adverts": value(_down_timer_adverts),
        "vrrp_garp_interval": unread(_ZERO),
        "vrrp_garp_master_refresh": unread(_ZERO),
        "vrrp_garp_extra_if": unread(),
        "vrrp_min_garp": unread(FALSE),
        "vrrp_strict": unread(FALSE),
        "vrrp_lower_prio_no_advert": unread(FALSE),
        "vrrp_higher_prio_send_advert": unread(FALSE),
        "vrrp_owner_ignore_adverts": unread(FALSE),
        "vrrp_startup_delay": unread(_ZERO),
        "vrrp_delay_after_boot": unread(_ZERO),
        "dynamic_interfaces": unread(),
        **dict.fromkeys(
            (
                "vrrp_notify_fifo",
                "notify_fifo",
                "vrrp_notify_fifo_script",
                "notify_fifo_script",
                "startup_script",
                "shutdown_script",
            ),
            unread(),
        ),
        "vrrp_gna_interval": ignored(_IPV6),
        "vrrp_mcast_group6": ignored(_IPV6),
        "vrrp_garp_master_refresh_repeat": ignored("it concerns vrrp_garp_master_refresh, which is refused"),
        "vrrp_skip_check_adv_addr": ignored("a different address list is counted, never a reason to drop"),
        "vrrp_check_unicast_src": ignored(_UNICAST),
        "v3_checksum_as_v2": ignored(_V3),
        "default_interface": ignored("a router without an interface is refused"),
        "disable_local_igmp": ignored("vrrpd leaves the kernel's IGMP setting alone"),
        "use_symlink_paths": ignored("vrrpd runs scripts by the path that is written"),
        "set_supplementary_groups": ignored("scripts run without supplementary groups"),
        **dict.fromkeys(("smtp_helo_name", "smtp_alert", "smtp_alert_vrrp", "no_email_faults"), ignored(_MAIL)),
        **dict.fromkeys(("smtp_alert_checker", "no_checker_emails", "rs_init_notifies"), ignored(_LVS)),
        **dict.fromkeys(("vrrp_notify_priority_changes", "fifo_write_vrrp_states_on_reload"), ignored(_FIFO)),
        **dict.fromkeys(("startup_script_timeout", "shutdown_script_timeout"), ignored("it concerns a refused script")),
        **dict.fromkeys(
            (
                "reload_check_config",
                "reload_time_file",
                "reload_repeat",
                "reload_file",
                "config_save_dir",
                "tmp_config_directory",
            ),
            ignored(_RELOAD),
        ),
        **dict.fromkeys(
            (
                "nftables",
                "nftables_priority",
                "nftables_counters",
                "nftables_ifindex",
                "nftables_ipvs",
                "nftables_ipvs_priority",
                "nftables_ipvs_start_fwmark",
                "vrrp_iptables",
                "vrrp_ipsets",
                "vmac_prefix",
                "vmac_addr_prefix",
            ),
            ignored(_FIREWALL),
        ),
        **dict.fromkeys(
            (
                "vrrp_priority",
                "vrrp_no_swap",
                "vrrp_rt_priority",
                "vrrp_rlimit_rttime",
                "vrrp_rlimit_rtime",
                "vrrp_cpu_affinity",
                "max_auto_priority",
                "min_auto_priority_delay",
                "vrrp_rx_bufs_policy",
                "vrrp_rx_bufs_multiplier",
                "vrrp_netlink_cmd_rcv_bufs",
                "vrrp_netlink_cmd_rcv_bufs_force",
                "vrrp_netlink_monitor_rcv_bufs",
                "vrrp_netlink_monitor_rcv_bufs_force",
                "lvs_netlink_cmd_rcv_bufs",
                "lvs_netlink_cmd_rcv_bufs_force",
                "lvs_netlink_monitor_rcv_bufs",
                "lvs_netlink_monitor_rcv_bufs_force",
                "process_monitor_rcv_bufs",
                "process_monitor_rcv_bufs_force",
                "process_names",
                "process_name",
                "vrrp_process_name",
                "checker_process_name",
                "bfd_process_name",
                "lvs_process_name",
                "log_unknown_vrids",
                "umask",
                "random_seed",
                "iproute_usr_dir",
                "iproute_etc_dir",
                "data_use_instance",
            ),
            ignored(_PROCESS),
        ),
        **dict.fromkeys(
            (
                "snmp_socket",
                "enable_traps",
                "enable_snmp_vrrp",
                "enable_snmp_keepalived",
                "enable_snmp_checker",
                "enable_snmp_rfc",
                "enable_snmp_rfcv2",
                "enable_snmp_rfcv3",
                "snmp_vs_stats_update_interval",
                "snmp_rs_stats_update_interval",
                "enable_dbus",
                "dbus_service_name",
                "dbus_no_interface_name",
                "json_version",
                "state_dump_file",
                "stats_dump_file",
                "json_dump_file",
            ),
            ignored(_MONITORING),
        ),
        **dict.fromkeys(
            (
                "lvs_sync_daemon",
                "lvs_flush",
                "lvs_flush_on_stop",
                "lvs_timeouts",
                "lvs_notify_fifo",
                "lvs_notify_fifo_script",
                "checker_log_all_failures",
                "checker_priority",
                "checker_no_swap",
                "checker_rt_priority",
                "checker_rlimit_rttime",
                "checker_rlimit_rtime",
                "checker_cpu_affinity",
                "bfd_priority",
                "bfd_no_swap",
                "bfd_rt_priority",
                "bfd_rlimit_rttime",
                "bfd_rlimit_rtime",
                "bfd_cpu_affinity",
            ),
            ignored(_LVS),
        ),
    },
)
