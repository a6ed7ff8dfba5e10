"""Keywords that are read and not acted on yet. Who makes one act deletes its line here, and nothing else.

Half a configuration beside a live cluster is a split brain: where leaving a keyword out changes what is sent, heard
or held, or when it moves, the daemon refuses the file (`REFUSED`); the others are said and stop nothing (`WAITING`).

Both tell what a keyword is about, by block and keyword; a name with a blank is a value or form of a keyword
(`version 3`), which its reader reports with `Reading.pending`.
"""

from __future__ import annotations

from collections.abc import Mapping

REFUSED: Mapping[str, Mapping[str, str]] = {
    "the file": {
        "vrrp_sync_group": "routers that move together",
        "net_namespace": "where all of it happens",
    },
    "global_defs": {
        "vrrp_notify_fifo": "who is told",
        "notify_fifo": "who is told",
        "vrrp_notify_fifo_script": "who is told",
        "notify_fifo_script": "who is told",
        "startup_script": "who is told",
        "shutdown_script": "who is told",
    },
    "vrrp_instance": {
        "notify": "who is told",
        "notify_master": "who is told",
        "notify_backup": "who is told",
        "notify_fault": "who is told",
        "notify_stop": "who is told",
        "notify_deleted": "who is told",
        "notify_master_rx_lower_pri": "who is told",
    },
}

WAITING: Mapping[str, Mapping[str, str]] = {
    "the file": {
        "instance": "the name of the runtime directory",
    },
    "global_defs": {
        "set_supplementary_groups": "the groups of scripts",
        "vrrp_notify_priority_changes": "what FIFOs are told",
        "fifo_write_vrrp_states_on_reload": "what FIFOs are told",
        "startup_script_timeout": "how long it may run",
        "shutdown_script_timeout": "how long it may run",
        "smtp_alert": "mail",
        "smtp_alert_vrrp": "mail",
        "no_email_faults": "mail",
        "vrrp_priority": "the daemon's own process",
        "vrrp_rt_priority": "the daemon's own process",
        "vrrp_rlimit_rttime": "the daemon's own process",
        "vrrp_rlimit_rtime": "the daemon's own process",
        "vrrp_no_swap": "the daemon's own process",
        "vrrp_cpu_affinity": "the daemon's own process",
    },
    "vrrp_instance": {
        "smtp_alert": "mail",
        "notify_priority_changes": "what FIFOs are told",
    },
}
