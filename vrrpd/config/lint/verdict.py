"""All rules together."""

from __future__ import annotations

from collections.abc import Mapping

from vrrpd.config.diagnostics import Diagnostic, Findings
from vrrpd.config.lint import addresses, election, speaking, telling, watching
from vrrpd.config.lint.rules import Rule, Subject

RULES: Mapping[str, Rule] = {
    **election.RULES,
    **addresses.RULES,
    **speaking.RULES,
    **watching.RULES,
    **telling.RULES,
}
"""By the codes of what they say, which do not change."""


def lint(subject: Subject) -> tuple[Diagnostic, ...]:
    """Everything that the rules have to say, as advice."""
    findings = Findings()
    for code, rule in RULES.items():
        for advice in rule(subject):
            findings.advice(advice.at, code, advice.message, advice.hint)
    return findings.all()
