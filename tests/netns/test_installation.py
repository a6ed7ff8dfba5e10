"""What is in the kernel while the daemon runs: macvlans, settings, our nftables; put there, and taken away again."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from lan import Lan, capturing_log

from vrrpd import ledger
from vrrpd.installed import things
from vrrpd.ledger import Entries, HeldHere
from vrrpd.linux import rtnetlink
from vrrpd.linux.netlink import NetlinkKernel
from vrrpd.linux.release import release
from vrrpd.model import (
    Config,
    Firewall,
    Held,
    Interface,
    Macvlan,
    Silence,
    Version,
    VirtualAddress,
    VirtualMac,
    VirtualRouter,
)
from vrrpd.ports import Change

VIP = VirtualAddress(ip_interface("10.7.0.50/24"), "vrrp.50")
VIP6 = VirtualAddress(ip_interface("2001:db8::51/64"), "vrrp.51")
R4 = VirtualRouter(
    "R4", "eth0", 50, addresses=(VIP,), virtual_mac=VirtualMac("vrrp.50"), accept=False, promotes_secondaries=True
)
R6 = VirtualRouter("R6", "eth0", 51, version=Version.V3, addresses=(VIP6,), virtual_mac=VirtualMac("vrrp.51"))
CONFIG = Config(routers=(R4, R6), disables_local_igmp=True)
SETTINGS = ("arp_filter", "arp_ignore", "promote_secondaries")


@contextmanager
def a_node() -> Iterator[tuple[Lan, NetlinkKernel]]:
    """This thread is on a node called here."""
    with Lan() as lan:
        lan.node("here", "10.7.0.1/24")
        with lan.inside("here"):
            log, _ = capturing_log()
            loop = asyncio.new_event_loop()
            kernel = NetlinkKernel(loop, lambda _name, _interface: None, lambda _things: None, log)
            try:
                yield lan, kernel
            finally:
                kernel.close()
                loop.close()


def eth0(lan: Lan) -> dict[str, Interface]:
    (link,) = json.loads(lan.run("here", "ip -json address show dev eth0"))
    addresses = tuple(ip_interface(f"{info['local']}/{info['prefixlen']}") for info in link["addr_info"])
    return {"eth0": Interface("eth0", link["ifindex"], up=True, mac=b"", addresses=addresses)}


def wanted(lan: Lan) -> tuple[Held, ...]:
    return things(CONFIG, CONFIG.routers, eth0(lan))


def adding(what: tuple[Held, ...]) -> list[Change]:
    return [Change(thing, present=True) for thing in what]


def removing(what: tuple[Held, ...]) -> list[Change]:
    return [Change(thing, present=False) for thing in reversed(what)]


def settings(lan: Lan, device: str) -> dict[str, str]:
    names = (*SETTINGS, "accept_local", "rp_filter")
    return {name: lan.run("here", f"cat /proc/sys/net/ipv4/conf/{device}/{name}").strip() for name in names}


def state(lan: Lan) -> dict[str, Any]:
    """All that the daemon may have changed."""
    links = json.loads(lan.run("here", "ip -json -details link show"))
    return {
        "links": {link["ifname"]: link["address"] for link in links},
        "settings": settings(lan, "eth0"),
        "igmp": lan.run("here", "cat /proc/sys/net/ipv4/igmp_link_local_mcast_reports").strip(),
        "nft": lan.run("here", "nft list ruleset"),
    }


def test_a_macvlan_is_as_keepalived_makes_it() -> None:
    with a_node() as (lan, kernel):
        what = wanted(lan)
        assert kernel.apply(adding(what)) == [0] * len(what)
        (link,) = json.loads(lan.run("here", "ip -json -details link show dev vrrp.50"))
        assert (link["address"], link["link"]) == ("00:00:5e:00:01:32", "eth0")
        assert link["linkinfo"]["info_kind"] == "macvlan"
        assert link["linkinfo"]["info_data"]["mode"] == "private"
        assert "UP" in link["flags"]
        (link,) = json.loads(lan.run("here", "ip -json address show dev vrrp.51"))
        assert link["address"] == "00:00:5e:00:02:33"
        (own,) = link["addr_info"]
        (parent,) = (str(a) for a in eth0(lan)["eth0"].addresses if a.version == 6)
        assert f"{own['local']}/{own['prefixlen']}" == parent
        assert own["deprecated"]
        assert settings(lan, "vrrp.50") == {
            "arp_filter": "0",
            "arp_ignore": "1",
            "promote_secondaries": "1",
            "accept_local": "1",
            "rp_filter": "0",
        }
        below = settings(lan, "eth0")
        assert (below["arp_filter"], below["arp_ignore"], below["promote_secondaries"]) == ("1", "1", "1")


def test_where_all_interfaces_filter_by_reverse_path_a_macvlan_does_so_loosely() -> None:
    """The kernel takes the higher of the two, and the way back to a host is by the interface below."""
    with a_node() as (lan, kernel):
        lan.run("here", "sysctl -q -w net.ipv4.conf.all.rp_filter=1")
        assert set(kernel.apply(adding(wanted(lan)))) == {0}
        assert settings(lan, "vrrp.50")["rp_filter"] == "2"
        assert lan.run("here", "sysctl -n net.ipv4.conf.all.rp_filter") == "1\n"


def test_everything_is_as_it_was_once_it_is_taken_away() -> None:
    with a_node() as (lan, kernel):
        lan.run("here", "sysctl -q -w net.ipv4.conf.eth0.arp_ignore=2")
        before, what = state(lan), wanted(lan)
        for _ in range(2):
            assert set(kernel.apply(adding(what))) == {0}
            assert set(kernel.apply(adding(what))) == {0}
            assert state(lan)["igmp"] == "0"
            assert set(kernel.apply(removing(what))) == {0}
            assert state(lan) == before


def test_the_ledger_alone_undoes_it_all(tmp_path: Path) -> None:
    with a_node() as (lan, kernel):
        lan.run("here", "sysctl -q -w net.ipv4.conf.eth0.arp_ignore=2")
        before, what = state(lan), wanted(lan)
        book = ledger.Ledger(tmp_path / "ledger.json", lambda: ())
        book.expect(what, kernel.deletion, ())
        kernel.apply(adding(what))
        kernel.apply(adding((VIP, VIP6)))
        entries = ledger.read(tmp_path / "ledger.json")
        assert [held.what for held in entries.held[:3]] == [
            "net.ipv4.igmp_link_local_mcast_reports=0",
            "nftables table vrrpd",
            "net.ipv4.conf.eth0.promote_secondaries=1",
        ]
        released = release(entries)
        assert released.left == Entries()
        assert state(lan) == before
        assert release(entries).left == Entries(), "again: it is gone already"


def test_what_cannot_be_undone_stays_in_the_ledger() -> None:
    with a_node():
        held = HeldHere("something", b"net/ipv4/there_is_no_such\x000".hex(), "file")
        released = release(Entries((held,)))
        assert released.left.held == (held,)
        assert released.lines == ("not done: removed something: No such file or directory",)


def test_a_router_that_does_not_accept_is_not_reachable_and_can_still_be_resolved() -> None:
    with a_node() as (lan, kernel):
        lan.node("host", "10.7.0.9/24")
        lan.run("host", "ip address add 2001:db8::9/64 dev eth0 nodad")
        closed = VirtualRouter(
            "R1",
            "eth0",
            50,
            addresses=(VirtualAddress(ip_interface("10.7.0.50/24"), "eth0"),),
            excluded=(VirtualAddress(ip_interface("2001:db8::50/64"), "eth0"),),
            accept=False,
        )
        kernel.apply(adding(closed.held))
        what = things(Config(routers=(closed,)), (closed,), {})
        reached = {}
        for present in (False, True):
            kernel.apply(adding(what) if present else removing(what))
            for target in ("10.7.0.1", "10.7.0.50", "2001:db8::50"):
                command = f"ip netns exec host ping -c 1 -W 1 {target}".split()
                done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
                reached[present, target] = done.returncode == 0
        assert reached == {
            (False, "10.7.0.1"): True,
            (False, "10.7.0.50"): True,
            (False, "2001:db8::50"): True,
            (True, "10.7.0.1"): True,
            (True, "10.7.0.50"): False,
            (True, "2001:db8::50"): False,
        }
        neighbours = lan.run("host", "ip neighbour show 10.7.0.50") + lan.run("host", "ip neighbour show 2001:db8::50")
        assert "FAILED" not in neighbours


def test_rules_that_nft_refuses_are_an_error_and_leave_those_that_are_there() -> None:
    with a_node() as (lan, kernel):
        what = wanted(lan)
        assert set(kernel.apply(adding(what))) == {0}
        before = lan.run("here", "nft list ruleset")
        assert kernel.apply(adding((Firewall("delete table ip vrrpd\ntable ip vrrpd { nonsense }\n"),))) == [22]
        assert lan.run("here", "nft list ruleset") == before


def test_the_addresses_of_a_virtual_mac_go_while_its_device_is_down_and_it_is_up_afterwards() -> None:
    """Hazard A6."""
    with a_node() as (lan, kernel):
        kernel.apply(adding((*wanted(lan), VIP)))
        with rtnetlink.open_socket(rtnetlink.EVENT_GROUPS) as events:
            assert set(kernel.apply(removing((VIP, Silence("vrrp.50"))))) == {0}
            told: list[str] = []
            while told[-1:] != ["up"]:
                for kind, _, _, message in rtnetlink.messages(events.recv(65536)):
                    match rtnetlink.decode(kind, message):
                        case rtnetlink.LinkSeen(name="vrrp.50", up=up):
                            told.append("up" if up else "down")
                        case rtnetlink.AddressGone(interface=interface) if interface == VIP.interface:
                            told.append("gone")
        assert list(dict.fromkeys(told)) == ["down", "gone", "up"]


def test_a_macvlan_that_is_there_already_is_set_up_again() -> None:
    with a_node() as (lan, kernel):
        macvlan = Macvlan("vrrp.50", "eth0", bytes.fromhex("00005e000132"))
        assert kernel.apply(adding((macvlan,))) == [0]
        lan.run("here", "ip link set dev vrrp.50 down")
        assert kernel.apply(adding((macvlan,))) == [0]
        (link,) = json.loads(lan.run("here", "ip -json link show dev vrrp.50"))
        assert "UP" in link["flags"]
