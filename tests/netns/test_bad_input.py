"""What is wrong in a file, on a node, on the LAN or at the control socket: said once, counted, and survived."""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from worlds import GUIDE, VIP, Site, Status, cli, site

from vrrpd.lab.daemons import RUNTIME_DIRECTORY, vrrpd
from vrrpd.lab.host import Host
from vrrpd.lab.node import Node

MS = 1_000_000
WITH_SCRIPT = GUIDE.replace("killall -0 haproxy", "/run/check.sh")
CANNOT_RUN, BAD_CONFIGURATION = 1, 2
PURPOSE = "to advertise and to move addresses"
GROUP = "224.0.0.18"
STRANGER = "10.230.137.66"


# --- a file or a node that will not do ---


@pytest.fixture(scope="module")
def bare() -> Iterator[Site]:
    """For daemons that do not start."""
    with site() as here:
        yield here


def without(capability: str) -> list[str]:
    return ["setpriv", f"--bounding-set=-{capability}", f"--inh-caps=-{capability}"]


def refusal(node: Node, configuration: str | bytes | None, *prefix: str) -> tuple[int, list[str]]:
    """Exit code and the lines (but for advice) of a `vrrpd run` that must not start, and leaves nothing."""
    file = node.directory / "keepalived.conf"
    file.unlink(missing_ok=True)
    if configuration is not None:
        file.write_bytes(configuration if isinstance(configuration, bytes) else configuration.encode())
        file.chmod(0o000 if prefix == tuple(without("dac_override,-dac_read_search")) else 0o644)
    run = vrrpd("run", "-f", "/run/keepalived.conf", "--runtime-dir", RUNTIME_DIRECTORY)
    done = node.call("timeout", "10", *prefix, *run)
    assert not node.holds_address(VIP)
    assert not (node.directory / "vrrpd" / "control.sock").exists()
    assert not (node.directory / "vrrpd" / "ledger.json").exists()
    assert done.stdout == ""
    return done.returncode, [line for line in done.stderr.splitlines() if ": advice: " not in line]


def refused(problem: str) -> tuple[int, list[str]]:
    return BAD_CONFIGURATION, [problem, "vrrpd: /run/keepalived.conf has errors; nothing was started"]


def test_a_missing_file_is_one_line_and_exit_2(bare: Site) -> None:
    assert refusal(bare.lb1, None) == refused(
        "/run/keepalived.conf: error: cannot be read: No such file or directory (name the file with -f)"
    )


def test_an_unreadable_file_is_one_line_and_exit_2(bare: Site) -> None:
    assert refusal(bare.lb1, GUIDE, *without("dac_override,-dac_read_search")) == refused(
        "/run/keepalived.conf: error: cannot be read: Permission denied (name the file with -f)"
    )


def test_a_file_that_is_no_text_names_the_line_and_exits_with_2(bare: Site) -> None:
    code, (first, second, last) = refusal(bare.lb1, GUIDE.encode().replace(b"nopreempt", b"nopreempt\xff"))
    assert code == BAD_CONFIGURATION
    assert first == (
        "/run/keepalived.conf:26:5: error: this is not UTF-8 text (convert the file, for instance with iconv)"
    )
    assert second.startswith('/run/keepalived.conf:26:5: warning: unknown keyword "nopreempt')
    assert last == "vrrpd: /run/keepalived.conf has errors; nothing was started"


def test_a_block_that_is_not_closed_names_its_line(bare: Site) -> None:
    code, lines = refusal(bare.lb1, GUIDE.rstrip().removesuffix("}"))
    assert code == BAD_CONFIGURATION
    assert lines[0].startswith("/run/keepalived.conf:29:1: error: the block vrrp_script is never closed (")
    assert len(lines) == 2


def test_an_unknown_interface_is_one_line_and_exit_2(bare: Site) -> None:
    assert refusal(bare.lb1, GUIDE.replace("eth0", "eth7")) == refused(
        '/run/keepalived.conf:12:16: error: this node has no interface "eth7" (ip link shows those there are)'
    )


