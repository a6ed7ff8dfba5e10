"""Characters and where each of them stands, also when definitions have put them together."""

from __future__ import annotations

from bisect import bisect_right
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

    def joined(self, other: Text) -> Text:
        """It and what follows it."""
        if not self.text:
            return Text(other.text, other.pieces, self.names | other.names)
        if not other.text:
            return Text(self.text, self.pieces, self.names | other.names)
        length = len(self.text)
        first = 1 if self.pieces[-1].fixed and self.pieces[-1][1:] == other.pieces[0][1:] else 0
        pieces = tuple(piece.moved(piece.start + length) for piece in other.pieces[first:])
        return Text(self.text + other.text, self.pieces + pieces, self.names | other.names)

    def replaced(self, start: int, stop: int, value: str, name: str) -> Text:
        """With a value in place of the reference to `name` at start."""
        spot = self.at(start)
        made = Text(value, (Piece(0, spot.file, spot.line, spot.column, fixed=True),), frozenset({name}))
        return self.cut(0, start).joined(made).joined(self.cut(stop))

    def _index(self, offset: int) -> int:
        return 0 if len(self.pieces) == 1 else bisect_right(self.pieces, offset, key=lambda piece: piece.start) - 1


def line_of(text: str, file: str, number: int) -> Text:
    """A line as it stands in a file."""
    return Text(text, (Piece(0, file, number, 1),))
