"""The daemon: builds the edges, owns signals, the control socket, systemd and the scheduling class."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from vrrpd import __version__, dumps, ledger, logs, rundir, snapshot
from vrrpd.audience import Audience
from vrrpd.commands import Commands
from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.config.load import Loaded, load
from vrrpd.control import ControlServer, Json
from vrrpd.history import History
from vrrpd.linux.children import Children
from vrrpd.linux.fifos import NamedPipes
from vrrpd.linux.files import InotifyFiles
from vrrpd.linux.haproxy import SocketHAProxies
from vrrpd.linux.loop import new_loop
from vrrpd.linux.netlink import NetlinkKernel
from vrrpd.linux.node import ThisNode
from vrrpd.linux.process import enter_network, go_ordinary, go_realtime, settle
from vrrpd.linux.processes import ProcProcesses
from vrrpd.linux.release import release
from vrrpd.linux.scripts import PosixScripts
from vrrpd.linux.sockets import RawNetwork
from vrrpd.mail import Postman
from vrrpd.model import MILLISECOND, Duration, Instant, Process
from vrrpd.ports import Watchers
from vrrpd.runtime import Runtime
from vrrpd.states import Reason, Why
from vrrpd.telling import Kind
from vrrpd.web import Address, WebServer

EXIT_STOPPED, EXIT_CANNOT_RUN, EXIT_CONFIGURATION = 0, 1, 2

STOP_LIMIT_S = 12.0
COLLECT_EVERY_S = 60.0
_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says beside the file and the runtime directory."""

    log_format: logs.Format = logs.Format.AUTO
    web: Address | None = None
    """Where metrics and the page are served, if anywhere."""
    dumps: Path | None = None
    """Where keepalived's dumps go on keepalived's signals, if anywhere."""
    config_id: str | None = None
    """What `@id` in the file is compared with; by default the first part of the node's name."""


def run(config: Path, directory: Path, options: Options) -> int:
    """Run in the foreground until told to stop; returns the exit code.

    Whatever keeps it from running is one line on standard error.
    """
    loaded = load(config, ThisNode(), options.config_id)
    namespace = loaded.config.process.network_namespace
    if namespace is not None:
        try:
            enter_network(namespace)
        except OSError as error:
            return _refuse(str(error), EXIT_CONFIGURATION)
        loaded = load(config, ThisNode(), options.config_id)
    _tell(loaded.diagnostics)
    if not loaded.starts:
        return _refuse(f"{config} has errors; nothing was started", EXIT_CONFIGURATION)
    owned = rundir.RuntimeDirectory(directory)
    history = History(owned.events)
    log = logs.set_up(options.log_format, history.add)
    try:
        owned.take()
        _require_capabilities()
        _clear_what_a_crash_left(owned, log)
        owned.note_network_namespace(namespace)
    except (rundir.RuntimeDirectoryError, ledger.LedgerError, OSError) as error:
        return _refuse(str(error), EXIT_CANNOT_RUN)
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(Daemon(config, owned, log, options).run(loaded))
    finally:
        history.close()


def _refuse(words: str, code: int) -> int:
    sys.stderr.write(f"vrrpd: {words}\n")
    return code


def _tell(diagnostics: tuple[Diagnostic, ...]) -> None:
    for diagnostic in diagnostics:
        if diagnostic.severity is not Severity.INFO:
            sys.stderr.write(f"{diagnostic}\n")