@pytest.mark.parametrize("capability", ["net_raw", "net_admin"])
def test_a_missing_capability_is_one_line_and_exit_1(bare: Site, capability: str) -> None:
    assert refusal(bare.lb1, GUIDE, *without(capability)) == (
        CANNOT_RUN,
        [f"vrrpd: missing CAP_{capability.upper()}, which vrrpd needs {PURPOSE}: run it as root or by its unit"],
    )


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        pytest.param(None, 0, "no such file or directory", id="missing"),
        pytest.param("#!/bin/sh\n", 0o644, "it is not executable: its mode is 0644", id="wrong mode"),
        pytest.param(
            "#!/bin/sh\r\nexit 0\r\n",
            0o755,
            "its first line ends in a carriage return (Windows line ends)",
            id="carriage return",
        ),
    ],
)
def test_a_script_that_cannot_be_executed_is_one_line_and_exit_2(
    bare: Site, content: str | None, mode: int, problem: str
) -> None:
    script = bare.lb1.directory / "check.sh"
    script.unlink(missing_ok=True)
    if content is not None:
        script.write_bytes(content.encode())
        script.chmod(mode)
    assert refusal(bare.lb1, WITH_SCRIPT) == refused(
        f"/run/keepalived.conf:30:13: error: vrrp_script chk_haproxy: cannot run /run/check.sh: {problem} "
        "(mend the file, or take the line out)"
    )


def test_a_runtime_directory_that_cannot_be_made_is_one_line_and_exit_1(bare: Site) -> None:
    file = bare.lb1.write("keepalived.conf", GUIDE)
    done = bare.lb1.call(*vrrpd("run", "-f", file, "--runtime-dir", "/proc/nowhere"))
    assert done.returncode == CANNOT_RUN
    (line,) = [line for line in done.stderr.splitlines() if ": advice: " not in line]
    assert line.startswith("vrrpd: cannot use the runtime directory /proc/nowhere: ")
    assert line.endswith("; run as root, or choose another one with --runtime-dir")


def test_a_second_daemon_on_one_runtime_directory_is_refused_and_the_first_does_not_notice() -> None:
    with site() as here:
        here.start_pair()
        before = len(here.address_events)
        pid = here.status(here.lb1)["pid"]
        second = here.lb1.call("timeout", "10", *vrrpd("run", "-f", "/run/keepalived.conf"))
        assert second.returncode == CANNOT_RUN
        (line,) = [line for line in second.stderr.splitlines() if ": advice: " not in line]
        assert line == (
            f"vrrpd: /run/vrrpd belongs to a running vrrpd (pid {pid}); stop it first, or choose another --runtime-dir"
        )
        assert here.status(here.lb1)["pid"] == pid
        assert here.router(here.lb1)["state"] == "MASTER"
        here.look()
        assert here.address_events[before:] == []


# --- what a stranger sends ---

_SEND = """
import socket, sys
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
for packet in sys.stdin:
    raw.sendto(bytes.fromhex(packet), (sys.argv[2], 0))
"""


def send(host: Host, *packets: bytes) -> None:
    """Whole IPv4 packets to the group; the kernel adds length and header checksum alone."""
    text = "".join(f"{packet.hex()}\n" for packet in packets)
    host.run(sys.executable, "-c", _SEND, STRANGER, GROUP, text=text)


def ipv4(payload: bytes, ttl: int = 255, source: str = STRANGER) -> bytes:
    addresses = socket.inet_aton(source) + socket.inet_aton(GROUP)
    return struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + len(payload), 0, 0, ttl, 112, 0) + addresses + payload


