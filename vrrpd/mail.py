"""Mail about changes of state, as keepalived's smtp_alert asks for it: written here, sent by a thread.

A server that is slow or away costs the thread its time and nobody else theirs. What it cannot take in three tries is
lost, counted and logged.
"""

from __future__ import annotations

import asyncio
import queue
import smtplib
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, TypeAlias

from structlog.typing import FilteringBoundLogger

from vrrpd.model import SECOND, Duration, Mail
from vrrpd.telling import Kind, Told, Word

Json: TypeAlias = dict[str, Any]

WAITING_MAX = 64
PAUSES_S = (0.0, 5.0, 30.0)
"""Before each try."""
_HAPPENED = {
    Word.MASTER: "Entering MASTER state",
    Word.BACKUP: "Entering BACKUP state",
    Word.FAULT: "Entering FAULT state",
    Word.STOP: "Stopping",
}
"""In keepalived's words: people sort their mail by them."""
_OF = {Kind.INSTANCE: "VRRP Instance", Kind.GROUP: "VRRP Group"}


def is_wanted(told: Told, mail: Mail) -> bool:
    """Somebody wants a letter about it, and there is a way to send it."""
    wanted = told.notification.mails and not told.is_repeated and told.word in _HAPPENED
    return wanted and bool(mail.server and mail.recipients) and (mail.tells_faults or told.word is not Word.FAULT)


def letter(told: Told, mail: Mail, router_id: str | None, host: str) -> EmailMessage:
    """What is sent. ValueError or MessageError when a name or an address cannot stand in a header."""
    message = EmailMessage()
    message["Date"] = formatdate(localtime=True)
    message["From"] = mail.sender or f"keepalived@{host}"
    message["To"] = ", ".join(mail.recipients)
    message["Subject"] = f"[{router_id or host}] {_OF[told.kind]} {told.name} - {_HAPPENED[told.word]}"
    message["X-Mailer"] = "vrrpd"
    old = "" if told.old is None else f", and was {told.old}"
    why = f": {told.why.words}" if told.why.words else ""
    message.set_content(f"{told.name} on {host} is now {told.word}{old}{why}\n")
    message.as_bytes()  # A header that cannot be written fails here, and not in the thread.
    return message


@dataclass(frozen=True, slots=True)
class _Errand:
    message: EmailMessage
    mail: Mail


class Postman:
    """Belongs to the main thread, but for what its own thread does."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, log: FilteringBoundLogger, *, pauses_s: tuple[float, ...] = PAUSES_S
    ) -> None:
        self._pauses_s = pauses_s
        self.sent = 0
        self.lost = 0
        self._loop = loop
        self._log = log
        self._mail = Mail()
        self._router_id: str | None = None
        self._host = socket.gethostname()
        self._errands: queue.Queue[_Errand] = queue.Queue(WAITING_MAX)
        self._left = 0
        self._thread: threading.Thread | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def configure(self, mail: Mail, router_id: str | None) -> None:
        """From now on so, and to these."""
        self._mail, self._router_id = mail, router_id

    def send(self, told: Told) -> None:
        """Soon, if anybody wants it. Never blocks."""
        if not is_wanted(told, self._mail):
            return
        try:
            self._errands.put_nowait(_Errand(letter(told, self._mail, self._router_id, self._host), self._mail))
        except queue.Full:
            self._lose(told.name, "too many wait")
            return
        except (ValueError, MessageError) as error:
            self._lose(told.name, str(error))
            return
        self._left += 1
        self._idle.clear()
        if self._thread is None:
            # It must not keep the process alive: a connection may take as long as it likes.
            self._thread = threading.Thread(target=self._work, name="mail", daemon=True)
            self._thread.start()

    async def finish(self, limit: Duration) -> None:
        """Until nothing is left to send, at most so long."""
        try:
            async with asyncio.timeout(limit / SECOND):
                await self._idle.wait()
        except TimeoutError:
            self._log.warning("mail not sent", left=self._left)

    def status(self) -> Json:
        """How much has been sent, waits, and is lost."""
        return {"sent": self.sent, "waiting": self._left, "lost": self.lost}

    def _lose(self, what: str, why: str) -> None:
        self.lost += 1
        self._log.warning("mail lost", about=what, error=why, lost=self.lost)

    def _delivered(self, problem: str, subject: str) -> None:
        self._left -= 1
        if problem:
            self._lose(subject, problem)
        else:
            self.sent += 1
            self._log.info("mail sent", about=subject)
        if not self._left:
            self._idle.set()

    # --- the thread ---

    def _work(self) -> None:
        while True:
            errand = self._errands.get()
            problem = ""
            for pause in self._pauses_s:
                time.sleep(pause)
                problem = _deliver(errand)
                if not problem:
                    break
            try:
                self._loop.call_soon_threadsafe(self._delivered, problem, str(errand.message["Subject"]))
            except RuntimeError:  # the loop is closed: the daemon has ended
                return


def _deliver(errand: _Errand) -> str:
    """What was wrong; empty: nothing."""
    mail = errand.mail
    timeout = mail.connect_timeout / SECOND
    try:
        server = smtplib.SMTP(mail.server or "", mail.port, local_hostname=mail.helo, timeout=timeout)
        try:
            refused = server.send_message(errand.message)
        finally:
            with suppress(OSError):  # What it says to a farewell changes nothing.
                server.quit()
    except (OSError, ValueError) as error:  # smtplib's own are OSErrors
        return f"{mail.server}:{mail.port}: {error}"
    return f"{mail.server} refused {', '.join(refused)}" if refused else ""
