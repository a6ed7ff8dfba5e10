"""Known ways to break a design like this one, each as a scenario of its own, named after it.

They were found by trying: against real peers, by reading keepalived's source, or by thinking. The checkers judge them
like any other scenario; what a hazard asks beyond that stands in `test_sim.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any, Final

from vrrpd.model import (
    MILLISECOND,
    SECOND,
    Announcing,
    Config,
    Duration,
    InitialState,
    Script,
    SyncGroup,
    Tracker,
    Version,
    VirtualAddress,
    VirtualRouter,
)
from vrrpd.simulate.plan import (
    AddressTaken,
    CheckDisturbed,
    Checks,
    Cut,
    Drained,
    FailedOver,
    Fault,
    KernelRefuses,
    KernelSlow,
    Kill,
    Kind,
    LanPlan,
    Link,
    LinkDown,
    NodePlan,
    Noise,
    PowerOff,
    Reload,
    Scenario,
    SendsFail,
    Stall,
    Stop,
)

CHECK = Script("chk_haproxy", ("true",), interval=2 * SECOND, weight=-2, fall=3)
VIP = VirtualAddress(IPv4Interface("10.0.0.100/32"), "eth0")
VIP6 = VirtualAddress(IPv6Interface("2001:db8::100/64"), "eth0")


def router(priority: int, **changes: Any) -> VirtualRouter:
    """VRID 50 with one address."""
    usual: dict[str, Any] = {"name": "R1", "interface": "eth0", "vrid": 50, "priority": priority, "addresses": (VIP,)}
    return VirtualRouter(**(usual | changes))


def guide(priority: int, **changes: Any) -> VirtualRouter:
    """Of the guide's pair: `nopreempt` stands in both blocks, and `state MASTER` cancels the first one's."""
    first = priority == 100
    state = InitialState.MASTER if first else InitialState.BACKUP
    tracked = (Tracker(CHECK.name, CHECK.weight),)
    return router(priority, initial_state=state, preempt=first, resigns_when_worse=True, trackers=tracked, **changes)


def node(n: int, *routers: VirtualRouter, kind: Kind = Kind.VRRPD, **plan: Any) -> NodePlan:
    """The n-th node on the LAN."""
    own = (IPv4Interface(f"10.0.0.{n}/24"), IPv6Interface(f"fe80::{n}/64"))
    link = Link("eth0", "a", bytes((2, 0, 0, 0, 0, n)), own)
    tracked = any(r.trackers for r in routers)
    config = Config(routers, (CHECK,) if tracked else ())
    return NodePlan(f"n{n}", (link,), config, kind, clock_offset=n * 137 * MILLISECOND, **plan)


def scene(name: str, nodes: tuple[NodePlan, ...], *faults: Fault, lasts: Duration = 300 * SECOND) -> Scenario:
    """On a LAN with two hosts."""
    return Scenario(name, 1, lasts, (LanPlan("a", ("host1", "host2")),), nodes, faults)


def a1a_own_priority_rises_while_the_master_repeats_itself() -> Scenario:
    """HAProxy is dead on the first node, the second advertises the same each second; then HAProxy returns."""
    return scene(
        "a1a", (node(1, guide(100)), node(2, guide(99))), CheckDisturbed(30 * SECOND, 60 * SECOND, "n1", CHECK.name)
    )


def a1b_preempt_delay_ends_while_the_master_repeats_itself() -> Scenario:
    patient = router(100, preempt_delay=20 * SECOND)
    return scene("a1b", (node(1, patient, starts_at=10 * SECOND), node(2, router(90))))


def a1c_a_lower_master_does_not_move_the_deadline() -> Scenario:
    return scene("a1c", (node(1, router(100), starts_at=20 * SECOND), node(2, router(90), kind=Kind.KEEPALIVED)))


def a1d_priority_0_is_said_twice() -> Scenario:
    noise = Noise(29 * SECOND, 5 * SECOND, "a", duplicates=1.0)
    return scene("a1d", (node(1, router(100)), node(2, router(90))), noise, Stop(30 * SECOND, 60 * SECOND, "n1"))


def a2_nopreempt_cancelled_by_state_master_still_resigns() -> Scenario:
    return scene(
        "a2", (node(1, guide(100)), node(2, guide(99))), CheckDisturbed(30 * SECOND, 200 * SECOND, "n1", CHECK.name)
    )


def a2_beside_keepalived() -> Scenario:
    peer = router(99, preempt=False)
    return scene(
        "a2 keepalived",
        (node(1, guide(100)), node(2, peer, kind=Kind.KEEPALIVED)),
        CheckDisturbed(30 * SECOND, 200 * SECOND, "n1", CHECK.name),
    )


def a3a_failover_of_a_node_that_would_preempt() -> Scenario:
    return scene("a3a", (node(1, router(200)), node(2, router(100))), FailedOver(30 * SECOND, "n1"))


def a3a_drain_of_a_node_that_would_preempt() -> Scenario:
    return scene("a3a drain", (node(1, router(200)), node(2, router(100))), Drained(30 * SECOND, 90 * SECOND, "n1"))


def a3b_the_heir_is_lower_than_who_resigned() -> Scenario:
    return scene(
        "a3b",
        (node(1, guide(100)), node(2, guide(90))),
        CheckDisturbed(30 * SECOND, 200 * SECOND, "n1", CHECK.name),
    )


def a3c_both_haproxys_are_dead() -> Scenario:
    return scene(
        "a3c",
        (node(1, guide(100)), node(2, guide(99))),
        CheckDisturbed(30 * SECOND, 200 * SECOND, "n1", CHECK.name),
        CheckDisturbed(31 * SECOND, 100 * SECOND, "n2", CHECK.name),
        lasts=600 * SECOND,
    )


def a3d_a_check_that_flaps_on_a_lone_node() -> Scenario:
    return scene(
        "a3d", (node(1, guide(100)),), CheckDisturbed(30 * SECOND, 200 * SECOND, "n1", CHECK.name, Checks.FLAP)
    )


def a3e_still_better_than_the_spare() -> Scenario:
    return scene(
        "a3e", (node(1, guide(100)), node(2, guide(50))), CheckDisturbed(30 * SECOND, 200 * SECOND, "n1", CHECK.name)
    )


def a7_255_routers_on_one_interface() -> Scenario:
    one = tuple(router(100, name=f"R{n}", vrid=n, addresses=(_numbered(n),)) for n in range(1, 256))
    two = tuple(replace(r, priority=90) for r in one)
    return scene("a7", (node(1, *one), node(2, *two)), PowerOff(10 * SECOND, 60 * SECOND, "n1"), lasts=20 * SECOND)


def a8_a_reload_moves_an_address_to_another_router() -> Scenario:
    other = router(100, name="R2", vrid=51)
    return scene(
        "a8",
        (node(1, router(100)), node(2, router(90))),
        Reload(30 * SECOND, "n1", Config((other,))),
        Reload(35 * SECOND, "n2", Config((replace(other, priority=90),))),
    )


def a8_the_same_router_returns_while_it_leaves() -> Scenario:
    return scene(
        "a8 return",
        (node(1, router(100)), node(2, router(90))),
        Reload(30 * SECOND, "n1", Config()),
        Reload(30 * SECOND + 100 * MILLISECOND, "n1", Config((router(100),))),
    )


def a9_a_backup_holds_the_address_of_its_killed_predecessor() -> Scenario:
    return scene("a9", (node(1, router(100)), node(2, router(90))), Kill(30 * SECOND, 20 * SECOND, "n1"))


def a10a_the_kernel_is_slow() -> Scenario:
    return scene(
        "a10a",
        (node(1, router(100)), node(2, router(90))),
        KernelSlow(25 * SECOND, 20 * SECOND, "n2", 308 * MILLISECOND),
        PowerOff(30 * SECOND, 60 * SECOND, "n1"),
    )


def a10b_the_kernel_does_not_answer() -> Scenario:
    return scene(
        "a10b",
        (node(1, router(100)), node(2, router(90))),
        KernelSlow(29 * SECOND, 60 * SECOND, "n2", 50 * SECOND),
        Stop(30 * SECOND, 100 * SECOND, "n1"),
        lasts=600 * SECOND,
    )


def a10c_the_kernel_refuses_every_address() -> Scenario:
    return scene(
        "a10c",
        (node(1, router(100), starts_at=20 * SECOND), node(2, router(90))),
        KernelRefuses(15 * SECOND, 60 * SECOND, "n1"),
        lasts=600 * SECOND,
    )


def b1_the_priority_0_is_lost() -> Scenario:
    return scene(
        "b1",
        (node(1, router(100)), node(2, router(90))),
        Noise(30 * SECOND - MILLISECOND, 20 * MILLISECOND, "a", loss=1.0),
        FailedOver(30 * SECOND, "n1"),
    )


def b1_the_interval_is_ten_seconds() -> Scenario:
    slow = {"version": Version.V3, "advertisement_interval": 10 * SECOND}
    return scene(
        "b1 slow",
        (node(1, router(100, **slow)), node(2, router(90, **slow))),
        Stop(200 * SECOND, 300 * SECOND, "n1"),
        lasts=900 * SECOND,
    )


def b1_the_interval_is_ten_milliseconds_and_the_heir_is_low() -> Scenario:
    fast = {"version": Version.V3, "advertisement_interval": 10 * MILLISECOND}
    return scene(
        "b1 fast",
        (node(1, router(100, **fast)), node(2, router(2, **fast))),
        Stop(5 * SECOND, 2 * SECOND, "n1"),
        lasts=10 * SECOND,
    )


def b2_drained_again_and_again_and_then_stopped() -> Scenario:
    again = tuple(Drained((30 + n) * SECOND + n * 100 * MILLISECOND, 60 * SECOND, "n1") for n in range(3))
    stop = Stop(30 * SECOND + 300 * MILLISECOND, 60 * SECOND, "n1")
    return scene("b2", (node(1, router(200)), node(2, router(100))), *again[:1], stop, *again[1:])


def b3_the_heirs_first_advertisement_is_lost() -> Scenario:
    deaf = Cut(30 * SECOND + 10 * MILLISECOND, 700 * MILLISECOND, "a", ("n2",), ("n1",), both=False)
    return scene("b3", (node(1, router(100)), node(2, router(90))), Stop(30 * SECOND, 60 * SECOND, "n1"), deaf)


def b3_who_leaves_is_stalled() -> Scenario:
    stall = Stall(30 * SECOND + 600 * MILLISECOND, 400 * MILLISECOND, "n1")
    return scene("b3 stall", (node(1, router(100)), node(2, router(90))), Stop(30 * SECOND, 60 * SECOND, "n1"), stall)


def b5_a_losers_advertisement_is_under_way() -> Scenario:
    """The second node was preempted just before the first is stopped."""
    return scene(
        "b5",
        (node(1, router(100), starts_at=20 * SECOND), node(2, router(90))),
        Stop(23_609_800_000, 60 * SECOND, "n1"),
    )


def b6_ipv6_is_handed_over_without_two_answering() -> Scenario:
    six = {"version": Version.V3, "addresses": (VIP6,)}
    return scene("b6", (node(1, router(100, **six)), node(2, router(90, **six))), Stop(30 * SECOND, 60 * SECOND, "n1"))


def b7_the_link_flaps() -> Scenario:
    flaps = tuple(LinkDown((30 + 5 * n) * SECOND, 300 * MILLISECOND, "n1", "eth0") for n in range(5))
    return scene("b7", (node(1, router(100)), node(2, router(90))), *flaps)


def c1_a_glitch_of_one_check() -> Scenario:
    quick = replace(CHECK, fall=1, weight=-20)
    tracked = (Tracker(quick.name, quick.weight),)
    glitches = tuple(CheckDisturbed((30 + 30 * n) * SECOND, 2 * SECOND, "n1", quick.name) for n in range(6))
    first = replace(node(1), config=Config((router(101, trackers=tracked),), (quick,)))
    return scene("c1", (first, node(2, router(100))), *glitches)


def c3_a_reload_to_a_longer_interval() -> Scenario:
    short = {"version": Version.V3, "advertisement_interval": SECOND}
    longer = router(100, version=Version.V3, advertisement_interval=10 * SECOND)
    return scene(
        "c3",
        (node(1, router(100, **short)), node(2, router(90, **short))),
        Reload(30_100_000_000, "n1", Config((longer,))),
    )


def c4_advertisements_that_do_not_leave() -> Scenario:
    return scene("c4", (node(1, router(100)), node(2, router(90))), SendsFail(30 * SECOND, 10 * SECOND, "n1"))


def c6_a_check_is_added_to_a_serving_master() -> Scenario:
    weightless = replace(CHECK, weight=0)
    tracked = Config((router(100, trackers=(Tracker(CHECK.name, 0),)),), (weightless,))
    return scene("c6", (node(1, router(100)), node(2, router(90))), Reload(30 * SECOND, "n1", tracked))


def c7_a_restart() -> Scenario:
    return scene(
        "c7", (node(1, router(100)), node(2, router(90))), Kill(30 * SECOND, 2 * SECOND, "n1", 100 * MILLISECOND)
    )


def c10_an_owner_whose_link_flaps() -> Scenario:
    owner = router(255, initial_state=InitialState.MASTER)
    flaps = tuple(LinkDown((30 + 2 * n) * SECOND, 300 * MILLISECOND, "n1", "eth0") for n in range(5))
    return scene("c10", (node(1, owner), node(2, router(90))), *flaps)


def a_split_heals() -> Scenario:
    return scene(
        "split",
        (node(1, router(100)), node(2, router(90))),
        Cut(30 * SECOND, 20 * SECOND, "a", ("n1", "host1"), ("n2", "host2")),
        Cut(90_500_000_000, 20 * SECOND, "a", ("n1",), ("n2", "host1", "host2")),
    )


def a_dead_holder_is_released_late() -> Scenario:
    """Its peer has long taken over, and hosts may still point at it."""
    return scene(
        "late release",
        (node(1, router(100)), node(2, router(90))),
        Kill(30 * SECOND, 120 * SECOND, "n1", 40 * SECOND),
    )


def an_address_is_taken_away() -> Scenario:
    return scene("taken", (node(1, router(100)), node(2, router(90))), AddressTaken(30 * SECOND, "n1"))


def equal_priorities_start_together() -> Scenario:
    silent = Announcing(master_delay=0, lower_priority_delay=0)
    return scene("equal", tuple(node(n, router(100, announcing=silent)) for n in (1, 2, 3)))


def grouped(n: int, priority: int, *, second: int | None = None, kind: Kind = Kind.VRRPD) -> NodePlan:
    """The n-th node, whose two routers are a sync group; `second`: the second one's priority where it is another."""
    one = router(priority)
    two = router(priority if second is None else second, name="R2", vrid=51, addresses=(_numbered(51),))
    return replace(node(n, kind=kind), config=Config((one, two), groups=(SyncGroup("G", ("R1", "R2")),)))


