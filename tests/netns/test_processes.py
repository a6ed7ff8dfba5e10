"""Tracked processes, real ones: who counts, when it is noticed, and what the kernel tells."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from lan import capturing_log, run

from vrrpd.linux.processes import ProcProcesses, runs
from vrrpd.linux.procevents import ProcessEvents
from vrrpd.model import ParameterMatch, TrackedProcess

EXACT, PARTIAL, INITIAL = ParameterMatch


class Counter:
    """What was told of each process, and a way to wait for more."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self._news = asyncio.Event()

    def hear(self, process: TrackedProcess, count: int) -> None:
        self.told.append((process.name, count))
        self._news.set()

    async def until(self, name: str, count: int) -> None:
        """It was told so last."""
        while next((n for who, n in reversed(self.told) if who == name), None) != count:
            self._news.clear()
            await self._news.wait()


@asynccontextmanager
async def counting(*tracked: TrackedProcess, **limits: int) -> AsyncIterator[Counter]:
    counter = Counter()
    under_test = ProcProcesses(asyncio.get_running_loop(), counter.hear, capturing_log()[0], **limits)
    under_test.watch(tracked)
    try:
        yield counter
    finally:
        under_test.close()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Something to run that has a name nobody else's has."""
    return Path(shutil.copy("/bin/sleep", tmp_path / f"v{os.getpid()}"))


