"""What this node has put into the kernel, on disk, before it is there.

Everything in it is finished bytes: the netlink request that removes an address, the packets of priority 0. So `vrrpd
release` needs neither pyroute2 nor the configuration. Mode 0600: an advertisement holds the password.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vrrpd.model import Held, Undo, Way

FORMAT = 2


@dataclass(frozen=True, slots=True)
class HeldHere:
    """Something of ours that is in the kernel, or may be."""

    what: str
    """In words."""
    deletion: str
    """What takes it away, in hexadecimal: see `model.Undo`."""
    way: str = Way.ROUTE


@dataclass(frozen=True, slots=True)
class MasterHere:
    """A router that is Master on this node, and how it says that it leaves."""

    name: str
    interface: str
    source: str
    resignations: tuple[tuple[str, str], ...]
    """To whom, and the IP packet with the advertisement of priority 0, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Entries:
    """A whole ledger."""

    held: tuple[HeldHere, ...] = ()
    """In the order in which it was put there."""
    masters: tuple[MasterHere, ...] = ()


class LedgerError(Exception):
    """The file is there and cannot be read or understood."""


class Ledger:
    """The daemon's own ledger: it reads nothing. `expect` and `forget` write, and may be called from a thread."""

    def __init__(self, path: Path, masters: Callable[[], tuple[MasterHere, ...]]) -> None:
        self._path = path
        self._masters = masters
        self._held: dict[Held, HeldHere] = {}
        self._written: Entries | None = None

    def masters(self) -> tuple[MasterHere, ...]:
        """Who is Master now; asked on the loop's thread."""
        return self._masters()

    def expect(
        self,
        things: Iterable[Held],
        deletion: Callable[[Held], Undo],
        masters: tuple[MasterHere, ...],
    ) -> None:
        """These are about to be added."""
        for thing in things:
            try:
                undo = deletion(thing)
            except OSError:
                continue  # There is no such device, so it cannot get there either.
            self._held[thing] = HeldHere(str(thing), undo.content.hex(), undo.way)
        self._write(masters)

    def forget(self, things: Iterable[Held], masters: tuple[MasterHere, ...]) -> None:
        """These are gone."""
        for thing in things:
            self._held.pop(thing, None)
        self._write(masters)

    def _write(self, masters: tuple[MasterHere, ...]) -> None:
        entries = Entries(tuple(self._held.values()), masters)
        if entries != self._written:
            write(self._path, entries)
            self._written = entries


def write(path: Path, entries: Entries) -> None:
    """Replace the file in one step; an empty ledger is no file. OSError when that fails."""
    if entries == Entries():
        path.unlink(missing_ok=True)
        return
    content = json.dumps({"format": FORMAT, **asdict(entries)}, indent=1)
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(content)
    new.replace(path)


def read(path: Path) -> Entries:
    """The ledger on disk, empty when there is none.

    Raises `LedgerError` when the file cannot be read or is not a ledger.
    """
    try:
        content = json.loads(path.read_text(encoding="ascii"))
        if content["format"] != FORMAT:
            raise LedgerError(f"{path} has format {content['format']}, this vrrpd writes {FORMAT}")
        return Entries(
            tuple(HeldHere(**entry) for entry in content["held"]),
            tuple(_master(entry) for entry in content["masters"]),
        )
    except FileNotFoundError:
        return Entries()
    except OSError as error:
        raise LedgerError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{path} is not a ledger of vrrpd: {error}") from error


def _master(entry: dict[str, Any]) -> MasterHere:
    resignations = tuple((str(to), str(packet)) for to, packet in entry["resignations"])
    return MasterHere(**{**entry, "resignations": resignations})
