"""`python -m tests.sim.plant`: faults planted in the core, one at a time, to see whether the net catches them.

The text of a module is changed while it is imported; nothing is written. Each fault runs in a process of its own, and
is tried on seeds one after the other until a checker speaks.
"""
# ruff: noqa: T201 - the core's own lines; a program prints

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

SEEDS = 400
FOUND = "found"


@dataclass(frozen=True, slots=True)
class Plant:
    """One fault: in this module, this text becomes that."""

    name: str
    module: str
    before: str
    after: str
    grouped: bool = False
    """It is looked for where routers are in sync groups."""


PLANTS = (
    Plant("skew zero", "fsm", "return (256 - priority) * base // 256", "return 0"),
    Plant(
        "skew of one priority more",
        "fsm",
        "return (256 - priority) * base // 256",
        "return (255 - priority) * base // 256",
    ),
    Plant("skew backwards", "fsm", "return (256 - priority) * base // 256", "return (priority + 1) * base // 256"),
    Plant("one advertisement too few", "fsm", "p.router.down_timer_adverts * master_adver", "2 * master_adver"),
    Plant("priority 0 ignored", "fsm", "    if advertisement.priority == 0:\n", "    if advertisement.priority < 0:\n"),
    Plant("tie broken the wrong way", "fsm", "return int(theirs) > int(ours)", "return int(theirs) < int(ours)"),
    Plant("tie not broken", "fsm", "return int(theirs) > int(ours)", "return False"),
    Plant(
        "Adver_Timer not armed again", "fsm", "_next_on_grid(p, now) if on_grid else state.adver_at", "state.adver_at"
    ),
    Plant("an interval left out", "grid", "((now - phase) // interval + 1)", "((now - phase) // interval + 2)"),
    Plant(
        "addresses kept on demotion",
        "fsm",
        "return new, (*defeat, RemoveAddresses(p.router.let_go), *farewell, StateChanged(state, new, why))",
        "return new, (*defeat, *farewell, StateChanged(state, new, why))",
    ),
    Plant(
        "addresses given up before the heir is there",
        "fsm",
        "    return new, (*said, StateChanged(state, new, why))",
        "    return new, (*said, RemoveAddresses(p.router.addresses), StateChanged(state, new, why))",
    ),
    Plant("resigning never ends", "fsm", "    if now >= state.until:\n", "    if now >= 2 * state.until:\n"),
    Plant(
        "the Master's interval is not learned",
        "fsm",
        "    interval = event.advertisement.advertisement_interval\n",
        "    interval = p.router.advertisement_interval\n",
    ),
    Plant(
        "the loser of a healed split goes in silence",
        "fsm",
        "(BidFarewell(_farewell(p), unless_by=None),)",
        "()",
    ),
    Plant(
        "the survivor of a healed split does not announce",
        "fsm",
        "return replace(state, answered_at=now, answer_at=None), (*effects, announce)",
        "return replace(state, answered_at=now, answer_at=None), effects",
    ),
    Plant("never preempts", "fsm", "return (p.router.preempt or p.router.is_owner) and not", "return False and not"),
    Plant("nopreempt ignored", "fsm", "return (p.router.preempt or p.router.is_owner) and", "return True and"),
    Plant("a worse router does not hold back", "fsm", "and not (p.holds_back or p.handed_over)", ""),
    Plant("priority off by one", "tracking", "total = router.priority +", "total = router.priority + 1 +"),
    Plant(
        "weights turned round", "tracking", "sign = -1 if tracker.reverse else 1", "sign = 1 if tracker.reverse else -1"
    ),
    Plant(
        "a deadline that stays in the past",
        "agenda",
        "        if armed is None or at < armed:\n",
        "        if armed is None or at <= armed:\n            self._armed.pop(key, None)\n        if True:\n",
    ),
    Plant(
        "a deadline moved later is kept",
        "agenda",
        "        if armed is None or at < armed:\n",
        "        if armed is None:\n",
    ),
    Plant(
        "the memory outlives a change",
        "engine",
        "            record.memory = None\n        actions: Actions = []\n        for effect",
        "            pass\n        actions: Actions = []\n        for effect",
    ),
    Plant(
        "an address that two routers need is removed",
        "addresses",
        "            if due.needed_by:\n",
        "            if not due:\n",
    ),
    Plant(
        "announced before it is there",
        "wanted",
        "        if work is None:\n            return False\n",
        "        return False\n",
    ),
    Plant(
        "the oldest request wins",
        "wanted",
        "            self._wanted.pop(thing, None)\n            self._wanted[thing] = present\n",
        "            self._wanted.setdefault(thing, present)\n",
    ),
    Plant(
        "what a predecessor left is not swept",
        "fsm",
        "() if p.router.is_owner else (RemoveAddresses(p.router.let_go),)",
        "()",
    ),
    Plant(
        "a password that is not sent",
        "packet",
        'addresses + password.ljust(_PASSWORD_BYTES, b"\\0")',
        "addresses + bytes(8)",
    ),
    Plant("a sequence that stands still", "voice", "min(self.sequence + 1, ah.LAST_SEQUENCE)", "max(self.sequence, 1)"),
    Plant("who becomes Master counts from 1", "voice", "self.sequence = max(self.sequence, sequence)", "return None"),
    Plant("the last word on disk is as old as the first advertisement", "voice", "(self._willed + 2) * RESERVE", "1"),
    Plant(
        "the kernel may change what is sealed",
        "voice",
        "1 + sequence % 0xFFFF if router.is_sealed else 0",
        "0",
    ),
    Plant(
        "a checksum with nothing but zeros right",
        "frames",
        "return 0 if residue == 0 and any(content) else 0xFFFF - residue",
        "return 0xFFFF - residue",
    ),
    Plant(
        "a member does not wait for its group",
        "fsm",
        "            if p.company:\n                return _wait",
        "            if False:\n                return _wait",
        grouped=True,
    ),
    Plant(
        "a member is forgotten when a group takes over",
        "engine",
        "for member in self.groups.members(group):\n                actions += self._step",
        "for member in self.groups.members(group)[:-1]:\n                actions += self._step",
        grouped=True,
    ),
    Plant(
        "a member is forgotten when it is asked who is ready",
        "groups",
        "return complete and all(isinstance(r.state, Master) or is_ready(r.state) for r in everybody)",
        "return complete and all(isinstance(r.state, Master) or is_ready(r.state) for r in everybody[:-1])",
        grouped=True,
    ),
    Plant(
        "a beaten member keeps nobody from being Master",
        "groups",
        "        if beaten is None:\n",
        "        if True:\n",
        grouped=True,
    ),
    Plant("a fault is not shared", "groups", "if group is None or other is None:", "if True:", grouped=True),
    Plant(
        "half a group is Master again",
        "groups",
        "(isinstance(s, Resigning) and s.heir_at is None) for s in states)",
        "True for s in states)",
        grouped=True,
    ),
    Plant(
        "an operator moves one member only",
        "engine",
        "self._drain(self.groups.together(record), event, now)",
        "self._drain([record], event, now)",
        grouped=True,
    ),
)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, plant: Plant) -> None:
        super().__init__(name, path)
        self._plant = plant

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  importlib's signature
        source = Path(self.path).read_text(encoding="utf-8")
        if source.count(self._plant.before) < 1:
            raise SystemExit(f"{self._plant.name}: {self.path} does not hold the text that is to be changed")
        return compile(source.replace(self._plant.before, self._plant.after, 1), self.path, "exec")