def _require_capabilities() -> None:
    """Raises OSError with what is missing. Counted in our own user namespace: there they are what is needed."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    missing = [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]
    if missing:
        raise OSError(
            f"missing {' and '.join(missing)}, which vrrpd needs to advertise and to move addresses: "
            "run it as root or by its unit"
        )


def _clear_what_a_crash_left(owned: rundir.RuntimeDirectory, log: FilteringBoundLogger) -> None:
    entries = ledger.read(owned.ledger)
    if entries == ledger.Entries():
        return
    released = release(entries)
    for line in released.lines:
        log.warning("a predecessor left something", done=line)
    ledger.write(owned.ledger, released.left)


class Daemon:
    """One run of the daemon on one event loop."""

    def __init__(
        self, config: Path, owned: rundir.RuntimeDirectory, log: FilteringBoundLogger, options: Options
    ) -> None:
        self._config = config
        self._owned = owned
        self._log = log
        self._options = options
        self._reading_since: Instant = 0
        self._reload_took: Duration | None = None
        self._started_ns = time.time_ns()
        self._stopped = asyncio.Event()
        self._stopping = False
        self._has_recorded_defect = False
        self._tasks: set[asyncio.Task[object]] = set()

    async def run(self, loaded: Loaded) -> int:
        """From the first configuration to the last address given back."""
        loop = asyncio.get_running_loop()
        process = loaded.config.process
        settle(process, self._log)
        loop.set_default_executor(ThreadPoolExecutor(2, "reading", initializer=go_ordinary))
        runtime = self._runtime = Runtime(loop, self._log)
        with ThreadPoolExecutor(1, "kernel", initializer=_go_realtime, initargs=(process,)) as executor:
            network = RawNetwork(loop, runtime.on_datagrams, runtime.on_announcement, self._log)
            kernel = NetlinkKernel(loop, runtime.on_interface, runtime.on_lost, self._log)
            watchers = Watchers(
                scripts=PosixScripts(loop),
                haproxies=SocketHAProxies(loop),
                files=InotifyFiles(loop, runtime.on_value, self._log),
                processes=ProcProcesses(loop, runtime.on_count, self._log),
            )
            audience = self._audience = runtime.audience = _new_audience(loop, self._log)
            book = ledger.Ledger(self._owned.ledger, runtime.masters)
            runtime.connect(network, kernel, watchers, book, executor)
            runtime.on_idle = self._on_idle
            owned = self._owned
            commands = Commands(
                runtime, self._facts, self._load, self._apply, owned.drained, owned.recording, self._log
            )
            loop.set_exception_handler(lambda _, context: self._on_defect(commands, context))
            control = ControlServer(self._owned.socket, commands.answer, self._log)
            web = None if self._options.web is None else WebServer(self._options.web, commands.status, self._log)
            try:
                kernel.start()
                await control.start()
                if web is not None:
                    await web.start()
            except OSError as error:
                return _refuse(f"cannot start: {error}", EXIT_CANNOT_RUN)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop)
            loop.add_signal_handler(signal.SIGHUP, self._reload_by_signal)
            if self._options.dumps is not None:
                self._dump_on_signals(loop, self._options.dumps)
            await audience.begin(loaded.config)
            self._begin(loaded, commands)
            self._log.info("started", version=__version__, config=str(self._config), pid=os.getpid())
            _notify(f"READY=1\nSTATUS={len(loaded.config.routers)} virtual routers")
            housekeeping = [loop.create_task(self._collect()), loop.create_task(_feed_watchdog())]
            await self._stopped.wait()
            for task in housekeeping:
                task.cancel()
            watchers.stop()
            await audience.end()
            network.close()
            kernel.close()
            await control.close()
            if web is not None:
                await web.close()
        self._log.info("stopped")
        return EXIT_STOPPED

    def _begin(self, loaded: Loaded, commands: Commands) -> None:
        if self._stopping:  # while the startup script ran
            self._stopped.set()
            return
        # Before anybody listens: it takes a while, and what comes meanwhile would count as heard later.
        _rest_the_collector()
        self._runtime.configure(loaded.config, _GONE)
        commands.restore()

    # --- signals ---

    def _stop(self) -> None:
        """The first time: hand over, then go. The second time: go."""
        why = Why(Reason.STOPPED, "vrrpd was stopped")
        if self._stopping:
            self._runtime.halt(why)
            return
        self._stopping = True
        _notify("STOPPING=1")
        self._log.info("stopping")
        asyncio.get_running_loop().call_later(STOP_LIMIT_S, self._stopped.set)
        self._runtime.stop(why)

    def _on_idle(self) -> None:
        if self._stopping:
            self._stopped.set()

    def _on_defect(self, commands: Commands, context: dict[str, Any]) -> None:
        """An error of our own: what led to it is worth more than the daemon's pride, which goes on."""
        error = context.get("exception")
        where = "".join(traceback.format_exception(error)) if error is not None else ""
        self._log.error("defect in vrrpd", problem=f"{context['message']}: {error!r}", traceback=where)
        if not self._has_recorded_defect:
            self._has_recorded_defect = True
            self._run_beside(commands.record())

    def _dump_on_signals(self, loop: asyncio.AbstractEventLoop, directory: Path) -> None:
        """Keepalived's signals."""
        engine, wall = self._runtime.engine, self._wall
        texts: dict[int, tuple[str, Callable[[], str]]] = {
            signal.SIGUSR1: ("keepalived.data", lambda: dumps.data(engine, wall)),
            signal.SIGUSR2: ("keepalived.stats", lambda: dumps.stats(engine)),
            signal.SIGRTMIN + 2: ("keepalived.json", lambda: dumps.as_json(engine, wall)),
        }
        for number, (name, text) in texts.items():
            loop.add_signal_handler(number, self._dump, directory / name, text)

    def _dump(self, path: Path, text: Callable[[], str]) -> None:
        try:
            dumps.write(path, text())
        except OSError as error:
            self._log.warning("dump not written", path=str(path), error=error.strerror)

    def _wall(self, at: Instant) -> int:
        return time.time_ns() + at - self._runtime.now()

    # --- reload ---

    def _reload_by_signal(self) -> None:
        self._run_beside(self._reload())

    def _run_beside(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload(self) -> None:
        self._apply(await self._load())

    async def _load(self) -> Loaded:
        """Read the file, in a thread: advertisements go on meanwhile."""
        self._reading_since = self._runtime.now()
        return await asyncio.get_running_loop().run_in_executor(
            None, load, self._config, ThisNode(), self._options.config_id
        )

    def _apply(self, loaded: Loaded) -> bool:
        """Run what was read; with an error in it nothing changes, and this is False."""
        if not loaded.starts or self._stopping:
            first = next((str(d) for d in loaded.diagnostics if d.severity is Severity.ERROR), "stopping")
            self._log.error("not reloaded", config=str(self._config), error=first)
            return False
        _notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._audience.configure(loaded.config)
        self._settle(loaded.config.process)
        self._runtime.configure(loaded.config, _GONE)
        self._reload_took = self._runtime.now() - self._reading_since
        self._log.info("reloaded", config=str(self._config))
        _notify(f"READY=1\nSTATUS={len(loaded.config.routers)} virtual routers")
        asyncio.get_running_loop().call_soon(_rest_the_collector)
        return True

    def _settle(self, process: Process) -> None:
        """As the file has it now; where it runs is fixed."""
        before = self._runtime.engine.config.process
        if process == before:
            return
        settle(process, self._log)
        if process.network_namespace != before.network_namespace:
            self._log.warning("net_namespace changes with the next start", now=before.network_namespace or "none")

    # --- control ---

    def _facts(self) -> Json:
        """What status says of the daemon itself."""
        runtime, now, wall_now = self._runtime, self._runtime.now(), time.time_ns()
        wall = snapshot.wall_clock(now, wall_now)
        return {
            "version": __version__,
            "pid": os.getpid(),
            "now": wall(now),
            "started": wall(now - (wall_now - self._started_ns)),
            "config": str(self._config),
            "loop_lag_ms": round(runtime.lag_max / MILLISECOND, 3),
            "reload_ms": None if self._reload_took is None else round(self._reload_took / MILLISECOND, 3),
            "takeovers": {
                "count": runtime.takeovers.count,
                "total_ms": round(runtime.takeovers.total / MILLISECOND, 3),
            },
            "sync_groups": [
                group | {"notify": runtime.notified(Kind.GROUP, group["name"])}
                for group in snapshot.sync_groups(runtime.engine, wall)
            ],
            "notify": self._audience.whole_status(),
            "strays": snapshot.strays(runtime.engine, wall),
            "drops": dict(runtime.engine.strays.drops),
        }

    # --- housekeeping ---

    async def _collect(self) -> None:
        """The collector runs when we say so, and not while a deadline is near, so that no pause hits one."""
        while True:
            await asyncio.sleep(COLLECT_EVERY_S)
            deadline = self._runtime.engine.deadline()
            if deadline is not None and deadline - self._runtime.now() < 50 * MILLISECOND:
                await asyncio.sleep(max(0.0, (deadline - self._runtime.now()) / 1e9) + 0.001)
            gc.collect()


_GONE = Why(Reason.STOPPED, "it is no longer in the configuration")


def _new_audience(loop: asyncio.AbstractEventLoop, log: FilteringBoundLogger) -> Audience:
    children = Children(loop)
    return Audience(loop, log, children, NamedPipes(loop, children, log), Postman(loop, log))


def _rest_the_collector() -> None:
    """What there is now stays; what a reload has replaced goes."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.disable()


def _go_realtime(process: Process) -> None:
    """For a worker thread; the loop's own thread has said already why it cannot."""
    with contextlib.suppress(OSError, ValueError):
        go_realtime(process, is_worker=True)


def _notify(state: str) -> None:
    """sd_notify(3); nothing where systemd does not listen."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify,
        contextlib.suppress(OSError),
    ):
        notify.sendto(state.encode(), address)


async def _feed_watchdog() -> None:
    """From the loop itself: if it stands still, systemd starts us again."""
    period_us = int(os.environ.get("WATCHDOG_USEC", "0"))
    if not period_us or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    while True:
        _notify("WATCHDOG=1")
        await asyncio.sleep(period_us / 2e6)
