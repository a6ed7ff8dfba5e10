"""The client: a new connection every 20 ms, whatever became of the earlier ones, and what it says of an outage.

`python -m vrrpd.lab.client ADDRESS` is the program that runs in the client's host and prints a JSON line for each
request; `Client` starts it and reads them.
"""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise

from vrrpd.lab.host import Host, Lines
from vrrpd.model import MILLISECOND, SECOND, Duration, Instant

EVERY: Duration = 20 * MILLISECOND
GIVEN_UP_AFTER: Duration = 500 * MILLISECOND

ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Request:
    """One connection with one request."""

    started: Instant
    """On the monotonic clock, which all hosts of a world share."""
    ended: Instant
    local_port: int
    """0 when no connection came about."""
    outcome: str
    """"answered" for status 200, else what the client got: "503", "refused", "no answer"."""

    @property
    def answered(self) -> bool:
        return self.outcome == ANSWERED


def longest_gap(requests: Iterable[Request], since: Instant, until: Instant) -> Duration:
    """The longest time between the starts of two answered requests, of the gaps that `since` to `until` touches.

    Where nothing was answered before, `since` begins the first gap; where nothing is any more, `until` ends the last.
    """
    starts = sorted(request.started for request in requests if request.answered and request.started < until)
    earlier = [start for start in starts if start <= since]
    later = starts[len(earlier) :]
    return max(after - before for before, after in pairwise([*(earlier[-1:] or [since]), *later, until]))


class Client:
    """The client program, running in a host."""

    def __init__(self, host: Host, address: str) -> None:
        log = f"requests-{address}.jsonl"
        self._lines = Lines(host.directory / log)
        self._process = host.start(sys.executable, "-m", "vrrpd.lab.client", address, log=log)

    def requests(self) -> list[Request]:
        """Those that ended since one asked last, in the order of their ends."""
        return [Request(**json.loads(line)) for line in self._lines.read()]

    def stop(self) -> None:
        self._process.kill()


async def _request(address: str) -> tuple[str, int]:
    reader, writer = await asyncio.open_connection(address, 80)
    port = writer.get_extra_info("sockname")[1]
    try:
        writer.write(f"GET / HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
        status = (await reader.read(-1)).split(b" ", 2)[1:2]
        return (ANSWERED if status == [b"200"] else b"".join(status).decode() or "closed", port)
    finally:
        writer.close()


async def _ask(address: str) -> None:
    started = time.monotonic_ns()
    port = 0
    try:
        async with asyncio.timeout(GIVEN_UP_AFTER / SECOND):
            outcome, port = await _request(address)
    except TimeoutError:
        outcome = "no answer"
    except ConnectionRefusedError:
        outcome = "refused"
    except OSError as error:
        outcome = error.strerror or str(error)
    print(json.dumps(asdict(Request(started, time.monotonic_ns(), port, outcome))), flush=True)


async def _ask_for_ever(address: str) -> None:
    loop = asyncio.get_running_loop()
    asking: set[asyncio.Task[None]] = set()
    start = loop.time()
    for n in range(sys.maxsize):
        await asyncio.sleep(start + n * EVERY / SECOND - loop.time())
        task = asyncio.create_task(_ask(address))
        asking.add(task)
        task.add_done_callback(asking.discard)


if __name__ == "__main__":
    asyncio.run(_ask_for_ever(*sys.argv[1:]))
