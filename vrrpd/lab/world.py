"""A bridge, the hosts plugged into it, and the faults that can befall them, by name.

    with World(directory) as world:
        node = world.add_node("lb1", "10.230.137.1/24")
        tap = world.tap(node)
        world.cut_carrier(node)

The bridge stands in the network namespace of the process that builds the world, which has to be one of its own
(`unshare --net --mount …`), so that nothing can leave the machine; several worlds with different names may stand
in one.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from vrrpd.lab.host import Host, LabError, run
from vrrpd.lab.node import Node
from vrrpd.lab.tap import Tap

_LONGEST_INTERFACE_NAME = 15

_Host = TypeVar("_Host", bound=Host)


class World:
    """Hosts on a bridge. LabError when the process still is in a network namespace with addresses."""

    def __init__(self, directory: Path, names: Mapping[str, str] | None = None, name: str = "lab") -> None:
        """`directory` gets one directory a host; `names` (name to address) is every host's /etc/hosts."""
        self._refuse_a_network_in_use()
        self._directory = directory
        self._names = names or {}
        self._name = name
        self._hosts: list[Host] = []
        self._taps: list[Tap] = []
        run(["ip", "-batch", "-"], f"link add {name} type bridge mcast_snooping 0\nlink set {name} up\n")

    @staticmethod
    def _refuse_a_network_in_use() -> None:
        for interface in json.loads(run(["ip", "-json", "-4", "address", "show"])):
            if interface["ifname"] != "lo":
                raise LabError(
                    f"this network namespace is in use ({interface['ifname']} has an address): "
                    "a world is built inside `unshare --net --mount`"
                )

    def add_host(self, name: str, *addresses: str) -> Host:
        """A host whose eth0 has these addresses, as 192.0.2.1/24, the first the primary one."""
        return self._plug_in(Host(name, self._directory / name, self._names), addresses)

    def add_node(self, name: str, *addresses: str) -> Node:
        """A host that can run HAProxy and a VRRP daemon."""
        return self._plug_in(Node(name, self._directory / name, self._names), addresses)

    def _plug_in(self, host: _Host, addresses: tuple[str, ...]) -> _Host:
        self._hosts.append(host)
        port = self.port(host)
        mac = f"02:00:00:00:00:{len(self._hosts):02x}"
        run(
            ["ip", "-batch", "-"],
            f"link add {port} type veth peer name eth0 address {mac} netns {host.namespaces}\n"
            f"link set {port} master {self._name} up\n",
        )
        wanted = "".join(f"address add {address} dev eth0\n" for address in addresses)
        host.run("ip", "-batch", "-", text=f"link set lo up\n{wanted}link set eth0 up\n")
        return host

    def port(self, host: Host) -> str:
        """The bridge's port of that host: an interface in this process's network namespace."""
        port = f"{self._name}-{host.name}"
        if len(port) > _LONGEST_INTERFACE_NAME:
            raise LabError(f"{port}: an interface's name has at most {_LONGEST_INTERFACE_NAME} characters")
        return port

    def tap(self, host: Host) -> Tap:
        """Listen on the host's port from now on. Closed with the world."""
        tap = Tap(self.port(host), host.name)
        self._taps.append(tap)
        return tap

    def cut_carrier(self, host: Host) -> None:
        """Pull the cable: the host's eth0 loses its carrier."""
        run(["ip", "link", "set", self.port(host), "down"])

    def restore_carrier(self, host: Host) -> None:
        """Plug the cable in again."""
        run(["ip", "link", "set", self.port(host), "up"])

    def set_link_down(self, host: Host) -> None:
        """`ip link set eth0 down` on the host itself."""
        host.run("ip", "link", "set", "eth0", "down")

    def set_link_up(self, host: Host) -> None:
        """`ip link set eth0 up` on the host itself."""
        host.run("ip", "link", "set", "eth0", "up")

    def partition(self, *hosts: Host) -> None:
        """These hosts no longer hear each other; all others still hear them."""
        for host in hosts:
            run(["ip", "link", "set", self.port(host), "type", "bridge_slave", "isolated", "on"])

    def heal(self, *hosts: Host) -> None:
        """End a partition."""
        for host in hosts:
            run(["ip", "link", "set", self.port(host), "type", "bridge_slave", "isolated", "off"])

    def lose(self, sender: Host, receiver: Host, match: str = "ip protocol vrrp") -> None:
        """From now on the bridge drops what `match` (nftables' words) says, one way."""
        ways = f'iifname "{self.port(sender)}" oifname "{self.port(receiver)}"'
        run(
            ["nft", "-f", "-"],
            f"add table bridge {self._name}\n"
            f"add chain bridge {self._name} loss {{ type filter hook forward priority 0; }}\n"
            f"add rule bridge {self._name} loss {ways} {match} counter drop\n",
        )

    def lose_nothing(self) -> None:
        """End all that `lose` began."""
        run(["nft", "-f", "-"], f"add table bridge {self._name}\ndelete table bridge {self._name}\n")

    def close(self) -> None:
        """End every host with all its processes, and remove the bridge; its name is free again at once."""
        for tap in self._taps:
            tap.close()
        ours = {self._name, *map(self.port, self._hosts)}
        standing = [name for _, name in socket.if_nameindex() if name in ours]
        run(["ip", "-batch", "-"], "".join(f"link delete {name}\n" for name in standing))
        for host in self._hosts:
            host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
