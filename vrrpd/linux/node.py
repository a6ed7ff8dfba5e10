"""This machine, for the configuration reader: interfaces, users, programs."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import stat
from pathlib import Path

from vrrpd.model import User

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""systemd's PATH for services: `vrrpd check` in any shell finds the program that the daemon will run."""

DEFAULT_USER = "keepalived_script"
_SHEBANG_BYTES = 256
"""The kernel reads this much of a first line (BINPRM_BUF_SIZE)."""


class ThisNode:
    """The machine we run on."""

    def __init__(self, search_path: str = SEARCH_PATH) -> None:
        self._search_path = search_path.split(":")

    def has_interface(self, name: str) -> bool:
        try:
            socket.if_nametoindex(name)
        except (OSError, ValueError):  # ValueError: a NUL in the name
            return False
        return True

    def find_program(self, name: str) -> str | None:
        for directory in self._search_path:
            program = Path(directory) / name
            if program.is_file() and os.access(program, os.X_OK):
                return str(program)
        return None

    def user(self, name: str, group: str | None) -> User | None:
        try:
            entry = pwd.getpwnam(name)
            gid = entry.pw_gid if group is None else grp.getgrnam(group).gr_gid
        except (KeyError, ValueError):  # ValueError: a NUL in the name
            return None
        return User(name, entry.pw_uid, gid)

    def script_user(self) -> User | None:
        return self.user(DEFAULT_USER, None)

    def why_not_executable(self, program: str, user: User | None) -> str | None:
        try:
            status = Path(program).stat()
        except ValueError:
            return "the name holds a NUL character"
        except OSError as error:
            return (error.strerror or "it cannot be examined").lower()
        if not stat.S_ISREG(status.st_mode):
            return "it is not a regular file"
        if not _may_execute(status, user):
            who = f" for user {user.name}" if user else ""
            return f"it is not executable{who}: its mode is {stat.S_IMODE(status.st_mode):04o}"
        return _what_is_wrong_with_its_beginning(program)


def _may_execute(status: os.stat_result, user: User | None) -> bool:
    """By mode bits; supplementary groups are not set for scripts, so they do not count."""
    uid, gid = (user.uid, user.gid) if user else (os.geteuid(), os.getegid())
    if uid == 0:
        return bool(status.st_mode & 0o111)
    if uid == status.st_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    return bool(status.st_mode & (stat.S_IXGRP if gid == status.st_gid else stat.S_IXOTH))


def _what_is_wrong_with_its_beginning(program: str) -> str | None:
    try:
        with Path(program).open("rb") as file:
            beginning = file.read(_SHEBANG_BYTES)
    except OSError:  # executable but not readable, or changed meanwhile: the kernel will tell
        return None
    if beginning.startswith(b"\x7fELF"):
        return None
    if not beginning.startswith(b"#!"):
        return "it is neither a program nor does its first line begin with #!"
    first_line = beginning.split(b"\n", 1)[0]
    if first_line.endswith(b"\r"):
        return "its first line ends in a carriage return (Windows line ends)"
    words = first_line[2:].split()
    if not words:
        return "its #! line names no interpreter"
    interpreter = os.fsdecode(words[0])
    if not os.access(interpreter, os.X_OK):
        return f"its interpreter {interpreter} does not exist or is not executable"
    return None
