"""The guide's pair on virtual time: who has the address, for how long nobody has it, and why, in words.

lb1 is `state MASTER`, priority 100; lb2 `state BACKUP`, priority 99; both say nopreempt and weigh HAProxy -2, every
2 s, fall 3. So a dead HAProxy is known after at most 6 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sample import VIP2, S, guide
from virtual import Deadlock, Pair, VirtualLoop

from vrrpd import ledger
from vrrpd.model import Family, Identity, VirtualAddress, VirtualRouter

VIP = IPv4Address("10.230.137.100")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with Pair(tmp_path) as both:
        yield both


def serving(pair: Pair) -> Pair:
    """lb1 has had the address for a while, lb2 is its Backup."""
    pair.lb1.start()
    pair.lb2.start()
    pair.run(20)
    assert (pair.lb1.state(), pair.lb2.state()) == ("Master", "Backup")
    assert pair.lan.holders(VIP) == {"lb1"}
    return pair


def test_a_loop_with_nothing_scheduled_is_an_error_and_not_a_hang() -> None:
    loop = VirtualLoop()
    with pytest.raises(Deadlock):
        loop.run_forever()
    loop.close()


def test_the_pair_starts_with_lb1(pair: Pair) -> None:
    serving(pair)
    assert pair.lan.moves(VIP) == ["lb1"]
    assert pair.lb1.story() == [("BACKUP", "started"), ("MASTER", "nobody advertised for 3.61 s")]
    assert pair.lb2.story() == [("BACKUP", "started")]
    assert pair.lan.neighbours[VIP] == pair.lb1.mac


def test_a_master_sends_one_advertisement_a_second_and_a_backup_none(pair: Pair) -> None:
    serving(pair)
    begin = pair.now
    pair.run(60)
    assert [name for at, name, _ in pair.lan.sent if at > begin] == ["lb1"] * 60


def test_when_haproxy_dies_on_the_master_the_address_moves_once_and_both_say_why(pair: Pair) -> None:
    serving(pair)
    pair.lb1.haproxy = False
    begin = pair.now
    pair.run(8)
    assert pair.lan.holders(VIP) == {"lb2"}
    pair.run(600)
    assert pair.lan.moves(VIP, begin) == ["lb2"]
    assert pair.lan.unheld(VIP, begin) == 0, "not for a moment without a holder"
    assert pair.lan.neighbours[VIP] == pair.lb2.mac
    assert pair.lb1.story(begin) == [
        ("RESIGNING", "chk_haproxy failed 3 times (exit 1)"),
        ("BACKUP", "chk_haproxy failed 3 times (exit 1), handed over to 10.230.137.2"),
    ]
    assert pair.lb2.story(begin) == [("MASTER", "10.230.137.1 gave up (priority 0)")]


def test_a_backups_haproxy_may_come_and_go(pair: Pair) -> None:
    serving(pair)
    begin = pair.now
    for alive in (False, True, False, True):
        pair.lb2.haproxy = alive
        pair.run(30)
    assert pair.lan.moves(VIP, begin) == []


def test_when_haproxy_is_back_the_address_returns_by_the_files_rules(pair: Pair) -> None:
    """`state MASTER` has cancelled lb1's nopreempt, so it preempts after a Master_Down_Interval."""
    serving(pair)
    pair.lb1.haproxy = False
    pair.run(30)
    pair.lb1.haproxy = True
    begin = pair.now
    pair.run(10)
    assert pair.lan.moves(VIP, begin) == ["lb1"]
    assert pair.lan.unheld(VIP, begin) == 0
    assert pair.lb1.story(begin) == [("MASTER", "our priority 100 is above 10.230.137.2's 99")]
    assert pair.lb2.story(begin) == [("BACKUP", "10.230.137.1 advertises priority 100, above our 99")]
    pair.run(600)
    assert pair.lan.moves(VIP, begin) == ["lb1"]


