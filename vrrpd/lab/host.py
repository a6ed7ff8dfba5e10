"""One machine of a world: a network, mount and PID namespace of its own, with eth0 and a /run of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import vrrpd
from vrrpd.model import SECOND, Duration

POLL_SECONDS = 0.02
"""Where the kernel gives no event to wait for."""

# PID 1 of a host. It ends when its standard input does, that is with the process that built the world, however
# that one ends. Meanwhile `wait` reaps orphans: `killall -0` would find their zombies.
_INIT = """
mount --bind "$1" /run && mount --bind /run/hosts /etc/hosts || exit 1
if [ -S /dev/log ]; then mount --bind /dev/null /dev/log || exit 1; fi
exec 3<&0
cat <&3 >/dev/null &
echo ready
wait
"""


class LabError(Exception):
    """What could not be done, in words for the person at the terminal."""


def environment() -> dict[str, str]:
    """For every program of a lab: the administrator's programs in PATH, and this very vrrpd importable."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    source = str(Path(vrrpd.__file__).parents[1])
    return os.environ | {"PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin", "PYTHONPATH": source, "LC_ALL": "C.UTF-8"}


def run(argv: Sequence[str], text: str = "") -> str:
    """Run a program to its end with `text` as its input and return what it printed. LabError when it failed."""
    done = subprocess.run(  # noqa: S603 - a lab runs programs
        argv, input=text, capture_output=True, text=True, env=environment(), check=False
    )
    if done.returncode:
        raise LabError(f"`{' '.join(argv)}` failed: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout


def wait_until(condition: Callable[[], bool], within: Duration, what: str) -> None:
    """Return as soon as `condition` holds. LabError naming `what` when it does not within that time."""
    deadline = time.monotonic_ns() + within
    while not condition():
        if time.monotonic_ns() > deadline:
            raise LabError(f"{what}: not within {within / SECOND:g} s")
        time.sleep(POLL_SECONDS)


def children(pid: int) -> list[int]:
    """The child processes of a process; none when it has gone."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


class Process:
    """A program running in a host, in a session of its own. It ends with its host at the latest."""

    def __init__(self, entering: subprocess.Popen[bytes]) -> None:
        """`entering` is the nsenter that forks the program, waits for it and ends as it did."""
        self._entering = entering
        self._pidfd = -1
        self.pid = 0
        """As seen from outside the host; 0 when the program had ended before it could be seen."""
        while self._entering.poll() is None and not self.pid:
            for child in children(entering.pid):
                self.pid, self._pidfd = child, os.pidfd_open(child)

    @property
    def running(self) -> bool:
        return self._entering.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program. ProcessLookupError when it has ended."""
        if self._pidfd < 0:
            raise ProcessLookupError
        signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """SIGKILL to the program and its process group at once, and wait for their end."""
        if self.running:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:  # it has not come as far as setsid, or has ended
                with suppress(ProcessLookupError):
                    self.signal(signal.SIGKILL)
        self.wait()

    def wait(self, within: Duration = 30 * SECOND) -> int:
        """Wait for the end and return the exit code, negative for a signal. LabError when it does not end."""
        try:
            code = self._entering.wait(within / SECOND)
        except subprocess.TimeoutExpired:
            raise LabError(f"process {self.pid} did not end within {within / SECOND:g} s") from None
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        return code


class Host:
    """A machine of a world. Built by `World.add_host`, which also plugs in its eth0."""

    def __init__(self, name: str, directory: Path, names: Mapping[str, str]) -> None:
        """`directory` becomes the host's /run; `names` (name to address) its /etc/hosts."""
        self.name = name
        self.directory = directory
        self._started: list[Process] = []
        directory.mkdir(parents=True)
        hosts = {"localhost": "127.0.0.1"} | dict(names)
        self.write("hosts", "".join(f"{address} {host}\n" for host, address in hosts.items()))
        self._init = subprocess.Popen(  # noqa: S603 - as above
            [
                *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
                *("sh", "-c", _INIT, "init", str(directory)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=environment(),
        )
        assert self._init.stdout is not None  # noqa: S101 - PIPE was asked for
        if self._init.stdout.readline() != b"ready\n":
            raise LabError(f"{name}: no namespaces of its own, see above")

    @property
    def namespaces(self) -> int:
        """The process whose network namespace is the host's, for `ip link set … netns`."""
        return self._init.pid

    def _enter(self, argv: Sequence[str]) -> list[str]:
        pid = self._init.pid
        entering = ("nsenter", f"--target={pid}", "--net", "--mount", f"--pid=/proc/{pid}/ns/pid_for_children", "--")
        return [*entering, *argv]

    def write(self, name: str, text: str) -> str:
        """Write a file into the host's /run and return its path there."""
        (self.directory / name).write_text(text, encoding="utf-8")
        return f"/run/{name}"

    def run(self, *argv: str, text: str = "") -> str:
        """Run a program here to its end and return what it printed. LabError when it failed."""
        return run(self._enter(argv), text)

    def call(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program here to its end, however it ends."""
        return subprocess.run(  # noqa: S603 - as above
            self._enter(argv), capture_output=True, text=True, env=environment(), check=False, start_new_session=True
        )

    def start(self, *argv: str, log: str) -> Process:
        """Start a program here; what it prints is appended to the file `log` in the host's /run."""
        with (self.directory / log).open("ab") as output:
            entering = subprocess.Popen(  # noqa: S603 - as above
                self._enter(["setsid", *argv]),  # apart from nsenter, which outlives it and reaps it
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
            )
        process = Process(entering)
        self._started.append(process)
        return process

    def close(self) -> None:
        """End the host and every process in it."""
        assert self._init.stdin is not None  # noqa: S101 - PIPE was asked for
        assert self._init.stdout is not None  # noqa: S101 - PIPE was asked for
        self._init.stdin.close()
        self._init.stdout.close()
        self._init.wait()
        for process in self._started:
            process.wait()


class Lines:
    """The lines that a growing file got since one looked last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def read(self) -> list[str]:
        """Whole lines only, without their ends; none while there is no file."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._position)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._position += len(whole)
        return whole.decode(errors="replace").splitlines()
