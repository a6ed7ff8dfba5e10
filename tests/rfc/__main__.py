"""`python -m tests.rfc`: write docs/rfc.md. `python -m tests.rfc --check`: only say what is wrong, and exit 1 if so."""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import sys

from . import ledger


def main() -> int:
    """Exit status 1 when a row lacks a test, or the document is stale."""
    found = ledger.problems()
    text = ledger.document()
    if "--check" not in sys.argv[1:]:
        ledger.DOCUMENT.write_text(text, encoding="utf-8")
    elif not ledger.DOCUMENT.exists() or ledger.DOCUMENT.read_text(encoding="utf-8") != text:
        found.append(f"docs/{ledger.DOCUMENT.name} is stale: python -m tests.rfc")
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
