"""What a configuration needs to know of the machine it is for."""

from __future__ import annotations

from typing import Protocol

from vrrpd.model import IPInterface, User


class Node(Protocol):
    """The machine. `vrrpd.linux.node` is the real one, `Offline` stands for one that cannot be asked."""

    is_here: bool
    """False: another machine's, so that what it answers is no fact."""

    def has_interface(self, name: str) -> bool:
        """Whether there is a network interface of that name now."""

    def mtu(self, interface: str) -> int | None:
        """The longest packet that interface sends; None when there is none of that name."""

    def routing_number(self, kind: str, name: str) -> int | None:
        """What iproute2's `rt_KIND` file has for that name: tables, scopes, protos, realms, dsfield. None: nothing."""

    def find_program(self, name: str) -> str | None:
        """The path of a bare program name, or None when it is not in PATH."""

    def user(self, name: str, group: str | None) -> User | None:
        """A user with its own group or the named one; None when either does not exist."""

    def script_user(self) -> User | None:
        """Whom scripts run as when the file does not say: keepalived_script, if there is such a user."""

    def why_not_executable(self, program: str, user: User | None) -> str | None:
        """Why that path cannot be executed by that user (None: by this process), in words; None when it can."""

    def addresses(self, interface: str | None = None) -> tuple[IPInterface, ...]:
        """What the interface has now, virtual addresses of a running daemon included; without a name, what all have."""

    def promotes_secondaries(self, interface: str) -> bool:
        """Whether the kernel keeps the other addresses of a prefix when its first one is removed there."""

    def insecure_part(self, program: str) -> str | None:
        """What of that path somebody other than root may change, and who, in words; None when nobody may."""

    def script_text(self, program: str) -> bytes:
        """The beginning of that file; nothing when it cannot be read."""


class Offline:
    """Another machine's file: nothing can be looked for, so nothing is found wrong."""

    is_here = False

    def has_interface(self, name: str) -> bool:
        del name
        return True

    def mtu(self, interface: str) -> int | None:
        del interface
        return None

    def routing_number(self, kind: str, name: str) -> int | None:
        del kind, name
        return None

    def find_program(self, name: str) -> str | None:
        return name

    def user(self, name: str, group: str | None) -> User | None:
        del group
        return User(name, 0, 0)

    def script_user(self) -> User | None:
        return None

    def why_not_executable(self, program: str, user: User | None) -> str | None:
        del program, user
        return None

    def addresses(self, interface: str | None = None) -> tuple[IPInterface, ...]:
        del interface
        return ()

    def promotes_secondaries(self, interface: str) -> bool:
        del interface
        return True

    def insecure_part(self, program: str) -> str | None:
        del program
        return None

    def script_text(self, program: str) -> bytes:
        del program
        return b""
