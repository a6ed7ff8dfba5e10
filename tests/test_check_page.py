"""docs/check.md: every rule stands there with an example that gives this advice and no other."""

from __future__ import annotations

import re
from ipaddress import ip_interface
from pathlib import Path

import pytest

from vrrpd.config.compare import ADVICE, WARNINGS
from vrrpd.config.keywords import build
from vrrpd.config.language import parse
from vrrpd.config.lint import RULES, Subject, lint
from vrrpd.config.node import Offline
from vrrpd.config.places import Places
from vrrpd.model import IPInterface, User

PAGE = (Path(__file__).parents[1] / "docs" / "check.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^### `([a-z-]+)`\n(.+?)^```\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FROM_SEVERAL = {"cluster-vrid", "cluster-split", "cluster-alone", "cluster-weights", "cluster-groups"}


class Node(Offline):
    """Where the examples are checked: eth0 has addresses, eth1 has none."""

    is_here = True
    standing = (ip_interface("192.0.2.1/24"), ip_interface("fe80::1/64"))

    def user(self, name: str, group: str | None) -> User | None:
        del group
        return User(name, 0 if name == "root" else 65534, 0)

    def addresses(self, interface: str | None = None) -> tuple[IPInterface, ...]:
        return self.standing if interface in {None, "eth0"} else ()

    def promotes_secondaries(self, interface: str) -> bool:
        del interface
        return False


def whole(example: str) -> str:
    """With what the examples leave out, at the head of each router's block."""
    number = 50

    def completed(match: re.Match[str]) -> str:
        nonlocal number
        number += 1
        usual = f"interface eth0\nvirtual_router_id {number}\n"
        if "virtual_ipaddress" not in match[2]:
            usual += f"virtual_ipaddress {{\n192.0.2.{number}\n}}\n"
        return f"{match[1]}\n{usual}{match[2]}"

    return re.sub(r"^(vrrp_instance \S+ \{)\n(.*?^\}\n)", completed, example, flags=re.MULTILINE | re.DOTALL)


def advice(example: str, node: Offline) -> set[str]:
    statements = parse(whole(example), "f").statements
    config = build(statements, node).config
    assert config.routers
    return {found.code for found in lint(Subject(config, Places(statements, "f"), node))}


@pytest.mark.parametrize(("code", "text", "example"), EXAMPLES, ids=[code for code, *_ in EXAMPLES])
def test_an_example_gives_its_advice_and_no_other(code: str, text: str, example: str) -> None:
    assert advice(example, Node()) == {code}
    assert (advice(example, Offline()) == set()) == text.strip().startswith("*On the node.*")


def test_every_rule_stands_on_the_page_once() -> None:
    assert [code for code, *_ in EXAMPLES] == list(RULES)


def test_every_comparison_stands_on_the_page_with_its_severity() -> None:
    listed = dict(re.findall(r"^\| `(cluster-[a-z]+)` \| (\w+) \|", PAGE, re.MULTILINE))
    assert listed.keys() == WARNINGS.keys() | ADVICE.keys() | FROM_SEVERAL
    assert all(listed[code] == "warning" for code in WARNINGS)
    assert all(listed[code] == "advice" for code in ADVICE)
