"""An operator at work: drain, failover, resume, a reload looked at before it is done, and what is on record."""

from __future__ import annotations

import json
from typing import Any

from worlds import GUIDE, LB2, VIP, cli, site

from vrrpd.lab.daemons import vrrpd
from vrrpd.lab.node import Node

WITHOUT_CHECK = GUIDE[: GUIDE.index("    track_script")] + "}\n"


def lines(node: Node, *arguments: str, code: int = 0) -> list[str]:
    done = node.call(*cli(*arguments))
    assert done.returncode == code, done.stderr
    return done.stdout.splitlines()


def answer(node: Node, *arguments: str, code: int = 0) -> Any:
    done = node.call(*cli(*arguments, "--json"))
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_a_drained_master_hands_over_without_an_instant_without_the_address() -> None:
    with site() as here:
        here.start_pair()
        before = len(here.address_events)
        (said,) = lines(here.lb1, "drain", "R1")
        assert said == f"R1 BACKUP: drained by an operator, handed over to {LB2}"
        here.until_served_by(here.lb2)
        assert here.someone_always_held_it(before)
        status = here.router(here.lb1)
        assert (status["drained"], status["priority"]) == (True, 1)
        assert "  drained by an operator: serves only when nobody else does (vrrpd resume)" in here.lb1.status()


def test_a_drained_node_serves_again_when_the_other_dies_and_not_before() -> None:
    with site() as here:
        here.start_pair()
        lines(here.lb1, "drain")
        here.until_served_by(here.lb2)
        here.lb2.daemon.kill()
        here.lb2.call(*cli("release"))
        here.until_served_by(here.lb1)


def test_nobody_takes_over_from_a_lone_master_and_drain_says_so() -> None:
    with site() as here:
        here.start_haproxy(here.lb1)
        here.start(here.lb1)
        here.until_served_by(here.lb1)
        before = len(here.address_events)
        (said,) = lines(here.lb1, "drain", "R1", code=1)
        assert said == "R1 MASTER: drained by an operator; nobody took over, so it stays Master"
        assert here.router(here.lb1)["drained"] is False
        here.look()
        assert here.address_events[before:] == []
        (said,) = lines(here.lb1, "drain", "--force", "--hard", "R1")
        assert said == "R1 FAULT: drained by an operator"
        here.until("it has given the address up", lambda: here.holders() == set())
        (said,) = lines(here.lb1, "resume")
        assert said.startswith("R1 BACKUP: recovered from: ")
        here.until_served_by(here.lb1)


def test_failover_makes_the_other_one_master_until_it_goes() -> None:
    with site() as here:
        here.start_haproxy(*here.nodes)
        here.start(here.lb1, WITHOUT_CHECK)
        here.start(here.lb2, WITHOUT_CHECK.replace("priority  100", "priority  99"))
        here.until_served_by(here.lb1)
        refused = here.lb2.call(*cli("failover", "R1"))
        assert (refused.returncode, refused.stderr) == (1, "vrrpd: R1 is BACKUP here: there is nothing to hand over\n")
        (said,) = lines(here.lb1, "failover", "R1")
        assert said == f"R1 BACKUP: handed over by an operator, handed over to {LB2}"
        here.until_served_by(here.lb2)
        assert here.router(here.lb1)["preempt"] is False
        lines(here.lb1, "resume")
        here.until_served_by(here.lb1)


def test_drained_with_persist_is_drained_after_a_restart() -> None:
    with site() as here:
        here.start_pair()
        lines(here.lb1, "drain", "--persist")
        here.until_served_by(here.lb2)
        here.lb1.stop_daemon()
        here.start(here.lb1)
        here.until("it is drained", lambda: here.router(here.lb1).get("drained") is True)
        lines(here.lb1, "resume")
        assert not (here.lb1.directory / "vrrpd" / "drained.json").exists()


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with site() as here:
        here.start_haproxy(here.lb1)
        here.start(here.lb1)
        here.until("it runs", lambda: here.router(here.lb1) != {})
        done = here.lb1.call(*cli("drain", "R2"))
        assert (done.returncode, done.stderr) == (1, "vrrpd: there is no virtual router R2; there are: R1\n")


