"""Gratuitous ARP and its IPv6 counterpart: the keywords that `global_defs` and a router share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vrrpd.config.fields import count, number, whole_seconds
from vrrpd.config.syntax import Statement
from vrrpd.config.table import Keyword, Reading, value
from vrrpd.config.values import whole
from vrrpd.model import SECOND, Announcing, Duration

MAX_SECONDS = 4294
"""keepalived keeps most times as microseconds in 32 bits."""
MAX_COUNT = (1 << 31) - 1
_LONGEST_EXTRA = 86_400
_ZERO = frozenset({"0"})


@dataclass(slots=True)
class AnnouncingDraft:
    """What a block has said of announcing. None: nothing."""

    garp_delay: Duration | None = None
    garp_repeat: int | None = None
    garp_lower_priority_delay: Duration | None = None
    garp_lower_priority_repeat: int | None = None
    garp_refresh: Duration | None = None
    garp_refresh_repeat: int | None = None
    garp_extra: Duration | None = None
    garp_extra_all: bool = False

    def finished(self, defaults: Announcing) -> Announcing:
        """With the rest from elsewhere."""
        extra = defaults.extra_interfaces if self.garp_extra is None else self.garp_extra
        return Announcing(
            _either(self.garp_delay, defaults.master_delay),
            _either(self.garp_repeat, defaults.master_repeat),
            _either(self.garp_lower_priority_delay, defaults.lower_priority_delay),
            _either(self.garp_lower_priority_repeat, defaults.lower_priority_repeat),
            _either(self.garp_refresh, defaults.refresh),
            _either(self.garp_refresh_repeat, defaults.refresh_repeat),
            extra,
            extra > 0 and (defaults.extra_on_all if self.garp_extra is None else self.garp_extra_all),
        )


def _either(own: int | None, default: int) -> int:
    return default if own is None else own


def _extra(draft: AnnouncingDraft, line: Statement, to: Reading) -> None:
    """`[all] SECONDS`."""
    on_all = line.values[0].text == "all"
    if on_all and len(line.values) == 1:
        to.warning(line, "missing-value", f"{line.keyword} needs seconds after all: the line counts for nothing")
        return
    found = whole(line.values[1 if on_all else 0], 0, _LONGEST_EXTRA, to)
    if found is not None:
        draft.garp_extra, draft.garp_extra_all = found * SECOND, on_all


def announcing_keywords(prefix: str) -> Mapping[str, Keyword[Any]]:
    """With `vrrp_` before them in global_defs."""
    return {
        f"{prefix}garp_master_delay": value(2, whole_seconds("garp_delay", 0, MAX_SECONDS)),
        f"{prefix}garp_master_repeat": value(2, count("garp_repeat", MAX_COUNT)),
        f"{prefix}garp_master_refresh": value(2, whole_seconds("garp_refresh", 0, MAX_SECONDS), harmless=_ZERO),
        f"{prefix}garp_master_refresh_repeat": value(2, count("garp_refresh_repeat", MAX_COUNT)),
        f"{prefix}garp_lower_prio_delay": value(2, whole_seconds("garp_lower_priority_delay", 0, MAX_SECONDS)),
        f"{prefix}garp_lower_prio_repeat": value(2, number("garp_lower_priority_repeat", 0, MAX_COUNT)),
        f"{prefix}garp_extra_if": value(4, _extra, most=2, harmless=_ZERO),
        f"{prefix}vmac_garp_intvl": value(4, _extra, most=2, harmless=_ZERO, note="the old name of garp_extra_if"),
    }
