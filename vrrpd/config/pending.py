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
        "static_ipaddress": "addresses that stay",
        "static_routes": "routes that stay",
        "static_rules": "rules that stay",
        "interface_up_down_delays": "when a link counts as down",
        "garp_group": "the pace of gratuitous ARP",
        "net_namespace": "where all of it happens",
    },
    "global_defs": {
        "vrrp_version 3": "another protocol",
        "vrrp_garp_interval": "the pace of gratuitous ARP",
        "vrrp_gna_interval": "the pace of Neighbor Advertisements",
        "vrrp_garp_master_refresh": "repeated gratuitous ARP",
        "vrrp_garp_extra_if": "gratuitous ARP on other interfaces",
        "vrrp_min_garp": "fewer gratuitous ARPs",
        "vrrp_strict": "strict RFC mode",
        "vrrp_lower_prio_no_advert": "no answer to a lower priority",
        "vrrp_higher_prio_send_advert": "a last advertisement to a higher priority",
        "vrrp_owner_ignore_adverts": "an owner that does not listen",
        "vrrp_startup_delay": "timers that wait at start",
        "vrrp_delay_after_boot": "timers that wait after boot",
        "dynamic_interfaces": "interfaces that may be missing at start",
        "vrrp_notify_fifo": "who is told",
        "notify_fifo": "who is told",
        "vrrp_notify_fifo_script": "who is told",
        "notify_fifo_script": "who is told",
        "startup_script": "who is told",
        "shutdown_script": "who is told",
    },
    "vrrp_instance": {
        "version 3": "another protocol",
        "IPv6": "another family of addresses",
        "notify": "who is told",
        "notify_master": "who is told",
        "notify_backup": "who is told",
        "notify_fault": "who is told",
        "notify_stop": "who is told",
        "notify_deleted": "who is told",
        "notify_master_rx_lower_pri": "who is told",
        "unicast_src_ip": "advertisements to named peers",
        "unicast_peer": "advertisements to named peers",
        "unicast_fault_no_peer": "a fault without peers",
        "mcast_src_ip": "another source address",
        "mcast_dst_ip": "another multicast group",
        "track_src_ip": "a fault without the source address",
        "track_interface": "a fault or a priority",
        "track_file": "a fault or a priority",
        "track_process": "a fault or a priority",
        "dont_track_primary": "no fault when the link is down",
        "timer_expired_backup": "giving up after a stall",
        "thread_timer_expired": "giving up after a stall",
        "lower_prio_no_advert": "no answer to a lower priority",
        "higher_prio_send_advert": "a last advertisement to a higher priority",
        "owner_ignore_adverts": "an owner that does not listen",
        "no_accept": "addresses that must not be reachable",
        "strict_mode": "strict RFC mode",
        "promote_secondaries": "what goes when one address of a prefix goes",
        "virtual_ipaddress_excluded": "addresses that are held and not advertised",
        "virtual_routes": "routes that move",
        "virtual_rules": "rules that move",
        "use_vmac": "a virtual MAC address",
        "use_vmac_addr": "a virtual MAC address",
        "vmac_xmit_base": "a virtual MAC address",
        "use_ipvlan": "an interface of its own",
        "vrf": "a routing domain",
        "native_ipv6": "another family of addresses",
        "garp_master_refresh": "repeated gratuitous ARP",
        "garp_extra_if": "gratuitous ARP on other interfaces",
    },
    "authentication": {"auth_type AH": "another authentication"},
    "virtual_ipaddress": {
        "peer": "a point-to-point link",
        "home": "the kernel's handling of the address",
        "mngtmpaddr": "the kernel's handling of the address",
        "autojoin": "the kernel's handling of the address",
        "noprefixroute": "the route to its prefix",
        "-nodad": "duplicate address detection",
        "preferred_lft": "its choice as a source",
        "no_track": "an address whose loss does not matter",
        "use_vmac": "a virtual MAC address",
        "track_group": "an address that is watched",
    },
    "vrrp_script": {"script <FILE": "a redirection in place of a command"},
}

WAITING: Mapping[str, Mapping[str, str]] = {}
