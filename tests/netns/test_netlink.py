from __future__ import annotations

import asyncio
import errno
import json
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network
from typing import Any

import pytest
from lan import Lan, capturing_log, run
from pyroute2 import IPRoute

from vrrpd.linux.netlink import NetlinkKernel
from vrrpd.model import Family, Held, Interface, IPInterface, NextHop, Route, Rule, VirtualAddress
from vrrpd.ports import Change


class Watcher:
    """A NetlinkKernel where this thread is, and what it told."""

    def __init__(self, *, event_buffer: int = 1 << 20) -> None:
        log, self.logged = capturing_log()
        self.calls: list[tuple[str, Interface | None]] = []
        self.interfaces: dict[str, Interface] = {}
        self._told = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.lost: list[Held] = []
        self.kernel = NetlinkKernel(loop, self._on_interface, self._on_lost, log, event_buffer=event_buffer)

    async def until(self, true: Callable[[dict[str, Interface]], bool]) -> None:
        while not true(self.interfaces):
            self._told.clear()
            await self._told.wait()

    async def until_held(self, address: IPInterface, *, held: bool) -> None:
        await self.until(lambda seen: (address in seen["eth0"].addresses) is held)

    async def until_index(self, name: str, index: int) -> None:
        await self.until(lambda seen: name in seen and seen[name].index == index)

    def _on_lost(self, things: Sequence[Held]) -> None:
        self.lost += things
        self._told.set()

    def _on_interface(self, name: str, interface: Interface | None) -> None:
        self.calls.append((name, interface))
        self._told.set()
        if interface is None:
            del self.interfaces[name]
        else:
            self.interfaces[name] = interface


@contextmanager
def one_node() -> Iterator[Lan]:
    """This thread is on a node called here."""
    with Lan() as lan:
        lan.node("here", "10.7.0.1/24")
        with lan.inside("here"):
            yield lan


@contextmanager
def a_kernel() -> Iterator[NetlinkKernel]:
    """For what needs no loop that runs."""
    log, _ = capturing_log()
    loop = asyncio.new_event_loop()
    kernel = NetlinkKernel(loop, lambda _name, _interface: None, lambda _things: None, log)
    try:
        yield kernel
    finally:
        kernel.close()
        loop.close()


def virtual(interface: str, **more: Any) -> VirtualAddress:
    return VirtualAddress(ip_interface(interface), "eth0", **more)


def add(*addresses: VirtualAddress) -> list[Change]:
    return [Change(address, present=True) for address in addresses]


def delete(*addresses: VirtualAddress) -> list[Change]:
    return [Change(address, present=False) for address in addresses]


def in_kernel(lan: Lan, node: str = "here") -> dict[str, dict[str, Any]]:
    """What iproute2 shows, by address with prefix, in the kernel's order, without link-local IPv6."""
    (device,) = json.loads(lan.run(node, "ip -json -details address show dev eth0"))
    return {
        f"{info['local']}/{info['prefixlen']}": info
        for info in device["addr_info"]
        if not info["local"].startswith("fe80")
    }


def test_255_addresses_are_added_in_one_call_with_our_mark_and_deleted_again() -> None:
    with one_node() as lan, a_kernel() as kernel:
        addresses = [virtual(f"10.9.{number // 100}.{number % 100}/32") for number in range(255)]
        kernel.prepare(addresses)

        assert kernel.apply(add(*addresses)) == [0] * 255
        with IPRoute() as route:  # Debian 12's iproute2 does not show the mark
            marked = {
                f"{message.get_attr('IFA_LOCAL')}/{message['prefixlen']}"
                for message in route.get_addr(family=socket.AF_INET)
                if message.get_attr("IFA_PROTO") == 112
            }
        assert marked == {str(address.interface) for address in addresses}
        assert kernel.apply(delete(*addresses)) == [0] * 255
        assert list(in_kernel(lan)) == ["10.7.0.1/24"]


