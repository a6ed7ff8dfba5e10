"""`python -m vrrpd.lab.web ADDRESS TEXT COMM`: a web server that answers every request with TEXT.

It calls its process COMM once it listens, so that it can stand in for HAProxy before `killall -0 haproxy`.
"""
# ruff: noqa: T201 - a program prints

import asyncio
import sys
from pathlib import Path


def _take_name(comm: str) -> None:
    Path("/proc/self/comm").write_text(comm, encoding="ascii")


async def serve(address: str, text: str, comm: str) -> None:
    """Serve on port 80 for ever."""
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head.encode() + body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # a health check connects and says nothing
        finally:
            writer.close()

    server = await asyncio.start_server(answer, address, 80)
    _take_name(comm)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
