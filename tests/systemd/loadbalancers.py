"""The guide's pair of load balancers as booted nodes, with HAProxy and with vrrpd as docs/install.md installs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import nodes

ADDRESS = "10.230.137.100"
_CONFIG = "/etc/keepalived/keepalived.conf"
_GUIDE = (nodes.CHECKOUT / "tests/data/guide.conf").read_text(encoding="utf-8")
_OTHER_GUIDE = _GUIDE.replace("state  MASTER", "state  BACKUP").replace("priority  100", "priority  99")

# One process, which gives root up: Debian's own unit keeps a second one that stays root.
_HAPROXY_AS_ITSELF = """\
[Service]
Type=exec
ExecStartPre=
ExecStart=
ExecStart=/usr/sbin/haproxy -db -f /etc/haproxy/haproxy.cfg
"""


def _files(config: str) -> dict[str, str]:
    return {
        _CONFIG: config,
        "/etc/haproxy/haproxy.cfg": (nodes.CHECKOUT / "vrrpd/lab/guide/haproxy.cfg").read_text(encoding="utf-8"),
        "/etc/hosts": "127.0.0.1 localhost host1 host2\n",
        "/etc/systemd/system/haproxy.service.d/itself.conf": _HAPROXY_AS_ITSELF,
        "/etc/systemd/system/vrrpd.service": (nodes.CHECKOUT / "systemd/vrrpd.service").read_text(encoding="utf-8"),
    }


class LoadBalancer(nodes.Node):
    """A node with HAProxy and vrrpd, and what the tests ask it."""

    _journal_before = 0

    def vrrpd(self) -> dict[str, Any]:
        """What `vrrpd status` says of the guide's virtual router; empty when no daemon answers."""
        answer = self.call("/opt/vrrpd/bin/vrrpd", "status", "--json")
        if not answer.output.startswith("{"):
            return {}
        router: dict[str, Any] = json.loads(answer.output)["virtual_routers"][0]
        return router

    def state(self) -> str:
        return str(self.vrrpd().get("state", "no daemon"))

    def check(self) -> str:
        """The state of chk_haproxy."""
        return str(self.vrrpd()["trackers"][0]["state"])

    def holds_the_address(self) -> bool:
        return ADDRESS in self.run("ip", "-brief", "address", "show", "dev", "eth0")

    def becomes(self, state: str) -> bool:
        return nodes.until(lambda: self.state() == state)

    def main_pid(self) -> str:
        return self.show("vrrpd", "MainPID")

    def journal(self) -> list[str]:
        """What was said of and by vrrpd and HAProxy since the node was started over."""
        return self._whole_journal()[self._journal_before :]

    def _whole_journal(self) -> list[str]:
        units = ("--unit=vrrpd", "--unit=haproxy")
        return self.run("journalctl", *units, "--output=cat", "--no-pager", "--quiet").splitlines()

    def configuration(self) -> str:
        return self.run("cat", _CONFIG)

    def configure(self, text: str) -> None:
        self.write(_CONFIG, text)

    def start_over(self) -> None:
        """As after boot and `systemctl start haproxy`."""
        self.run("systemctl", "stop", "vrrpd", "keepalived")
        self.run("rm", "--recursive", "--force", "/etc/systemd/system/vrrpd.service.d")
        self.run("systemctl", "daemon-reload")
        self.run("systemctl", "reset-failed")
        self.run("systemctl", "start", "haproxy")
        self._journal_before = len(self._whole_journal())


@contextmanager
def load_balancers(directory: Path) -> Iterator[tuple[LoadBalancer, LoadBalancer]]:
    """The guide's two nodes, booted; `directory` is theirs meanwhile."""
    with ExitStack() as stack:
        nodes.run("mount", "-t", "tmpfs", "tmpfs", str(directory))
        stack.callback(nodes.run, "umount", str(directory))
        layer = nodes.install(directory / "layer")
        lan = stack.enter_context(closing(nodes.Lan()))
        lb1 = LoadBalancer(lan, "lb1", "10.230.137.1/24", _files(_GUIDE), directory, layer)
        stack.callback(lb1.close)
        lb2 = LoadBalancer(lan, "lb2", "10.230.137.2/24", _files(_OTHER_GUIDE), directory, layer)
        stack.callback(lb2.close)
        yield lb1, lb2