def test_an_address_is_put_in_as_it_is_written() -> None:
    with one_node() as lan, a_kernel() as kernel:
        addresses = (
            virtual("10.7.0.100/24", label="eth0:web", broadcast=IPv4Address("10.7.0.255")),
            virtual("10.8.0.1/32", scope=253),
            virtual("2001:db8::1/64"),
        )
        assert kernel.apply(add(*addresses)) == [0, 0, 0]
        shown = in_kernel(lan)
        assert shown["10.7.0.100/24"]["label"] == "eth0:web"
        assert shown["10.7.0.100/24"]["broadcast"] == "10.7.0.255"
        assert shown["10.7.0.100/24"]["scope"] == "global"
        assert shown["10.8.0.1/32"]["label"] == "eth0"
        assert shown["10.8.0.1/32"]["scope"] == "link"
        assert "broadcast" not in shown["10.8.0.1/32"]
        assert shown["2001:db8::1/64"]["nodad"]
        assert "tentative" not in shown["2001:db8::1/64"]
        assert "10.7.0.0/24 proto kernel" in lan.run("here", "ip route show dev eth0")
        assert not any(info.get("noprefixroute") for info in shown.values())
        assert kernel.apply(delete(*addresses)) == [0, 0, 0]
        assert list(in_kernel(lan)) == ["10.7.0.1/24"]


def test_as_wanted_already_is_success() -> None:
    with one_node() as lan, a_kernel() as kernel:
        there, not_there = virtual("10.7.0.1/24"), virtual("10.7.0.2/24")
        assert kernel.apply([*add(there), *delete(not_there)]) == [0, 0]
        assert list(in_kernel(lan)) == ["10.7.0.1/24"]
        missing = VirtualAddress(ip_interface("10.7.0.3/24"), "eth9")
        assert kernel.apply(delete(missing)) == [0]


def test_what_fails_is_told_apart_from_what_does_not() -> None:
    with one_node() as lan, a_kernel() as kernel:
        good = virtual("10.7.0.100/24")
        missing_device = VirtualAddress(ip_interface("10.7.0.3/24"), "eth9")
        multicast = virtual("ff02::5/128")
        assert kernel.apply(add(missing_device, good, multicast)) == [errno.ENODEV, 0, errno.EADDRNOTAVAIL]
        assert list(in_kernel(lan)) == ["10.7.0.1/24", "10.7.0.100/24"]


def test_a_device_may_come_or_come_again_after_its_addresses_were_prepared() -> None:
    with one_node() as lan, a_kernel() as kernel:
        address = virtual("10.7.0.100/32")
        lan.run("here", "ip link delete eth0")
        kernel.prepare([address])
        assert kernel.apply(add(address)) == [errno.ENODEV]
        with pytest.raises(OSError, match="No such device"):
            kernel.deletion(address)
        for _ in range(2):
            lan.plug("here", "10.7.0.1/24")
            assert kernel.apply(add(address)) == [0]
            assert "10.7.0.100/32" in in_kernel(lan)
            lan.run("here", "ip link delete eth0")


@pytest.mark.parametrize("interface", ["10.7.0.100/24", "2001:db8::1/64"])
def test_a_deletion_is_a_request_that_anybody_can_send(interface: str) -> None:
    with one_node() as lan, a_kernel() as kernel:
        address = virtual(interface)
        kernel.apply(add(address))
        assert interface in in_kernel(lan)
        request = kernel.deletion(address).content
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as bare:
            bare.settimeout(5)
            bare.send(request)
            answer = bare.recv(4096)
        assert int.from_bytes(answer[4:6], "little") == 2  # NLMSG_ERROR, which with errno 0 is the ACK
        assert answer[16:20] == bytes(4)
        assert interface not in in_kernel(lan)


def test_the_start_tells_what_there_is() -> None:
    async def main(lan: Lan) -> None:
        watcher = Watcher()
        watcher.kernel.start()
        mac = lan.run("here", "cat /sys/class/net/eth0/address").strip()
        eth0 = watcher.interfaces["eth0"]
        assert watcher.interfaces["lo"].index == 1
        assert eth0.index == lan.index("here")
        assert eth0.up
        assert eth0.mac == bytes.fromhex(mac.replace(":", ""))
        assert eth0.addresses[0] == ip_interface("10.7.0.1/24")
        watcher.kernel.close()

    with one_node() as lan:
        run(main(lan))


