"""The engine that is led by coverage: libFuzzer, by atheris."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import atheris

from .choices import Tape
from .steps import FindingError, Tally, episode, summary

with atheris.instrument_imports(include=["vrrpd"]):
    from .targets import TARGETS

_LONGEST = 4096
"""Bytes of an input: decisions for some hundred steps."""


def fuzz(name: str, seconds: float, found: Path, tell: Callable[[str], None]) -> None:
    """Until the time is up, and end the process; exit code 0: nothing was found."""
    tally: Tally = Counter()
    target = TARGETS[name]
    end = time.monotonic() + seconds

    def one_input(content: bytes) -> None:
        try:
            episode(target, Tape(content), tally)
        except FindingError as finding:
            tell(finding.kept(found))
            raise
        if time.monotonic() > end:  # libFuzzer's own end says nothing of what was reached
            tell("\n".join(summary(target, tally, seconds)))
            os._exit(0)

    atheris.Setup([sys.argv[0], f"-max_len={_LONGEST}", "-len_control=0", "-verbosity=0"], one_input)
    atheris.Fuzz()
