"""Characters and where each of them stands, also when definitions have put them together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from vrrpd.config.diagnostics import Spot


class Piece(NamedTuple):
    """From `start` on, up to the next piece, the characters stand in a file from this place on."""

    start: int
    file: str
    line: int
    column: int
    fixed: bool = False
    """They stand for a reference, and all have its place."""

    def moved(self, start: int, skipped: int = 0) -> Piece:
        """The same characters beginning at another offset, without the first ones."""
        return Piece(start, self.file, self.line, self.column if self.fixed else self.column + skipped, self.fixed)


class Text(NamedTuple):
    """A line, or what is left or was made of one."""

    text: str
    pieces: tuple[Piece, ...]
    """In order; the first starts at 0."""
    names: frozenset[str] = frozenset()
    """The definitions that had a part in it."""

    def at(self, offset: int = 0) -> Spot:
        """Where a character stands."""
        start, file, line, column, fixed = self.pieces[self._index(offset)]
        return Spot(file, line, column if fixed else column + offset - start)

    def is_made(self, offset: int) -> bool:
        """Whether a definition has put the character there."""
        return self.pieces[self._index(offset)].fixed

    def cut(self, start: int, stop: int | None = None) -> Text:
        """A part of it."""
        stop = len(self.text) if stop is None else stop
        first = self._index(start)
        pieces = [self.pieces[first].moved(0, start - self.pieces[first].start)]
        pieces += [piece.moved(piece.start - start) for piece in self.pieces[first + 1 :] if piece.start < stop]
        return Text(self.text[start:stop], tuple(pieces), self.names)

    def made(self, offset: int, value: str, name: str) -> Text:
        """The value of the reference to `name` that stands there."""
        spot = self.at(offset)
        return Text(value, (Piece(0, spot.file, spot.line, spot.column, fixed=True),), frozenset({name}))

    def _index(self, offset: int) -> int:
        return 0 if len(self.pieces) == 1 else bisect_right(self.pieces, offset, key=lambda piece: piece.start) - 1


def joined(parts: Sequence[Text]) -> Text:
    """One after the other; of none with text, an empty one."""
    pieces: list[Piece] = []
    length = 0
    for part in parts:
        if part.text:
            same = bool(pieces) and pieces[-1].fixed and pieces[-1][1:] == part.pieces[0][1:]
            pieces += [piece.moved(piece.start + length) for piece in part.pieces[same:]]
            length += len(part.text)
    names = frozenset[str]().union(*(part.names for part in parts))
    return Text("".join(part.text for part in parts), tuple(pieces) or parts[0].pieces, names)


def line_of(text: str, file: str, number: int) -> Text:
    """A line as it stands in a file."""
    return Text(text, (Piece(0, file, number, 1),))
