"""What fuzzing has found, again: each file holds the steps that once led to something that must not be."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.steps import load, replay
from fuzz.targets import TARGETS

FOUND = sorted((Path(__file__).parent / "fuzz" / "found").glob("*.json"))


@pytest.mark.parametrize("path", FOUND, ids=[path.stem for path in FOUND])
def test_what_was_found_once_is_right_now(path: Path) -> None:
    replay(TARGETS[path.stem.partition("-")[0]], load(path))
