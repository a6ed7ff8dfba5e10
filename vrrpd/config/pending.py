"""Keywords that are read and not acted on yet. Who makes one act deletes its line here, and nothing else.

Half a configuration beside a live cluster is a split brain: where leaving a keyword out changes what is sent, heard
or held, or when it moves, the daemon refuses the file (`REFUSED`); the others are said and stop nothing (`WAITING`).

Both tell what a keyword is about, by block and keyword; a name with a blank is a value or form of a keyword
(`version 3`), which its reader reports with `Reading.pending`.
"""

from __future__ import annotations

from collections.abc import Mapping

REFUSED: Mapping[str, Mapping[str, str]] = {}

WAITING: Mapping[str, Mapping[str, str]] = {}
