"""Texts read on the machine of the recordings, for the tests of the configuration reader."""

from __future__ import annotations

from collections.abc import Iterable

import oracle

from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.config.keywords import Built, build
from vrrpd.config.language import parse
from vrrpd.model import Config, VirtualRouter

_ELSEWHERE = frozenset({"not-yet", "unused-script", "unused-tracker"})
CHECK = 'vrrp_script chk {\n script "/bin/true"\n}\n'


class Machine(oracle.Machine):
    """That of the recordings, with a routing table of its own."""

    def routing_number(self, kind: str, name: str) -> int | None:
        return {("tables", "blue"): 77}.get((kind, name))


def read(text: str) -> Built:
    """A whole file."""
    parsed = parse(text, "f")
    built = build(parsed.statements, Machine())
    return Built(built.config, parsed.diagnostics + built.diagnostics, built.routers, built.scripts)


def config(text: str) -> Config:
    """What a file comes to; nothing but `not-yet` may be wrong with it."""
    built = read(text)
    assert codes(built.diagnostics) == []
    return built.config


def instance(*lines: str, name: str = "V1", interface: str = "eth0", vrid: int = 51) -> str:
    """A router's block."""
    return "\n".join([f"vrrp_instance {name} {{", f"interface {interface}", f"virtual_router_id {vrid}", *lines, "}\n"])


def router(*lines: str, before: str = "") -> VirtualRouter:
    """The one router of a file in which these lines stand in its block; nothing but `not-yet` may be wrong with it."""
    return config(before + instance(*lines)).routers[0]


def router_and_codes(*lines: str, before: str = "") -> tuple[VirtualRouter, list[str]]:
    """The same with what is said of it."""
    built = read(before + instance(*lines))
    return built.config.routers[0], codes(built.diagnostics)


def codes(diagnostics: Iterable[Diagnostic]) -> list[str]:
    """What is said, without what is only not acted on yet, not used or ignored for a reason."""
    return [
        found.code
        for found in diagnostics
        if found.code not in _ELSEWHERE and (found.severity is not Severity.INFO or found.code == "defined-later")
    ]
