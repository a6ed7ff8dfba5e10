"""HAProxy asked how it is, a real one: killed, hung, reloaded, restarted, stopping, its servers gone."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from lan import capturing_log, run

from vrrpd.linux.haproxy import SocketHAProxies, judge
from vrrpd.linux.processes import ProcProcesses
from vrrpd.model import MILLISECOND, Answer, TrackedHAProxy, TrackedProcess

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""HAProxy may still be connected to the web servers of a test when its loop ends."""

CONFIGURATION = """
global
    stats socket {socket} mode 600 level admin
    hard-stop-after 1s
defaults
    mode http
    timeout connect 1s
    timeout check 3s
    timeout client 5s
    timeout server 5s
frontend www
    bind 127.0.0.1:8080
    default_backend web
frontend switched_off
    bind 127.0.0.1:8082
    disabled
backend web
    option httpchk
    default-server check inter 100 rise 1 fall 1
    server one 127.0.0.1:8091
    server two 127.0.0.1:8092
    server three 127.0.0.1:8093
"""
OK = b"HTTP/1.0 200 OK\r\n\r\n"


class Machine:
    """HAProxy with a master and a worker, as its unit starts it, and three servers behind it."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "admin.sock"
        self.configuration = directory / "haproxy.cfg"
        self.configuration.write_text(CONFIGURATION.format(socket=self.socket))
        self._servers: dict[int, asyncio.Server] = {}
        self._master: subprocess.Popen[bytes] | None = None

    async def serve(self, *ports: int) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with closing(writer), suppress(ConnectionError):
                await reader.read(4096)
                writer.write(OK)

        for port in ports:
            self._servers[port] = await asyncio.start_server(answer, "127.0.0.1", port)

    def leave(self, *ports: int) -> None:
        for port in ports:
            self._servers.pop(port).close()

    @property
    def serving(self) -> list[int]:
        return list(self._servers)

    def start(self) -> None:
        command = ["haproxy", "-W", "-db", "-f", str(self.configuration)]
        self._master = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def reload(self) -> None:
        assert self._master is not None
        self._master.send_signal(signal.SIGUSR2)

    def workers(self) -> list[int]:
        assert self._master is not None
        pid = self._master.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def to_workers(self, number: signal.Signals) -> None:
        for pid in self.workers():
            os.kill(pid, number)
            while number is signal.SIGSTOP and "T (stopped)" not in Path(f"/proc/{pid}/status").read_text():
                os.sched_yield()

    def kill(self) -> None:
        if self._master is not None:
            for pid in (*self.workers(), self._master.pid):
                os.kill(pid, signal.SIGKILL)
            self._master.wait()
            self._master = None


@contextmanager
def machine(directory: Path) -> Iterator[Machine]:
    here = Machine(directory)
    try:
        yield here
    finally:
        here.kill()


class Asking:
    """One tracked HAProxy, asked again and again."""

    def __init__(self, here: Machine, **changes: object) -> None:
        self.tracked = TrackedHAProxy("web", str(here.socket), **{"backend": "web", **changes})  # type: ignore[arg-type]
        self._edge = SocketHAProxies(asyncio.get_running_loop())

    async def once(self) -> Answer:
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._edge.ask(self.tracked, done.set_result)  # a second call would raise InvalidStateError
        return await done

    async def until(self, problem: str) -> None:
        """It says so; whoever asks more often than HAProxy checks its servers has to wait."""
        while (await self.once()).problem != problem:
            pass


def story(directory: Path, tell: Callable[[Machine, Asking], Awaitable[None]], **changes: object) -> None:
    """With HAProxy and its three servers running, and well."""

    async def main() -> None:
        await here.serve(8091, 8092, 8093)
        here.start()
        asking = Asking(here, **changes)
        try:
            await asking.until("")
            await tell(here, asking)
        finally:
            here.leave(*here.serving)

    with machine(directory) as here:
        run(main())


def test_haproxy_that_is_killed_is_noticed_by_its_silent_socket(tmp_path: Path) -> None:
    async def tell(here: Machine, asking: Asking) -> None:
        here.kill()
        assert (await asking.once()).problem == f"{here.socket}: Connection refused"
        here.socket.unlink()
        assert (await asking.once()).problem == f"there is no socket {here.socket}"
        here.start()
        await asking.until("")

    story(tmp_path, tell)


def test_haproxy_that_hangs_does_not_answer_within_the_timeout(tmp_path: Path) -> None:
    async def tell(here: Machine, asking: Asking) -> None:
        here.to_workers(signal.SIGSTOP)
        answer = await asking.once()
        assert answer.problem == "it does not answer within 0.3 s"
        assert 300 * MILLISECOND <= answer.duration < 1000 * MILLISECOND
        here.to_workers(signal.SIGCONT)
        await asking.until("")

    story(tmp_path, tell, timeout=300 * MILLISECOND)


def test_a_reload_is_not_noticed_however_often_it_is_asked(tmp_path: Path) -> None:
    async def tell(here: Machine, asking: Asking) -> None:
        for _ in range(3):
            before = set(here.workers())
            while not set(here.workers()) - before:
                here.reload()  # again and again: while it starts, its master takes no notice
                assert (await asking.once()).problem == ""
            while before & set(here.workers()):
                assert (await asking.once()).problem == ""

    story(tmp_path, tell, timeout=2000 * MILLISECOND)


def test_a_restart_that_is_quick_is_not_noticed(tmp_path: Path) -> None:
    async def tell(here: Machine, asking: Asking) -> None:
        here.kill()
        asked = asyncio.ensure_future(asking.once())
        await asyncio.sleep(0)
        here.start()
        assert (await asked).problem in {"", f"{here.socket}: Connection refused"}
        await asking.until("")

    story(tmp_path, tell)


def test_haproxy_that_stops_softly_is_gone_although_its_last_clients_are_served(tmp_path: Path) -> None:
    async def tell(here: Machine, asking: Asking) -> None:
        _, client = await asyncio.open_connection("127.0.0.1", 8080)
        client.write(b"GET /")
        await client.drain()
        here.to_workers(signal.SIGUSR1)
        while not (await asking.once()).problem:
            pass
        assert here.workers() != []
        client.close()

    story(tmp_path, tell)


def test_a_rolling_restart_of_its_servers_is_not_its_death(tmp_path: Path) -> None:
    async def tell(here: Machine, asking: Asking) -> None:
        exact = Asking(here, min_servers=3)
        for n, port in enumerate((8091, 8092, 8093)):
            here.leave(port)
            await exact.until("backend web has 2 of 3 servers up, at least 3 must be")
            assert (await asking.once()).problem == "", n
            await here.serve(port)
            await exact.until("")

    story(tmp_path, tell)


def test_servers_that_are_gone_are_counted(tmp_path: Path) -> None:
    async def tell(here: Machine, asking: Asking) -> None:
        here.leave(8091, 8092)
        await asking.until("backend web has 1 of 3 servers up, at least 2 must be")
        here.leave(8093)
        await asking.until("backend web has 0 of 3 servers up, at least 2 must be")
        assert (await Asking(here, backend=None).once()).problem == ""
        assert (await Asking(here).once()).problem == "backend web has 0 of 3 servers up"
        await here.serve(8091, 8092)
        await asking.until("")

    story(tmp_path, tell, min_servers=2)


def test_a_frontend_that_is_paused_serves_nobody(tmp_path: Path) -> None:
    async def tell(here: Machine, asking: Asking) -> None:
        command(here, "disable frontend www")
        assert (await asking.once()).problem == "frontend www is PAUSED"
        command(here, "enable frontend www")
        assert (await asking.once()).problem == ""

    story(tmp_path, tell)


def test_servers_that_are_drained_or_in_maintenance_do_not_count(tmp_path: Path) -> None:
    async def tell(here: Machine, asking: Asking) -> None:
        command(here, "set server web/one state drain; set server web/two state maint")
        assert (await asking.once()).problem == ""
        command(here, "set weight web/three 0")
        assert (await asking.once()).problem == "backend web has 0 of 3 servers up"

    story(tmp_path, tell)


def command(here: Machine, line: str) -> None:
    with socket.socket(socket.AF_UNIX) as stats:
        stats.connect(str(here.socket))
        stats.sendall(f"{line}\n".encode())
        while stats.recv(4096):
            pass


def test_a_backend_that_is_not_there_is_said(tmp_path: Path) -> None:
    async def tell(_here: Machine, asking: Asking) -> None:
        assert (await asking.once()).problem == "there is no backend wbe"

    async def main() -> None:
        here.start()
        await Asking(here, backend=None).until("")
        await tell(here, Asking(here, backend="wbe"))

    with machine(tmp_path) as here:
        run(main())


# --- what is not HAProxy ---


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"", "it does not answer as HAProxy does"),
        (b"Permission denied\n\n", "it does not answer as HAProxy does"),
        (b"\xff\x00" * 1000, "it does not answer as HAProxy does"),
        (b"Name: HAProxy\nStopping: 0\n\n", "it has no frontend"),
        (b"Name: HAProxy\nStopping: 1\n\n", "it is stopping"),
        (b"Name: HAProxy\n\n# pxname,svname,\nwww,FRONTEND\n\n", "it has no frontend"),
    ],
)
def test_whatever_answers_is_taken_apart_without_a_traceback(tmp_path: Path, answer: bytes, problem: str) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    async def main() -> Answer:
        async with await asyncio.start_unix_server(speak, tmp_path / "admin.sock"):
            return await Asking(Machine(tmp_path), timeout=1000 * MILLISECOND).once()

    assert run(main()).problem == problem


def test_an_answer_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"Name: HAProxy\n" * 4096)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def main() -> Answer:
        async with await asyncio.start_unix_server(speak, tmp_path / "admin.sock"):
            return await Asking(Machine(tmp_path), timeout=5000 * MILLISECOND).once()

    assert run(main()).problem == "its answer has no end"


def test_after_a_stop_nobody_is_called(tmp_path: Path) -> None:
    async def main() -> None:
        edge = SocketHAProxies(asyncio.get_running_loop())
        edge.ask(TrackedHAProxy("web", str(tmp_path / "none")), lambda _answer: pytest.fail("called"))
        edge.stop()
        await asyncio.sleep(0)

    run(main())


HEAD = "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight"


def row(proxy: str, server: str, status: str, weight: int = 1) -> str:
    return f'{proxy},{server}{",0" * 15},{status},{weight},"Layer4 timeout, at last"'


def test_a_server_on_its_way_down_is_up_and_one_on_its_way_up_is_down() -> None:
    frontends = "\n".join((HEAD, row("www", "FRONTEND", "FULL")))
    states = ("UP", "UP 1/3", "DOWN 1/2", "no check", "NOLB", "DRAIN", "MAINT (via web/a)", "MAINT")
    rows = [row("web", f"s{n}", status) for n, status in enumerate(states)]
    rows += [row("web", "without weight", "UP", 0), row("web", "BACKEND", "UP")]
    servers = "\n".join((HEAD, *rows))
    answer = f"Name: HAProxy\nStopping: 0\n\n{frontends}\n\n{servers}\n\n"
    assert judge(TrackedHAProxy("web", "/x", backend="web", min_servers=3), answer) == ""
    assert judge(TrackedHAProxy("web", "/x", backend="web", min_servers=4), answer) == (
        "backend web has 3 of 9 servers up, at least 4 must be"
    )


# --- HAProxy as a process ---


def test_the_processes_of_haproxy_are_counted_through_a_reload_and_a_kill(tmp_path: Path) -> None:
    """Its master and its worker; while it is reloaded there are more, never fewer."""
    counts: list[int] = []

    async def main() -> None:
        news = asyncio.Event()

        def hear(_process: TrackedProcess, count: int) -> None:
            counts.append(count)
            news.set()

        async def until(count: int) -> None:
            while not counts or counts[-1] != count:
                news.clear()
                await news.wait()

        here.start()
        command = TrackedProcess("haproxy", "haproxy", parameters=("-W", "-db", "-f", str(here.configuration)))
        under_test = ProcProcesses(asyncio.get_running_loop(), hear, capturing_log()[0])
        under_test.watch([command])
        await until(2)
        here.kill()
        await until(0)
        under_test.close()

    with machine(tmp_path) as here:
        run(main())
    assert counts[-1] == 0
