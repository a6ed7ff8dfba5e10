"""Every row that is acted on has its tests, and docs/rfc.md says what is so."""

from __future__ import annotations

from . import ledger


def test_every_row_that_is_acted_on_is_shown_by_a_test_of_either_kind() -> None:
    assert ledger.problems() == []


def test_the_document_is_not_stale() -> None:
    assert ledger.DOCUMENT.read_text(encoding="utf-8") == ledger.document(), "python -m tests.rfc writes it anew"