def test_a_link_is_down_by_its_administrator_and_by_its_carrier() -> None:
    async def main(lan: Lan) -> None:
        watcher = Watcher()
        watcher.kernel.start()
        for node, device in (("here", "eth0"), ("switch", "here")):
            lan.run(node, f"ip link set dev {device} down")
            await watcher.until(lambda seen: not seen["eth0"].up)
            assert ip_interface("10.7.0.1/24") in watcher.interfaces["eth0"].addresses
            lan.run(node, f"ip link set dev {device} up")
            await watcher.until(lambda seen: seen["eth0"].up)
        watcher.kernel.close()

    with one_node() as lan:
        run(main(lan))


def test_addresses_come_and_go() -> None:
    async def main(lan: Lan) -> None:
        watcher = Watcher()
        watcher.kernel.start()
        for address in (ip_interface("10.7.0.100/24"), ip_interface("2001:db8::1/64")):
            lan.run("here", f"ip address add {address} dev eth0")
            await watcher.until_held(address, held=True)
            lan.run("here", f"ip address delete {address} dev eth0")
            await watcher.until_held(address, held=False)
        watcher.kernel.close()

    with one_node() as lan:
        run(main(lan))


def test_an_interface_goes_and_another_takes_its_name() -> None:
    async def main(lan: Lan) -> None:
        watcher = Watcher()
        watcher.kernel.start()
        lan.run("here", "ip link delete eth0")
        await watcher.until(lambda seen: "eth0" not in seen)
        assert watcher.calls[-1] == ("eth0", None)
        for _ in range(2):
            lan.plug("here", "10.7.0.2/24")
            await watcher.until_index("eth0", lan.index("here"))
            await watcher.until(lambda seen: seen["eth0"].up)
            await watcher.until_held(ip_interface("10.7.0.2/24"), held=True)
            lan.run("here", "ip link delete eth0")
        watcher.kernel.close()

    with one_node() as lan:
        run(main(lan))


def test_a_rename_is_one_gone_and_one_come() -> None:
    async def main(lan: Lan) -> None:
        watcher = Watcher()
        watcher.kernel.start()
        index = lan.index("here")
        lan.run("here", "ip link set dev eth0 name lan0")
        await watcher.until(lambda seen: "lan0" in seen)
        assert "eth0" not in watcher.interfaces
        assert watcher.interfaces["lan0"].index == index
        assert watcher.interfaces["lan0"].addresses[0] == ip_interface("10.7.0.1/24")
        watcher.kernel.close()

    with one_node() as lan:
        run(main(lan))


def test_leaving_a_bridge_is_not_leaving_the_machine() -> None:
    async def main(lan: Lan) -> None:
        with lan.inside("switch"):
            watcher = Watcher()
            watcher.kernel.start()
        lan.run("switch", "ip link set dev here nomaster")
        lan.run("switch", "ip address add 10.9.9.9/32 dev here")
        await watcher.until(lambda seen: ip_interface("10.9.9.9/32") in seen["here"].addresses)
        assert ("here", None) not in watcher.calls
        watcher.kernel.close()

    with one_node() as lan:
        run(main(lan))


def test_addresses_stay_in_the_kernels_order() -> None:
    async def main(lan: Lan) -> None:
        watcher = Watcher()
        watcher.kernel.start()
        lan.run("here", "sysctl -q -w net.ipv4.conf.eth0.promote_secondaries=1")
        chance = random.Random(7)  # noqa: S311  a repeatable order, no secret
        pool = [f"10.{net}.0.{host}/{prefix}" for net in (7, 8) for host in range(2, 6) for prefix in (24, 32)]
        held: set[str] = set()
        for _ in range(120):
            address = chance.choice(pool)
            if address in held:
                held.remove(address)
                lan.run("here", f"ip address delete {address} dev eth0")
            else:
                held.add(address)
                scope = "link" if address.endswith("32") and ".8." in address else "global"
                lan.run("here", f"ip address add {address} dev eth0 scope {scope}")
        lan.run("here", "ip address add 10.99.0.1/32 dev eth0 scope host")
        await watcher.until(lambda seen: ip_interface("10.99.0.1/32") in seen["eth0"].addresses)

        seen = [str(address) for address in watcher.interfaces["eth0"].addresses if address.version == 4]
        assert seen == list(in_kernel(lan))
        watcher.kernel.close()

    with one_node() as lan:
        run(main(lan))


