"""Two nodes on a LAN that really boot systemd, each from an overlay of this machine's root.

What this machine has enabled is not in them, and what they write goes with them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PATIENCE_S = 30.0
_POLL_S = 0.02
_UP = {"running", "degraded"}
_OPAQUE = "trusted.overlay.opaque"
"""The attribute of an overlay's directory that hides what lies below (kernel, filesystems/overlayfs)."""

# Without the hierarchy of this machine's own systemd, if it has one: the node gets a group of its own in it.
_BOOT = """
set -e
node=$1 group=$2 directory=$3 install=$4; shift 4
mount -t cgroup2 none /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$group"
echo $$ > "/sys/fs/cgroup/$group/cgroup.procs"
mount -t overlay -o "lowerdir=$install:/,upperdir=$directory/upper,workdir=$directory/work" none "$directory/root"
export SYSTEMD_NSPAWN_LOCK=0 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_SECCOMP=0
exec systemd-nspawn --quiet --directory="$directory/root" --machine="$node" \
    --network-namespace-path="/run/netns/$node" --register=no --keep-unit \
    --capability=all --drop-capability=CAP_SYS_MODULE,CAP_SYS_TIME --boot --console=pipe "$@"
"""

_FORGET = """
set -e
mount -t cgroup2 none /sys/fs/cgroup
find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} +
"""

# As docs/install.md has it, but for the network: the wheels are there since the set-up.
_INSTALL = """
set -e
python=$1 directory=$2 wheels=$3 checkout=$4
mount -t overlay -o "lowerdir=/opt,upperdir=$directory/upper/opt,workdir=$directory/work" none /opt
"$python" -m pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir "$directory/wheels" "$checkout"
/usr/bin/python3 -m venv --without-pip /opt/vrrpd  # a node's own: the hardened unit does not see one in a home
"$python" -m pip --python /opt/vrrpd/bin/python install --quiet --no-index --find-links "$wheels" "$directory"/wheels/*
"""


def run(*argv: str) -> str:
    """On this machine; its output."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
    return done.stdout


def until(holds: Callable[[], bool], within: float = PATIENCE_S) -> bool:
    """Whether it came to hold in that many seconds."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def install(directory: Path) -> Path:
    """Put vrrpd into /opt/vrrpd of a layer for `Node`; returns the layer."""
    for part in ("upper/opt", "work", "wheels"):
        (directory / part).mkdir(parents=True)
    wheels = Path(sys.prefix, "wheels")
    environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(
        ["unshare", "--mount", "sh", "-c", _INSTALL, "sh", sys.executable, directory, wheels, CHECKOUT],
        env=environment,
        check=True,
    )
    return directory / "upper"


class Lan:
    """A bridge in a network namespace of its own, of which nothing leads out."""

    def __init__(self, name: str = "lan") -> None:
        self.name = name
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
        run("ip", "-n", name, "link", "set", "bridge", "up")

    def close(self) -> None:
        run("ip", "netns", "delete", self.name)


@dataclass(frozen=True, slots=True)
class Result:
    """How a command on a node ended."""

    code: int
    output: str
    """Standard output and standard error."""


class Node:
    """A booted node with eth0 on the LAN."""

    def __init__(  # a node is what these say
        self, lan: Lan, name: str, address: str, files: Mapping[str, str], directory: Path, layer: Path
    ) -> None:
        """`files` are the node's from the start; what it writes goes to `directory`, on a tmpfs; `layer` lies between
        that and this machine's root.
        """
        self.name = name
        self._directory = directory / name
        self._layer = layer
        for part in ("upper/etc/systemd/system", "work", "root"):
            (self._directory / part).mkdir(parents=True)
        os.setxattr(self._directory / "upper/etc/systemd/system", _OPAQUE, b"y")
        own = {"/etc/machine-id": "", "/etc/fstab": "", "/etc/hostname": f"{name}\n", **files}
        for path, content in own.items():
            _write(self._directory / "upper", path, content)
        self._plug(lan, address)
        self._nspawn = self._boot()
        if not until(self._is_up):
            self.close()
            raise AssertionError((self._directory / "console").read_text(encoding="utf-8", errors="replace"))

    def _plug(self, lan: Lan, address: str) -> None:
        run("ip", "netns", "add", self.name)
        run("ip", "-n", lan.name, "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "-n", lan.name, "link", "set", self.name, "master", "bridge", "up")
        run("ip", "-n", self.name, "address", "add", address, "dev", "eth0")
        run("ip", "-n", self.name, "link", "set", "eth0", "up")
        run("ip", "-n", self.name, "link", "set", "lo", "up")

    def _boot(self) -> subprocess.Popen[bytes]:
        group = f"vrrpd-test-{os.getpid()}-{self.name}"
        arguments = [self.name, group, str(self._directory), str(self._layer)]
        if sys.base_prefix != "/usr":  # an interpreter that may not be on the root file system is seen all the same
            arguments.append(f"--bind-ro={sys.base_prefix}")
        with (self._directory / "console").open("wb") as console:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", _BOOT, "sh", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )

    def _is_up(self) -> bool:
        return bool(self._init()) and self.call("systemctl", "is-system-running").output.strip() in _UP

    def _init(self) -> str:
        """The node's PID 1, as seen from here; empty when there is none, yet or any more."""
        pid = self._nspawn.pid
        try:
            return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").strip()
        except (FileNotFoundError, ProcessLookupError):
            return ""

    def call(self, *argv: str) -> Result:
        """Run a command there, however it ends."""
        enter = [f"--target={self._init()}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]
        done = subprocess.run(
            ["nsenter", *enter, *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return Result(done.returncode, done.stdout)

    def run(self, *argv: str) -> str:
        """Run a command there that must succeed; its output."""
        result = self.call(*argv)
        assert result.code == 0, f"{self.name}: {' '.join(argv)}: {result.output}"
        return result.output

    def write(self, path: str, content: str) -> None:
        _write(Path(f"/proc/{self._init()}/root"), path, content)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", unit, f"--property={name}", "--value").strip()

    def close(self) -> None:
        """As a power cut."""
        os.kill(int(self._init() or self._nspawn.pid), signal.SIGKILL)
        self._nspawn.wait()
        run("unshare", "--mount", "sh", "-c", _FORGET, "sh", f"vrrpd-test-{os.getpid()}-{self.name}")
        run("ip", "netns", "delete", self.name)


def _write(root: Path, path: str, content: str) -> None:
    file = root / path.removeprefix("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
