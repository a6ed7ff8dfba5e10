"""The tests, once as they are and then once for each mutant, in forked children of one pytest that has collected them.

A mutant's tests are those that called the changed function in the run before, the fastest first; it is killed by the
first that fails, by a crash, or by taking much longer than all of them took.
"""

from __future__ import annotations

import ast
import gc
import os
import resource
import sys
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType, FunctionType

import pytest
from hypothesis import Phase, settings

from .operators import Mutant, mutants

_EQUIVALENT = Path(__file__).parent / "equivalent.toml"
_TIMES_LONGER = 10
_LEAST_SECONDS = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mutants")
    group.addoption("--mutate", action="append", default=[], help="a module")
    group.addoption("--slowest", type=float, help="seconds: tests that take longer are left out")
    group.addoption("--workers", type=int, help="children at a time")


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate])  # a counterexample need not be short
    settings.load_profile("mutants")
    config.pluginmanager.register(Run(config), "mutants")


class Run:
    """The whole run."""

    def __init__(self, config: pytest.Config) -> None:
        self._modules: list[str] = config.getoption("--mutate")
        self._slowest: float = config.getoption("--slowest")
        self._workers: int = config.getoption("--workers")
        self._failed = False
        self._seconds: dict[pytest.Item, float] = {}
        self._callers: dict[tuple[str, str], list[pytest.Item]] = defaultdict(list)
        """Module and function: the tests that call it, the fastest first."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not self._watch(session.items):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            return True
        made = [one for name in self._modules for one in mutants(name, _source(name))]
        survivors = set(self._survivors(made))
        sys.stdout.write(f"\n{_report(made, survivors)}\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED if _open(made, survivors) else pytest.ExitCode.OK
        return True

    # --- the tests as they are ---

    def _watch(self, items: Sequence[pytest.Item]) -> bool:
        """Which test calls what, and how long it takes."""
        files = {sys.modules[name].__file__: name for name in map(_imported, self._modules)}
        calls: dict[pytest.Item, set[tuple[str, str]]] = {}

        def profile(frame: FrameType, event: str, _: object) -> None:
            name = files.get(frame.f_code.co_filename) if event == "call" else None
            if name is not None:
                called.add((name, frame.f_code.co_qualname.partition(".<locals>")[0]))

        for item, following in pairwise((*items, None)):
            assert item is not None
            called = calls[item] = set()
            started = time.process_time()
            sys.setprofile(profile)
            _run(item, following)
            sys.setprofile(None)
            self._seconds[item] = time.process_time() - started
        for item in sorted(self._fast(), key=self._seconds.__getitem__):
            for place in calls[item]:
                self._callers[place].append(item)
        return not self._failed

    def _fast(self) -> list[pytest.Item]:
        return [item for item, seconds in self._seconds.items() if seconds <= self._slowest]

    # --- the mutants ---

    def _survivors(self, made: Sequence[Mutant]) -> Iterator[int]:
        """Numbers of the mutants that no test notices."""
        gc.freeze()
        running: dict[int, int] = {}
        for number, mutant in enumerate(made):
            if len(running) == self._workers:
                yield from _ended(running)
            tests = self._tests(mutant)
            pid = os.fork()
            if pid == 0:
                self._child(mutant, tests)
            running[pid] = number
        while running:
            yield from _ended(running)

    def _tests(self, mutant: Mutant) -> list[pytest.Item]:
        if mutant.is_constant:
            return sorted(self._fast(), key=self._seconds.__getitem__)
        return self._callers[mutant.module, mutant.place]

    def _child(self, mutant: Mutant, tests: Sequence[pytest.Item]) -> None:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        limit = _LEAST_SECONDS + int(_TIMES_LONGER * sum(self._seconds[test] for test in tests))
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        try:
            _install(mutant)
            for test, following in pairwise((*tests, None)):
                assert test is not None
                _run(test, following)
                if self._failed:
                    break
        except BaseException:  # noqa: BLE001  that the change crashes the run is one way to notice it
            self._failed = True
        os._exit(self._failed)


def _run(item: pytest.Item, following: pytest.Item | None) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def _ended(running: dict[int, int]) -> Iterator[int]:
    pid, status = os.wait()
    number = running.pop(pid)
    if status == 0:
        yield number


def _imported(name: str) -> str:
    import_module(name)
    return name


def _source(name: str) -> str:
    file = sys.modules[name].__file__
    assert file is not None
    return Path(file).read_text(encoding="utf-8")


def _install(mutant: Mutant) -> None:
    """The change, in the modules as they are loaded."""
    mutant.apply()
    ast.fix_missing_locations(mutant.tree)
    module = sys.modules[mutant.module]
    code = compile(mutant.tree, str(module.__file__), "exec")
    if mutant.is_constant:
        fresh: dict[str, object] = {"__name__": mutant.module}
        exec(code, fresh)  # noqa: S102  it is our own module
        old = vars(module)[mutant.place]
        for name, other in list(sys.modules.items()):
            if name.startswith("vrrpd.") and vars(other).get(mutant.place) is old:
                setattr(other, mutant.place, fresh[mutant.place])
        return
    _function(mutant).__code__ = next(_codes(code, mutant.place))


def _function(mutant: Mutant) -> FunctionType:
    owner, _, name = mutant.place.rpartition(".")
    where = vars(sys.modules[mutant.module])
    found = vars(where[owner])[name] if owner else where[name]
    found = getattr(found, "fget", None) or getattr(found, "__func__", found)
    assert isinstance(found, FunctionType)
    return found


def _codes(code: CodeType, place: str) -> Iterator[CodeType]:
    if code.co_qualname == place:
        yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner, place)


# --- what came of it ---


def _known() -> dict[str, str]:
    """The mutants that change nothing that can be seen, and why."""
    content = tomllib.loads(_EQUIVALENT.read_text(encoding="utf-8"))
    return {mutant: group["because"] for group in content.get("equivalent", ()) for mutant in group["mutants"]}


def _open(made: Sequence[Mutant], survivors: set[int]) -> list[Mutant]:
    known = _known()
    return [made[number] for number in sorted(survivors) if str(made[number]) not in known]


def _report(made: Sequence[Mutant], survivors: set[int]) -> str:
    known = _known()
    lived = {str(made[number]) for number in survivors}
    lines = ["| module | mutants | killed | equivalent | survived |", "|---|---|---|---|---|"]
    rows: Counter[tuple[str, str]] = Counter()
    for number, mutant in enumerate(made):
        fate = "killed" if number not in survivors else "equivalent" if str(mutant) in known else "survived"
        rows.update([(mutant.module, fate), ("all", fate)])
    for name in dict.fromkeys([*(mutant.module for mutant in made), "all"]):
        counts = [rows[name, fate] for fate in ("killed", "equivalent", "survived")]
        lines.append(f"| {name} | {sum(counts)} | {' | '.join(map(str, counts))} |")
    possible = len(made) - rows["all", "equivalent"]
    lines.append(f"\n{rows['all', 'killed'] / possible:.1%} of {possible} mutants that are not equivalent are killed.")
    lines += [f"survived: {made[n].line}: {made[n]}" for n in sorted(survivors) if str(made[n]) not in known]
    names = {str(mutant) for mutant in made}
    lines += [f"not equivalent, a test kills it: {one}" for one in known if one in names - lived]
    lines += [f"no such mutant any more: {one}" for one in known if one not in names]
    return "\n".join(lines)
