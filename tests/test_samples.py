"""The samples that keepalived's package brings are read without a line that is not understood.

They stay where the package put them. One of them is in /etc and so is there even where documentation is left out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from vrrpd.config.load import load
from vrrpd.config.node import Offline

SAMPLES = [
    Path("/etc/keepalived/keepalived.conf.sample"),
    *sorted(Path("/usr/share/doc/keepalived/samples").glob("keepalived.conf.*")),
]
NOT_UNDERSTOOD = {"keepalived.conf.vrrp.lvs_syncd": {(4, 3), (5, 3)}}
"""Members of a group without the `group { }` around them, which keepalived does not understand either."""


@pytest.mark.parametrize("path", SAMPLES, ids=[path.name for path in SAMPLES])
def test_every_line_of_keepalived_s_samples_is_understood(path: Path) -> None:
    loaded = load(path, Offline(), config_id="high")
    unknown = {(found.line, found.column) for found in loaded.diagnostics if found.code.startswith("unknown-")}
    assert unknown == NOT_UNDERSTOOD.get(path.name, set())
    assert {found.code for found in loaded.errors} <= {"not-yet"}
