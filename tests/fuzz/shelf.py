"""Files in memory, all of them in /etc, for the reader of configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from vrrpd.config.includes import UnfitFileError


class Shelf:
    """Keeps what `Files` promises."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = {f"/etc/{name}": text.encode("utf-8", "surrogateescape") for name, text in files.items()}

    def read(self, path: str, limit: int) -> bytes:
        if path not in self._files:
            raise UnfitFileError("not-a-file", "is a directory")
        data = self._files[path]
        if len(data) > limit:
            raise UnfitFileError("too-long", "is too long")
        return data

    def matches(self, pattern: str) -> Sequence[str]:
        directories = ["/etc/"] if pattern in ("/etc", "/etc/") else []
        return sorted(path for path in self._files if fnmatchcase(path, pattern)) + directories

    def identity(self, path: str) -> str:
        return path
