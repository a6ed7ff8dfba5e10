"""The lab's own promises: what its world does, what it says where it cannot run, and that it leaves nothing."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vrrpd.lab import guide
from vrrpd.lab.client import Client
from vrrpd.lab.host import children, environment, wait_until
from vrrpd.lab.tap import ArpSeen, Sighting, Tap
from vrrpd.lab.world import World

SECOND = 1_000_000_000
LAB = [sys.executable, "-m", "vrrpd.lab"]
AS_AN_ORDINARY_USER = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]
"""No root and no capabilities, yet allowed to read the checkout wherever it lies."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, {"host1": "10.9.0.11"}, name="labtest") as world:
        yield world


def seen_until(tap: Tap, kind: type[Sighting]) -> list[Sighting]:
    """All sightings up to the first of that kind."""
    seen: list[Sighting] = []
    deadline = time.monotonic() + 10
    while not any(isinstance(sighting, kind) for sighting in seen):
        assert select.select([tap], [], [], deadline - time.monotonic())[0], f"no {kind.__name__}, only {seen}"
        seen += tap.sightings()
    return seen


def descendants(pid: int) -> list[int]:
    found = children(pid)
    return found + [below for child in found for below in descendants(child)]


def test_hosts_hear_each_other_and_find_each_other_by_name(world: World) -> None:
    one = world.add_host("one", "10.9.0.1/24")
    world.add_host("two", "10.9.0.11/24")
    assert "1 received" in one.run("ping", "-c1", "-W5", "host1")


def test_a_tap_hears_both_ways_with_time_stamps_and_says_which(world: World) -> None:
    one, two = world.add_host("one", "10.9.0.1/24"), world.add_host("two", "10.9.0.2/24")
    with world.tap(one) as tap:
        before = time.time_ns()
        one.run("ping", "-c1", "-W5", "10.9.0.2")
        after = time.time_ns()
        asked, answered = [s for s in tap.sightings() if isinstance(s, ArpSeen)][:2]
    assert before < asked.at < answered.at < after
    assert (asked.sent, asked.operation, str(asked.target)) == (True, 1, "10.9.0.2")
    assert (answered.sent, answered.operation, str(answered.sender)) == (False, 2, "10.9.0.2")
    assert two.name == "two"


def test_killall_sees_only_the_haproxy_of_its_own_node(world: World) -> None:
    one, two = world.add_node("one", "10.9.0.1/24"), world.add_node("two", "10.9.0.2/24")
    one.start_haproxy(guide.haproxy_cfg_without_users().replace("host2", "host1"))
    assert (one.haproxy_is_alive(), two.haproxy_is_alive()) == (True, False)
    one.kill_haproxy()
    assert not one.haproxy_is_alive()


def test_a_partition_is_between_its_members_only_and_heals(world: World) -> None:
    one, two = world.add_host("one", "10.9.0.1/24"), world.add_host("two", "10.9.0.2/24")
    third = world.add_host("third", "10.9.0.3/24")
    world.partition(one, two)
    assert one.call("ping", "-c1", "-W1", "10.9.0.2").returncode != 0
    third.run("ping", "-c1", "-W5", "10.9.0.1")
    world.heal(one, two)
    two.run("ping", "-c1", "-W5", "10.9.0.1")


def test_a_cut_cable_takes_the_carrier_and_no_more(world: World) -> None:
    one = world.add_host("one", "10.9.0.1/24")

    def flags() -> set[str]:
        return set(json.loads(one.run("ip", "-json", "link", "show", "eth0"))[0]["flags"])

    assert {"UP", "LOWER_UP"} <= flags()
    world.cut_carrier(one)
    assert {"UP", "NO-CARRIER"} <= flags()
    world.restore_carrier(one)
    wait_until(lambda: "LOWER_UP" in flags(), 5 * SECOND, "the carrier is back")


def test_loss_is_one_way_and_of_what_was_named(world: World) -> None:
    one, two = world.add_host("one", "10.9.0.1/24"), world.add_host("two", "10.9.0.2/24")
    one.run("ping", "-c1", "-W5", "10.9.0.2")
    world.lose(one, two, "ip protocol icmp")
    assert one.call("ping", "-c1", "-W1", "10.9.0.2").returncode != 0
    world.lose_nothing()
    one.run("ping", "-c1", "-W5", "10.9.0.2")


