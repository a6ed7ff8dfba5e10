"""What is told of routers and groups: keepalived's words, lines and arguments, in order, each thing once."""

from __future__ import annotations

from typing import Any

from driver import Node
from sample import BAD, GONE, GOOD, HAPROXY, S, interface, message, router

from vrrpd.actions import AddressAnnounced, CheckFinished, ConfigChanged, Drain, InterfaceChanged
from vrrpd.model import Command, Config, Family, Identity, Notification, SyncGroup, Telling, Tracker, VirtualRouter
from vrrpd.telling import Teller, Told, Word

R1 = Identity("eth0", Family.IPV4, 50)
ALL = Notification(
    on_change=Command(("/n", "x")),
    on_master=Command(("/m",)),
    on_backup=Command(("/b",)),
    on_fault=Command(("/f",)),
    on_stop=Command(("/s",)),
    on_deleted=Command(("/d",)),
    on_lower_priority=Command(("/l",)),
)
G = SyncGroup("G", ("R1", "R2"), notification=ALL)


class Story:
    """An engine, and what is told of it."""

    def __init__(self, config: Config) -> None:
        self.node = Node()
        self.teller = Teller(self.node.engine.records)
        self.told: list[Told] = []
        self._heard = 0
        self.configure(config)

    def configure(self, config: Config) -> None:
        self.teller.configure(config)
        self.node.tell(ConfigChanged(config, GONE))
        self.hear()

    def hear(self) -> list[str]:
        """The lines of what is new, each turn by itself."""
        new: list[Told] = []
        turns: dict[int, list[Any]] = {}
        for at, action in self.node.done[self._heard :]:
            turns.setdefault(at, []).append(action)
        for actions in turns.values():
            new += self.teller.hear(actions)
        self._heard = len(self.node.done)
        self.told += new
        return [one.line.strip() for one in new]

    def run(self, until: int) -> list[str]:
        self.node.run(until)
        return self.hear()


def pair(**changes: Any) -> tuple[VirtualRouter, VirtualRouter]:
    return router(**changes), router(name="R2", vrid=51, **changes)


def alone(**changes: Any) -> Story:
    return Story(Config((router(**({"notification": ALL} | changes)),)))


def argv(told: Told) -> list[tuple[str, ...]]:
    return [command.argv for command in told.commands]


def test_a_router_is_told_to_be_backup_first_and_master_then() -> None:
    story = alone()
    story.run(5 * S)
    assert [one.line for one in story.told] == ['INSTANCE "R1" BACKUP 100\n', 'INSTANCE "R1" MASTER 100\n']
    assert argv(story.told[0]) == [("/b",), ("/n", "x", "INSTANCE", "R1", "BACKUP", "100")]
    assert argv(story.told[1]) == [("/m",), ("/n", "x", "INSTANCE", "R1", "MASTER", "100")]


def test_the_environment_says_who_what_and_why() -> None:
    story = alone()
    story.run(5 * S)
    assert story.told[-1].facts == {
        "VRRP_INSTANCE": "R1",
        "VRRP_STATE": "MASTER",
        "VRRP_OLD_STATE": "BACKUP",
        "VRRP_PRIORITY": "100",
        "VRRP_MASTER_IP": "10.230.137.1",
        "VRRP_REASON": "master_silent",
        "VRRP_WHY": "nobody advertised for 3.61 s",
    }
    story.node.hear(200)
    story.hear()
    facts = story.told[-1].facts
    assert (facts["VRRP_STATE"], facts["VRRP_MASTER_IP"], facts["VRRP_REASON"]) == (
        "BACKUP",
        "10.230.137.2",
        "preempted",
    )


def test_at_start_a_group_is_told_before_its_members_and_later_after_them() -> None:
    story = Story(Config(pair(), groups=(G,)))
    assert [one.line for one in story.told] == [
        'GROUP "G" BACKUP 0\n',
        'INSTANCE "R1" BACKUP 100\n',
        'INSTANCE "R2" BACKUP 100\n',
    ]
    assert argv(story.told[0]) == [("/b",), ("/n", "x", "GROUP", "G", "BACKUP", "0")]
    assert story.run(5 * S) == ['INSTANCE "R1" MASTER 100', 'INSTANCE "R2" MASTER 100', 'GROUP "G" MASTER 0']
    assert story.told[-1].facts["VRRP_GROUP"] == "G"


def test_a_group_that_waited_for_a_check_is_told_after_its_members() -> None:
    first, second = pair()
    node_check = Tracker(HAPROXY.name, 0)
    story = Story(Config())
    story.node.check = lambda _: None
    members = (router(trackers=(node_check,)), second)
    story.configure(Config(members, (HAPROXY,), (G,)))
    assert first.name == "R1"
    assert story.told == [], "nothing is told before the first result"
    story.node.tell(CheckFinished(HAPROXY, GOOD))
    assert story.hear() == ['INSTANCE "R1" BACKUP 100', 'INSTANCE "R2" BACKUP 100', 'GROUP "G" BACKUP 0']
    for _ in range(3):
        story.node.tell(CheckFinished(HAPROXY, BAD))
    assert story.hear() == ['INSTANCE "R1" FAULT 100', 'INSTANCE "R2" FAULT 100', 'GROUP "G" FAULT 0']


