"""What may be asked of a running daemon over its control socket, and what is answered."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from structlog.typing import FilteringBoundLogger

from vrrpd import difference, fsm, logs, snapshot
from vrrpd.actions import Drain, Failover, Undrain
from vrrpd.config.load import Loaded
from vrrpd.control import Json, RefusedError
from vrrpd.model import SECOND
from vrrpd.record import Recorder
from vrrpd.records import Record
from vrrpd.runtime import Runtime
from vrrpd.states import Initialize, Master, Resigning
from vrrpd.telling import Kind

Answer: TypeAlias = Awaitable[Json]
SLICE_S = 0.002
"""So long a status is put together before the loop has its turn."""
_NAMES_MAX = 4096


class Commands:
    """One daemon's. `load` reads the configuration without touching anything, `apply` runs what was read."""

    def __init__(
        self,
        runtime: Runtime,
        facts: Callable[[], Json],
        load: Callable[[], Awaitable[Loaded]],
        apply: Callable[[Loaded], bool],
        persisted: Path,
        recording: Path,
        log: FilteringBoundLogger,
    ) -> None:
        self._runtime = runtime
        self._facts = facts
        self._load = load
        self._apply = apply
        self._persisted = persisted
        self._recording = recording
        self._log = log

    async def answer(self, request: Json, uid: int) -> Json:
        """Raises `RefusedError`, with the reason for the one who asked."""
        command = request.get("command")
        if command == "status":
            return await self.status()
        if uid not in {0, os.geteuid()}:
            raise RefusedError(f"only root, or who runs vrrpd, may {command!s:.40}")
        match command:
            case "reload":
                return await self._reload(dry_run=request.get("dry_run") is True)
            case "drain":
                return await self._drain(request)
            case "failover":
                return await self._failover(request)
            case "resume":
                return self._resume(request)
            case "log-level":
                return self._log_level(request)
            case "record":
                return await self.record()
            case other:
                raise RefusedError(f"there is no command {other!r:.40}")

    # --- looking ---

    async def status(self) -> Json:
        """All there is to know, put together in slices that never hold the loop for long."""
        runtime, facts = self._runtime, self._facts()
        loop = asyncio.get_running_loop()
        routers: list[Json] = []
        pause_at = loop.time() + SLICE_S
        for record in list(runtime.engine.records.values()):
            now = runtime.now()
            told = snapshot.router(runtime.engine, record, now, snapshot.wall_clock(now, time.time_ns()))
            routers.append(told | {"notify": runtime.notified(Kind.INSTANCE, record.router.name)})
            if loop.time() >= pause_at:
                await asyncio.sleep(0)
                pause_at = loop.time() + SLICE_S
        return facts | {"virtual_routers": routers}

    # --- reload ---

    async def _reload(self, *, dry_run: bool) -> Json:
        loaded = await self._load()
        said = [str(found) for found in loaded.diagnostics]
        changes: list[str] = []
        if loaded.starts:
            engine = self._runtime.engine
            states = {identity: snapshot.state(record) for identity, record in engine.records.items()}
            changes = difference.describe(engine.config, loaded.config, states)
        reloaded = loaded.starts if dry_run else self._apply(loaded)
        return {"reloaded": reloaded, "diagnostics": said, "changes": changes}

    # --- an operator hands over ---

    async def _drain(self, request: Json) -> Json:
        records = self._named(request)
        force, hard = request.get("force") is True, request.get("hard") is True
        self._log.info("drain asked for", routers=_names(records), force=force, hard=hard)
        for record in records:
            self._runtime.operate(Drain(record.identity, force=force, hard=hard))
        answers = [await self._outcome(record) for record in records]
        if request.get("persist") is True:
            self._persist({record.router.name for record in records if record.drained})
        return {"routers": answers}

    async def _failover(self, request: Json) -> Json:
        records = self._named(request)
        for record in records:
            if not isinstance(record.state, Master):
                raise RefusedError(
                    f"{record.router.name} is {snapshot.state(record)} here: there is nothing to hand over"
                )
        self._log.info("failover asked for", routers=_names(records))
        for record in records:
            self._runtime.operate(Failover(record.identity))
        return {"routers": [await self._outcome(record) for record in records]}

    def _resume(self, request: Json) -> Json:
        records = self._named(request)
        self._log.info("resume asked for", routers=_names(records))
        for record in records:
            self._runtime.operate(Undrain(record.identity))
        self._persist(set())
        return {"routers": [_describe(record, succeeded=True) for record in records]}

    def restore(self) -> None:
        """Drain again what was drained with --persist before this daemon was started."""
        names = _read_names(self._persisted)
        for record in list(self._runtime.engine.records.values()):
            if record.router.name in names:
                self._log.info("still drained", router=record.router.name)
                self._runtime.operate(Drain(record.identity))

    async def _outcome(self, record: Record) -> Json:
        """Whether somebody took over, once that is known."""
        p = record.parameters
        wait = 0 if p is None else max(fsm.asking_time(p), fsm.leaving_time(p)) + SECOND
        await self._runtime.until(lambda: not isinstance(record.state, Resigning), wait)
        return _describe(record, succeeded=not isinstance(record.state, Master | Resigning))

    def _named(self, request: Json) -> list[Record]:
        """The routers that are asked for by name; without names all of them."""
        names = request.get("names") or []
        known = {record.router.name: record for record in self._runtime.engine.records.values()}
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RefusedError("names is a list of virtual routers")
        for name in names[:_NAMES_MAX]:
            if name not in known:
                raise RefusedError(f"there is no virtual router {name:.64}; there are: {', '.join(known) or 'none'}")
        return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())

    def _persist(self, drained: set[str]) -> None:
        try:
            if drained:
                self._persisted.write_text(json.dumps(sorted(drained)), encoding="utf-8")
            else:
                self._persisted.unlink(missing_ok=True)
        except OSError as error:
            raise RefusedError(f"cannot write {self._persisted}: {error.strerror}; a restart will forget it") from error

    # --- recording ---

    async def record(self) -> Json:
        """Write down what the engine was told last, in a thread."""
        write = partial(_write_recording, self._recording, self._runtime.recorder)
        try:
            await asyncio.get_running_loop().run_in_executor(None, write)
        except OSError as error:
            raise RefusedError(f"cannot write {self._recording}: {error.strerror}") from error
        return {"file": str(self._recording)}

    # --- logging ---

    def _log_level(self, request: Json) -> Json:
        level = request.get("level")
        if level not in logs.LEVELS:
            raise RefusedError(f"a log level is one of {', '.join(logs.LEVELS)}")
        logs.set_level(level)
        return {"level": level}


def _write_recording(path: Path, recorder: Recorder) -> None:
    """Replace the file in one step; only its owner may read it. OSError."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in recorder.lines())
    new.replace(path)


def _describe(record: Record, *, succeeded: bool) -> Json:
    state = record.state
    answer: dict[str, Any] = {
        "name": record.router.name,
        "succeeded": succeeded,
        "state": snapshot.state(record),
        "reason": record.why.words,
    }
    if isinstance(state, Initialize) and record.faults:
        answer["reason"] = ", ".join(fault.words for fault in sorted(record.faults))
    return answer


def _names(records: Iterable[Record]) -> list[str]:
    return [record.router.name for record in records]


def _read_names(path: Path) -> frozenset[str]:
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()
