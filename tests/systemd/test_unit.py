"""The shipped unit on booted nodes: what systemd and vrrpd make of each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loadbalancers import ADDRESS, LoadBalancer, load_balancers
from nodes import CHECKOUT, until

HARDENED = (CHECKOUT / "systemd/hardened.conf").read_text(encoding="utf-8")
_EVERY_USER = ["0", "0", "4294967295"]
DROP_IN = "/etc/systemd/system/vrrpd.service.d/hardened.conf"


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LoadBalancer, LoadBalancer]]:
    if Path("/proc/self/uid_map").read_text(encoding="ascii").split() != _EVERY_USER:
        pytest.skip("only root can boot nodes; root in a user namespace cannot")
    with load_balancers(tmp_path_factory.mktemp("nodes")) as pair:
        yield pair


@pytest.fixture
def pair(booted: tuple[LoadBalancer, LoadBalancer]) -> tuple[LoadBalancer, LoadBalancer]:
    """Both nodes as after boot: HAProxy runs, vrrpd does not."""
    for node in booted:
        node.start_over()
    return booted


@pytest.fixture
def lb1(pair: tuple[LoadBalancer, LoadBalancer]) -> LoadBalancer:
    return pair[0]


@pytest.fixture
def master(lb1: LoadBalancer) -> LoadBalancer:
    """A node that serves, alone."""
    lb1.run("systemctl", "start", "vrrpd")
    assert lb1.becomes("MASTER")
    assert until(lb1.holds_the_address)
    return lb1


def test_systemd_finds_nothing_to_say_about_the_unit(lb1: LoadBalancer) -> None:
    assert lb1.run("systemd-analyze", "verify", "--recursive-errors=no", "vrrpd.service") == ""


def test_the_hardened_unit_is_as_closed_as_it_was(lb1: LoadBalancer) -> None:
    lb1.write(DROP_IN, HARDENED)
    lb1.run("systemd-analyze", "security", "--offline=true", "--threshold=23", "vrrpd.service")
    assert lb1.run("systemd-analyze", "verify", "--recursive-errors=no", "vrrpd.service") == ""


def test_a_hardened_daemon_becomes_master_in_real_time_and_hands_over(lb1: LoadBalancer) -> None:
    lb1.write(DROP_IN, HARDENED)
    lb1.run("systemctl", "daemon-reload")
    lb1.run("systemctl", "start", "vrrpd")
    assert lb1.becomes("MASTER")
    assert until(lb1.holds_the_address)
    assert "SCHED_RR" in lb1.run("chrt", "--all-tasks", "--pid", lb1.main_pid())
    lb1.run("systemctl", "stop", "vrrpd")
    assert not lb1.holds_the_address()
    assert "vrrpd.service: Deactivated successfully." in lb1.journal()


def test_the_address_follows_haproxy_although_its_processes_are_another_users(
    pair: tuple[LoadBalancer, LoadBalancer],
) -> None:
    lb1, lb2 = pair
    assert set(lb1.run("ps", "-o", "user=", "-C", "haproxy").split()) == {"haproxy"}
    lb1.run("systemctl", "start", "vrrpd")
    assert lb1.becomes("MASTER")
    assert lb1.check() == "ok"
    lb2.run("systemctl", "start", "vrrpd")
    assert lb2.becomes("BACKUP")

    lb1.run("systemctl", "stop", "haproxy")
    assert lb2.becomes("MASTER")
    assert lb1.becomes("BACKUP")
    assert lb1.check() == "failing"
    assert until(lb2.holds_the_address)
    assert until(lambda: not lb1.holds_the_address())

    lb1.run("systemctl", "start", "haproxy")
    assert until(lambda: lb1.check() == "ok")


def test_a_killed_daemon_loses_its_address_before_it_is_started_again(master: LoadBalancer) -> None:
    killed = master.main_pid()
    master.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "vrrpd")
    assert until(lambda: master.show("vrrpd", "NRestarts") == "1")
    assert until(lambda: master.show("vrrpd", "ActiveState") == "active")
    assert master.main_pid() != killed
    journal = master.journal()
    restart = next(at for at, line in enumerate(journal) if "Scheduled restart job" in line)
    assert f"removed {ADDRESS}/32 dev eth0" in journal[:restart]


def test_a_daemon_that_stands_still_is_killed_and_its_address_goes(master: LoadBalancer) -> None:
    master.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "vrrpd")
    assert master.holds_the_address()
    assert until(lambda: not master.holds_the_address())
    assert until(lambda: master.show("vrrpd", "NRestarts") == "1")
    assert master.becomes("BACKUP")
    assert any("Watchdog timeout" in line for line in master.journal())


def test_a_reload_with_a_broken_file_fails_and_the_daemon_runs_on(master: LoadBalancer) -> None:
    before = master.main_pid()
    good = master.configuration()
    master.configure("vrrp_instance R1 {\n")
    assert master.call("systemctl", "reload", "vrrpd").code != 0
    assert master.main_pid() == before
    assert master.state() == "MASTER"
    assert master.holds_the_address()
    master.configure(good)
    master.run("systemctl", "reload", "vrrpd")
    assert master.main_pid() == before
    assert master.state() == "MASTER"


def test_a_broken_file_at_start_is_not_tried_again(lb1: LoadBalancer) -> None:
    good = lb1.configuration()
    lb1.configure("vrrp_instance R1 {\n")
    assert lb1.call("systemctl", "start", "vrrpd").code != 0
    assert lb1.show("vrrpd", "ActiveState") == "failed"
    assert lb1.show("vrrpd", "ExecMainStatus") == "2"
    assert lb1.show("vrrpd", "NRestarts") == "0"
    assert any("keepalived.conf:1" in line for line in lb1.journal())
    lb1.configure(good)


def test_when_everything_stops_the_address_goes_before_haproxy(master: LoadBalancer) -> None:
    master.run("systemctl", "isolate", "multi-user.target")  # one transaction, as a shutdown is
    assert until(lambda: "Stopped haproxy.service - HAProxy Load Balancer." in master.journal())
    assert not master.holds_the_address()
    journal = master.journal()
    assert "vrrpd.service: Deactivated successfully." in journal
    gone = journal.index("Stopped vrrpd.service - VRRP daemon.")
    assert gone < journal.index("Stopping haproxy.service - HAProxy Load Balancer...")


def test_keepalived_and_vrrpd_never_run_together(lb1: LoadBalancer) -> None:
    lb1.run("systemctl", "start", "vrrpd")
    lb1.run("systemctl", "start", "keepalived")
    assert lb1.show("keepalived", "ActiveState") == "active"
    assert lb1.show("vrrpd", "ActiveState") == "inactive"
    assert "vrrpd.service: Deactivated successfully." in lb1.journal()
    lb1.run("systemctl", "start", "vrrpd")
    assert lb1.show("vrrpd", "ActiveState") == "active"
    assert lb1.show("keepalived", "ActiveState") == "inactive"