def test_the_client_says_what_became_of_each_request(world: World) -> None:
    server, asking = world.add_node("server", "10.9.0.11/24"), world.add_host("asking", "10.9.0.2/24")
    client = Client(asking, "10.9.0.11")
    outcomes: set[str] = set()

    def comes(outcome: str) -> None:
        def came() -> bool:
            outcomes.update(request.outcome for request in client.requests())
            return outcome in outcomes

        wait_until(came, 10 * SECOND, f"a request {outcome}")

    comes("refused")
    server.start(sys.executable, "-m", "vrrpd.lab.web", "10.9.0.11", "hello", "web", log="web.log")
    comes("answered")
    world.cut_carrier(server)
    comes("no answer")
    assert outcomes <= {"refused", "answered", "no answer"}


def test_an_ended_world_leaves_no_process_and_its_name_is_free_at_once(tmp_path: Path) -> None:
    for attempt in ("first", "second"):
        with World(tmp_path / attempt, name="labtest") as world:
            one = world.add_host("one", "10.9.0.1/24")
            process = one.start("sleep", "1000", log="sleep.log")
            assert process.running
        assert not Path(f"/proc/{process.pid}").exists()
    assert "labtest" not in {name for _, name in socket.if_nameindex()}


def test_a_world_refuses_a_network_that_is_in_use(tmp_path: Path) -> None:
    build = f"from pathlib import Path; from vrrpd.lab.world import World; World(Path({str(tmp_path)!r}))"
    script = f"ip link add x0 type veth peer name x1; ip address add 192.0.2.1/24 dev x0; '{sys.executable}' -c \"$1\""
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script, "sh", build],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert "LabError: this network namespace is in use (x0 has an address)" in done.stderr


@pytest.mark.parametrize("user", [[], AS_AN_ORDINARY_USER], ids=["root", "nobody"])
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_lab_leaves_nothing_behind(user: list[str], ending: signal.Signals) -> None:
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    lab = subprocess.Popen(
        [*user, *LAB, "--daemon", "keepalived"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert lab.stdout is not None
    assert any("keepalived started on lb2" in line for line in lab.stdout)
    processes = [os.pidfd_open(pid) for pid in descendants(lab.pid)]
    assert len(processes) > 10

    lab.send_signal(ending)
    _, said = lab.communicate(timeout=10)
    if ending is signal.SIGKILL:
        assert lab.returncode == -signal.SIGKILL
    else:
        assert lab.returncode == 128 + ending
        assert said == "vrrpd lab: interrupted; nothing is left behind\n"
    for process in processes:
        assert select.select([process], [], [], 10 if ending is signal.SIGKILL else 0)[0], "it lives on"
        os.close(process)
    assert Path("/proc/self/mountinfo").read_text(encoding="utf-8") == mounts


def test_without_user_namespaces_an_ordinary_user_is_told_what_to_do() -> None:
    no_more_than_one = 'echo 1 > /proc/sys/user/max_user_namespaces; exec "$@"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", no_more_than_one, "sh", *AS_AN_ORDINARY_USER, *LAB],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == 1
    assert "vrrpd lab: no namespaces here: unshare: unshare failed: No space left on device" in done.stderr
    assert "user.max_user_namespaces" in done.stderr


def test_what_is_missing_is_named_with_its_package() -> None:
    hidden = 'mount --bind /dev/null "$(command -v killall)"; exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hidden, "sh", *LAB],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "vrrpd lab: killall not found: apt-get install psmisc\n"


@pytest.mark.parametrize(
    ("hidden", "says"),
    [((), []), (("haproxy",), ["HAProxy is not installed: a stand-in called haproxy answers"])],
    ids=["haproxy", "stand-in"],
)
def test_the_story_ends_with_every_fault_survived(hidden: tuple[str, ...], says: list[str]) -> None:
    paths = [path for name in hidden if (path := shutil.which(name, path=environment()["PATH"]))]
    hide = "".join(f"mount --bind /dev/null {path}; " for path in paths)
    lab = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{hide}exec "$@"', "sh", *LAB, "--json"],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert lab.returncode == 0, lab.stderr
    outcomes = json.loads(lab.stdout)
    assert [(outcome["before"], outcome["after"], outcome["address_on"]) for outcome in outcomes] == [
        ("lb1", "lb2", ["lb2"]),
        ("lb2", "lb1", ["lb1"]),
        ("lb1", "lb2", ["lb2"]),
        ("lb2", "lb1", ["lb1"]),
        ("lb1", "lb2", ["lb2"]),
    ]
    assert outcomes[0]["gap_ms"] <= 8000
    for words in says:
        assert words in lab.stderr
