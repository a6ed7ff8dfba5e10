"""Files, processes, interfaces and HAProxy in the engine: priorities, faults, and what a reload keeps of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from driver import Node
from sample import GONE, GOOD, MS, S, guide, interface, router

from vrrpd.actions import (
    CheckChanged,
    CheckFinished,
    ConfigChanged,
    FileRead,
    InterfaceChanged,
    ProcessesCounted,
    RunCheck,
)
from vrrpd.groups import with_trackers
from vrrpd.model import (
    Answer,
    Config,
    Script,
    SyncGroup,
    TrackedFile,
    TrackedHAProxy,
    TrackedProcess,
    Tracker,
    TrackerKind,
    VirtualRouter,
)
from vrrpd.states import Backup

MAINTENANCE = TrackedFile("maintenance", "/run/maintenance")
RUNNING = TrackedProcess("haproxy", "haproxy")
WEB = TrackedHAProxy("web", "/run/haproxy/admin.sock", backend="web", interval=2 * S)


def watching(*trackers: Tracker, **changes: object) -> Config:
    ours = router(trackers=trackers, **changes)
    kinds = {tracker.kind for tracker in trackers}
    return Config(
        routers=(ours,),
        files=(MAINTENANCE,) if TrackerKind.FILE in kinds else (),
        processes=(RUNNING,) if TrackerKind.PROCESS in kinds else (),
        haproxies=(WEB,) if TrackerKind.HAPROXY in kinds else (),
    )


def node_of(config: Config) -> Node:
    node = Node()
    node.check = lambda _: None
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3)))
    node.tell(ConfigChanged(config, GONE))
    return node


def link(node: Node, *, up: bool) -> None:
    node.tell(InterfaceChanged("eth1", interface("10.9.0.1/24", name="eth1", index=3, up=up)))


def priority(node: Node) -> int:
    p = node.record().parameters
    assert p is not None
    return p.priority


def words(node: Node) -> list[str]:
    return sorted(fault.words for fault in node.record().faults)


FILE, PROCESS, HAPROXY, INTERFACE = TrackerKind.FILE, TrackerKind.PROCESS, TrackerKind.HAPROXY, TrackerKind.INTERFACE


# --- weights ---


def test_a_tracked_interface_lowers_what_is_advertised_at_once_and_raises_it_again() -> None:
    node = node_of(watching(Tracker("eth1", -30, kind=INTERFACE)))
    node.run(10_500 * MS)
    link(node, up=False)
    node.run(12_500 * MS)
    link(node, up=True)
    assert node.sent(10_500 * MS) == [
        (10_500 * MS, 70),
        (11 * S, 70),
        (12 * S, 70),
        (12_500 * MS, 100),
    ]
    assert [a.check.words for _, a in node.done if isinstance(a, CheckChanged)] == ["eth1 is down", "eth1 is up"]


def test_an_interface_that_goes_away_is_down() -> None:
    node = node_of(watching(Tracker("eth1", -30, kind=INTERFACE)))
    node.tell(InterfaceChanged("eth1", None))
    assert priority(node) == 70


def test_an_interface_that_nobody_tracks_changes_nothing() -> None:
    node = node_of(watching())
    link(node, up=False)
    assert (priority(node), words(node)) == (100, [])


def test_a_file_moves_the_priority_by_its_number() -> None:
    node = node_of(watching(Tracker("maintenance", -1, kind=FILE)))
    seen = []
    for value in (0, 30, 30, 50, 0):
        node.tell(FileRead(MAINTENANCE, value))
        seen.append(priority(node))
    assert seen == [100, 70, 70, 50, 100]


def test_a_process_that_ends_lowers_and_one_that_starts_raises() -> None:
    node = node_of(watching(Tracker("haproxy", 20, kind=PROCESS)))
    assert priority(node) == 100, "not counted yet"
    seen = []
    for count in (1, 0, 2):
        node.tell(ProcessesCounted(RUNNING, count))
        seen.append(priority(node))
    assert seen == [120, 100, 120]


def test_haproxy_is_asked_from_start_to_start() -> None:
    node = node_of(watching(Tracker("web", -10, kind=HAPROXY)))
    node.check = lambda _: Answer(MS)
    node.tell(CheckFinished(WEB, Answer(MS)))
    node.run(5 * S)
    assert [(at, a.asked) for at, a in node.done if isinstance(a, RunCheck)] == [(0, WEB), (2 * S, WEB), (4 * S, WEB)]
    node.tell(CheckFinished(WEB, Answer(MS, "backend web has 0 of 3 servers up")))
    assert priority(node) == 90


# --- faults ---


def test_weight_0_waits_for_the_first_word_of_files_processes_and_haproxy() -> None:
    node = node_of(
        watching(
            Tracker("maintenance", 0, kind=FILE), Tracker("haproxy", 0, kind=PROCESS), Tracker("web", 0, kind=HAPROXY)
        )
    )
    assert words(node) == [
        "file maintenance has not been read yet",
        "haproxy has not been counted yet",
        "web has not run yet",
    ]
    node.tell(FileRead(MAINTENANCE, 0))
    node.tell(ProcessesCounted(RUNNING, 1))
    assert node.state() == "Initialize"
    node.tell(CheckFinished(WEB, Answer(MS)))
    assert (node.state(), words(node)) == ("Backup", [])


def test_each_object_that_is_bad_is_a_fault_of_its_own_and_all_must_go() -> None:
    """keepalived since 2.3.3 leaves FAULT when one of two interfaces is up again."""
    node = node_of(watching(Tracker("eth1", 0, kind=INTERFACE), Tracker("maintenance", 0, kind=FILE)))
    node.tell(FileRead(MAINTENANCE, 0))
    node.run(10 * S)
    link(node, up=False)
    assert (node.state(), words(node)) == ("Resigning", ["eth1 is down"])
    node.tell(FileRead(MAINTENANCE, 1))
    node.run(20 * S)
    assert (node.state(), words(node)) == ("Initialize", ["eth1 is down", "file maintenance is 1"])
    link(node, up=True)
    assert (node.state(), words(node)) == ("Initialize", ["file maintenance is 1"])
    node.tell(FileRead(MAINTENANCE, 0))
    state = node.record().state
    assert isinstance(state, Backup)
    assert state.master_down_at == 23_609_375_000, "a whole Master_Down_Interval: never straight to Master"


def test_a_script_and_a_process_of_one_name_are_two_faults() -> None:
    haproxy = replace(WEB, name="haproxy")
    trackers = (Tracker("haproxy", 0, kind=PROCESS), Tracker("haproxy", 0, kind=HAPROXY))
    node = node_of(Config(routers=(router(trackers=trackers),), processes=(RUNNING,), haproxies=(haproxy,)))
    node.tell(ProcessesCounted(RUNNING, 0))
    node.tell(CheckFinished(haproxy, Answer(MS, "it does not answer")))
    assert words(node) == ["haproxy failed (it does not answer)", "haproxy: 0 of 1 processes run"]
    node.tell(ProcessesCounted(RUNNING, 1))
    assert words(node) == ["haproxy failed (it does not answer)"]


def test_a_tracked_interface_of_its_own_is_no_second_fault() -> None:
    node = node_of(watching(Tracker("eth0", 0, kind=INTERFACE)))
    node.run(10 * S)
    node.tell(InterfaceChanged("eth0", interface(up=False)))
    assert (node.state(), words(node)) == ("Initialize", ["eth0 is down"])


def test_weight_0_reverse_forbids_while_it_is_up() -> None:
    node = node_of(watching(Tracker("eth1", 0, reverse=True, kind=INTERFACE)))
    assert (node.state(), words(node)) == ("Initialize", ["eth1 is up"])
    link(node, up=False)
    assert node.state() == "Backup"


def test_a_file_that_takes_254_or_more_is_a_fault_whatever_its_weight() -> None:
    node = node_of(watching(Tracker("maintenance", -1, kind=FILE)))
    node.tell(FileRead(MAINTENANCE, 0))
    node.run(10 * S)
    node.tell(FileRead(MAINTENANCE, 254))
    assert (node.state(), words(node)) == ("Resigning", ["file maintenance is 254"])
    assert node.sent(10 * S + 1) == []
    assert node.sent(10 * S)[-1] == (10 * S, 0)


def test_a_process_delay_is_a_deadline_of_the_engine() -> None:
    patient = replace(RUNNING, terminate_delay=2 * S)
    config = Config(routers=(router(trackers=(Tracker("haproxy", -20, kind=PROCESS),)),), processes=(patient,))
    node = node_of(config)
    node.tell(ProcessesCounted(patient, 1))
    node.run(10_300 * MS)
    node.tell(ProcessesCounted(patient, 0))
    node.run(20 * S)
    assert node.sent(12 * S)[:2] == [(12 * S, 100), (12_300 * MS, 80)]


# --- a Master that is worse ---


def test_a_master_with_nopreempt_in_its_block_asks_to_be_relieved_for_any_kind() -> None:
    for tracker, event in (
        (Tracker("maintenance", -30, kind=FILE), FileRead(MAINTENANCE, 1)),
        (Tracker("haproxy", -30, kind=PROCESS), ProcessesCounted(RUNNING, 0)),
        (Tracker("web", -30, kind=HAPROXY), CheckFinished(WEB, Answer(MS, "it is stopping"))),
    ):
        ours: VirtualRouter = guide(100, trackers=(tracker,))
        node = node_of(replace(watching(tracker), routers=(ours,)))
        node.run(10 * S)
        node.tell(event)
        assert node.state() == "Resigning"


# --- reload ---


def test_a_reload_of_a_weight_keeps_what_is_known() -> None:
    node = node_of(watching(Tracker("maintenance", -1, kind=FILE), Tracker("haproxy", -20, kind=PROCESS)))
    node.tell(FileRead(MAINTENANCE, 3))
    node.tell(ProcessesCounted(RUNNING, 0))
    assert priority(node) == 77
    node.tell(
        ConfigChanged(watching(Tracker("maintenance", -2, kind=FILE), Tracker("haproxy", -10, kind=PROCESS)), GONE)
    )
    assert priority(node) == 84


def test_what_a_reload_adds_is_good_until_it_says_otherwise() -> None:
    node = node_of(watching())
    node.run(10 * S)
    trackers = (
        Tracker("maintenance", 0, reverse=True, kind=FILE),
        Tracker("haproxy", 0, kind=PROCESS),
        Tracker("web", 0, kind=HAPROXY),
    )
    node.tell(ConfigChanged(watching(*trackers), GONE))
    assert (node.state(), words(node)) == ("Master", [])


def test_a_tracked_interface_that_is_down_at_a_reload_is_known_at_once() -> None:
    node = node_of(watching())
    link(node, up=False)
    node.tell(ConfigChanged(watching(Tracker("eth1", 0, kind=INTERFACE)), GONE))
    assert words(node) == ["eth1 is down"]


def test_what_was_replaced_is_of_no_interest_any_more() -> None:
    node = node_of(watching(Tracker("maintenance", -1, kind=FILE), Tracker("haproxy", -20, kind=PROCESS)))
    done = len(node.done)
    node.tell(FileRead(replace(MAINTENANCE, path="/elsewhere"), 5))
    node.tell(ProcessesCounted(replace(RUNNING, process="nginx"), 0))
    node.tell(CheckFinished(WEB, Answer(MS, "it is stopping")))
    assert (priority(node), node.done[done:]) == (100, [])


def test_a_successor_of_a_router_that_still_leaves_finds_the_interface_it_tracks() -> None:
    node = node_of(watching())
    node.run(10 * S)
    node.tell(ConfigChanged(Config(), GONE))
    assert node.state() == "Resigning"
    node.tell(ConfigChanged(watching(Tracker("eth1", -30, kind=INTERFACE)), GONE))
    node.run(30 * S)
    assert (node.state(), priority(node)) == ("Master", 100)


def test_a_stop_forgets_all_that_was_watched() -> None:
    trackers = (
        Tracker("eth1", -1, kind=INTERFACE),
        Tracker("maintenance", -1, kind=FILE),
        Tracker("web", -1, kind=HAPROXY),
    )
    node = node_of(watching(*trackers))
    node.run(10 * S)
    assert len(node.engine.checks) == 3
    node.tell(ConfigChanged(Config(), GONE))
    node.run(30 * S)
    assert (node.engine.idle, len(node.engine.checks), node.engine.deadline()) == (True, 0, None)


# --- sync groups ---


def test_a_groups_trackers_count_for_each_member_and_once() -> None:
    """keepalived: a member's own line has the group's weight, unless its own is 0."""
    kinds = {"maintenance": FILE, "haproxy": PROCESS, "eth1": INTERFACE, "web": HAPROXY}
    own, groups = (
        tuple(Tracker(name, weight, kind=kinds[name]) for name, weight in weights.items())
        for weights in ({"maintenance": 0, "haproxy": -5, "eth1": -7}, {"maintenance": -1, "haproxy": -20, "web": -3})
    )
    config = Config(
        routers=(router(trackers=own), router(name="R2", vrid=51)),
        groups=(SyncGroup("G", ("R1", "R2"), groups),),
        files=(MAINTENANCE,),
        processes=(RUNNING,),
        haproxies=(WEB,),
    )
    first, second = with_trackers(config).routers
    assert {t.name: t.weight for t in first.trackers} == {"maintenance": 0, "haproxy": -20, "eth1": -7, "web": -3}
    assert second.trackers == groups
    node = node_of(config)
    node.tell(ProcessesCounted(RUNNING, 0))
    assert [p.priority for r in node.engine.records.values() if (p := r.parameters)] == [80, 80]


def test_hundreds_of_checks_that_are_due_together_are_started_little_by_little() -> None:
    """And from then on each keeps its own time: they are spread."""
    scripts = tuple(Script(f"check{n}", ("true",), interval=S, timeout=S) for n in range(100))
    trackers = tuple(Tracker(script.name, -1) for script in scripts)
    node = node_of(Config(routers=(router(trackers=trackers),), scripts=scripts))
    node.check = lambda _: GOOD
    for asked in list(node.engine.checks):
        node.tell(CheckFinished(node.poll(asked.name).asked, GOOD))
    node.run(S + 10 * MS)
    starts = Counter(at for at, a in node.done if isinstance(a, RunCheck))
    assert starts == {0: 32, 2 * MS: 32, 4 * MS: 32, 6 * MS: 4, S: 32, S + 2 * MS: 32, S + 4 * MS: 32, S + 6 * MS: 4}