def test_with_preempt_delay_as_in_the_guide_it_returns_two_seconds_later(tmp_path: Path) -> None:
    with Pair(tmp_path, preempt_delay=2 * S) as pair:
        serving(pair)
        pair.lb1.haproxy = False
        pair.run(30)
        assert pair.lan.holders(VIP) == {"lb2"}
        pair.lb1.haproxy = True
        pair.run(4)
        assert pair.lan.holders(VIP) == {"lb2"}
        pair.run(6)
        assert pair.lan.holders(VIP) == {"lb1"}


def test_with_both_haproxies_dead_the_address_moves_at_most_once_and_stays_for_an_hour(pair: Pair) -> None:
    """Hazard A3c."""
    serving(pair)
    begin = pair.now
    pair.lb1.haproxy = pair.lb2.haproxy = False
    pair.run(3600)
    assert len(pair.lan.moves(VIP, begin)) <= 1
    assert pair.lan.unheld(VIP, begin) == 0


@pytest.mark.parametrize("later", [0.5, 1, 2, 3, 4, 5, 7, 10, 20])
def test_with_the_second_haproxy_dying_at_any_moment_the_address_moves_once(pair: Pair, later: float) -> None:
    serving(pair)
    begin = pair.now
    pair.lb1.haproxy = False
    pair.run(later)
    pair.lb2.haproxy = False
    pair.run(600)
    assert len(pair.lan.moves(VIP, begin)) <= 1
    assert pair.lan.unheld(VIP, begin) == 0


@pytest.mark.parametrize("later", [0, 3, 7, 11, 13, 17, 19, 23])
def test_of_two_dead_haproxies_the_one_that_returns_gets_the_address(pair: Pair, later: float) -> None:
    serving(pair)
    pair.lb1.haproxy = pair.lb2.haproxy = False
    pair.run(60 + later)
    pair.lb2.haproxy = True
    pair.run(30)
    assert pair.lan.holders(VIP) == {"lb2"}


def test_a_node_alone_keeps_the_address_although_its_haproxy_is_dead(pair: Pair) -> None:
    pair.lb1.start()
    pair.run(20)
    pair.lb1.haproxy = False
    begin = pair.now
    pair.run(1200)
    assert pair.lan.moves(VIP, begin) == []
    assert pair.lan.unheld(VIP, begin) == 0
    assert ("MASTER", "chk_haproxy failed 3 times (exit 1); nobody took over, so it stays Master") in pair.lb1.story()


def late_partner(directory: Path, later: float, *, stopped: bool) -> float:
    """lb2 is stopped, HAProxy dies on lb1, lb2 starts so much later: how long until lb2 alone has the address."""
    with Pair(directory) as pair:
        if stopped:
            serving(pair)
            pair.lb2.stop()
        else:
            pair.lb1.start()
        pair.run(10)
        pair.lb1.haproxy = False
        pair.run(6.5 + later)
        pair.lb2.start()
        begin = pair.now
        while pair.lan.holders(VIP) != {"lb2"} and pair.now < begin + 60:
            pair.run(1)
        return pair.now - begin


def test_a_partner_that_starts_at_any_moment_after_haproxy_died_has_the_address_within_30_s(tmp_path: Path) -> None:
    late = {n: late_partner(tmp_path, n, stopped=n % 2 == 0) for n in range(181)}
    assert {n: took for n, took in late.items() if took > 30} == {}


def test_a_partner_that_starts_in_the_seconds_around_an_asking_has_it_too(tmp_path: Path) -> None:
    late = {n: late_partner(tmp_path, n / 10, stopped=False) for n in range(0, 200, 3)}
    assert {n: took for n, took in late.items() if took > 30} == {}


# --- stop, crash, link ---


def test_a_planned_stop_of_the_master_leaves_no_moment_without_a_holder(pair: Pair) -> None:
    serving(pair)
    begin, sent = pair.now, len(pair.lan.sent)
    pair.lb1.stop()
    pair.run(5)
    assert pair.lb1.idle
    assert pair.lan.moves(VIP, begin) == ["lb2"]
    assert pair.lan.unheld(VIP, begin) == 0
    assert pair.lan.holders(VIP) == {"lb2"}
    assert not pair.lb1.ledger.exists(), "nothing of ours is left"
    assert pair.lb1.story(begin)[-1] == ("INITIALIZE", "vrrpd was stopped, handed over to 10.230.137.2")
    assert [p for _, name, p in pair.lan.sent[sent:] if name == "lb1"] == [0, 0], "and nothing after"


