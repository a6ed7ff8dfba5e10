"""global_defs, and what of it goes anywhere but into routers."""

from __future__ import annotations

from ipaddress import IPv4Interface

import pytest
from reading import config, instance, read, router

from vrrpd.model import (
    SECOND,
    Announcing,
    Command,
    Config,
    Fifo,
    LinkDelay,
    Mail,
    Pacing,
    Process,
    Telling,
    TrackGroup,
    User,
    VirtualAddress,
)

NOBODY = User("nobody", 65534, 65534)


def defs(*lines: str) -> str:
    return "\n".join(["global_defs {", *lines, "}\n"])


def said(text: str) -> list[str]:
    return [found.code for found in read(text).diagnostics if found.code != "not-yet"]


def test_mail_has_recipients_a_server_and_a_greeting() -> None:
    found = config(
        defs(
            "notification_email {",
            "a@example.com",
            "b@example.com c@example.com",
            "}",
            "notification_email_from lb@example.com",
            "smtp_server mail.example.com 587",
            "smtp_connect_timeout 7",
            "smtp_helo_name lb1",
            "no_email_faults",
            "router_id LB1",
        )
    )
    assert found.mail == Mail(
        ("a@example.com", "b@example.com", "c@example.com"),
        "lb@example.com",
        "mail.example.com",
        587,
        7 * SECOND,
        "lb1",
        tells_faults=False,
    )
    assert found.router_id == "LB1"


@pytest.mark.parametrize(
    ("of_file", "of_router", "mails"),
    [
        ((), (), False),
        (("smtp_alert",), (), True),
        (("smtp_alert", "smtp_alert_vrrp off"), (), False),
        (("smtp_alert_vrrp",), ("smtp_alert off",), False),
        ((), ("smtp_alert",), True),
    ],
)
def test_who_mails_is_the_routers_word_then_the_vrrp_halfs_then_the_files(
    of_file: tuple[str, ...], of_router: tuple[str, ...], mails: bool
) -> None:
    assert router(*of_router, before=defs(*of_file)).notification.mails is mails


def test_fifos_and_scripts_are_told() -> None:
    found = config(
        defs(
            "notify_fifo /run/all nobody adm",
            'notify_fifo_script "/bin/sh -x" root',
            "vrrp_notify_fifo /run/vrrp",
            "vrrp_notify_priority_changes on",
            "fifo_write_vrrp_states_on_reload",
            "startup_script /bin/true",
            "startup_script_timeout 20",
            "shutdown_script /bin/ps nobody",
        )
    )
    assert found.telling == Telling(
        fifo=Fifo("/run/all", User("nobody", 65534, 4), Command(("/bin/sh", "-x"), User("root", 0, 0))),
        router_fifo=Fifo("/run/vrrp"),
        tells_priority=True,
        tells_after_reload=True,
        startup=Command(("/bin/true",)),
        startup_timeout=20 * SECOND,
        shutdown=Command(("/bin/ps",), NOBODY),
    )


def test_a_fifo_of_nobody_is_not_written_and_the_first_one_counts() -> None:
    built = read(defs("notify_fifo /run/a nosuch", "vrrp_notify_fifo /run/b", "vrrp_notify_fifo /run/c"))
    assert built.config.telling == Telling(router_fifo=Fifo("/run/b"))
    assert {found.code for found in built.diagnostics} == {"unknown-user", "duplicate-keyword"}


def test_scripts_run_as_script_user_with_its_groups_where_that_is_asked() -> None:
    for line in ("script_user nobody :adm", "script_user nobody adm\nset_supplementary_groups"):
        found = router('notify "/bin/true"', before=defs(line))
        assert found.notification.on_change == Command(("/bin/true",), User("nobody", 65534, 4, supplementary=True))


@pytest.mark.parametrize(
    ("lines", "own", "expected"),
    [
        (("vrrp_min_garp",), (), Announcing(0, 1, 0, 1)),
        (("vrrp_min_garp off",), (), Announcing()),
        (
            ("vrrp_min_garp", "vrrp_garp_master_delay 7", "vrrp_garp_lower_prio_repeat 3"),
            ("garp_master_repeat 4",),
            Announcing(7 * SECOND, 4, 7 * SECOND, 3),
        ),
        (
            ("vrrp_garp_master_refresh 11", "vrrp_garp_master_refresh_repeat 4", "vrrp_garp_extra_if all 100"),
            (),
            Announcing(refresh=11 * SECOND, refresh_repeat=4, extra_interfaces=100 * SECOND, extra_on_all=True),
        ),
        (("vrrp_garp_extra_if all 100",), ("garp_extra_if 0",), Announcing()),
        ((), ("garp_extra_if 90",), Announcing(extra_interfaces=90 * SECOND)),
        ((), ("vmac_garp_intvl 90",), Announcing(extra_interfaces=90 * SECOND)),
        (
            (),
            ("garp_master_refresh 60", "garp_master_refresh_repeat 2"),
            Announcing(refresh=60 * SECOND, refresh_repeat=2),
        ),
    ],
)
def test_announcing(lines: tuple[str, ...], own: tuple[str, ...], expected: Announcing) -> None:
    assert router(*own, before=defs(*lines)).announcing == expected


