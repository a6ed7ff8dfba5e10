"""A host that runs a VRRP daemon, vrrpd or keepalived, and HAProxy."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

from vrrpd.lab.daemons import RUNTIME_DIRECTORY, Daemon, vrrpd
from vrrpd.lab.host import Host, LabError, Process, environment, wait_until
from vrrpd.model import SECOND


def haproxy_is_installed() -> bool:
    return shutil.which("haproxy", path=environment()["PATH"]) is not None


class Node(Host):
    """A node. What its daemon prints is in `log`, what HAProxy or its stand-in prints in haproxy.log beside it."""

    def __init__(self, name: str, directory: Path, names: Mapping[str, str]) -> None:
        super().__init__(name, directory, names)
        self.log = directory / "daemon.log"
        self._daemon: Process | None = None

    @property
    def daemon(self) -> Process:
        """The daemon started last. LabError when there was none."""
        if self._daemon is None:
            raise LabError(f"{self.name}: no daemon was started")
        return self._daemon

    def start_daemon(self, daemon: Daemon, configuration: str) -> Process:
        """Start a daemon on a configuration file of that text, and return at once."""
        return self.run_as_daemon(*daemon.run(self.write("keepalived.conf", configuration)))

    def run_as_daemon(self, *argv: str) -> Process:
        """Start a program as the node's daemon, and return at once."""
        self._daemon = self.start(*argv, log=self.log.name)
        return self._daemon

    def stop_daemon(self) -> int:
        """A planned stop: SIGTERM, wait for the end, return the exit code."""
        self.daemon.signal(signal.SIGTERM)
        return self.daemon.wait()

    def kill_daemon(self) -> None:
        """SIGKILL to all its processes."""
        self.daemon.kill()

    def release(self) -> str:
        """`vrrpd release`, as systemd runs it when the daemon has ended."""
        return self.run(*vrrpd("release", "--runtime-dir", RUNTIME_DIRECTORY))

    def status(self) -> str:
        """`vrrpd status` as text, whatever its exit code says of the node's health."""
        done = self.call(*vrrpd("status", "--runtime-dir", RUNTIME_DIRECTORY))
        return done.stdout or done.stderr

    def holds_address(self, address: str) -> bool:
        """Whether that address is on some interface here now."""
        wanted = IPv4Address(address)
        interfaces = json.loads(self.run("ip", "-json", "-4", "address", "show"))
        return any(IPv4Address(a["local"]) == wanted for i in interfaces for a in i.get("addr_info", []))

    def start_haproxy(self, configuration: str) -> None:
        """Start HAProxy, or the stand-in when it is not installed, and return when it accepts connections."""
        if haproxy_is_installed():
            self.run("haproxy", "-f", self.write("haproxy.cfg", configuration))
            return
        self.start(*web_server("0.0.0.0", "stand-in for HAProxy", comm="haproxy"), log="haproxy.log")
        wait_until(self.haproxy_is_alive, 10 * SECOND, f"{self.name}: the stand-in for HAProxy is up")

    def kill_haproxy(self) -> None:
        """SIGKILL to all processes called haproxy here."""
        self.run("killall", "-9", "haproxy")
        wait_until(lambda: not self.haproxy_is_alive(), 10 * SECOND, f"{self.name}: HAProxy has ended")

    def haproxy_is_alive(self) -> bool:
        """The guide's own question: `killall -0 haproxy`."""
        return self.call("killall", "-0", "haproxy").returncode == 0


def web_server(address: str, says: str, comm: str = "web") -> list[str]:
    """The command for a small web server on port 80 of an address, whose process is called `comm`."""
    return [sys.executable, "-m", "vrrpd.lab.web", address, says, comm]
