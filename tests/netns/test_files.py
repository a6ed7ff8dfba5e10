"""Tracked files on a real file system: what is read, when, and what is not."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lan import capturing_log, run
from structlog.typing import EventDict

from vrrpd.linux.files import InotifyFiles, number
from vrrpd.model import TrackedFile


@dataclass
class Watcher:
    """What was told, and a way to wait for more of it."""

    told: list[tuple[str, int]] = field(default_factory=list)
    logged: list[EventDict] = field(default_factory=list)
    under_test: Any = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, file: TrackedFile, value: int) -> None:
        self.told.append((file.name, value))
        self._news.set()

    async def until(self, *values: int) -> None:
        """These have been told, in this order, and nothing else since the last time."""
        while len(self.told) < len(values):
            self._news.clear()
            await self._news.wait()
        assert [value for _, value in self.told] == list(values)
        self.told.clear()


@asynccontextmanager
async def watching(*files: TrackedFile) -> AsyncIterator[Watcher]:
    watcher = Watcher()
    log, watcher.logged = capturing_log()
    watcher.under_test = InotifyFiles(asyncio.get_running_loop(), watcher.hear, log)
    watcher.under_test.watch(files)
    try:
        yield watcher
    finally:
        watcher.under_test.close()


def tracked(path: Path, **changes: Any) -> TrackedFile:
    return TrackedFile("maintenance", str(path), **changes)


def story(path: Path, values: Sequence[int], *steps: Callable[[], object]) -> None:
    """The first value is there at once, each step makes the next one."""

    async def main() -> None:
        async with watching(tracked(path)) as watcher:
            await watcher.until(values[0])
            for step, value in zip(steps, values[1:], strict=True):
                step()
                await watcher.until(value)

    run(main())


# What C's strtol makes of it, with base 0 (checked with keepalived's source: garbage, or nothing, is 0).
@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"", 0),
        (b"5\n", 5),
        (b"  \t\n 7", 7),
        (b"-12", -12),
        (b"+3", 3),
        (b"0x1F", 31),
        (b"0X1f", 31),
        (b"-0x10", -16),
        (b"010", 8),
        (b"08", 0),
        (b"0x", 0),
        (b"0", 0),
        (b"12abc", 12),
        (b"1_000", 1),
        (b"\xd9\xa1", 0),
        (b"on", 0),
        (b"- 5", 0),
        (b"--5", 0),
        (b"2147483647", 2147483647),
        (b"-2147483648", -2147483648),
        (b"2147483648", None),
        (b"9" * 100, None),
    ],
)
def test_a_number_is_read_as_strtol_reads_it(content: bytes, value: int | None) -> None:
    assert number(content) == value


def test_a_file_that_is_written_is_read_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "maintenance"
    path.write_text("1")

    async def main() -> None:
        async with watching(tracked(path)) as watcher:
            await watcher.until(1)
            with path.open("w") as half_written:
                half_written.write("25")
                half_written.flush()
                await asyncio.sleep(0)
                half_written.write("0")
            await watcher.until(250)

    run(main())


def test_a_file_comes_changes_is_replaced_and_goes(tmp_path: Path) -> None:
    path, other = tmp_path / "maintenance", tmp_path / "new"
    other.write_text("30")
    story(
        path,
        (0, 10, 20, 30, 0, 5),
        lambda: path.write_text("10\n"),
        lambda: path.write_text("20\n"),
        lambda: other.rename(path),
        path.unlink,
        lambda: path.symlink_to(_file(tmp_path / "target", "5")),
    )


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_directory_that_is_removed_and_made_anew_is_watched_again(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    path = directory / "maintenance"

    def remove() -> None:
        path.unlink()
        directory.rmdir()

    def make() -> None:
        directory.mkdir()
        path.write_text("7")

    story(path, (0, 7, 0, 7, 8), make, remove, make, lambda: path.write_text("8"))


def test_a_directory_that_another_takes_the_place_of_is_watched_there(tmp_path: Path) -> None:
    for name, value in (("old", "1"), ("new", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "maintenance").write_text(value)
    here = tmp_path / "here"
    (tmp_path / "old").rename(here)

    def swap() -> None:
        here.rename(tmp_path / "old")
        (tmp_path / "new").rename(here)

    story(here / "maintenance", (1, 2, 3), swap, lambda: (here / "maintenance").write_text("3"))


def test_a_link_that_is_turned_to_another_directory_is_followed(tmp_path: Path) -> None:
    """As Kubernetes replaces what it mounts."""
    for name, value in (("a", "1"), ("b", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "maintenance").write_text(value)
    link = tmp_path / "current"
    link.symlink_to("a")

    def turn() -> None:
        (tmp_path / "next").symlink_to("b")
        (tmp_path / "next").rename(link)

    story(link / "maintenance", (1, 2, 3), turn, lambda: (tmp_path / "b" / "maintenance").write_text("3"))


def test_what_is_mounted_over_a_directory_counts(tmp_path: Path) -> None:
    path = tmp_path / "maintenance"
    path.write_text("1")

    def mount() -> None:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], check=True)

    def unmount() -> None:
        subprocess.run(["umount", tmp_path], check=True)

    story(path, (1, 0, 4, 1), mount, lambda: path.write_text("4"), unmount)


def test_other_files_of_the_directory_are_of_no_interest(tmp_path: Path) -> None:
    path = tmp_path / "maintenance"

    async def main() -> None:
        async with watching(tracked(path)) as watcher:
            await watcher.until(0)
            for n in range(200):
                (tmp_path / f"noise{n}").write_text("9")
            path.write_text("1")
            await watcher.until(1)

    run(main())


def test_many_changes_between_two_turns_are_read_once(tmp_path: Path) -> None:
    path = tmp_path / "maintenance"

    async def main() -> None:
        async with watching(tracked(path)) as watcher:
            await watcher.until(0)
            for value in range(1, 101):
                path.write_text(str(value))
            await watcher.until(100)

    run(main())


def test_what_cannot_be_read_counts_as_0_and_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "maintenance"
    path.mkdir()

    async def main() -> None:
        async with watching(tracked(path)) as watcher:
            await watcher.until(0)
            path.rmdir()
            path.write_text("1")
            await watcher.until(1)
            assert [line["error"] for line in watcher.logged] == ["Is a directory"]

    run(main())


def test_a_number_beyond_32_bits_leaves_what_was(tmp_path: Path) -> None:
    path = tmp_path / "maintenance"
    path.write_text("5")

    async def main() -> None:
        async with watching(tracked(path)) as watcher:
            await watcher.until(5)
            path.write_text("99999999999")
            path.write_text("6")
            await watcher.until(6)

    run(main())


def test_a_pipe_in_its_place_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "maintenance"
    os.mkfifo(path)
    story(path, (0,))


def test_two_files_of_one_directory_are_two(tmp_path: Path) -> None:
    one, two = (TrackedFile(name, str(tmp_path / name)) for name in ("one", "two"))

    async def main() -> None:
        async with watching(one, two) as watcher:
            await watcher.until(0, 0)
            (tmp_path / "two").write_text("2")
            await watcher.until(2)
            watcher.under_test.watch([two])
            await watcher.until(2)
            (tmp_path / "one").write_text("1")
            (tmp_path / "two").write_text("3")
            await watcher.until(3)

    run(main())


def test_init_file_is_written_where_there_is_none_and_overwrites_at_the_start_only(tmp_path: Path) -> None:
    absent, there, overwritten = (tmp_path / name for name in ("absent", "there", "overwritten"))
    there.write_text("1")
    overwritten.write_text("1")
    files = (
        tracked(absent, initial=50),
        tracked(there, initial=50),
        tracked(overwritten, initial=50, overwrites=True),
    )

    async def main() -> None:
        async with watching(*files) as watcher:
            await watcher.until(50, 1, 50)
            assert absent.read_text() == "50\n"
            absent.unlink()
            overwritten.write_text("2")
            watcher.told.clear()
            watcher.under_test.watch(files)
            await watcher.until(50, 1, 2)

    run(main())


def test_an_init_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    precious, trap = _file(tmp_path / "precious", "text"), tmp_path / "link"
    trap.symlink_to(precious)
    files = (tracked(trap, initial=1, overwrites=True), tracked(tmp_path / "no/dir", initial=1))

    async def main() -> None:
        async with watching(*files) as watcher:
            errors = [line["error"] for line in watcher.logged]
            assert errors == ["Too many levels of symbolic links", "No such file or directory"]

    run(main())
    assert precious.read_text() == "text"


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_watching_again_and_again_leaves_no_descriptor_open(tmp_path: Path) -> None:
    async def main() -> None:
        async with watching(tracked(tmp_path / "maintenance")) as watcher:
            before = open_descriptors()
            for _ in range(50):
                watcher.under_test.watch([tracked(tmp_path / "maintenance")])
            assert open_descriptors() == before

    run(main())
