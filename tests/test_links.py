"""A link that flaps for less than its delay has not been down."""

from __future__ import annotations

from driver import Node
from sample import GONE, MS, S, interface, router

from vrrpd.actions import ConfigChanged, InterfaceChanged
from vrrpd.model import Config, LinkDelay


def patient() -> Node:
    node = Node()
    config = Config(routers=(router(),), link_delays=(LinkDelay("eth0", down=300 * MS, up=2 * S),))
    node.tell(ConfigChanged(config, GONE))
    node.run(10 * S)
    assert node.state() == "Master"
    return node


def link(node: Node, *, up: bool) -> None:
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", up=up)))


def test_a_short_flap_is_no_fault() -> None:
    node = patient()
    link(node, up=False)
    node.run(node.now + 299 * MS)
    link(node, up=True)
    node.run(node.now + 10 * S)
    assert node.state() == "Master"
    assert [new for _, new, _ in node.story()] == ["Backup", "Master"]


def test_a_link_that_stays_down_is_a_fault_from_then_on_and_up_again_after_its_own_delay() -> None:
    node = patient()
    down = node.now
    link(node, up=False)
    link(node, up=False)
    node.run(down + 20 * S)
    up = node.now
    link(node, up=True)
    node.run(up + 3 * S)
    assert [(at, new) for at, new, _ in node.story(down)] == [
        (down + 300 * MS, "Initialize"),
        (up + 2 * S, "Backup"),
    ]


def test_what_else_changes_meanwhile_counts_at_once() -> None:
    node = patient()
    node.tell(InterfaceChanged("eth0", interface("10.230.137.5/24", up=False)))
    p = node.record().parameters
    assert p is not None
    assert str(p.primary_address) == "10.230.137.5"


def test_an_interface_that_goes_is_gone() -> None:
    node = patient()
    node.tell(InterfaceChanged("eth0", None))
    assert node.state() == "Initialize"
    node.tell(InterfaceChanged("eth0", interface("10.230.137.1/24", index=9)))
    assert node.state() == "Backup"