def test_lost_events_are_made_good() -> None:
    async def main(lan: Lan) -> None:
        watcher = Watcher(event_buffer=4096)
        watcher.kernel.start()
        # The loop does not run meanwhile, so the buffer overflows.
        addresses = [virtual(f"10.9.{number // 100}.{number % 100}/32") for number in range(250)]
        watcher.kernel.apply(add(*addresses))
        lan.run("here", "ip address delete 10.7.0.1/24 dev eth0")
        lan.run("here", "ip link add name new type veth peer name peer")
        wanted = {address.interface for address in addresses}
        await watcher.until(lambda seen: "new" in seen and set(ipv4(seen["eth0"])) == wanted)
        assert [entry["event"] for entry in watcher.logged] == ["kernel events were lost, reading everything again"]

        # Again, with a loss of interfaces this time; and events are heard as before.
        lan.run("here", "ip link delete new")
        watcher.kernel.apply(delete(*addresses))
        await watcher.until(lambda seen: "new" not in seen and not ipv4(seen["eth0"]))
        lan.run("here", "ip address add 10.7.0.5/24 dev eth0")
        await watcher.until(lambda seen: ipv4(seen["eth0"]) == [ip_interface("10.7.0.5/24")])
        watcher.kernel.close()

    with one_node() as lan:
        run(main(lan))


def ipv4(interface: Interface) -> list[object]:
    return [address for address in interface.addresses if address.version == 4]


def test_an_interface_whose_name_is_not_text_does_no_harm() -> None:
    async def main() -> None:
        watcher = Watcher()
        watcher.kernel.start()
        assert "v\udcff" in watcher.interfaces
        watcher.kernel.close()

    with one_node() as lan:
        lan.run("here", "ip link add name v\udcff type veth peer name peer")
        run(main())


ROUTE = Route(Family.IPV4, ip_network("10.50.0.0/16"), next_hops=(NextHop(ip_address("10.7.0.9")),))
ROUTE6 = Route(Family.IPV6, ip_network("2001:db8:50::/48"), next_hops=(NextHop(None, "eth0"),), table=1000)
RULE = Rule(Family.IPV4, source=ip_network("10.50.0.0/16"), table=100, preference=77)


def test_a_route_or_rule_that_somebody_removes_is_told_and_a_routing_daemons_is_not() -> None:
    async def main(lan: Lan) -> None:
        watcher = Watcher()
        watcher.kernel.start()
        things = (ROUTE, ROUTE6, RULE)
        watcher.kernel.prepare(things)
        assert watcher.kernel.apply([Change(thing, present=True) for thing in things]) == [0, 0, 0]
        lan.run("here", "ip route add 10.50.0.0/16 via 10.7.0.8 metric 9 proto bird")
        lan.run("here", "ip route delete 10.50.0.0/16 metric 9")
        lan.run("here", "ip route delete 10.50.0.0/16")
        await watcher.until(lambda _seen: watcher.lost == [ROUTE])
        lan.run("here", "ip -6 route delete 2001:db8:50::/48 table 1000")
        await watcher.until(lambda _seen: watcher.lost == [ROUTE, ROUTE6])
        lan.run("here", "ip rule delete preference 77")
        await watcher.until(lambda _seen: watcher.lost == [ROUTE, ROUTE6, RULE])
        watcher.kernel.close()

    with one_node() as lan:
        run(main(lan))


def test_when_events_of_routes_were_lost_all_may_be_gone() -> None:
    async def main(lan: Lan) -> None:
        watcher = Watcher(event_buffer=4096)
        watcher.kernel.start()
        many = [Route(Family.IPV4, ip_network(f"10.50.{n}.0/24"), kind="blackhole") for n in range(200)]
        watcher.kernel.prepare(many)
        watcher.kernel.apply([Change(route, present=True) for route in many])
        lan.run("here", "ip route flush proto keepalived")  # the loop does not run meanwhile
        await watcher.until(lambda _seen: set(watcher.lost) == set(many))
        watcher.kernel.close()

    with one_node() as lan:
        run(main(lan))
