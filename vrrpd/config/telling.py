"""Whom a change is told: the notify_ keywords of routers and groups, and the FIFOs and scripts of `global_defs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vrrpd.config.commands import CommandDraft, ScriptPolicy, finish_command, named_user, read_command
from vrrpd.config.fields import truth
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Keyword, Reader, Reading, switch, value
from vrrpd.model import Command, Fifo, Notification, User


@dataclass(slots=True)
class NotificationDraft:
    """What a router or a group says of it."""

    commands: dict[str, CommandDraft] = field(default_factory=dict)
    """By keyword."""
    tells_deletion: bool = False
    mails: bool | None = None
    tells_priority: bool | None = None

    def finished(self, policy: ScriptPolicy, mails: bool, to: Reading) -> Notification:
        """With programs found and users looked up; `mails` is what global_defs says."""
        found = {name: finish_command(draft, policy, to) for name, draft in self.commands.items()}
        return Notification(
            on_change=found.get("notify"),
            on_master=found.get("notify_master"),
            on_backup=found.get("notify_backup"),
            on_fault=found.get("notify_fault"),
            on_stop=found.get("notify_stop"),
            on_deleted=found.get("notify_deleted"),
            tells_deletion=self.tells_deletion,
            on_lower_priority=found.get("notify_master_rx_lower_pri"),
            mails=mails if self.mails is None else self.mails,
            tells_priority=self.tells_priority,
        )


def _command(draft: NotificationDraft, line: Statement, to: Reading) -> None:
    """The first of a kind counts."""
    if line.keyword in draft.commands:
        to.warning(line, "duplicate-keyword", f"a second {line.keyword}: the first one counts, as in keepalived")
        return
    command = read_command(line, line.keyword, to)
    if command is not None:
        draft.commands[line.keyword] = command


def _deleted(draft: NotificationDraft, line: Statement, to: Reading) -> None:
    """With or without a command."""
    draft.tells_deletion = True
    if line.values:
        _command(draft, line, to)


OF_GROUPS: Mapping[str, Keyword[Any]] = {
    **dict.fromkeys(
        ("notify_master", "notify_backup", "notify_fault"),
        value(1, _command, most=None, note="COMMAND [USER [GROUP]]"),
    ),
    "notify_stop": value(2, _command, most=None, note="COMMAND [USER [GROUP]]"),
    "notify": value(1, _command, most=None, note="COMMAND [USER [GROUP]], and four more arguments"),
    "smtp_alert": switch(2, truth("mails")),
    "notify_priority_changes": switch(4, truth("tells_priority")),
}
OF_ROUTERS: Mapping[str, Keyword[Any]] = {
    **OF_GROUPS,
    "notify_deleted": value(4, _deleted, most=None, least=0, note="[COMMAND [USER [GROUP]]]"),
    "notify_master_rx_lower_pri": value(4, _command, most=None, note="COMMAND [USER [GROUP]]"),
}


@dataclass(slots=True)
class FifoDraft:
    """A FIFO and its reader, which stand on lines of their own."""

    path: Word | None = None
    user: tuple[Word, ...] = ()
    reader: CommandDraft | None = None

    def finished(self, policy: ScriptPolicy, to: Reading) -> Fifo | None:
        """None without a path, or with a user that is not there."""
        if self.path is None:
            return None
        user: User | None = None
        if self.user:
            user = named_user(self.user, to.node)
            if user is None:
                whom = " ".join(word.text for word in self.user)
                to.warning(self.path, "unknown-user", f"there is no user or group {whom}: the FIFO is not written")
                return None
        return Fifo(self.path.text, user, finished(self.reader, policy, to))


def finished(draft: CommandDraft | None, policy: ScriptPolicy, to: Reading) -> Command | None:
    """A command that may not have been written."""
    return None if draft is None else finish_command(draft, policy, to)


def fifo_path(name: str) -> Reader[Any]:
    """`PATH [USER [GROUP]]`, into the FifoDraft of that field."""

    def read(draft: Any, line: Statement, to: Reading) -> None:
        fifo: FifoDraft = getattr(draft, name)
        path, *user = line.values
        if fifo.path is not None:
            to.warning(line, "duplicate-keyword", f"a second {line.keyword}: {quoted(fifo.path)} counts")
            return
        fifo.path, fifo.user = path, tuple(user)

    return read


def fifo_reader(name: str) -> Reader[Any]:
    """`COMMAND [USER [GROUP]]`, into the FifoDraft of that field."""

    def read(draft: Any, line: Statement, to: Reading) -> None:
        fifo: FifoDraft = getattr(draft, name)
        if fifo.reader is not None:
            to.warning(line, "duplicate-keyword", f"a second {line.keyword}: the first one counts")
            return
        fifo.reader = read_command(line, line.keyword, to)

    return read


def command(name: str) -> Reader[Any]:
    """`COMMAND [USER [GROUP]]`, into that field; the first counts."""

    def read(draft: Any, line: Statement, to: Reading) -> None:
        if getattr(draft, name) is not None:
            to.warning(line, "duplicate-keyword", f"a second {line.keyword}: the first one counts")
            return
        setattr(draft, name, read_command(line, line.keyword, to))

    return read
