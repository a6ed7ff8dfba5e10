"""`python -m tests.bench [--quick] [NAME…]`: measure, print a table, write nothing else, fail on no figure."""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Protocol

from vrrpd.lab.host import LabError, environment, run
from vrrpd.lab.world import World

from . import guide, handover, load, reading, scripts, takeover
from .figures import Figure, table


class _Measure(Protocol):
    def __call__(self, world: World, *, quick: bool) -> list[Figure]: ...


_MEASURES: dict[str, _Measure] = {
    "takeover": takeover.measure,
    "stop": handover.measure_one,
    "guide": guide.measure,
    "load": load.measure,
    "reading": reading.measure,
    "status": load.measure_status,
    "scripts": scripts.measure,
    "crowd": handover.measure_all,
}

_ISOLATED = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--")


def main() -> int:
    """Measure in namespaces of our own: nothing that the daemons send leaves the machine."""
    options = _options()
    if shutil.which("keepalived", path=environment()["PATH"]) is None:
        raise LabError("keepalived is not installed: apt-get install keepalived")
    if os.getpid() != 1:
        again = [*_ISOLATED, sys.executable, "-m", "tests.bench", *sys.argv[1:]]
        os.execvpe(again[0], again, environment())  # noqa: S606 - no shell is wanted
    run(["mount", "-t", "tmpfs", "tmpfs", "/run"])
    figures: list[Figure] = []
    for name in options.names or _MEASURES:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        with World(Path("/run") / name, guide.NAMES, name) as world:
            figures += _MEASURES[name](world, quick=options.quick)
    print(table(figures))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="vrrpd and keepalived in turn, in namespaces of their own; needs root.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it works")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all when none is given: {', '.join(_MEASURES)}")
    options = parser.parse_args()
    if unknown := set(options.names) - _MEASURES.keys():
        parser.error(f"there is nothing called {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