def test_the_address_is_on_two_nodes_for_milliseconds_only(pair: Pair) -> None:
    serving(pair)
    begin = pair.now
    pair.lb1.stop()
    pair.run(5)
    spans = [(at, holders) for at, which, holders in pair.lan.history if which == VIP and at >= begin]
    both = [at for at, holders in spans if len(holders) == 2]
    alone = [at for at, holders in spans if holders == {"lb2"}]
    assert len(both) == 1
    assert alone[0] - both[0] < 0.005


def test_a_stop_when_the_first_priority_0_is_lost_is_as_good(pair: Pair) -> None:
    serving(pair)
    lost: list[int] = []

    def first_0(_node: str, payload: bytes) -> bool:
        if payload[2] == 0 and not lost:
            lost.append(0)
            return True
        return False

    pair.lan.loses = first_0
    begin = pair.now
    pair.lb1.stop()
    pair.run(5)
    assert lost == [0]
    assert pair.lan.unheld(VIP, begin) == 0
    assert pair.lan.holders(VIP) == {"lb2"}


def test_a_stop_alone_ends_in_time_and_removes_the_address(pair: Pair) -> None:
    pair.lb1.start()
    pair.run(10)
    pair.lb1.stop()
    pair.run(1.3)
    assert (pair.lb1.idle, pair.lan.holders(VIP)) == (True, frozenset())


def test_a_stop_of_the_backup_is_not_noticed(pair: Pair) -> None:
    serving(pair)
    begin = pair.now
    pair.lb2.stop()
    pair.run(60)
    assert pair.lb2.idle
    assert pair.lan.moves(VIP, begin) == []


def test_a_node_that_starts_again_while_its_peer_serves_takes_nothing_down(pair: Pair) -> None:
    serving(pair)
    pair.lb1.stop()
    pair.run(5)
    begin = pair.now
    pair.lb1.start()
    pair.run(3)
    assert pair.lan.holders(VIP) == {"lb2"}
    pair.run(3)
    assert pair.lan.moves(VIP, begin) == ["lb1"]
    assert pair.lan.unheld(VIP, begin) == 0


def test_a_backup_that_starts_again_stays_backup(pair: Pair) -> None:
    serving(pair)
    begin = pair.now
    pair.lb2.stop()
    pair.run(1)
    pair.lb2.start()
    pair.run(60)
    assert pair.lan.moves(VIP, begin) == []


def test_a_node_that_starts_again_with_a_stale_address_gives_it_up_first(pair: Pair) -> None:
    """Hazard A9."""
    pair.lb1.kernel.addresses.append(IPv4Interface("10.230.137.100/24"))
    pair.lb2.start()
    pair.run(10)
    pair.lb1.start()
    pair.run(1)
    assert pair.lan.holders(VIP) == {"lb2"}


def test_after_a_crash_the_backup_has_the_address_within_one_master_down_interval(pair: Pair) -> None:
    serving(pair)
    begin = pair.now
    pair.lb1.crash()
    pair.run(10)
    assert pair.lan.moves(VIP, begin) == ["lb2"]
    assert pair.lan.unheld(VIP, begin) <= 3.614
    ((state, why),) = pair.lb2.story(begin)
    assert (state, why) == ("MASTER", "no advertisement from 10.230.137.1 for 3.61 s")


def test_a_link_that_goes_down_moves_the_address_and_returns_it(pair: Pair) -> None:
    serving(pair)
    begin = pair.now
    pair.lb1.link(up=False)
    pair.run(10)
    assert VIP not in pair.lb1.kernel.held(), "it would be there twice when the link returns"
    assert pair.lan.holders(VIP) == {"lb2"}
    pair.lb1.link(up=True)
    pair.run(10)
    assert pair.lan.moves(VIP, begin) == ["lb2", "lb1"]
    assert pair.lan.unheld(VIP, begin) <= 3.614
    assert ("INITIALIZE", "eth0 is down") in pair.lb1.story(begin)


