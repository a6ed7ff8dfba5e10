"""The tables of keywords as a whole: each keyword of keepalived has an answer, and each reader bears any words."""

from __future__ import annotations

import pytest
from reading import read

from vrrpd.config.addresses import OPTIONS
from vrrpd.config.keywords import BLOCKS
from vrrpd.config.pending import REFUSED, WAITING
from vrrpd.model import Config

WITHIN = {
    "the file": "{}",
    "authentication": "vrrp_instance V1 {{\ninterface eth0\nvirtual_router_id 1\nauthentication {{\n{}\n}}\n}}",
    "global_defs": "global_defs {{\n{}\n}}",
    "garp_group": "garp_group {{\n{}\n}}",
    "vrrp_instance": "vrrp_instance V1 {{\ninterface eth0\nvirtual_router_id 1\n{}\n}}",
}
NAMED = "{} N {{{{\n{{}}\n}}}}"
KEYWORDS = [(block.name, keyword) for block in BLOCKS for keyword in block.keywords]
VALUES = (
    *("", "1", "0", "-1", "300", "on", "off", "x", "10.0.0.1", "2001:db8::1", "all", "a b c d", '"a b" \'c'),
    *("/bin/true root", "{\nx\n}", "{\n10.0.0.1 dev eth0\n{\n}\n}", "N {\n}"),
)

# Those of keepalived 2.2.7's VRRP half and of its later releases, by block.
KNOWN = {
    "vrrp_instance": (
        "state interface virtual_router_id priority advert_int version authentication virtual_ipaddress"
        " virtual_ipaddress_excluded no_virtual_ipaddress unicast_src_ip unicast_peer unicast_fault_no_peer"
        " check_unicast_src unicast_ttl mcast_src_ip mcast_dst_ip track_src_ip nopreempt preempt preempt_delay"
        " track_interface track_script track_file track_process track_bfd dont_track_primary notify_master"
        " notify_backup notify_fault notify_stop notify notify_deleted notify_master_rx_lower_pri"
        " notify_priority_changes smtp_alert garp_master_delay garp_master_repeat garp_master_refresh"
        " garp_master_refresh_repeat garp_lower_prio_delay garp_lower_prio_repeat garp_extra_if vmac_garp_intvl"
        " down_timer_adverts timer_expired_backup thread_timer_expired lower_prio_no_advert higher_prio_send_advert"
        " owner_ignore_adverts accept no_accept strict_mode skip_check_adv_addr promote_secondaries use_vmac"
        " vmac_xmit_base use_vmac_addr use_ipvlan vrf virtual_routes virtual_rules v3_checksum_as_v2"
        " old_unicast_checksum auth_hmac native_ipv6 linkbeat_use_polling lvs_sync_daemon_interface debug"
        " kernel_rx_buf_size"
    ),
    "vrrp_sync_group": (
        "group track_interface track_script track_file track_process track_bfd notify_master notify_backup"
        " notify_fault notify_stop notify smtp_alert notify_priority_changes sync_group_tracking_weight"
        " global_tracking"
    ),
    "vrrp_script": "script interval timeout weight rise fall user init_fail",
    "track_file": "file weight init_file",
    "vrrp_track_process": (
        "process param_match full_command weight quorum quorum_max fork_delay terminate_delay delay"
    ),
    "garp_group": "garp_interval gna_interval interface interfaces",
    "track_group": "group",
    "the file": (
        "global_defs vrrp_script vrrp_instance vrrp_sync_group track_file vrrp_track_file vrrp_track_process"
        " static_ipaddress static_routes static_rules track_group garp_group interface_up_down_delays"
        " linkbeat_use_polling linkbeat_interfaces net_namespace net_namespace_ipvs namespace_with_ipsets instance"
        " use_pid_dir child_wait_time bfd_instance virtual_server virtual_server_group SSL"
    ),
}


@pytest.mark.parametrize(("block", "names"), KNOWN.items(), ids=list(KNOWN))
def test_every_keyword_of_keepalived_has_an_answer(block: str, names: str) -> None:
    known = next(each.keywords for each in BLOCKS if each.name == block)
    assert set(names.split()) - known.keys() == set()


@pytest.mark.parametrize(("block", "keyword"), KEYWORDS)
def test_a_keyword_is_read_whatever_stands_after_it(block: str, keyword: str) -> None:
    frame = WITHIN.get(block) or NAMED.format(block)
    for values in VALUES:
        built = read(frame.format(f"{keyword} {values}"))
        assert isinstance(built.config, Config)
        assert not any(f'unknown keyword "{keyword}"' in found.message for found in built.diagnostics)


def test_what_is_not_acted_on_yet_is_a_keyword_or_a_form_of_one() -> None:
    names = {block.name: set(block.keywords) for block in BLOCKS} | {"virtual_ipaddress": set(OPTIONS)}
    for pending in (REFUSED, WAITING):
        for block, keywords in pending.items():
            assert {name for name in keywords if " " not in name and name != "IPv6"} <= names[block], block


def test_a_known_tier_is_1_to_4() -> None:
    assert {keyword.tier for block in BLOCKS for keyword in block.keywords.values()} == {1, 2, 3, 4}
