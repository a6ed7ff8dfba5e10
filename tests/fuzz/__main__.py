"""python -m tests.fuzz TARGET: vary what comes from outside until the time is up, and say what was reached.

The plain engine draws from a seeded generator and reaches the most packets in a second; atheris varies its input by
what of vrrpd it has covered. A finding is kept in tests/fuzz/found/ and is a test from then on.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from pathlib import Path

tell = functools.partial(print, flush=True)
_FOUND = Path(__file__).parent / "found"


def main() -> None:
    """Exit code 1: something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=("packet", "receive", "config", "language"))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--engine", choices=("plain", "atheris"), default="plain")
    parser.add_argument("--seed", type=int, default=1, help="the first one, of the plain engine")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="of the plain engine")
    options = parser.parse_args()
    # vrrpd is imported by the engine, since atheris has to see it.
    if options.engine == "atheris":
        from . import coverage  # noqa: PLC0415

        coverage.fuzz(options.target, options.seconds, _FOUND, tell)
    else:
        from . import plain  # noqa: PLC0415

        seeds = [options.seed + n for n in range(options.processes)]
        lines = list(plain.fuzz(options.target, options.seconds, seeds, _FOUND))
        tell("\n".join(lines))
        sys.exit(any(line.startswith("found: ") for line in lines))


if __name__ == "__main__":
    main()
