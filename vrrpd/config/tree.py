"""Statements one after the other, and what ended each, as a tree."""

from __future__ import annotations

from dataclasses import dataclass, field

from vrrpd.config.diagnostics import Findings
from vrrpd.config.syntax import End, Statement

MAX_DEPTH = 64
"""Of blocks within blocks, of files that include files, and of definitions that use definitions."""


@dataclass(slots=True)
class _Open:
    """A block whose closing brace has not come yet."""

    statement: Statement
    children: list[Statement] = field(default_factory=list)


class Tree:
    """The blocks of all files."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._open = [_Open(Statement((), "", 0, 0, ""))]
        self._too_deep = 0
        self._awaits_brace = False

    def add(self, statement: Statement, end: End) -> None:
        """The next statement."""
        match end:
            case End.LINE:
                self._append(statement)
            case End.OPEN:
                self._push(statement)
            case End.CLOSE:
                if statement.words:
                    self._append(statement)
                self._pop(statement)
        self._awaits_brace = end is End.LINE

    def finish(self) -> tuple[Statement, ...]:
        """All that came; a block that is still open is one whose brace is missing."""
        self._too_deep = 0
        for block in self._open[:0:-1]:
            self._findings.error(
                block.statement,
                "unclosed-brace",
                f"the block {block.statement.keyword or '{'} is never closed",
                "add the missing }; what follows the block has been read as part of it",
            )
            self._pop(block.statement)
        return tuple(self._open[0].children)

    def _append(self, statement: Statement) -> None:
        if not self._too_deep:
            self._open[-1].children.append(statement)

    def _push(self, statement: Statement) -> None:
        if self._too_deep or len(self._open) > MAX_DEPTH:
            if not self._too_deep:
                self._findings.error(statement, "too-deep", f"blocks nest more than {MAX_DEPTH} deep; not read")
            self._too_deep += 1
            return
        if not statement.words and self._awaits_brace:
            statement = self._open[-1].children.pop()  # whose brace stands on a line of its own
        self._open.append(_Open(statement))

    def _pop(self, at: Statement) -> None:
        if self._too_deep:
            self._too_deep -= 1
        elif len(self._open) == 1:
            self._findings.warning(at, "extra-brace", "a } that closes nothing; it is ignored, as keepalived does")
        else:
            block = self._open.pop()
            self._append(block.statement._replace(children=tuple(block.children)))
