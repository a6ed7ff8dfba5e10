"""This machine, for the configuration reader: interfaces, users, programs."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from vrrpd.linux.standing import read_addresses
from vrrpd.model import IPInterface, User

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""systemd's PATH for services: `vrrpd check` in any shell finds the program that the daemon will run."""

DEFAULT_USER = "keepalived_script"
_SHEBANG_BYTES = 256
"""The kernel reads this much of a first line (BINPRM_BUF_SIZE)."""
_SCRIPT_BYTES = 64 << 10
_MOST_LINKS = 40
"""The kernel follows no more in one path."""


class ThisNode:
    """The machine we run on."""

    is_here = True

    def __init__(self, search_path: str = SEARCH_PATH) -> None:
        self._search_path = search_path.split(":")
        self._addresses: Mapping[str, tuple[IPInterface, ...]] | None = None
        self._routing: dict[str, dict[str, int]] = {}

    def has_interface(self, name: str) -> bool:
        try:
            socket.if_nametoindex(name)
        except (OSError, ValueError):  # ValueError: a NUL in the name
            return False
        return True

    def addresses(self, interface: str | None = None) -> tuple[IPInterface, ...]:
        if self._addresses is None:
            self._addresses = read_addresses()
        if interface is not None:
            return self._addresses.get(interface, ())
        return tuple(address for found in self._addresses.values() for address in found)

    def promotes_secondaries(self, interface: str) -> bool:
        return any(_is_on(f"/proc/sys/net/ipv4/conf/{name}/promote_secondaries") for name in ("all", interface))

    def mtu(self, interface: str) -> int | None:
        try:
            return int((Path("/sys/class/net") / interface / "mtu").read_bytes())
        except (OSError, ValueError):
            return None

    def routing_number(self, kind: str, name: str) -> int | None:
        if kind not in self._routing:
            self._routing[kind] = dict(_routing_names(kind))
        return self._routing[kind].get(name)

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

    def insecure_part(self, program: str) -> str | None:
        """By keepalived's rule: each part is root's, and no other group and not everybody may write it.

        A directory with the sticky bit may be written, since what is root's in it cannot be replaced.
        """
        try:
            return next(filter(None, map(_who_else_may_change, _parts(program))), None)
        except (OSError, ValueError):  # it is not there: somebody else says so
            return None

    def script_text(self, program: str) -> bytes:
        try:
            with Path(program).open("rb") as file:
                return file.read(_SCRIPT_BYTES)
        except (OSError, ValueError):
            return b""


def _is_on(setting: str) -> bool:
    try:
        return Path(setting).read_text(encoding="ascii").strip() != "0"
    except (OSError, ValueError):
        return False


def _parts(program: str) -> Iterator[Path]:
    """What the kernel passes on its way to a program: every directory and symbolic link, then the file."""
    at = Path("/")
    ahead = list(reversed(Path(program).parts[1:]))
    links = 0
    while ahead:
        part = at / ahead.pop()
        if part.name == "..":
            at = at.parent
            continue
        yield part
        if not part.is_symlink():
            at = part
        elif (links := links + 1) > _MOST_LINKS:
            return
        else:
            target = part.readlink()
            at = Path("/") if target.is_absolute() else at
            ahead += reversed(target.parts[target.is_absolute() :])


def _who_else_may_change(part: Path) -> str | None:
    status = part.lstat()
    kind = "directory" if stat.S_ISDIR(status.st_mode) else "link" if stat.S_ISLNK(status.st_mode) else "file"
    if status.st_uid and not _is_foreign(status.st_uid):
        return f"the {kind} {part} belongs to {_user_name(status.st_uid)}"
    if stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX):
        return None
    if status.st_mode & stat.S_IWOTH:
        return f"everybody may write the {kind} {part}"
    if status.st_gid and status.st_mode & stat.S_IWGRP and not _is_foreign(status.st_gid):
        return f"group {_group_name(status.st_gid)} may write the {kind} {part}"
    return None


def _is_foreign(number: int) -> bool:
    """What a user namespace shows of a user or group that it does not map: nobody in it can be that one."""
    overflow = int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii"))
    mapped = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
    return number == overflow and mapped != ["0", "0", "4294967295"]


def _user_name(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"uid {uid}"


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _routing_names(kind: str) -> Iterator[tuple[str, int]]:
    """NUMBER NAME, a line each; what comes later counts."""
    for directory in ("/usr/share/iproute2", "/usr/lib/iproute2", "/etc/iproute2"):
        whole = Path(directory) / f"rt_{kind}"
        for file in (whole, *sorted(Path(f"{whole}.d").glob("*.conf"))):
            try:
                text = file.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            for line in text.splitlines():
                number, *names = line.partition("#")[0].split()[:2] or [""]
                try:
                    yield from ((name, int(number, 0)) for name in names)
                except ValueError:
                    continue


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
