"""What can be fuzzed, by name."""

from __future__ import annotations

from collections.abc import Mapping

from .configuration import ConfigTarget
from .language import LanguageTarget
from .packet import PacketTarget
from .receive import ReceiveTarget
from .steps import Target

_ALL: tuple[Target, ...] = (PacketTarget(), ReceiveTarget(), ConfigTarget(), LanguageTarget())
TARGETS: Mapping[str, Target] = {target.name: target for target in _ALL}
