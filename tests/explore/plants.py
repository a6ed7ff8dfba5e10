"""`python -m tests.explore.plants`: faults planted in a copy of the core, one at a time; each must be found."""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Plant:
    """A fault: what stands there, what stands there instead, and the world that must notice."""

    name: str
    module: str
    old: str
    new: str
    world: str
    faults: int = 1


PLANTS = (
    Plant(
        "priority 0 is ignored",
        "fsm",
        "    if advertisement.priority == 0:\n",
        "    if advertisement.priority == 0:\n        return state\n    if advertisement.priority < 0:\n",
        "pair",
    ),
    Plant("a tie is broken the wrong way", "fsm", "int(theirs) > int(ours)", "int(theirs) < int(ours)", "equal"),
    Plant(
        "nobody yields in a tie",
        "fsm",
        "theirs == p.priority and _is_higher(event.source, p.primary_address)",
        "theirs == p.priority and False",
        "equal",
        0,
    ),
    Plant(
        "the addresses go with the first priority 0",
        "fsm",
        "        then=then,\n        why=why,\n        resigned_at",
        "        then=Then.FAULT if then is Then.STAY else then,\n        why=why,\n        resigned_at",
        "operator",
        2,
    ),
    Plant(
        "Adver_Timer is not re-armed",
        "fsm",
        "adver_at = _next_on_grid(p, now) if on_grid else state.adver_at",
        "adver_at = state.adver_at",
        "pair",
        0,
    ),
    Plant(
        "addresses are kept on demotion",
        "fsm",
        "return new, (RemoveAddresses(p.router.addresses), *farewell, StateChanged(state, new, why))",
        "return new, (*farewell, StateChanged(state, new, why))",
        "cut",
    ),
    Plant(
        "a Resigning router answers with an advertisement",
        "fsm",
        "    if theirs == 0 or state.heir_at is not None:\n        return state, ()\n",
        "    if theirs == 0 or state.heir_at is not None:\n"
        "        return state, (SendAdvertisement(p.advertisement),)\n",
        "equal",
        2,
    ),
    Plant(
        "a node whose check fails does not hold back",
        "surroundings",
        "holds_back=record.drained or self.is_worse(router)",
        "holds_back=record.drained",
        "guide",
        2,
    ),
    Plant(
        "the memory of a refresh outlives a change of priority",
        "engine",
        "        if record.state is not before or not isinstance(event, Tick):\n            record.memory = None\n",
        "",
        "checked",
        2,
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it."""

    plant: Plant
    code: int
    output: str

    @property
    def found(self) -> bool:
        """By a rule, not by an accident."""
        return self.code == 1 and "FOUND in" in self.output


def explore_with(plant: Plant) -> Outcome:
    """Explore its world with the fault in place."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory)
        for package in ("vrrpd", "tests/explore"):
            shutil.copytree(_ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
        module = copy / "vrrpd" / f"{plant.module}.py"
        source = module.read_text()
        if source.count(plant.old) != 1:
            raise ValueError(f"{plant.name}: {plant.module}.py does not hold what is to be replaced, or twice")
        module.write_text(source.replace(plant.old, plant.new))
        command = [sys.executable, "-m", "tests.explore", "--world", plant.world, "--faults", str(plant.faults)]
        environment = {**os.environ, "PYTHONPATH": directory}
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    return Outcome(plant, done.returncode, done.stdout + done.stderr)


def main() -> int:
    """0: every one was found."""
    names = sys.argv[1:]
    missed = 0
    for plant in PLANTS:
        if names and plant.name not in names:
            continue
        outcome = explore_with(plant)
        missed += not outcome.found
        lines = [line for line in outcome.output.splitlines() if "FOUND" in line] or outcome.output.splitlines()[-1:]
        print(f"{'found' if outcome.found else 'MISSED'}  {plant.name}: {lines[0].strip()}", flush=True)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
