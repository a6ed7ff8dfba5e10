"""The files of one reading: opened within limits, decoded, and cut into lines."""

from __future__ import annotations

from collections.abc import Iterator

from vrrpd.config.diagnostics import Findings, Spot
from vrrpd.config.includes import MAX_FILE_BYTES, Files, UnfitFileError
from vrrpd.config.text import Text, line_of

MAX_FILES = 10_000
MAX_LINE_CHARACTERS = 1 << 20


class Sources:
    """What has been opened; all files together may be as long as one."""

    def __init__(self, files: Files, findings: Findings) -> None:
        self.files = files
        self.texts: dict[str, str] = {}
        """Each file's text."""
        self.has_undecoded = False
        """Some text is not UTF-8: its bytes stand in it as surrogates."""
        self._findings = findings
        self._bytes = MAX_FILE_BYTES
        self._opened = 0

    def open(self, path: str) -> str:
        """A file's text. Raises UnfitFileError."""
        self._opened += 1
        if self._opened > MAX_FILES:
            raise UnfitFileError("too-many-files", f"is one of more than {MAX_FILES} files; it is not read")
        data = self.files.read(path, self._bytes)
        self._bytes -= len(data)
        text = data.decode(errors="surrogateescape")
        if not data.isascii() and not _is_utf8(data):
            self.has_undecoded = True
            self._findings.advice(
                Spot(path), "not-utf-8", "is not UTF-8 throughout", "convert it, for instance with iconv"
            )
        return text

    def lines(self, text: str, file: str) -> Iterator[Text]:
        """A file's lines without their ends."""
        self.texts[file] = text
        if text.startswith("\ufeff"):
            self._findings.advice(
                Spot(file, 1, 1),
                "byte-order-mark",
                "a byte order mark, skipped; keepalived takes it for part of the first word",
            )
            text = text[1:]
        start, number = 0, 1
        while start < len(text):
            stop = text.find("\n", start)
            stop = len(text) if stop < 0 else stop
            if stop - start > MAX_LINE_CHARACTERS:
                message = f"a line of more than {MAX_LINE_CHARACTERS} characters"
                self._findings.error(Spot(file, number, 1), "too-long", message)
            else:
                yield line_of(text[start:stop], file, number)
            start, number = stop + 1, number + 1


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