def b8_a_group_is_handed_over_by_each_member_to_its_own_heir() -> Scenario:
    """The heir's first advertisement for one of the two is lost."""
    deaf = Noise(30_605 * MILLISECOND, 8 * MILLISECOND, "a", loss=0.5)
    return scene("b8", (grouped(1, 100), grouped(2, 90)), Stop(30 * SECOND, 60 * SECOND, "n1"), deaf)


def b8_a_group_is_drained() -> Scenario:
    return scene("b8 drain", (grouped(1, 200), grouped(2, 100)), Drained(30 * SECOND, 90 * SECOND, "n1"))


def b8_beside_keepalived() -> Scenario:
    peer = grouped(2, 90, kind=Kind.KEEPALIVED)
    return scene("b8 keepalived", (grouped(1, 100), peer), Stop(30 * SECOND, 60 * SECOND, "n1"))


def b8_keepalived_gives_up_its_group() -> Scenario:
    peer = grouped(1, 100, kind=Kind.KEEPALIVED)
    return scene("b8 from keepalived", (peer, grouped(2, 90)), Stop(30 * SECOND, 60 * SECOND, "n1"))


def b8_the_link_of_a_group_flaps() -> Scenario:
    flaps = tuple(LinkDown((30 + 5 * n) * SECOND, 300 * MILLISECOND, "n1", "eth0") for n in range(5))
    return scene("b8 link", (grouped(1, 100), grouped(2, 90)), *flaps)


