from __future__ import annotations

import asyncio
import os
import select
import selectors
import time
from contextlib import closing

from vrrpd.linux.loop import PreciseSelector, new_loop


def test_a_timer_never_fires_early() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        early: list[float] = []
        rang = asyncio.Event()

        def ring(due: float, left: int) -> None:
            early.append(due - loop.time())
            if left == 0:
                rang.set()
                return
            at = loop.time() + 0.000137
            loop.call_at(at, ring, at, left - 1)

        loop.call_soon(ring, loop.time(), 300)
        await rang.wait()
        return early

    with asyncio.Runner(loop_factory=new_loop) as runner:
        early = runner.run(main())
    assert len(early) == 301
    assert max(early) <= 0


def test_what_is_readable_wakes_before_the_timeout_and_the_timer_after_it_is_not_an_event() -> None:
    with closing(PreciseSelector()) as selector:
        reader, writer = os.pipe()
        selector.register(reader, selectors.EVENT_READ, "data")
        os.write(writer, b"x")
        started_at = time.monotonic()
        assert [(key.data, mask) for key, mask in selector.select(60)] == [("data", selectors.EVENT_READ)]
        assert time.monotonic() - started_at < 30
        os.read(reader, 1)
        assert selector.select(0) == []
        assert selector.select(-1) == []

        before = time.monotonic_ns()
        assert selector.select(0.0021) == []
        assert time.monotonic_ns() - before >= 2_100_000
        # It has rung and was heard: a select without a timeout would wait.
        assert select.select([selector.fileno()], [], [], 0) == ([], [], [])
        os.close(reader)
        os.close(writer)


def test_a_closed_loop_gives_its_descriptors_back() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  counts, opens nothing else

    before = descriptors()
    for _ in range(5):
        new_loop().close()
    assert descriptors() == before
