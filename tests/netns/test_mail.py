"""Mail, against a small real SMTP server on the loopback of the test's own namespace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from lan import run

from vrrpd.mail import WAITING_MAX, Postman
from vrrpd.model import MILLISECOND, SECOND, Mail, Notification
from vrrpd.states import Reason, Why
from vrrpd.telling import Kind, Told, Word

WHY = Why(Reason.MASTER_SILENT, "nobody advertised for 3.61 s")
MAILS = Notification(mails=True)


class Server:
    """Takes letters, and answers a farewell wrongly. Silent: it never answers."""

    def __init__(self) -> None:
        self.letters: list[tuple[list[str], str]] = []
        """Envelope, content."""
        self.connections: list[asyncio.StreamWriter] = []
        self.silent = False
        self.refuses = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        if self.silent:
            await reader.read()
            return
        envelope: list[str] = []
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip():
            word = line.partition(" ")[0].upper()
            if word in {"MAIL", "RCPT", "HELO", "EHLO"}:
                envelope.append(line.partition(" SIZE")[0].partition(" size")[0])
            if word == "DATA":
                writer.write(b"354 go on\r\n")
                content = (await reader.readuntil(b"\r\n.\r\n")).decode()
                self.letters.append((envelope, content.replace("\r\n", "\n")))
            writer.write(b"550 no\r\n" if self.refuses and word == "RCPT" else b"250 well\r\n")
            if word == "QUIT":
                break
        writer.close()


@asynccontextmanager
async def server() -> AsyncIterator[tuple[Server, int]]:
    one = Server()
    listening = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    try:
        yield one, listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for connection in one.connections:
            connection.transport.abort()
        await asyncio.sleep(0)


def postman(port: int, **changes: object) -> Postman:
    values: dict[str, object] = {
        "recipients": ("ops@example.org", "Second <second@example.org>"),
        "sender": "lb1@example.org",
        "server": "127.0.0.1",
        "port": port,
        "helo": "lb1.example.org",
    }
    one = Postman(asyncio.get_running_loop(), structlog.get_logger())
    one.configure(Mail(**(values | changes)), "lb1")  # type: ignore[arg-type]
    return one


def told(word: Word = Word.MASTER, kind: Kind = Kind.INSTANCE, notification: Notification = MAILS) -> Told:
    return Told(kind, "R1" if kind is Kind.INSTANCE else "G", word, 100, WHY, Word.BACKUP, notification=notification)


def test_a_letter_is_in_keepalived_s_words_and_says_why() -> None:
    async def main() -> None:
        async with server() as (one, port):
            writes = postman(port)
            writes.send(told())
            await writes.finish(10 * SECOND)
            ((envelope, content),) = one.letters
            assert envelope == [
                "ehlo lb1.example.org",
                "mail FROM:<lb1@example.org>",
                "rcpt TO:<ops@example.org>",
                "rcpt TO:<second@example.org>",
            ]
            head, _, body = content.partition("\n\n")
            headers = dict(line.split(": ", 1) for line in head.splitlines())
            assert headers["From"] == "lb1@example.org"
            assert headers["To"] == "ops@example.org, Second <second@example.org>"
            assert headers["Subject"] == "[lb1] VRRP Instance R1 - Entering MASTER state"
            assert headers["X-Mailer"] == "vrrpd"
            assert "is now MASTER, and was BACKUP: nobody advertised for 3.61 s" in body
            assert writes.status() == {"sent": 1, "waiting": 0, "lost": 0}

    run(main())


def test_subjects_of_the_other_states_and_of_groups() -> None:
    async def main() -> None:
        async with server() as (one, port):
            writes = postman(port)
            for one_told in (told(Word.BACKUP), told(Word.FAULT), told(Word.STOP), told(Word.MASTER, Kind.GROUP)):
                writes.send(one_told)
            await writes.finish(10 * SECOND)
            subjects = [
                line for _, content in one.letters for line in content.splitlines() if line.startswith("Subject: ")
            ]
            assert subjects == [
                "Subject: [lb1] VRRP Instance R1 - Entering BACKUP state",
                "Subject: [lb1] VRRP Instance R1 - Entering FAULT state",
                "Subject: [lb1] VRRP Instance R1 - Stopping",
                "Subject: [lb1] VRRP Group G - Entering MASTER state",
            ]

    run(main())


def test_nothing_is_sent_that_nobody_wants() -> None:
    async def main() -> None:
        async with server() as (one, port):
            writes = postman(port)
            writes.send(told(notification=Notification()))
            writes.send(told(Word.MASTER_RX_LOWER_PRI))
            writes.configure(Mail(recipients=("a@example.org",)), None)
            writes.send(told())
            writes.configure(
                Mail(recipients=("a@example.org",), server="127.0.0.1", port=port, tells_faults=False), None
            )
            writes.send(told(Word.FAULT))
            await writes.finish(10 * SECOND)
            assert one.letters == []
            assert writes.status() == {"sent": 0, "waiting": 0, "lost": 0}

    run(main())


def test_a_server_that_never_answers_holds_nobody_up() -> None:
    async def main() -> None:
        async with server() as (one, port):
            one.silent = True
            writes = postman(port)
            for _ in range(WAITING_MAX + 10):
                writes.send(told())
            status = writes.status()
            assert status["waiting"] in {WAITING_MAX, WAITING_MAX + 1}, "the thread may have taken one already"
            assert status["waiting"] + status["lost"] == WAITING_MAX + 10
            await writes.finish(50 * MILLISECOND)
            assert writes.status()["sent"] == 0

    run(main())


def test_a_letter_that_is_refused_is_lost_and_counted() -> None:
    async def main() -> None:
        async with server() as (one, port):
            one.refuses = True
            writes = Postman(asyncio.get_running_loop(), structlog.get_logger(), pauses_s=(0.0, 0.01))
            writes.configure(Mail(("a@example.org",), "lb1@example.org", "127.0.0.1", port), "lb1")
            writes.send(told())
            await writes.finish(10 * SECOND)
            assert writes.status() == {"sent": 0, "waiting": 0, "lost": 1}

    run(main())


def test_a_name_that_cannot_stand_in_a_header_loses_its_letter_and_no_more() -> None:
    async def main() -> None:
        async with server() as (one, port):
            writes = postman(port)
            writes.send(Told(Kind.INSTANCE, "R\n1", Word.MASTER, 100, WHY, notification=MAILS))
            writes.send(told())
            await writes.finish(10 * SECOND)
            assert len(one.letters) == 1
            assert writes.status() == {"sent": 1, "waiting": 0, "lost": 1}

    run(main())
