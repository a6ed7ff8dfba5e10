"""The way into the lab: what it needs, namespaces of its own, and an end that takes everything along."""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from vrrpd.lab.host import children, environment

EXIT_CANNOT_RUN = 1
EXIT_USAGE = 64

_PR_SET_CHILD_SUBREAPER = 36

# Which Debian package brings it; most distributions call it the same.
_PACKAGES = {
    "ip": "iproute2",
    "killall": "psmisc",
    "mount": "mount",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "setsid": "util-linux",
    "unshare": "util-linux",
}
_WITHOUT_NAMESPACES = """\
An ordinary user needs unprivileged user namespaces, which this system refuses. Run the lab as root, or allow them:
  sysctl user.max_user_namespaces                         has to be above 0
  sysctl kernel.unprivileged_userns_clone=1               where the setting exists (older Debian)
  sysctl kernel.apparmor_restrict_unprivileged_userns=0   where the setting exists (Ubuntu)
In a container the container itself has to be allowed to make namespaces."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options: `daemon` and `json`. Exits with 64 on wrong usage."""
    parser = _Parser(
        prog="vrrpd lab",
        description="Two nodes with HAProxy and a client in network namespaces of their own on this machine: "
        "watch the address move. Takes about a minute and leaves nothing behind.",
    )
    parser.add_argument(
        "--daemon",
        choices=("vrrpd", "keepalived"),
        default="vrrpd",
        help="what runs on the nodes; keepalived shows what the same files do there (default: vrrpd)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the table as JSON; the timeline goes to standard error"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run the lab. 0: every fault ended with the clients served; 1: not so, or it cannot run here."""
    options = parse(arguments)
    for number in _ENDING:
        signal.signal(number, _interrupt)
    try:
        return _run(options.daemon, arguments)
    except _Interrupted as interrupted:
        print("vrrpd lab: interrupted; nothing is left behind", file=sys.stderr)
        return 128 + interrupted.number


def _run(daemon: str, arguments: Sequence[str]) -> int:
    missing = _missing(daemon)
    if missing:
        print(f"vrrpd lab: {missing}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    isolated = _isolated()
    refused = subprocess.run(  # noqa: S603 - a lab runs programs
        [*isolated, "true"], env=environment(), capture_output=True, text=True, check=False
    )
    if refused.returncode:
        print(f"vrrpd lab: no namespaces here: {refused.stderr.strip()}\n{_WITHOUT_NAMESPACES}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    return _run_to_the_end([*isolated, sys.executable, "-m", "vrrpd.lab.story", *arguments])


def _missing(daemon: str) -> str:
    """What is not installed, and how to get it; empty when nothing is missing."""
    path = environment()["PATH"]
    wanted = _PACKAGES | ({"keepalived": "keepalived"} if daemon == "keepalived" else {})
    missing = [program for program in wanted if shutil.which(program, path=path) is None]
    packages = sorted({wanted[program] for program in missing})
    return f"{', '.join(missing)} not found: apt-get install {' '.join(packages)}" if missing else ""


def _isolated() -> list[str]:
    """Run what follows as PID 1 of new namespaces, with a life that ends with this process, however that ends."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    namespaces = ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return ["setpriv", "--pdeathsig", "KILL", *namespaces, "--"]


class _Interrupted(BaseException):
    """A signal asks the lab to end."""

    def __init__(self, number: int) -> None:
        self.number = number


def _interrupt(number: int, _frame: FrameType | None) -> None:
    for other in _ENDING:
        signal.signal(other, signal.SIG_IGN)
    raise _Interrupted(number)


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _run_to_the_end(argv: Sequence[str]) -> int:
    """Run it in a session of its own, so that the terminal's signals come to us alone and one path ends it all."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # to wait for a PID 1 whose unshare has gone
    process = subprocess.Popen(argv, env=environment(), start_new_session=True)  # noqa: S603 - as above
    try:
        return process.wait()
    finally:
        inits = children(process.pid)
        process.kill()  # which kills its PID 1, and that everything in its namespaces
        process.wait()
        for init in inits:
            with suppress(ChildProcessError):
                os.waitpid(init, 0)
