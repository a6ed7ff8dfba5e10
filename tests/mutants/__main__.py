"""python -m tests.mutants [MODULE...]: change the core in one place at a time and see whether a test notices."""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_OTHERS = ("model", "watching", "runtime", "properties", "oracles", "vectors")
"""Tests that also call the core, by the beginning of their names."""
_SLOWEST = 1.5


def _core() -> list[str]:
    """The modules of the contract that lint-imports enforces, but for the model, which decides nothing."""
    content = tomllib.loads((_ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))
    contract = content["tool"]["importlinter"]["contracts"][0]
    return [name.removeprefix("vrrpd.") for name in contract["source_modules"] if name != "vrrpd.model"]


def main() -> None:
    """Hand over to pytest, which has the tests and leads them into a world of their own."""
    core = _core()
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", default=core, metavar="MODULE", help="of vrrpd; all of the core")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--slowest", type=float, default=_SLOWEST, help="seconds: longer tests are left out")
    options = parser.parse_args()
    stems = (*options.modules, *core, *_OTHERS)
    files = sorted({path for stem in stems for path in _ROOT.glob(f"test_{stem}*.py")})
    chosen = [f"--mutate=vrrpd.{module}" for module in options.modules]
    arguments = ["-p", "tests.mutants.plugin", "-s", *chosen, f"--workers={options.workers}"]
    rows = [_ROOT / "rfc"] if (_ROOT / "rfc").is_dir() else []
    command = [sys.executable, "-m", "pytest", *arguments, f"--slowest={options.slowest}", *map(str, (*files, *rows))]
    os.execv(sys.executable, command)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main()