def test_a_split_heals_to_one_master_which_announces_again(pair: Pair) -> None:
    serving(pair)
    pair.lan.loses = lambda _node, _payload: True
    pair.run(10)
    assert (pair.lb1.state(), pair.lb2.state()) == ("Master", "Master")
    pair.lan.loses = lambda _node, _payload: False
    pair.run(10)
    assert pair.lan.holders(VIP) == {"lb1"}
    assert pair.lan.neighbours[VIP] == pair.lb1.mac


# --- the kernel ---


def test_a_slow_kernel_delays_the_announcement_until_the_address_is_there(pair: Pair) -> None:
    """Hazard A10a."""
    pair.lb1.worker.takes = 0.5
    pair.lb1.start()
    pair.run(4.0)
    assert pair.lb1.state() == "Master"
    assert (pair.lb1.network.frames, pair.lan.holders(VIP)) == ([], frozenset())
    pair.run(0.5)
    assert pair.lan.holders(VIP) == {"lb1"}
    assert len(pair.lb1.network.frames) == 5


def test_a_slow_kernel_does_not_hold_up_an_advertisement(pair: Pair) -> None:
    pair.lb1.worker.takes = 2.5
    pair.lb1.start()
    pair.run(20)
    assert [round(at, 6) for at, _, _ in pair.lan.sent] == [3.609375, *range(4, 21)]


def test_a_kernel_that_refuses_leaves_the_address_to_the_peer(pair: Pair) -> None:
    """Hazard A10."""
    pair.lb1.kernel.errno = 13
    pair.lb1.start()
    pair.lb2.start()
    pair.run(20)
    assert pair.lan.holders(VIP) == {"lb2"}
    assert ("RESIGNING", "the kernel refuses the addresses (errno 13)") in pair.lb1.story()


def test_a_kernel_that_hangs_leaves_the_address_to_the_peer(pair: Pair) -> None:
    pair.lb1.worker.takes = None
    pair.lb1.start()
    pair.lb2.start()
    pair.run(30)
    assert pair.lan.holders(VIP) == {"lb2"}


def test_an_address_removed_by_somebody_is_put_back_without_a_move(pair: Pair) -> None:
    serving(pair)
    begin = pair.now
    pair.lb1.kernel.take_away("10.230.137.100/32")
    pair.run(30)
    assert pair.lan.holders(VIP) == {"lb1"}
    assert pair.lan.unheld(VIP, begin) <= 1.0
    assert (pair.lb1.story(begin), pair.lb2.story(begin)) == ([], [])


def test_the_ledger_names_what_is_held_and_who_is_master(pair: Pair) -> None:
    serving(pair)
    entries = ledger.read(pair.lb1.ledger)
    assert [held.what for held in entries.held] == ["10.230.137.100/32 dev eth0"]
    (master,) = entries.masters
    assert (master.name, master.interface, master.source) == ("R1", "eth0", "10.230.137.1")
    ((destination, packet),) = master.resignations
    # an IPv4 packet of protocol 112 with TTL 255 and TOS 0xc0; version 2, VRID 50, priority 0, one address
    assert destination == "224.0.0.18"
    assert bytes.fromhex(packet)[:24] == bytes.fromhex(
        "45c00028" + "00000000" + "ff700000" + "0ae68901" + "e0000012" + "21320001"
    )
    assert ledger.read(pair.lb2.ledger) == ledger.Entries()


def test_the_ledger_of_a_resigning_router_does_not_say_master(pair: Pair) -> None:
    """Hazard B2: `release` would send another priority 0."""
    pair.lb1.start()
    pair.run(10)
    pair.lb1.stop()
    pair.run(0.5)
    entries = ledger.read(pair.lb1.ledger)
    assert (len(entries.held), entries.masters) == (1, ())


