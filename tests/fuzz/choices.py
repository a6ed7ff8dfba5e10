"""Where the decisions of a fuzzer come from: a seeded generator, or the bytes that atheris varies."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol, TypeVar

T = TypeVar("T")


class Choices(Protocol):
    """Decisions, one after the other."""

    def more(self) -> bool:
        """Whether there is anything left to decide with."""

    def below(self, limit: int) -> int:
        """0 to limit - 1."""

    def chance(self, probability: float) -> bool:
        """True that often."""

    def pick(self, values: Sequence[T]) -> T:
        """One of them."""

    def raw(self, length: int) -> bytes:
        """So many bytes."""


class Dice:
    """A seeded generator: the same seed, the same decisions."""

    def __init__(self, seed: str) -> None:
        generator = Random(seed)  # noqa: S311  nothing here is a secret
        self._random = generator.random
        self.raw = generator.randbytes

    def more(self) -> bool:
        return True

    def below(self, limit: int) -> int:
        return int(self._random() * limit)

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def pick(self, values: Sequence[T]) -> T:
        return values[int(self._random() * len(values))]


class Tape:
    """The bytes of one input; when they are used up, every decision is the first one."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def more(self) -> bool:
        return self._at < len(self._content)

    def below(self, limit: int) -> int:
        width = 1 if limit <= 1 << 8 else 4
        return int.from_bytes(self.raw(width), "big") % limit

    def chance(self, probability: float) -> bool:
        return 255 - self.below(256) < probability * 256

    def pick(self, values: Sequence[T]) -> T:
        return values[self.below(len(values))]

    def raw(self, length: int) -> bytes:
        taken = self._content[self._at : self._at + length]
        self._at += length
        return taken.ljust(length, b"\0")
