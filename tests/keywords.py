"""docs/keepalived.md's table of keywords, from the tables in the code.

`python -m tests.keywords`: write it. With `--check`: only say whether it is stale, and exit 1 if so.
"""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from vrrpd.config.keywords import BLOCKS
from vrrpd.config.pending import REFUSED, WAITING
from vrrpd.config.table import answer

DOCUMENT = Path(__file__).parents[1] / "docs" / "keepalived.md"
BEGIN = "<!-- from here on written by python -m tests.keywords -->\n"


def document() -> str:
    """The page as it should be."""
    written, begin, _ = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    return written + begin + "\n".join(_table()) + "\n"


def _table() -> Iterator[str]:
    yield "| Block | Keyword | Tier | vrrpd | Note |"
    yield "|---|---|---|---|---|"
    for block in BLOCKS:
        pending = {**REFUSED.get(block.name, {}), **WAITING.get(block.name, {})}
        for name, keyword in block.keywords.items():
            notes = "; ".join(filter(None, (pending.pop(name, ""), keyword.note)))
            yield f"| {block.name} | `{name}` | {keyword.tier} | {answer(block, name)} | {notes} |".replace(
                "|  |", "| |"
            )
        for form, about in pending.items():
            yield f"| {block.name} | `{form}` | | {answer(block, form)} | {about} |"


def main() -> int:
    """Exit status 1 when the page is stale."""
    text = document()
    if "--check" not in sys.argv[1:]:
        DOCUMENT.write_text(text, encoding="utf-8")
    elif DOCUMENT.read_text(encoding="utf-8") != text:
        print(f"docs/{DOCUMENT.name} is stale: python -m tests.keywords")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
