from __future__ import annotations

import pytest

from vrrpd.config.diagnostics import Diagnostic, Severity
from vrrpd.rendering import for_gcc, for_github, for_people

ERROR = Diagnostic(Severity.ERROR, "bad-x", "a.conf", 3, 3, "is wrong", "mend it", "\tx y")
WHOLE = Diagnostic(Severity.WARNING, "no-x", "b.conf", 0, 0, "is empty")
ADVICE = Diagnostic(Severity.ADVICE, "odd-x", "a.conf", 4, 1, "50%, odd")
INFO = Diagnostic(Severity.INFO, "x", "c:d,e%.conf", 1, 2, "so be it")


def test_people_see_the_place_the_line_and_a_caret() -> None:
    assert for_people([ERROR, WHOLE]) == (
        "a.conf:3:3: error: is wrong (mend it)\n    \tx y\n    \t ^\nb.conf: warning: is empty\n1 error, 1 warning\n"
    )
    assert for_people([]) == "nothing to say\n"


@pytest.mark.parametrize(
    ("text", "column", "caret"),
    [("主机 x", 4, "     ^"), ("e\N{COMBINING ACUTE ACCENT} x", 4, "  ^"), ("x" * 200 + "…", 900, None)],
)
def test_the_caret_stands_under_its_character_however_wide_those_before_it_are(
    text: str, column: int, caret: str | None
) -> None:
    shown = for_people([Diagnostic(Severity.INFO, "x", "f", 1, column, "here", "", text)]).splitlines()
    assert shown[1] == f"    {text}"
    assert shown[2:-1] == ([] if caret is None else [f"    {caret}"])


def test_editors_read_lines_as_a_compiler_gives_them() -> None:
    assert for_gcc([ERROR, WHOLE, ADVICE, INFO]) == (
        "a.conf:3:3: error: is wrong (mend it) [bad-x]\n"
        "b.conf: warning: is empty [no-x]\n"
        "a.conf:4:1: warning: 50%, odd [odd-x]\n"
        "c:d,e%.conf:1:2: note: so be it [x]\n"
    )
    assert for_gcc([]) == ""


def test_github_gets_annotations_with_what_would_end_them_escaped() -> None:
    assert for_github([ERROR, WHOLE, ADVICE, INFO]) == (
        "::error file=a.conf,line=3,col=3,title=bad-x::is wrong (mend it)\n"
        "::warning file=b.conf,title=no-x::is empty\n"
        "::warning file=a.conf,line=4,col=1,title=odd-x::50%25, odd\n"
        "::notice file=c%3Ad%2Ce%25.conf,line=1,col=2,title=x::so be it\n"
    )
