"""The runtime directory: the names in it, and the lock that says whose it is."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

DEFAULT = Path("/run/vrrpd")


class RuntimeDirectoryError(Exception):
    """The directory cannot be used: what, where, and what to do."""


class RuntimeDirectory:
    """A directory of which one process at a time is the owner."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = path / "ledger.json"
        self.socket = path / "control.sock"
        self.events = path / "events.jsonl"
        self.recording = path / "recording.jsonl"
        self.drained = path / "drained.json"
        self._namespace = path / "network_namespace"
        self._lock = path / "lock"
        self._descriptor: int | None = None

    @property
    def network_namespace(self) -> str | None:
        """Where what the ledger names is, if not in the namespace of whoever asks."""
        try:
            return self._namespace.read_text(encoding="utf-8") or None
        except OSError:
            return None

    def note_network_namespace(self, name: str | None) -> None:
        """For `network_namespace`. OSError."""
        if name is None:
            self._namespace.unlink(missing_ok=True)
        else:
            self._namespace.write_text(name, encoding="utf-8")

    def take(self) -> None:
        """Make the directory and lock it for the life of this process.

        Raises `RuntimeDirectoryError` when it cannot be made, or another process has it.
        """
        try:
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RuntimeDirectoryError(
                f"cannot use the runtime directory {self.path}: {error.strerror}; "
                "run as root, or choose another one with --runtime-dir"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise RuntimeDirectoryError(
                f"{self.path} belongs to a running vrrpd (pid {owner}); stop it first, or choose another --runtime-dir"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
