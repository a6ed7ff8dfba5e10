"""Named pipes and their readers: whole lines in order, readers started again, nothing lost unseen."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from lan import run

from vrrpd.linux import fifos
from vrrpd.linux.children import Children
from vrrpd.linux.fifos import NamedPipes
from vrrpd.model import Command, Fifo, Telling

COPIES = (
    'trap "echo TERM >>$0.out; exit 0" TERM; while :; do while read -r line; do echo "$line" >>$0.out; done <$0; done'
)


@asynccontextmanager
async def pipes(fifo: Fifo) -> AsyncIterator[NamedPipes]:
    loop = asyncio.get_running_loop()
    children = Children(loop)
    under_test = NamedPipes(loop, children, structlog.get_logger())
    under_test.configure(Telling(fifo))
    try:
        yield under_test
    finally:
        await under_test.finish()
        children.stop()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110  a file does not say that it was written
            await asyncio.sleep(0.005)


def reader(path: Path, line: str = COPIES) -> Fifo:
    """It writes what it reads into PATH.out."""
    return Fifo(str(path), reader=Command(("/bin/bash", "-c", line)))


def text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def read(path: Path, size: int = 100_000) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(descriptor, size)
    except BlockingIOError:
        return b""
    finally:
        os.close(descriptor)


def test_lines_are_there_for_whoever_reads_later(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "fifo"
        async with pipes(Fifo(str(path))) as under_test:
            under_test.write('INSTANCE "R1" BACKUP 100\n')
            under_test.write('INSTANCE "R1" MASTER 100\n')
            assert read(path) == b'INSTANCE "R1" BACKUP 100\nINSTANCE "R1" MASTER 100\n'
            assert path.stat().st_mode & 0o777 == 0o600
        assert not path.exists(), "who made it removes it"

    run(main())


def test_a_fifo_that_was_there_is_used_and_left(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "fifo"
        os.mkfifo(path)
        async with pipes(Fifo(str(path))) as under_test:
            under_test.write("x\n")
            assert read(path) == b"x\n"
        assert path.is_fifo()

    run(main())


def test_what_is_no_fifo_is_not_written_into(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "file"
        path.write_text("precious")
        async with pipes(Fifo(str(path))) as under_test:
            under_test.write("x\n")
            assert under_test.status() == []
        assert path.read_text() == "precious"

    run(main())


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    async def main() -> None:
        os.mkfifo(tmp_path / "real")
        (tmp_path / "fifo").symlink_to(tmp_path / "real")
        async with pipes(Fifo(str(tmp_path / "fifo"))) as under_test:
            assert under_test.status() == []

    run(main())


def test_a_reader_gets_the_path_reads_the_last_line_and_is_ended_then(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "fifo"
        async with pipes(reader(path)) as under_test:
            under_test.write('INSTANCE "R1" BACKUP 100\n')
            await until(lambda: "BACKUP" in text(tmp_path / "fifo.out"))
            under_test.write('INSTANCE "R1" STOP 100\n')
        lines = text(tmp_path / "fifo.out").splitlines()
        assert lines == ['INSTANCE "R1" BACKUP 100', 'INSTANCE "R1" STOP 100', "TERM"]

    run(main())


def test_a_full_pipe_keeps_lines_waiting_in_order(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "fifo"
        lines = [f'INSTANCE "{"x" * 100}" BACKUP {n}\n' for n in range(1000)]
        async with pipes(Fifo(str(path))) as under_test:
            for line in lines:
                under_test.write(line)
            (status,) = under_test.status()
            assert status["waiting"] > 0
            got = b""
            while len(got) < len("".join(lines)):
                got += read(path)
                await asyncio.sleep(0)
            assert got.decode() == "".join(lines)
            (status,) = under_test.status()
            assert (status["lines"], status["waiting"], status["lost"]) == (1000, 0, 0)

    run(main())


def test_what_nobody_reads_is_bounded_and_counted(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "fifo"
        async with pipes(Fifo(str(path))) as under_test:
            for n in range(5000):
                under_test.write(f'INSTANCE "{"x" * 100}" BACKUP {n}\n')
            (status,) = under_test.status()
            assert status["waiting"] == 1024
            assert status["lost"] == 5000 - 1024 - read(path).count(b"\n")
            await until(lambda: bool(under_test.status()[0]["waiting"] < 1024))
            rest = b""
            while under_test.status()[0]["waiting"]:
                rest += read(path)
                await asyncio.sleep(0)
            rest += read(path)
            assert rest.endswith(b"BACKUP 4999\n")

    run(main())


def test_a_reader_that_dies_is_started_again_and_finds_what_was_written_meanwhile(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "fifo"
        async with pipes(reader(path)) as under_test:
            under_test.write("one\n")
            await until(lambda: text(tmp_path / "fifo.out") == "one\n")
            os.kill(under_test.status()[0]["reader"]["pid"], signal.SIGKILL)
            await until(lambda: under_test.status()[0]["reader"]["pid"] is None)
            under_test.write("two\n")
            await until(lambda: text(tmp_path / "fifo.out") == "one\ntwo\n")
            assert under_test.status()[0]["reader"]["restarts"] == 1

    run(main())


def test_a_reader_that_cannot_be_started_is_tried_again_more_and_more_rarely(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "fifo"
        program = tmp_path / "reader"
        async with pipes(Fifo(str(path), reader=Command((str(program),)))) as under_test:
            under_test.write("one\n")
            await until(lambda: under_test.status()[0]["reader"]["restarts"] == 1)
            program.write_text(f"#!/bin/bash\nread -r line <$1; echo $line >{tmp_path}/out; exec sleep 60\n")
            program.chmod(0o755)
            await until(lambda: text(tmp_path / "out") == "one\n")

    run(main())


def test_a_reader_that_hangs_is_started_again(tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        children = Children(loop)
        under_test = NamedPipes(loop, children, structlog.get_logger(), hangs_after=fifos.HANGS_AFTER // 600)
        under_test.configure(Telling(reader(tmp_path / "fifo", "exec sleep 1000")))
        first = under_test.status()[0]["reader"]["pid"]
        under_test.write("one\n")
        await until(lambda: under_test.status()[0]["reader"]["restarts"] == 1)
        await until(lambda: under_test.status()[0]["reader"]["pid"] not in {None, first})
        await under_test.finish()
        children.stop()

    run(main())


def test_a_reload_starts_another_reader_only_when_it_is_another_one(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "fifo"
        async with pipes(reader(path)) as under_test:
            first = under_test.status()[0]["reader"]["pid"]
            under_test.configure(Telling(router_fifo=reader(path)))
            assert under_test.status()[0]["reader"]["pid"] == first
            under_test.configure(Telling(reader(path, "exec sleep 1000")))
            assert under_test.status()[0]["reader"]["pid"] != first
            under_test.configure(Telling())
            assert under_test.status() == []
            assert not path.exists()

    run(main())