def message(
    *,
    kind: int = 0x21,
    vrid: int = 50,
    priority: int = 200,
    authentication: int = 1,
    interval: int = 1,
    password: bytes = b"passwd",
    checksum: int | None = None,
) -> bytes:
    """A version 2 advertisement (RFC 2338 section 5.1) of the guide's router that would win, if it were believed."""
    body = socket.inet_aton(VIP) + password.ljust(8, b"\0")
    head = struct.pack("!BBBBBB", kind, vrid, priority, 1, authentication, interval)
    if checksum is None:
        total = sum(struct.unpack("!10H", head + b"\0\0" + body))
        while total > 0xFFFF:
            total = (total & 0xFFFF) + (total >> 16)
        checksum = ~total & 0xFFFF
    return head + struct.pack("!H", checksum) + body


BAD = {
    "length": [ipv4(message()[:-1]), ipv4(message()[:9]), ipv4(message() + b"\0\0"), ipv4(message()[:3])],
    "ttl": [ipv4(message(), ttl=254), ipv4(message(), ttl=1)],
    "version": [ipv4(message(kind=0x31)[:-8]), ipv4(message(kind=0xF1))],
    "authentication_type": [ipv4(message(authentication=0)), ipv4(message(authentication=2))],
    "authentication": [ipv4(message(password=b"guess"))],
    "interval": [ipv4(message(interval=2))],
    "type": [ipv4(message(kind=0x22))],
    "checksum": [ipv4(message(checksum=0xBEEF))],
}
UNKNOWN = [ipv4(message(vrid=77)), ipv4(message(vrid=77)), ipv4(message(kind=0x31, vrid=78))]
NOTHING = [ipv4(b""), ipv4(b"\x21")]
GOOD = {"received", "received_priority_0", "received_plain_checksum", "sent", "send_failed", "addresses_lost"}


def log_lines(node: Node) -> list[str]:
    return node.log.read_text(encoding="utf-8").splitlines()


def drops(here: Site, node: Node) -> dict[str, int]:
    counters = here.router(node)["counters"]
    return {name: count for name, count in counters.items() if name not in GOOD and count}


def unmoved(here: Site, events: int) -> None:
    """Nobody changed its state, nobody's address moved, and the Master kept its time."""
    here.look()
    assert here.address_events[events:] == []
    assert [here.router(node)["state"] for node in here.nodes] == ["MASTER", "BACKUP"]
    for node in here.nodes:
        assert "Traceback" not in node.log.read_text(encoding="utf-8")


def strays(status: Status) -> dict[int | None, int]:
    return {stray["vrid"]: stray["count"] for stray in status["strays"]}


def test_bad_advertisements_are_dropped_counted_by_reason_and_named_in_status() -> None:
    with site() as here:
        stranger = here.world.add_host("stranger", f"{STRANGER}/24")
        here.start_pair()
        events, lines = len(here.address_events), [len(log_lines(node)) for node in here.nodes]
        packets = [packet for packets in BAD.values() for packet in packets]
        send(stranger, *packets, *UNKNOWN, *NOTHING)

        wanted = {reason: len(packets) for reason, packets in BAD.items()}
        for node in here.nodes:
            here.until("all are counted", lambda node=node: drops(here, node) == wanted)  # type: ignore[misc]
            status = json.loads(node.call(*cli("status", "--json")).stdout)
            assert strays(status) == {77: 2, 78: 1, None: 2}
            (router,) = status["virtual_routers"]
            named = {(conflict["peer"], conflict["field"]) for conflict in router["conflicts"]}
            assert {(STRANGER, reason) for reason in BAD} <= named
            text = node.status()
            assert f"conflict: {STRANGER}: TTL 1, we: TTL 255 (2 times" in text
            assert "for VRID 77, which is not configured here" in text
        for node, before in zip(here.nodes, lines, strict=True):
            assert len(log_lines(node)) - before <= len(BAD) + 3
        unmoved(here, events)


