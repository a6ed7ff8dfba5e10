"""What this node has put into the kernel, on disk before it is there."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from sample import VIP, VIP2

from vrrpd.ledger import Entries, HeldHere, Ledger, LedgerError, MasterHere, read, write
from vrrpd.model import Held, Undo, Way

MASTER = MasterHere("R1", "eth0", "10.230.137.1", (("224.0.0.18", "2132"),))
HELD = HeldHere("10.230.137.100/32 dev eth0", "0102")
HELD2 = HeldHere("10.230.137.101/32 dev eth0", "0102")


def deletion(_thing: Held) -> Undo:
    return Undo(Way.ROUTE, b"\x01\x02")


def no_device(thing: Held) -> Undo:
    raise OSError(errno.ENODEV, "No such device", str(thing))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    entries = Entries((HELD, HELD2), (MASTER,))
    write(tmp_path / "ledger.json", entries)
    assert read(tmp_path / "ledger.json") == entries


def test_no_file_is_an_empty_ledger_and_an_empty_ledger_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    assert read(path) == Entries()
    write(path, Entries((HELD,)))
    write(path, Entries())
    write(path, Entries())
    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_may_read_it_because_it_holds_the_password(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write(tmp_path / "ledger.json", Entries((HELD,)))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "ledger.json").stat().st_mode) == 0o600


def test_nothing_else_is_left_in_the_directory(tmp_path: Path) -> None:
    write(tmp_path / "ledger.json", Entries((HELD,)))
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.json"]


def test_an_address_is_on_disk_before_it_is_in_the_kernel_and_until_it_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    book = Ledger(path, lambda: (MASTER,))
    book.expect([VIP, VIP2], deletion, ())
    assert read(path) == Entries((HELD, HELD2))
    book.forget([VIP], book.masters())
    assert read(path) == Entries((HELD2,), (MASTER,))
    book.forget([VIP2], ())
    assert not path.exists()


def test_an_address_on_a_device_that_is_not_there_is_not_expected(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    Ledger(path, lambda: ()).expect([VIP], no_device, ())
    assert not path.exists()


def test_to_forget_what_was_never_there_is_nothing(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.json", lambda: ()).forget([VIP], ())
    assert list(tmp_path.iterdir()) == []


def test_the_same_again_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    book = Ledger(path, lambda: ())
    book.expect([VIP], deletion, ())
    path.unlink()
    book.expect([VIP], deletion, ())
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"\xff\xfe",
        b'{"format": 2}',
        b'{"format": 1, "addresses": [], "masters": []}',
        b'{"format": 2, "held": 7, "masters": []}',
        b'{"format": 2, "held": [7], "masters": []}',
        b'{"format": 2, "held": [{}], "masters": []}',
        b'{"format": 2, "held": [], "masters": [{"name": "R1", "extra": 1}]}',
    ],
)
def test_a_file_that_is_no_ledger_is_one_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.json"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"ledger\.json"):
        read(path)


def test_a_ledger_that_cannot_be_read_is_one_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot read"):
        read(tmp_path)


def test_the_format_is_in_the_file(tmp_path: Path) -> None:
    write(tmp_path / "ledger.json", Entries((HELD,)))
    assert json.loads((tmp_path / "ledger.json").read_text())["format"] == 2