def b8_crossed_priorities_in_a_group() -> Scenario:
    """Each node is better for one of the two: keepalived is elected again and again. One of ours gets ahead."""
    return scene("b8 crossed", (grouped(1, 100, second=90), grouped(2, 90, second=100)), lasts=120 * SECOND)


def b8_a_reload_adds_a_member_to_a_serving_group() -> Scenario:
    serving = grouped(1, 100)
    third = router(100, name="R3", vrid=52, addresses=(_numbered(52),))
    more = Config((*serving.config.routers, third), groups=(SyncGroup("G", ("R1", "R2", "R3")),))
    return scene("b8 reload", (serving, grouped(2, 90)), Reload(30 * SECOND, "n1", more))


def _numbered(n: int) -> VirtualAddress:
    return VirtualAddress(IPv4Interface(f"10.0.1.{n}/32"), "eth0")


HAZARDS: Final[dict[str, Callable[[], Scenario]]] = {
    make.__name__: make
    for make in (
        a1a_own_priority_rises_while_the_master_repeats_itself,
        a1b_preempt_delay_ends_while_the_master_repeats_itself,
        a1c_a_lower_master_does_not_move_the_deadline,
        a1d_priority_0_is_said_twice,
        a2_nopreempt_cancelled_by_state_master_still_resigns,
        a2_beside_keepalived,
        a3a_failover_of_a_node_that_would_preempt,
        a3a_drain_of_a_node_that_would_preempt,
        a3b_the_heir_is_lower_than_who_resigned,
        a3c_both_haproxys_are_dead,
        a3d_a_check_that_flaps_on_a_lone_node,
        a3e_still_better_than_the_spare,
        a7_255_routers_on_one_interface,
        a8_a_reload_moves_an_address_to_another_router,
        a8_the_same_router_returns_while_it_leaves,
        a9_a_backup_holds_the_address_of_its_killed_predecessor,
        a10a_the_kernel_is_slow,
        a10b_the_kernel_does_not_answer,
        a10c_the_kernel_refuses_every_address,
        b1_the_priority_0_is_lost,
        b1_the_interval_is_ten_seconds,
        b1_the_interval_is_ten_milliseconds_and_the_heir_is_low,
        b2_drained_again_and_again_and_then_stopped,
        b3_the_heirs_first_advertisement_is_lost,
        b3_who_leaves_is_stalled,
        b5_a_losers_advertisement_is_under_way,
        b6_ipv6_is_handed_over_without_two_answering,
        b7_the_link_flaps,
        c1_a_glitch_of_one_check,
        c3_a_reload_to_a_longer_interval,
        c4_advertisements_that_do_not_leave,
        c6_a_check_is_added_to_a_serving_master,
        c7_a_restart,
        c10_an_owner_whose_link_flaps,
        a_split_heals,
        a_dead_holder_is_released_late,
        an_address_is_taken_away,
        b8_a_group_is_handed_over_by_each_member_to_its_own_heir,
        b8_a_group_is_drained,
        b8_beside_keepalived,
        b8_keepalived_gives_up_its_group,
        b8_the_link_of_a_group_flaps,
        b8_crossed_priorities_in_a_group,
        b8_a_reload_adds_a_member_to_a_serving_group,
        equal_priorities_start_together,
    )
}
