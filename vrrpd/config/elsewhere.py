"""What keepalived knows in `global_defs` and outside of blocks and vrrpd has no use for, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vrrpd.config.diagnostics import Severity
from vrrpd.config.table import Keyword, ignored

_PROCESS = "it concerns keepalived's own processes"
_FIREWALL = "vrrpd has an nftables table of its own, made when it is needed"
_BUFFERS = "vrrpd sizes its receive buffers itself and reads again what an overrun lost"
_DUMPS = "keepalived's dump files have no counterpart: vrrpd status --json"
_SNMP = "there is no SNMP agent: vrrpd status --json"
_DBUS = "there is no D-Bus service: vrrpd status --json, vrrpd events --json"
_AUTOMATIC = "vrrpd runs with a real-time priority from the start"
_RELOAD = "vrrpd reads a file once, at start and at reload, and never takes a broken one"
_LVS = "load balancing is not vrrpd's"
_PIDS = "the runtime directory is given with --runtime-dir"
_LINKS = "link state comes from the kernel as it changes"
_NAMES = "names of tables, scopes and protocols are looked up where iproute2 has them"


def _each(tier: int, why: str, *names: str, severity: Severity = Severity.INFO) -> dict[str, Keyword[Any]]:
    return dict.fromkeys(names, ignored(tier, why, severity))


IN_GLOBAL_DEFS: Mapping[str, Keyword[Any]] = {
    **_each(4, "scripts run by the path that is written", "use_symlink_paths"),
    **_each(
        4,
        "no reload is scheduled: what the file says comes with the next vrrpd reload",
        "reload_time_file",
        "reload_repeat",
        severity=Severity.WARNING,
    ),
    **_each(2, _RELOAD, "reload_check_config"),
    **_each(4, _RELOAD, "reload_file", "config_save_dir", "tmp_config_directory"),
    **_each(3, _FIREWALL, "nftables", "nftables_priority", "nftables_counters", "nftables_ifindex"),
    **_each(3, _FIREWALL, "vrrp_iptables", "vrrp_ipsets"),
    **_each(3, _AUTOMATIC, "max_auto_priority", "min_auto_priority_delay"),
    **_each(4, _BUFFERS, "vrrp_rx_bufs_policy", "vrrp_rx_bufs_multiplier"),
    **_each(4, _BUFFERS, "vrrp_netlink_cmd_rcv_bufs", "vrrp_netlink_cmd_rcv_bufs_force"),
    **_each(4, _BUFFERS, "vrrp_netlink_monitor_rcv_bufs", "vrrp_netlink_monitor_rcv_bufs_force"),
    **_each(4, _BUFFERS, "process_monitor_rcv_bufs", "process_monitor_rcv_bufs_force"),
    **_each(4, _PROCESS, "process_names", "process_name", "vrrp_process_name", "checker_process_name"),
    **_each(4, _PROCESS, "lvs_process_name", "bfd_process_name", "umask"),
    **_each(4, "advertisements for other VRIDs are not logged: vrrpd sniff shows them", "log_unknown_vrids"),
    **_each(4, _NAMES, "iproute_usr_dir", "iproute_etc_dir"),
    **_each(3, _SNMP, "snmp_socket", "enable_traps", "enable_snmp_vrrp", "enable_snmp_keepalived"),
    **_each(3, _SNMP, "enable_snmp_checker", "enable_snmp_rfc", "enable_snmp_rfcv2", "enable_snmp_rfcv3"),
    **_each(4, _DBUS, "enable_dbus", "dbus_service_name", "dbus_no_interface_name"),
    **_each(4, _DUMPS, "json_version", "state_dump_file", "stats_dump_file", "json_dump_file", "data_use_instance"),
    **_each(2, _LVS, "lvs_sync_daemon", "lvs_flush", "lvs_flush_on_stop", "lvs_flush_onstop", "lvs_timeouts"),
    **_each(2, _LVS, "lvs_notify_fifo", "lvs_notify_fifo_script", "checker_log_all_failures"),
    **_each(2, _LVS, "lvs_netlink_cmd_rcv_bufs", "lvs_netlink_cmd_rcv_bufs_force"),
    **_each(2, _LVS, "lvs_netlink_monitor_rcv_bufs", "lvs_netlink_monitor_rcv_bufs_force"),
    **_each(2, _LVS, "checker_priority", "checker_no_swap", "checker_rt_priority", "checker_cpu_affinity"),
    **_each(2, _LVS, "checker_rlimit_rttime", "checker_rlimit_rtime", "smtp_alert_checker", "no_checker_emails"),
    **_each(2, _LVS, "rs_init_notifies", "snmp_vs_stats_update_interval", "snmp_rs_stats_update_interval"),
    **_each(2, _LVS, "nftables_ipvs", "nftables_ipvs_priority", "nftables_ipvs_start_fwmark"),
    **_each(2, "BFD is not vrrpd's", "bfd_priority", "bfd_no_swap", "bfd_rt_priority", "bfd_cpu_affinity"),
    **_each(2, "BFD is not vrrpd's", "bfd_rlimit_rttime", "bfd_rlimit_rtime"),
}

OUTSIDE: Mapping[str, Keyword[Any]] = {
    **_each(4, "BFD is not vrrpd's; what tracks it is named where it does", "bfd_instance"),
    **_each(4, _LINKS, "linkbeat_use_polling", "linkbeat_interfaces"),
    **_each(4, _PIDS, "use_pid_dir"),
    **_each(4, "vrrpd has no child processes to wait for", "child_wait_time"),
    **_each(4, _FIREWALL, "namespace_with_ipsets"),
    **_each(4, _LVS, "net_namespace_ipvs"),
    **_each(2, _LVS, "virtual_server", "virtual_server_group", "SSL"),
}