@contextmanager
def running(*argv: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(argv) as process:
        try:
            yield process
        finally:
            process.kill()


def named(program: Path, **changes: object) -> TrackedProcess:
    return TrackedProcess("it", program.name, **changes)  # type: ignore[arg-type]


# --- who counts ---


# keepalived compares argv[0] byte by byte, and the parameters with the zero bytes between them.
@pytest.mark.parametrize(
    ("parameters", "match", "line", "same"),
    [
        (None, EXACT, b"/x/haproxy\0-f\0c\0", True),
        (None, EXACT, b"haproxy\0", False),
        (None, EXACT, b"/x/haproxy2\0", False),
        ((), EXACT, b"/x/haproxy\0", True),
        ((), EXACT, b"/x/haproxy\0-D\0", False),
        ((), PARTIAL, b"/x/haproxy\0-D\0", True),
        (("-f", "c"), EXACT, b"/x/haproxy\0-f\0c\0", True),
        (("-f", "c"), EXACT, b"/x/haproxy\0-f\0c\0-D\0", False),
        (("-f", "c"), EXACT, b"/x/haproxy\0-f\0cc\0", False),
        (("-f", "c"), EXACT, b"/x/haproxy\0-f\0", False),
        (("-f", "c"), PARTIAL, b"/x/haproxy\0-f\0c\0-D\0", True),
        (("-f", "c"), PARTIAL, b"/x/haproxy\0-f\0cc\0", False),
        (("-f", "c"), INITIAL, b"/x/haproxy\0-f\0cc\0", True),
        (("-f", "c"), INITIAL, b"/x/haproxy\0-f\0c\0", True),
        (("-f", "c"), INITIAL, b"/x/haproxy\0-f\0d\0", False),
    ],
)
def test_parameters_are_compared_as_keepalived_does(
    parameters: tuple[str, ...] | None, match: ParameterMatch, line: bytes, same: bool
) -> None:
    process = TrackedProcess("it", "/x/haproxy", parameters=parameters, match=match, full_command=True)
    assert runs(process, line) is same


def test_what_runs_already_is_counted_at_once_and_what_does_not_is_0(program: Path) -> None:
    async def main() -> None:
        with running(program, "60"), running(program, "60"):
            async with counting(named(program), TrackedProcess("other", "no-such-program")) as counter:
                await counter.until("it", 2)
                await counter.until("other", 0)

    run(main())


def test_a_start_is_noticed_within_a_second_and_an_end_at_once(program: Path) -> None:
    async def main() -> None:
        async with counting(named(program)) as counter:
            await counter.until("it", 0)
            with running(program, "60") as process:
                async with asyncio.timeout(2):
                    await counter.until("it", 1)
                # The next look at /proc without a reason is nearly a second away.
                process.kill()
                before = asyncio.get_running_loop().time()
                await counter.until("it", 0)
                assert asyncio.get_running_loop().time() - before < 0.9
        assert counter.told == [("it", 0), ("it", 1), ("it", 0)]

    run(main())


def test_a_zombie_is_not_counted(program: Path) -> None:
    async def main() -> None:
        async with counting(named(program)) as counter:
            await counter.until("it", 0)
            assert counter.told == [("it", 0)]

    pid = os.posix_spawn(program, [str(program), "0"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is not reaped
    try:
        run(main())
    finally:
        os.waitpid(pid, 0)


def test_a_name_of_more_than_15_bytes_is_what_the_kernel_keeps_of_it(tmp_path: Path) -> None:
    """keepalived compares all of it, and never finds it."""
    long = Path(shutil.copy("/bin/sleep", tmp_path / f"name-of-more-than-{os.getpid()}"))

    async def main() -> None:
        with running(long, "60"):
            async with counting(named(long)) as counter:
                await counter.until("it", 1)

    run(main())


def test_parameters_make_a_difference(program: Path) -> None:
    command = TrackedProcess("it", str(program), parameters=("61",), full_command=True)

    async def main() -> None:
        with running(program, "60"), running(program, "61"):
            async with counting(command) as counter:
                await counter.until("it", 1)
                assert ("it", 2) not in counter.told

    run(main())


def test_who_executes_something_else_is_another_one(program: Path) -> None:
    async def main() -> None:
        async with counting(named(program)) as counter:
            await counter.until("it", 0)
            with running("/bin/sh", "-c", f"true; exec {program} 60"):
                await counter.until("it", 1)

    run(main())


def test_a_parent_that_leaves_a_child_behind_was_never_gone(tmp_path: Path, program: Path) -> None:
    """A daemon that puts itself in the background: its first process ends once the second has begun."""
    name = f"d{os.getpid()}"
    shell = shutil.copy("/bin/sh", tmp_path / name)
    first, second = tmp_path / "first", tmp_path / "second"
    for gate in (first, second):
        os.mkfifo(gate)
    line = f"read -r _ < {first}; ( read -r _ < {second} ) & exit 0"

    async def main() -> None:
        async with counting(TrackedProcess("it", name), TrackedProcess("next", program.name)) as counter:
            with running(shell, "-c", line) as parent:
                await counter.until("it", 1)
                await asyncio.to_thread(first.write_text, "go\n")
                await asyncio.to_thread(parent.wait)
                with running(program, "60"):
                    await counter.until("next", 1)
            assert [count for who, count in counter.told if who == "it"][-1] == 1
            assert ("it", 0) not in counter.told[1:]
            await asyncio.to_thread(second.write_text, "go\n")
            await counter.until("it", 0)

    run(main())


def test_more_than_there_are_descriptors_for_are_still_counted(program: Path) -> None:
    async def main() -> None:
        async with counting(named(program), descriptors=1) as counter:
            with running(program, "60") as one, running(program, "60") as two:
                await counter.until("it", 2)
                two.kill()
                two.wait()
                await counter.until("it", 1)
                one.kill()
                one.wait()
                await counter.until("it", 0)

    run(main())


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_counting_again_and_again_leaves_no_descriptor_open(program: Path) -> None:
    async def main() -> None:
        with running(program, "60"):
            before = open_descriptors()
            for _ in range(20):
                async with counting(named(program)) as counter:
                    await counter.until("it", 1)
            assert open_descriptors() == before

    run(main())


# --- what the kernel tells ---


def event(what: int, *numbers: int) -> bytes:
    """A datagram of the process connector, field by field (linux/cn_proc.h)."""
    head = struct.pack("=IHHII IIIIHH", 76, 3, 0, 0, 0, 1, 1, 7, 0, 40, 0)
    body = struct.pack("=IIQ", what, 0, 0) + b"".join(struct.pack("=I", n) for n in numbers)
    return (head + body).ljust(76, b"\0")


FORK = event(0x1, 100, 100, 200, 200)
THREAD = event(0x1, 100, 100, 201, 100)
EXEC = event(0x2, 200, 200)
COMM = event(0x200, 300, 300)
COMM_OF_A_THREAD = event(0x200, 301, 300)
EXIT = event(0x8000_0000, 200, 200, 0, 17)
ACKNOWLEDGED = event(0x0, 0)


def heard(datagrams: Sequence[bytes], last: tuple[int, int | None]) -> list[tuple[int, int | None]]:
    """What is told of them, until the last one: on a socket pair, as the kernel tells the first namespace alone."""
    told: list[tuple[int, int | None]] = []

    async def main() -> None:
        done = asyncio.Event()

        def hear(pid: int, parent: int | None) -> None:
            told.append((pid, parent))
            if told[-1] == last:
                done.set()

        kernel, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.setblocking(False)
        events = ProcessEvents(asyncio.get_running_loop(), ours, hear, lambda: None)
        with kernel:
            for datagram in datagrams:
                kernel.send(datagram)
            await done.wait()
            events.close()

    run(main())
    return told


def test_the_kernel_filters_what_is_no_beginning() -> None:
    datagrams = (ACKNOWLEDGED, FORK, THREAD, EXEC, EXIT, b"short", COMM_OF_A_THREAD, COMM)
    assert heard(datagrams, (300, None)) == [(200, 100), (200, None), (300, None)]


def test_what_was_captured_from_a_kernel_is_understood() -> None:
    """Linux 6.18: a shell that forked, its child that executed `true`."""
    fork = bytes.fromhex(
        "4c00000003000000010000000000000001000000010000000100000000000000280000000100000001000000eca780615501"
        "00006c7000006c70000096700000967000000000000000000000"
    )
    execute = bytes.fromhex(
        "4c00000003000000020000000000000001000000010000000200000000000000280000000200000001000000373fa8615501"
        "00009670000096700000000000000000000000000000000000"
    )
    assert heard((fork, execute), (0x7096, None)) == [(0x7096, 0x706C), (0x7096, None)]


def test_in_another_network_namespace_the_kernel_does_not_tell() -> None:
    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            ProcessEvents.open(asyncio.get_running_loop(), lambda *_: None, lambda: None)

    run(main())


def test_the_signal_that_ends_it_does_not_matter(program: Path) -> None:
    async def main() -> None:
        async with counting(named(program)) as counter:
            with running(program, "60") as process:
                await counter.until("it", 1)
                process.send_signal(signal.SIGSEGV)
                await counter.until("it", 0)

    run(main())
