"""The guide's own set-up when HAProxy dies on the Master: how long clients wait, with its file and with it mended."""

from __future__ import annotations

import math
import re
import time

from vrrpd.lab import guide
from vrrpd.lab.daemons import KEEPALIVED, VRRPD, Daemon
from vrrpd.lab.host import POLL_SECONDS, wait_until
from vrrpd.lab.node import Node, web_server
from vrrpd.lab.world import World
from vrrpd.model import SECOND, Duration

from .audience import Audience
from .figures import Figure, Samples
from .pair import start

_WEB_ADDRESSES = ("10.230.137.11", "10.230.137.12")
NAMES = dict(zip(guide.WEB_HOSTS, _WEB_ADDRESSES, strict=True))
"""What the guide's haproxy.cfg expects in every node's /etc/hosts."""
_SCRIPT = re.compile(r"vrrp_script .*?^}\n", re.DOTALL | re.MULTILINE)
_CHECK_INTERVAL: Duration = 2 * SECOND
_PATIENCE: Duration = 30 * SECOND
"""An address that has not moved by then, never does."""


def mended(conf: str) -> str:
    """Both faults of the guide's file mended by hand: the script before what tracks it, and no `nopreempt`."""
    script = _SCRIPT.search(conf)
    assert script is not None
    rest = conf.replace(script[0], "").replace("    nopreempt\n", "")
    return rest.replace("vrrp_instance", f"{script[0]}vrrp_instance", 1)


def measure(world: World, *, quick: bool) -> list[Figure]:
    """Kill HAProxy on the Master, so many times, at different moments between two checks."""
    story = _Story(world)
    rounds = 1 if quick else 3
    printed = guide.KEEPALIVED_CONF, guide.keepalived_conf_of_the_second_node()
    by_hand = mended(printed[0]), mended(printed[1])
    return [
        Figure(
            "guide's file as printed, HAProxy killed: clients wait",
            "s",
            story.waits(VRRPD, printed, rounds),
            story.waits(KEEPALIVED, printed, 1),
        ),
        Figure(
            "guide's file mended by hand, HAProxy killed: clients wait",
            "s",
            story.waits(VRRPD, by_hand, rounds),
            story.waits(KEEPALIVED, by_hand, rounds),
        ),
    ]


class _Story:
    """Two nodes with HAProxy, two web servers behind them, and a client."""

    def __init__(self, world: World) -> None:
        self._nodes = world.add_node("lb1", "10.230.137.1/24"), world.add_node("lb2", "10.230.137.2/24")
        self._client = world.add_host("client", "10.230.137.50/24")
        web = world.add_host("web", *(f"{address}/24" for address in _WEB_ADDRESSES))
        for address, name in zip(_WEB_ADDRESSES, ("web1", "web2"), strict=True):
            web.start(*web_server(address, name), log=f"{name}.log")

    def waits(self, daemon: Daemon, files: tuple[str, str], rounds: int) -> Samples:
        """In seconds."""
        return [self._wait(daemon, files, _CHECK_INTERVAL * n // rounds) for n in range(rounds)]

    def _wait(self, daemon: Daemon, files: tuple[str, str], offset: Duration) -> float:
        first, _ = self._nodes
        for node, conf in zip(self._nodes, files, strict=True):
            node.start_haproxy(guide.HAPROXY_CFG)
            start(node, daemon, conf)
        audience = Audience(self._client, [guide.ADDRESS])
        try:
            audience.wait_until_served()
            wait_until(lambda: first.holds_address(guide.ADDRESS), _PATIENCE, "the first node is Master")
            time.sleep((2 * _CHECK_INTERVAL + offset) / SECOND)
            return self._kill_haproxy(first, audience)
        finally:
            audience.leave()
            for node in self._nodes:
                self._tear_down(node, daemon)

    def _kill_haproxy(self, node: Node, audience: Audience) -> float:
        since = time.monotonic_ns()
        node.kill_haproxy()
        while time.monotonic_ns() < since + _PATIENCE:
            if audience.served_since(since):
                return audience.longest_gap(since) / SECOND
            time.sleep(POLL_SECONDS)
        return math.inf

    def _tear_down(self, node: Node, daemon: Daemon) -> None:
        node.kill_daemon()
        if daemon.releases:
            node.release()
        if node.haproxy_is_alive():
            node.kill_haproxy()
        node.run("ip", "address", "flush", "dev", "eth0", "to", guide.ADDRESS)