class _Finder(MetaPathFinder):
    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != f"vrrpd.{self._plant.module}":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin, self._plant)
        return spec


def main() -> int:
    """0: every fault was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.plant")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="how many seeds to try each on")
    parser.add_argument("--jobs", type=int, default=2, metavar="J", help="processes")
    parser.add_argument("--only", metavar="NAME", help="this fault, in this process")
    parser.add_argument("--shrink", action="store_true", help="with --only: the shortest scenario that shows it")
    options = parser.parse_args()
    if options.only is not None:
        plant = next(plant for plant in PLANTS if plant.name == options.only)
        return hunt(plant, options.seeds, shrinks=options.shrink)
    missed = 0
    print("| fault | found by | after so many seeds |")
    print("|---|---|---|")
    with ThreadPoolExecutor(options.jobs) as pool:
        lines = pool.map(lambda plant: _in_a_process(plant, options.seeds), PLANTS)
        for plant, line in zip(PLANTS, lines, strict=True):
            is_found = line.startswith(FOUND)
            words = line.removeprefix(FOUND).split("|") if is_found else ["**nothing**", line]
            print(f"| {plant.name} | {' | '.join(word.strip() for word in words)} |", flush=True)
            missed += not is_found
    print(f"{len(PLANTS) - missed} of {len(PLANTS)} planted faults found")
    return int(missed > 0)


def hunt(plant: Plant, seeds: int, *, shrinks: bool = False) -> int:
    """Plant it here, then try seeds until it is found."""
    sys.meta_path.insert(0, _Finder(plant))
    # Imported now: the fault is in them.
    from . import grouped, schedules  # noqa: PLC0415
    from .shrink import Shrinker, describe  # noqa: PLC0415
    from .trial import trial  # noqa: PLC0415

    scenario = grouped.scenario if plant.grouped else schedules.scenario
    for seed in range(seeds):
        violation = trial(scenario(seed)).violation
        if violation is not None:
            if shrinks:
                print(describe(Shrinker(scenario(seed), violation.checker).run()))
            print(f"{FOUND} {violation.checker}|{seed + 1}")
            return 0
    print(f"{seeds} seeds")
    return 1


def _in_a_process(plant: Plant, seeds: int) -> str:
    command = [sys.executable, "-m", "tests.sim.plant", "--only", plant.name, "--seeds", str(seeds)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (ended.stdout or ended.stderr).strip().splitlines()
    return lines[-1] if lines else f"ended with {ended.returncode}"


if __name__ == "__main__":
    sys.exit(main())