def test_a_day_is_the_longest_wait_for_other_interfaces() -> None:
    assert said(instance("garp_extra_if 86401")) == ["bad-number"]
    assert said(instance("garp_extra_if all")) == ["missing-value"]


def test_the_daemons_own_process() -> None:
    found = config(
        "net_namespace blue\ninstance two\n"
        + defs(
            "vrrp_priority -5",
            "vrrp_rt_priority 60",
            "vrrp_rlimit_rttime 2000",
            "vrrp_no_swap",
            "vrrp_cpu_affinity 0 3",
        )
    )
    assert found.process == Process(
        -5, 60, 2_000_000, locks_memory=True, cpus=(0, 3), network_namespace="blue", instance="two"
    )


def test_delays_and_the_kernels_reports() -> None:
    found = config(
        defs(
            "vrrp_startup_delay 5.5",
            "vrrp_delay_after_boot 60",
            "dynamic_interfaces allow_if_changes",
            "disable_local_igmp",
        )
    )
    assert (found.startup_delay, found.boot_delay) == (5_500_000_000, 60 * SECOND)
    assert (found.dynamic_interfaces, found.interfaces_may_change, found.disables_local_igmp) == (True, True, True)
    assert config("") == Config()


def test_the_pace_is_the_files_for_interfaces_that_no_group_names() -> None:
    found = config(
        defs("vrrp_garp_interval 0.001", "vrrp_gna_interval 0.000001")
        + "garp_group {\ngarp_interval 1.5\ninterfaces {\neth0\neth1\n}\n}\n"
    )
    assert found.pacing == (Pacing((), 1_000_000, 1_000), Pacing(("eth0", "eth1"), 1_500_000_000, 0))
    assert said("garp_group {\ninterface eth0\n}\n") == ["empty-group"]
    assert said("garp_group {\ngarp_interval 1\ninterface eth9\n}\n") == ["unknown-interface"]


def test_links_may_have_to_be_down_for_a_while() -> None:
    found = config("interface_up_down_delays {\neth0 1 2\neth1 1.5\n}\n")
    assert found.link_delays == (LinkDelay("eth0", SECOND, 2 * SECOND), LinkDelay("eth1", 1_500_000_000, 0))
    assert said("interface_up_down_delays {\neth0 256\neth1\n}\n") == ["bad-number", "missing-value"]


def test_static_addresses_stay_on_their_device_and_are_watched_by_a_group() -> None:
    text = (
        defs("default_interface eth1")
        + "static_ipaddress {\n10.9.0.1/24\n10.9.0.2/24 dev eth0 track_group TG\n}\n"
        + "static_routes {\n10.8.1.0/24 dev eth1 track_group TG\n}\n"
        + "track_group TG {\ngroup {\nV1\n}\n}\n"
        + instance()
    )
    found = config(text)
    assert found.static_addresses == (
        VirtualAddress(IPv4Interface("10.9.0.1/24"), "eth1"),
        VirtualAddress(IPv4Interface("10.9.0.2/24"), "eth0", track_group="TG"),
    )
    assert [route.track_group for route in found.static_routes] == ["TG"]
    assert found.track_groups == (TrackGroup("TG", ("V1",)),)
    without = config("static_ipaddress {\n10.9.0.1\n}\n").static_addresses
    assert without == (VirtualAddress(IPv4Interface("10.9.0.1/32"), "eth0"),)


def test_groups_that_are_not_there_are_named() -> None:
    assert said("static_ipaddress {\n10.9.0.1 track_group X\n}\n") == ["unknown-group"]
    assert said("track_group TG {\ngroup {\nV9\n}\n}\n") == ["empty-group", "unknown-router"]


@pytest.mark.parametrize(
    "line",
    [
        "vrrp_version 4",
        "vrrp_mcast_group4 10.0.0.1",
        "vrrp_mcast_group4 ff02::12",
        "vrrp_mcast_group6 224.0.0.18",
        "vrrp_down_timer_adverts 101",
        "vrrp_strict_mode",
        "vrrp_garp_interval 5000",
        "vrrp_startup_delay 0.0001",
        "dynamic_interfaces maybe",
        "vrrp_min_garp maybe",
        "smtp_alert True",
        "startup_script_timeout 1001",
        "vrrp_rt_priority 100",
        "vrrp_priority 20",
    ],
)
def test_what_is_out_of_range_is_a_warning_and_counts_for_nothing(line: str) -> None:
    built = read(defs(line))
    assert [str(found.severity) for found in built.diagnostics if found.code != "not-yet"] == ["warning"]
    assert built.config == Config(dynamic_interfaces=line == "dynamic_interfaces maybe")