def test_a_dry_run_says_what_would_happen_and_changes_nothing() -> None:
    with site() as here:
        here.start_haproxy(here.lb1)
        here.start(here.lb1)
        here.until_served_by(here.lb1)
        before = len(here.address_events)
        changed = GUIDE.replace("priority  100", "priority  120").replace(VIP, f"{VIP}\n10.230.137.101")
        here.lb1.write("keepalived.conf", changed)
        assert lines(here.lb1, "reload", "--dry-run") == [
            "R1 stays MASTER: + 10.230.137.101/32 dev eth0; priority 100 -> 120"
        ]
        here.lb1.write("keepalived.conf", GUIDE.replace("virtual_router_id  50", "virtual_router_id  51"))
        (said,) = lines(here.lb1, "reload", "--dry-run")
        assert said.startswith("R1 is recreated (VRID 50 -> 51): it hands over first; without a peer its addresses are")
        assert said.endswith("gone for up to 3.6 s")
        here.look()
        assert here.address_events[before:] == []
        assert here.router(here.lb1)["priority"] == 100


def test_the_history_tells_transitions_across_restarts_and_without_a_daemon() -> None:
    with site() as here:
        here.start_haproxy(here.lb1)
        here.start(here.lb1)
        here.until_served_by(here.lb1)
        here.lb1.stop_daemon()
        here.start(here.lb1)
        here.until_served_by(here.lb1)
        here.lb1.stop_daemon()
        story = [line[20:] for line in lines(here.lb1, "events") if "->" in line]
        once = [
            "R1: INITIALIZE -> BACKUP: started",
            story[1],
            "R1: MASTER -> RESIGNING: vrrpd was stopped",
            "R1: RESIGNING -> INITIALIZE: vrrpd was stopped",
        ]
        assert story[1].startswith("R1: BACKUP -> MASTER: nobody advertised for 3.6")
        assert [line.split(": nobody")[0] for line in story] == 2 * [line.split(": nobody")[0] for line in once]
        last = [json.loads(line) for line in lines(here.lb1, "events", "--json", "-n", "1")]
        assert [event["event"] for event in last] == ["stopped"]


def test_the_log_level_moves_while_the_daemon_runs() -> None:
    with site() as here:
        here.start_haproxy(here.lb1)
        here.start(here.lb1)
        here.until_served_by(here.lb1)
        lines(here.lb1, "log-level", "error")
        silent_from = len(here.lb1.log.read_text(encoding="utf-8"))
        lines(here.lb1, "reload")
        lines(here.lb1, "log-level", "info")
        lines(here.lb1, "reload")
        said = [json.loads(line) for line in here.lb1.log.read_text(encoding="utf-8")[silent_from:].splitlines()]
        assert [event["event"] for event in said if event["event"] == "reloaded"] == ["reloaded"]


def test_an_incident_is_recorded_and_replayed_without_its_password() -> None:
    with site() as here:
        here.start_pair()
        lines(here.lb1, "drain")
        here.until_served_by(here.lb2)
        (file,) = lines(here.lb1, "record")
        recording = here.lb1.directory / "vrrpd" / "recording.jsonl"
        assert file == "/run/vrrpd/recording.jsonl"
        assert recording.stat().st_mode & 0o777 == 0o600
        assert b"passwd".hex() not in recording.read_text(encoding="ascii")
        story = [line[14:] for line in here.lb1.run(*vrrpd("replay", file)).splitlines() if "->" in line]
        assert [line.split(":")[1] for line in story] == [
            " INITIALIZE -> BACKUP",
            " BACKUP -> MASTER",
            " MASTER -> RESIGNING",
            " RESIGNING -> BACKUP",
        ]
        assert story[-1] == f"R1: RESIGNING -> BACKUP: drained by an operator, handed over to {LB2}"


def test_only_root_may_change_anything() -> None:
    with site() as here:
        here.start_haproxy(here.lb1)
        here.start(here.lb1)
        here.until_served_by(here.lb1)
        (here.lb1.directory / "vrrpd" / "control.sock").chmod(0o666)
        as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        done = here.lb1.call(*as_nobody, *cli("drain"))
        assert (done.returncode, done.stderr) == (1, "vrrpd: only root, or who runs vrrpd, may drain\n")
        assert here.lb1.call(*as_nobody, *cli("status", "--json")).returncode == 0