# --- reload ---


def test_a_reload_with_another_address_changes_only_that(pair: Pair) -> None:
    serving(pair)
    begin = pair.now
    for node, priority in ((pair.lb1, 100), (pair.lb2, 99)):
        node.reload(guide(priority, addresses=(*guide(priority).addresses, VIP2)))
    pair.run(10)
    assert pair.lan.holders(IPv4Address("10.230.137.101")) == {"lb1"}
    assert (pair.lan.moves(VIP, begin), pair.lb1.story(begin), pair.lb2.story(begin)) == ([], [], [])
    for node, priority in ((pair.lb1, 100), (pair.lb2, 99)):
        node.reload(guide(priority, addresses=(VIP2,)))
    pair.run(10)
    assert pair.lan.holders(VIP) == frozenset()
    assert pair.lb1.state() == "Master"


def test_a_reload_with_other_priorities_moves_by_preemption(pair: Pair) -> None:
    serving(pair)
    begin = pair.now
    pair.lb2.reload(replace(guide(99), priority=150, preempt=True))
    pair.run(10)
    assert pair.lan.moves(VIP, begin) == ["lb2"]
    assert pair.lan.unheld(VIP, begin) == 0


def test_a_reload_with_another_vrid_on_both_nodes_ends_with_one_holder(pair: Pair) -> None:
    serving(pair)
    for node, priority in ((pair.lb1, 100), (pair.lb2, 99)):
        node.reload(guide(priority, vrid=51))
    pair.run(20)
    assert (pair.lb1.state(51), pair.lb2.state(51)) == ("Master", "Backup")
    assert pair.lan.holders(VIP) == {"lb1"}
    assert pair.lan.neighbours[VIP] == pair.lb1.mac


def test_a_reload_of_the_same_file_is_not_noticed(pair: Pair) -> None:
    serving(pair)
    begin = pair.now
    for _ in range(20):
        pair.lb1.reload(guide(100))
        pair.lb2.reload(guide(99))
        pair.run(0.7)
    assert (pair.lb1.story(begin), pair.lb2.story(begin), pair.lan.moves(VIP, begin)) == ([], [], [])


# --- whatever happens ---

HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["haproxy", "link", "stop", "crash", "slow", "refusing", "take away", "reload", "split"]),
        st.booleans(),
        st.integers(0, 120),
    ),
    max_size=12,
)


def happen(pair: Pair, what: str, *, first: bool) -> None:
    node = pair.lb1 if first else pair.lb2
    match what:
        case "haproxy":
            node.haproxy = not node.haproxy
        case "link":
            node.link(up=not node.linked)
        case "stop" if node.running and not node.stopping:
            node.stop()
        case "crash" if node.running:
            node.crash()
        case "stop" | "crash" if node.idle or not node.running:
            node.start()
        case "slow":
            node.worker.takes = 0.4 if node.worker.takes == 0.0 else 0.0
        case "refusing":
            node.kernel.errno = 13 - node.kernel.errno
        case "take away" if VIP in node.kernel.held():
            node.kernel.take_away("10.230.137.100/32")
        case "reload" if node.running and not node.stopping:
            node.reload(guide(100 if first else 99, name=f"R{pair.now}"))
        case "split":
            pair.lan.loses = (lambda _node, _payload: True) if first else (lambda _node, _payload: False)


def heal(pair: Pair) -> None:
    """Everything that the tests can break is mended, and both daemons run."""
    pair.lan.loses = lambda _node, _payload: False
    pair.run(15)
    for node in (pair.lb1, pair.lb2):
        node.haproxy, node.worker.takes, node.kernel.errno = True, 0.0, 0
        if not node.linked:
            node.link(up=True)
        if not node.running or node.stopping:
            node.start()