def test_a_burst_of_thousands_is_counted_and_neither_logged_nor_felt() -> None:
    with site() as here:
        stranger = here.world.add_host("stranger", f"{STRANGER}/24")
        here.start_pair()
        events, lines = len(here.address_events), [len(log_lines(node)) for node in here.nodes]
        started_at = time.time_ns()
        kinds = [ipv4(message(), ttl=254), ipv4(message(password=b"guess")), ipv4(message()[:-1])]
        # a different VRID and a different source each time: nothing to remember them all by
        spoofed = [
            ipv4(message(vrid=n % 256), ttl=64, source=f"10.230.{n // 250}.{1 + n % 250}")
            for n in range(4_000)
            if n % 256 != 50
        ]
        send(stranger, *kinds * 2_000, *spoofed)
        here.until("all are counted", lambda: all(drops(here, node).get("length") == 2_000 for node in here.nodes))
        for node in here.nodes:
            assert drops(here, node) == {"ttl": 2_000, "authentication": 2_000, "length": 2_000}
            assert sum(strays(here.status(node)).values()) == len(spoofed)
            assert len(here.status(node)["strays"]) <= 255
        here.until("the Master goes on", lambda: len(here.advertisements(here.lb1, since=started_at)) >= 3)
        times = [seen.at for seen in here.advertisements(here.lb1, since=started_at)]
        assert max(after - before for before, after in pairwise(times)) <= 1_100 * MS
        for node, before in zip(here.nodes, lines, strict=True):
            assert len(log_lines(node)) - before <= 6
        unmoved(here, events)


# --- who asks the wrong way ---


def connect(node: Node) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(Path(node.directory, "vrrpd", "control.sock")))
    return connection


def ask_badly(node: Node, request: bytes) -> bytes:
    with connect(node) as connection:
        connection.settimeout(10)
        try:
            connection.sendall(request)
            return connection.recv(65536)
        except OSError:  # it hung up on us
            return b""


def test_clients_that_are_slow_wrong_or_gone_do_not_disturb() -> None:
    with site() as here:
        here.start_pair()
        events = len(here.address_events)
        started_at = time.time_ns()
        slow = [connect(here.lb1) for _ in range(100)]
        for connection in slow[::2]:
            with suppress(BrokenPipeError):  # not all are let in
                connection.send(b'{"comm')
        here.until("it answers once the slow are given up", lambda: bool(here.router(here.lb1)), within_s=10)
        for connection in slow:
            connection.close()
        assert b"not JSON" in ask_badly(here.lb1, b"GET / HTTP/1.0\r\n\r\n")
        assert b"not an object" in ask_badly(here.lb1, b"[1, 2]\n")
        assert b"there is no command" in ask_badly(here.lb1, b'{"command": {"a": ["' + b"x" * 1000 + b'"]}}\n')
        assert b"error" in ask_badly(here.lb1, b"[" * 60_000 + b"\n")
        assert b"error" in ask_badly(here.lb1, b'{"command": "\xff\xfe"}\n')
        ask_badly(here.lb1, b"x" * 10_000_000)
        ask_badly(here.lb1, b"\0\n")
        for _ in range(100):
            with connect(here.lb1) as gone, suppress(BrokenPipeError):
                gone.send(b'{"command": "status"}\n')
        here.until("it answers", lambda: bool(here.router(here.lb1)))
        here.until("the Master goes on", lambda: len(here.advertisements(here.lb1, since=started_at)) >= 3)
        times = [seen.at for seen in here.advertisements(here.lb1, since=started_at)]
        assert max(after - before for before, after in pairwise(times)) <= 1_100 * MS
        unmoved(here, events)


def test_status_without_a_daemon_is_one_line_and_exit_2(bare: Site) -> None:
    done = bare.lb2.call(*cli("status"))
    assert done.returncode == 2
    assert done.stderr == (
        "vrrpd: no vrrpd answers on /run/vrrpd/control.sock; is it running? (systemctl status vrrpd)\n"
    )
