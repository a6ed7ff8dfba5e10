"""Record what other implementations put on the wire: `python tests/vectors/record.py`.

It writes keepalived.json and frr.json beside itself. As root, with keepalived, iproute2 and Debian's frr installed.
Everything happens in network, mount and process namespaces made for it, so nothing leaves the machine and no service
is touched. It takes about ten seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
INSIDE = "--inside"
LONGEST_WAIT = 20.0
VRRP, AH = 112, 51
AH_HEADER = 24
ALL_PROTOCOLS = 3
FRR_DAEMONS = Path("/usr/lib/frr")


class EtherType(IntEnum):
    """Of the frames that count."""

    IPV4 = 0x0800
    IPV6 = 0x86DD


class Wanted(NamedTuple):
    """One virtual router of the recorded program: how it is called here, and how its program is told of it."""

    name: str
    vrid: int
    family: int
    configuration: str


KEEPALIVED = (
    Wanted("version 2", 50, 4, "version 2\nvirtual_ipaddress {\n10.230.137.100\n}"),
    Wanted(
        "version 2, PASS",
        51,
        4,
        "version 2\nauthentication {\nauth_type PASS\nauth_pass passwd\n}\nvirtual_ipaddress {\n10.230.137.101\n}",
    ),
    Wanted(
        "version 2, several addresses",
        52,
        4,
        "version 2\nvirtual_ipaddress {\n10.230.137.102\n10.230.137.103\n10.230.137.104\n}",
    ),
    Wanted("version 3 over IPv4", 53, 4, "version 3\nvirtual_ipaddress {\n10.230.137.105\n}"),
    Wanted(
        "version 2, AH",
        56,
        4,
        "version 2\nauthentication {\nauth_type AH\nauth_pass passwd\n}\nvirtual_ipaddress {\n10.230.137.106\n}",
    ),
    Wanted(
        "version 2, AH, unicast",
        57,
        4,
        "version 2\nauthentication {\nauth_type AH\nauth_pass passwd\n}\nunicast_src_ip 10.230.137.1\n"
        "unicast_peer {\n10.230.137.2\n}\nunicast_ttl 64\nvirtual_ipaddress {\n10.230.137.107\n}",
    ),
    Wanted(
        "version 3 over IPv4, unicast",
        58,
        4,
        "version 3\nunicast_src_ip 10.230.137.1\nunicast_peer {\n10.230.137.2\n}\n"
        "virtual_ipaddress {\n10.230.137.108\n}",
    ),
    Wanted(
        "version 3 over IPv6, unicast",
        59,
        6,
        "version 3\nunicast_src_ip 2001:db8::1\nunicast_peer {\n2001:db8::2\n}\nvirtual_ipaddress {\nfe80::59\n}",
    ),
    Wanted(
        "version 3 over IPv6, several addresses",
        55,
        6,
        "version 3\nadvert_int 0.5\nvirtual_ipaddress {\nfe80::5\n2001:db8::5\n}",
    ),
)

FRR = (
    Wanted("version 2", 60, 4, "vrrp 60 version 2\nvrrp 60 ip 10.230.137.110"),
    Wanted("version 3 over IPv4", 61, 4, "vrrp 61 version 3\nvrrp 61 ip 10.230.137.111"),
    Wanted(
        "version 3 over IPv4, several addresses",
        62,
        4,
        "vrrp 62 version 3\nvrrp 62 ip 10.230.137.112\nvrrp 62 ip 10.230.137.113",
    ),
    Wanted(
        "version 3 over IPv6, several addresses",
        63,
        6,
        "vrrp 63 version 3\nvrrp 63 advertisement-interval 500\nvrrp 63 ipv6 fe80::63\nvrrp 63 ipv6 2001:db8::63",
    ),
)


def main() -> None:
    """Start again in namespaces of our own, then record."""
    if INSIDE not in sys.argv:
        world = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc"]
        os.execvp(world[0], [*world, sys.executable, __file__, INSIDE])  # noqa: S606  no shell is wanted
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "eth0", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "tap")
    for name in ("eth0", "tap"):
        Path(f"/proc/sys/net/ipv6/conf/{name}/accept_dad").write_text("0", encoding="ascii")
        _run("ip", "link", "set", name, "up")
    _run("ip", "address", "add", "10.230.137.1/24", "dev", "eth0")
    _run("ip", "address", "add", "2001:db8::1/64", "dev", "eth0")
    for peer in ("10.230.137.2", "2001:db8::2"):
        _run("ip", "neighbour", "add", peer, "lladdr", "02:00:00:00:00:02", "dev", "eth0")
    for record in (record_keepalived, record_frr):
        with tempfile.TemporaryDirectory() as directory:
            record(Path(directory))


def record_keepalived(directory: Path) -> None:
    """All routers in one process: each is Master after its Master_Down_Interval, and says 0 when it is stopped."""
    blocks = "".join(
        f"vrrp_instance R{w.vrid} {{\ninterface eth0\nvirtual_router_id {w.vrid}\npriority 200\n{w.configuration}\n}}\n"
        for w in KEEPALIVED
    )
    file = directory / "keepalived.conf"
    file.write_text(f"global_defs {{\nrouter_id vectors\n}}\n{blocks}", encoding="ascii")
    version = _said("keepalived", "--version").splitlines()[0]
    command = ["keepalived", "-P", "-n", "-l", "-f", str(file)]
    datagrams = _listen(KEEPALIVED, lambda: [_start(command)])
    _write("keepalived", version, "keepalived -P -n -l -f FILE", datagrams)


def record_frr(directory: Path) -> None:
    """FRR wants the device of the virtual MAC to be there, with the addresses."""
    for w in FRR:
        device = f"vrrp{w.family}-{w.vrid}"
        mac = f"00:00:5e:00:0{1 if w.family == 4 else 2}:{w.vrid:02x}"
        _run("ip", "link", "add", device, "link", "eth0", "type", "macvlan", "mode", "bridge")
        Path(f"/proc/sys/net/ipv6/conf/{device}/accept_dad").write_text("0", encoding="ascii")
        _run("ip", "link", "set", device, "address", mac)
        addresses = [line.split()[-1] for line in w.configuration.splitlines() if " ip" in line]
        for address in addresses:
            _run("ip", "address", "add", f"{address}/{24 if w.family == 4 else 64}", "dev", device)
        _run("ip", "link", "set", device, "up")
    Path("/run/frr").mkdir()
    shutil.chown("/run/frr", "frr", "frr")
    directory.chmod(0o755)
    lines = "".join(f"{w.configuration}\nvrrp {w.vrid} priority 200\n" for w in FRR)
    file = directory / "frr.conf"
    file.write_text(f"interface eth0\n{lines}", encoding="ascii")
    version = _said(str(FRR_DAEMONS / "vrrpd"), "--version").splitlines()[0]

    def start() -> list[subprocess.Popen[bytes]]:
        nothing = directory / "zebra.conf"
        nothing.write_text("", encoding="ascii")
        socket_path = "/run/frr/zserv.api"
        zebra = _start([str(FRR_DAEMONS / "zebra"), "-f", str(nothing), "-z", socket_path, "-P", "0"])
        _until("zebra listens", lambda: Path(socket_path).exists())
        # It tells its clients of interfaces only once it has read them.
        time.sleep(1)
        vrrpd = _start([str(FRR_DAEMONS / "vrrpd"), "-f", str(file), "-z", socket_path, "-P", "0"])
        return [vrrpd, zebra]

    _write("frr", version, "zebra, then vrrpd -f FILE", _listen(FRR, start))


Datagrams = dict[tuple[int, int, bool], bytes]
"""By family, VRID and whether it says priority 0: the IP packet."""


def _listen(wanted: tuple[Wanted, ...], start: Callable[[], list[subprocess.Popen[bytes]]]) -> list[dict[str, object]]:
    """Of each router an advertisement and its resignation."""
    found: Datagrams = {}
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0) as tap:
        tap.bind(("tap", ALL_PROTOCOLS))

        def heard(*, resigned: bool) -> bool:
            _drain(tap, found)
            return all((w.family, w.vrid, resigned) in found for w in wanted)

        processes = start()
        try:
            _until("every router is Master", lambda: heard(resigned=False))
            processes[0].send_signal(signal.SIGTERM)
            _until("every router has resigned", lambda: heard(resigned=True))
        finally:
            for process in processes:
                process.terminate()
                process.wait(LONGEST_WAIT)
    return [
        {
            "name": f"{w.name}, priority 0" if resigned else w.name,
            "configuration": w.configuration,
            "family": w.family,
            "packet": found[w.family, w.vrid, resigned].hex(),
        }
        for w in wanted
        for resigned in (False, True)
    ]


def _drain(tap: socket.socket, found: Datagrams) -> None:
    while True:
        try:
            frame = tap.recv(65_536)
        except BlockingIOError:
            return
        packet = frame[14:]
        match int.from_bytes(frame[12:14], "big"):
            case EtherType.IPV4 if packet[9] in {VRRP, AH}:
                whole = packet[: int.from_bytes(packet[2:4], "big")]
                message = whole[(packet[0] & 0x0F) * 4 + (AH_HEADER if packet[9] == AH else 0) :]
                found[4, message[1], message[2] == 0] = whole
            case EtherType.IPV6 if packet[6] == VRRP:
                whole = packet[: 40 + int.from_bytes(packet[4:6], "big")]
                found[6, whole[41], whole[42] == 0] = whole
            case _:
                pass


def _write(program: str, version: str, command: str, datagrams: list[dict[str, object]]) -> None:
    content = {
        "program": program,
        "version": version,
        "command": command,
        "recorded_by": "python tests/vectors/record.py",
        "date": datetime.now(UTC).date().isoformat(),
        "datagrams": datagrams,
    }
    (HERE / f"{program}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(f"{program}: {len(datagrams)} datagrams of {version}")  # noqa: T201  it says what it did


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _said(*command: str) -> str:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _until(what: str, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST_WAIT
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {LONGEST_WAIT} s: {what}")
        time.sleep(0.01)


if __name__ == "__main__":
    main()
