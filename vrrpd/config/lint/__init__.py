"""Configurations that are legal and will not do what their author means.

A rule speaks only where what it says is true of this file; what depends on the machine is asked of the `Node`, and
a node that is not here gives no reason to speak. docs/check.md lists every rule with an example.
"""

from vrrpd.config.lint.rules import Subject
from vrrpd.config.lint.verdict import RULES, lint

__all__ = ["RULES", "Subject", "lint"]