def test_a_router_that_resigns_is_master_until_its_addresses_are_gone() -> None:
    story = alone()
    story.run(5 * S)
    story.node.tell(Drain(R1))
    assert story.run(5 * S + 700_000_000) == []
    story.node.hear(90)
    story.node.tell(AddressAnnounced("eth0", router().addresses[0].ip, bytes(6), story.node.now))
    assert story.hear() == ['INSTANCE "R1" BACKUP 1']


def test_nobody_came_and_nobody_is_told() -> None:
    story = alone()
    story.run(5 * S)
    story.node.tell(Drain(R1))
    assert story.run(20 * S) == []


def test_a_fault_at_start_is_told_at_once() -> None:
    story = Story(Config())
    story.node.tell(InterfaceChanged("eth0", interface(up=False)))
    story.configure(Config((router(notification=ALL),)))
    assert [one.line for one in story.told] == ['INSTANCE "R1" FAULT 100\n']
    assert argv(story.told[0])[0] == ("/f",)
    assert story.told[0].facts["VRRP_WHY"] == "eth0 is down"


def test_a_second_fault_is_not_told_again() -> None:
    story = Story(Config((router(trackers=(Tracker(HAPROXY.name, 0),)),), (HAPROXY,)))
    story.node.tell(InterfaceChanged("eth0", interface(up=False)))
    assert story.hear() == ['INSTANCE "R1" FAULT 100']
    for _ in range(3):
        story.node.tell(CheckFinished(HAPROXY, BAD))
    assert story.hear() == []


def test_routers_are_told_to_stop_once_they_have_let_go_and_groups_after_them() -> None:
    story = Story(Config(pair(notification=ALL), groups=(G,)))
    story.run(5 * S)
    story.teller.stop()
    story.node.tell(ConfigChanged(Config(), GONE))
    assert story.hear() == []
    assert story.run(20 * S) == ['INSTANCE "R1" STOP 100', 'INSTANCE "R2" STOP 100', 'GROUP "G" STOP 0']
    assert argv(story.told[-3]) == [("/s",), ("/n", "x", "INSTANCE", "R1", "STOP", "100")]


def test_a_router_that_a_reload_removes_is_in_fault_or_where_it_is_wanted_deleted() -> None:
    story = alone()
    story.configure(Config())
    assert [one.line for one in story.told][1:] == ['INSTANCE "R1" FAULT 100\n']
    story = alone(notification=Notification(tells_deletion=True, on_deleted=Command(("/d",))))
    story.configure(Config())
    assert [one.line for one in story.told][1:] == ['INSTANCE "R1" DELETED 100\n']
    assert argv(story.told[-1]) == [("/d",)]


def test_a_lower_priority_is_told_each_time_and_no_priority_0() -> None:
    story = alone()
    story.run(5 * S)
    for priority in (50, 0, 60, 100):
        story.node.hear(priority)
    assert story.hear()[:2] == ['INSTANCE "R1" MASTER_RX_LOWER_PRI 100'] * 2
    assert argv(story.told[2]) == [("/l",)], "the command for every state is not run: it is no state"


def test_priorities_are_told_only_where_it_is_wanted_and_never_to_commands() -> None:
    tracked = (Tracker(HAPROXY.name, -20),)
    for wanted, of_all, lines in (
        (None, True, ['INSTANCE "R1" BACKUP_PRIORITY 80']),
        (True, False, ['INSTANCE "R1" BACKUP_PRIORITY 80']),
        (False, True, []),
        (None, False, []),
    ):
        notification = Notification(on_change=Command(("/n",)), tells_priority=wanted)
        one = router(trackers=tracked, notification=notification)
        story = Story(Config((one,), (HAPROXY,), telling=Telling(tells_priority=of_all)))
        for _ in range(3):
            story.node.tell(CheckFinished(HAPROXY, BAD))
        assert story.hear() == lines
        assert argv(story.told[-1]) == ([] if lines else [("/n", "INSTANCE", "R1", "BACKUP", "100")])


def test_a_masters_priority_is_told_as_one() -> None:
    story = Story(
        Config((router(trackers=(Tracker(HAPROXY.name, -20),)),), (HAPROXY,), telling=Telling(tells_priority=True))
    )
    story.run(5 * S)
    for _ in range(3):
        story.node.tell(CheckFinished(HAPROXY, BAD))
    assert story.hear() == ['INSTANCE "R1" MASTER_PRIORITY 80']


def test_after_a_reload_what_has_not_changed_is_repeated_for_fifos_only() -> None:
    config = Config(pair(notification=ALL), groups=(G,), telling=Telling(tells_after_reload=True))
    story = Story(config)
    story.run(5 * S)
    third = router(name="R3", vrid=52)
    story.configure(Config((*config.routers, third), groups=(G,), telling=config.telling))
    repeated = story.teller.repeat()
    assert [one.line for one in repeated] == [
        'INSTANCE "R1" MASTER 100\n',
        'INSTANCE "R2" MASTER 100\n',
        'GROUP "G" MASTER 0\n',
    ]
    assert [argv(one) for one in repeated] == [[], [], []]


def test_a_name_stands_in_a_line_as_it_is() -> None:
    story = Story(Config((router(name="VI 1"),)))
    assert story.told[0].line == 'INSTANCE "VI 1" BACKUP 100\n'


def test_words_that_are_states_are_those_that_last() -> None:
    assert [word.value for word in Word if word.is_state] == ["MASTER", "BACKUP", "FAULT", "STOP", "DELETED"]


def test_a_datagram_that_changes_nothing_is_told_to_nobody() -> None:
    story = alone()
    story.node.hear(message(200))
    story.node.hear(message(200))
    assert story.hear() == []
