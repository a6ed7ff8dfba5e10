"""python -m tests.mutants [MODULE...]: change the core in one place at a time and see whether a test notices."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

_CORE = (
    *("packet", "frames", "states", "fsm", "grid", "tracking", "checks", "agenda", "addresses", "retrying"),
    *("reception", "records", "faults", "surroundings", "moves", "engine"),
)
_ROOT = Path(__file__).parent.parent
_SLOWEST = 1.5


def main() -> None:
    """Hand over to pytest, which has the tests and leads them into a world of their own."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", default=_CORE, metavar="MODULE", help="of vrrpd; all of the core")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--slowest", type=float, default=_SLOWEST, help="seconds: longer tests are left out")
    options = parser.parse_args()
    stems = (*options.modules, *_CORE, "runtime", "properties", "oracles", "vectors")
    files = sorted({path for stem in stems for path in _ROOT.glob(f"test_{stem}*.py")})
    chosen = [f"--mutate=vrrpd.{module}" for module in options.modules]
    arguments = ["-p", "tests.mutants.plugin", "-s", *chosen, f"--workers={options.workers}"]
    rows = [_ROOT / "rfc"] if (_ROOT / "rfc").is_dir() else []
    command = [sys.executable, "-m", "pytest", *arguments, f"--slowest={options.slowest}", *map(str, (*files, *rows))]
    os.execv(sys.executable, command)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main()
