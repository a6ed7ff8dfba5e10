"""`python -m tests.screenshot FILE`: what headless Chromium shows of the status page of a node that serves.

Run by hand, as root, with Chromium installed: the picture in docs/monitoring.md comes from it. It exits with 1 when the
browser reports that the page's policy forbids something, or does not show the page.
"""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # as pytest does

from worlds import Site, site

from vrrpd.lab.daemons import VRRPD
from vrrpd.lab.host import environment, run

_WEB = replace(VRRPD, run=lambda file: [*VRRPD.run(file), "--web", "9650"])
_ISOLATED = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--")
_BROWSER = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--window-size=1000,560",
    "--hide-scrollbars",
)


def main(file: Path) -> int:
    """Returns the exit code."""
    with site() as here:
        here.start_haproxy(*here.nodes)
        here.start(here.lb1, daemon=_WEB)
        here.start(here.lb2, daemon=_WEB)
        here.until_served_by(here.lb1)
        said, shown = _look(here, file)
    forbidden = [line for line in said.splitlines() if "Content Security Policy" in line or "Refused" in line]
    print(*forbidden, sep="\n")
    return 1 if forbidden or "R1" not in shown or "MASTER" not in shown else 0


def _look(here: Site, file: Path) -> tuple[str, str]:
    """What the browser logs, and the document that it has; the picture goes into the file."""
    profile = f"--user-data-dir={here.lb1.directory / 'profile'}"
    page = "http://127.0.0.1:9650/"
    picture = here.lb1.call(*_BROWSER, profile, f"--screenshot={file.resolve()}", page)
    document = here.lb1.call(*_BROWSER, profile, "--dump-dom", page)
    return picture.stderr + document.stderr, document.stdout


if __name__ == "__main__":
    if os.getpid() != 1:
        again = [*_ISOLATED, sys.executable, "-m", "tests.screenshot", *sys.argv[1:]]
        os.execvpe(again[0], again, environment())  # noqa: S606 - no shell is wanted
    run(["sh", "-c", "mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link set lo up"])
    sys.exit(main(Path(sys.argv[1])))