@settings(derandomize=True, max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(HAPPENINGS)
def test_after_any_history_a_healed_pair_has_one_holder_that_hosts_know(
    history: list[tuple[str, bool, int]],
) -> None:
    with TemporaryDirectory() as directory, Pair(Path(directory)) as pair:
        serving(pair)
        for what, first, tenths in history:
            happen(pair, what, first=first)
            pair.run(tenths / 10)
        heal(pair)
        pair.run(700)
        assert {pair.lb1.state(), pair.lb2.state()} == {"Master", "Backup"}
        (holder,) = (node for node in (pair.lb1, pair.lb2) if node.state() == "Master")
        assert pair.lan.holders(VIP) == {holder.name}
        assert pair.lan.neighbours[VIP] == holder.mac
        begin = pair.now
        pair.run(60)
        assert pair.lan.moves(VIP, begin) == []


# --- defects, until they are gone ---


def test_a_second_stop_ends_at_once(pair: Pair) -> None:
    pair.lb1.start()
    pair.run(10)
    pair.lb1.stop()
    pair.lb1.runtime.halt(pair.lb1.runtime.engine.records[Identity("eth0", Family.IPV4, 50)].why)
    pair.run(0.1)
    assert (pair.lb1.idle, pair.lan.holders(VIP)) == (True, frozenset())


def test_a_kernel_that_was_stuck_once_serves_again_when_its_peer_is_gone(pair: Pair) -> None:
    pair.lb1.worker.takes = 5.0
    pair.lb1.start()
    pair.run(20)
    pair.lb1.worker.takes = 0.0
    pair.run(60)
    assert pair.lan.holders(VIP) == {"lb1"}


def test_of_a_pair_that_was_ill_in_turn_the_healthy_node_has_the_address(pair: Pair) -> None:
    """lb1 boots while lb2 serves with a dead HAProxy (97): all that it has ever heard of lb2."""
    pair.lb2.haproxy = False
    pair.lb2.start()
    pair.run(20)
    pair.lb1.start()
    pair.run(20)
    assert pair.lan.holders(VIP) == {"lb1"}
    pair.lb2.haproxy = True
    pair.run(60)
    pair.lb1.haproxy = False
    pair.run(60)
    assert pair.lan.holders(VIP) == {"lb2"}


def test_an_announcement_that_waits_for_the_kernel_survives_the_removal_of_another_address(tmp_path: Path) -> None:
    with Pair(tmp_path) as pair:
        both = guide(100, addresses=(*guide(100).addresses, VIP2))
        pair.lb1.config = replace(pair.lb1.config, routers=(both,))
        pair.lb1.worker.takes = 0.5
        pair.lb1.start()
        pair.run(3.7)
        pair.lb1.reload(guide(100))
        pair.run(2)
        assert pair.lan.holders(VIP) == {"lb1"}
        assert VIP in pair.lan.neighbours


def address(host: int) -> VirtualAddress:
    return VirtualAddress(IPv4Interface(f"10.230.137.{host}/32"), "eth0")


def test_an_address_that_moves_between_two_of_our_routers_while_the_kernel_is_slow_stays(pair: Pair) -> None:
    """R2 has kernel work waiting already when R1 gives it up: R1's removal must not come after R2's addition."""
    shared = address(100)

    def routers(first: tuple[VirtualAddress, ...], second: tuple[VirtualAddress, ...]) -> tuple[VirtualRouter, ...]:
        return guide(100, addresses=first), guide(100, name="R2", vrid=51, addresses=second)

    pair.lb1.config = replace(pair.lb1.config, routers=routers((shared,), (address(101),)))
    pair.lb1.start()
    pair.run(10)
    begin = pair.now
    pair.lb1.worker.takes = 0.5
    pair.lb1.reload(*routers((shared, address(110)), (address(101),)))
    pair.run(0.1)
    pair.lb1.reload(*routers((shared, address(110)), (address(101), address(112))))
    pair.lb1.reload(*routers((address(110),), (address(101), address(112), shared)))
    pair.run(10)
    assert pair.lan.holders(VIP) == {"lb1"}
    assert pair.lan.unheld(VIP, begin) <= 0.01
    assert "10.230.137.100/32 dev eth0" in [held.what for held in ledger.read(pair.lb1.ledger).held]
