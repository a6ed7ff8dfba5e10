"""Record what keepalived makes of the configurations in oracle_cases.py: `python tests/record_oracle.py`.

It writes data/oracle-ours.jsonl. As root, with keepalived and iproute2 installed. Each configuration has
network, mount and process namespaces of its own, so nothing leaves the machine, no service is touched, and one
keepalived knows nothing of the other's files. It takes about five minutes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from oracle_cases import CASES

HERE = Path(__file__).parent
INSIDE = "--inside"
CONFIGURATION = Path("/tmp/keepalived.conf")
DUMP = Path("/tmp/keepalived.data")
LONGEST_WAIT = 5.0

WORLD = """
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
ip link set lo up
for number in 0 1; do
    ip link add eth$number address 02:00:00:00:00:0$number type veth peer name peer$number
    ip link set eth$number up
    ip link set peer$number up
done
ip address add 192.0.2.1/24 dev eth0
ip address add fd00::1/64 dev eth0
ip address add 198.51.100.1/24 dev eth1
ip route add 10.0.0.0/24 dev eth0
echo 7 > /tmp/tracked
"""


def main() -> None:
    """Record all of them, or those that are named."""
    names = sys.argv[1:] or list(CASES)
    recorded = [recorded_alone(name) for name in names]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in recorded)
    if sys.argv[1:]:
        sys.stdout.write(text)
    else:
        (HERE / "data" / "oracle-ours.jsonl").write_text(text, encoding="utf-8")


def recorded_alone(name: str) -> dict[str, Any]:
    """One configuration in a world of its own."""
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc"]
    command = [*unshare, sys.executable, __file__, INSIDE, name]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, Any] = json.loads(result.stdout)
    return row


def inside(name: str) -> None:
    """Within the namespaces: check it, run it, ask it what it holds."""
    subprocess.run(["sh", "-ec", WORLD], check=True)
    title, configuration = CASES[name]
    CONFIGURATION.write_text(configuration, encoding="utf-8")
    CONFIGURATION.chmod(0o644)
    checked = subprocess.run(
        ["keepalived", "-t", "-f", str(CONFIGURATION)], check=False, capture_output=True, text=True, errors="replace"
    )
    row = {
        "id": f"own-{name}",
        "title": title,
        "config": configuration,
        "check_rc": checked.returncode if checked.returncode >= 0 else 128 - checked.returncode,
        "messages": [message(line) for line in checked.stderr.splitlines() if line.strip()],
        **ran(),
    }
    json.dump(row, sys.stdout, ensure_ascii=False)


def message(line: str) -> str:
    """Without the file's name."""
    return re.sub(r"^\(\S+: Line (\d+)\)", r"L\1:", line).strip()


def ran() -> dict[str, Any]:
    """Whether the daemon runs, its first words about it, and what it holds in its first moment."""
    log = Path("/tmp/log")
    with log.open("wb") as output:
        command = ["keepalived", "-n", "-l", "-D", "-P", "-f", str(CONFIGURATION), "-p", "/run/p", "-r", "/run/r"]
        daemon = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            running = until(lambda: started(log.read_text(errors="replace"), daemon))
            dump = dumped(daemon) if daemon.poll() is None and running else ""
            text = log.read_text(errors="replace")
        finally:
            daemon.terminate()
            daemon.wait()
    words = [line.split(": ", 1)[-1] for line in text.splitlines()]
    held = parsed(dump)
    return {
        "starts": bool(dump),
        "daemon": "RUNS" if dump else "REFUSES TO START (config)",
        "said": [message(word) for word in words if ABOUT.search(word) and not USUAL.search(word)],
        "virtual_routers": held["virtual_routers"],
        "sync_groups": held["sync_groups"],
        "tracked": held["tracked"],
    }


ABOUT = re.compile(
    r"^\(|^WARNING|^Warning|ignor|not |cannot|invalid|doesn't|deprecated|Unable|Disabling|script", re.IGNORECASE
)

USUAL = re.compile(r"keepalived_script|Entering|removing (VIPs|E-VIPs|Virtual)|process event listen")


def started(log: str, daemon: subprocess.Popen[bytes]) -> str | None:
    """Its log once it has read the configuration, or has ended."""
    return log if "Startup complete" in log or daemon.poll() is not None else None


def dumped(daemon: subprocess.Popen[bytes]) -> str:
    """What it holds; nothing when it has ended over its configuration meanwhile."""
    daemon.send_signal(signal.SIGUSR1)
    return until(lambda: whole(daemon)) or ""


def whole(daemon: subprocess.Popen[bytes]) -> str | None:
    if daemon.poll() is not None:
        return ""
    text = DUMP.read_text(errors="replace") if DUMP.exists() else ""
    return text if "------< Interfaces >------" in text else None


Answer = TypeVar("Answer")


def until(ask: Callable[[], Answer | None]) -> Answer | None:
    """The first answer, or None after too long."""
    end = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < end:
        answer = ask()
        if answer is not None:
            return answer
        time.sleep(0.02)
    return None


def parsed(dump: str) -> dict[str, Any]:
    """The dump's sections as values."""
    sections = {
        title: text.split("\n")
        for title, text in re.findall(r"------< (.+?) >------\n(.*?)(?=\n------<|\Z)", dump, re.DOTALL)
    }
    return {
        "virtual_routers": [router(lines) for lines in blocks(sections.get("VRRP Topology", []), "VRRP Instance")],
        "sync_groups": [group(lines) for lines in blocks(sections.get("VRRP Sync groups", []), "VRRP Sync Group")],
        "tracked": [
            kept(lines)
            for title, lines in sections.items()
            if title.startswith(("VRRP Track", "VRRP Scripts", "Static"))
        ],
    }


def blocks(lines: list[str], head: str) -> list[list[str]]:
    """Each block's lines, from its head on."""
    found: list[list[str]] = []
    for line in lines:
        if line.startswith(f" {head}"):
            found.append([])
        if found:
            found[-1].append(line)
    return found


def value(lines: list[str], key: str, otherwise: str = "") -> str:
    """What stands after `key =`."""
    return next((line.split("=", 1)[1].strip() for line in lines if line.strip().startswith(f"{key} =")), otherwise)


def listed(lines: list[str], title: str) -> list[str]:
    """The lines below a title, which are indented further."""
    found: list[str] = []
    inside_list = False
    for line in lines:
        if inside_list and not line.startswith("     "):
            break
        if inside_list:
            found.append(line.strip())
        inside_list = inside_list or re.match(rf"   {title}( \(\d+\))? ?:", line) is not None
    return found


VOLATILE = re.compile(
    r"Last transition|Read timeout|Master down timer|fd_in|Multicast address|Current processes|timer not running"
    r"|delayed|Master router|Master priority|Wantstate|State =|Number of|Total priority|Effective priority"
)


def kept(lines: list[str]) -> list[str]:
    """What stays the same from run to run."""
    return [line.strip().removesuffix(" set") for line in lines if line.strip() and not VOLATILE.search(line)]


def router(lines: list[str]) -> dict[str, Any]:
    """One virtual router, by the names that the other recording has."""
    found: dict[str, Any] = {
        "name": value(lines, "VRRP Instance"),
        "version": int(value(lines, "VRRP Version")),
        "interface": value(lines, "Interface"),
        "vrid": int(value(lines, "Virtual Router ID")),
        "priority": int(value(lines, "Priority")),
        "advert_interval_ms": milliseconds(value(lines, "Advert interval")),
        "preempt": value(lines, "Preempt") == "enabled",
        "preempt_delay_ms": milliseconds(value(lines, "Preempt delay", "0 secs")),
        "source": value(lines, "Using src_ip").split(" ")[0],
        "addresses": [line.removesuffix(" set") for line in listed(lines, "Virtual IP")],
        "excluded_addresses": listed(lines, "Virtual IP Excluded"),
        "accept": value(lines, "Accept") == "enabled",
    }
    wanted = value(lines, "Wantstate")
    optional = {
        "state": wanted if wanted != "FAULT" else "",
        "sync_group": value(lines, "Sync group"),
        "unicast_peers": ", ".join(listed(lines, "Unicast Peer")),
        "tracked_scripts": tracked(lines, "scripts"),
        "tracked_interfaces": tracked(lines, "interfaces"),
        "tracked_files": tracked(lines, "files"),
        "tracked_processes": tracked(lines, "processes"),
        "routes": listed(lines, "Virtual Routes"),
        "rules": listed(lines, "Virtual Rules"),
        "auth": authentication(lines),
    }
    return {**found, **{key: item for key, item in optional.items() if item}, "rest": kept(lines)}


def tracked(lines: list[str], kind: str) -> str:
    """Some kinds have a comma after the name."""
    return ", ".join(line.replace(", weight", " weight") for line in listed(lines, f"Tracked {kind}"))


def milliseconds(text: str) -> int:
    """`1 sec`, `300 milli-sec`, `2.5 secs`."""
    number, unit = text.split(" ")
    return round(float(number) * (1 if unit.startswith("milli") else 1000))


def authentication(lines: list[str]) -> dict[str, str] | None:
    """The password of AH is not shown."""
    kind = {"SIMPLE_PASSWORD": "PASS", "IPSEC_AH": "AH"}.get(value(lines, "Authentication type"))
    shown = value(lines, "Password")
    return {"type": kind, **({"pass": shown} if shown else {})} if kind else None


def group(lines: list[str]) -> dict[str, Any]:
    """One sync group."""
    return {
        "name": value(lines, "VRRP Sync Group").split(",")[0],
        "members": listed(lines, "VRRP member instances"),
        "tracked_scripts": tracked(lines, "scripts"),
        "tracked_interfaces": tracked(lines, "interfaces"),
        "rest": kept(lines),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == [INSIDE]:
        inside(sys.argv[2])
    elif os.geteuid():
        sys.exit("as root: namespaces are made")
    else:
        main()
