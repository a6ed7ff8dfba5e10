"""The language of keepalived.conf beyond single lines; expected is what keepalived 2.2.7 was seen to make of it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from fuzz.shelf import Shelf

from vrrpd.config.definitions import Setting
from vrrpd.config.diagnostics import Severity
from vrrpd.config.includes import alternatives
from vrrpd.config.language import LIMITS, Limits, Parsed, parse, read
from vrrpd.config.syntax import Statement

LB1 = Setting("lb1", {"HOME": "/root"})


def words(parsed: Parsed) -> list[str]:
    """Every statement's words; braces as they nest."""

    def of(statements: tuple[Statement, ...]) -> list[str]:
        found = []
        for statement in statements:
            line = " ".join(word.text for word in statement.words)
            found += [line] if statement.children is None else [f"{line} {{", *of(statement.children), "}"]
        return found

    return of(parsed.statements)


def read_all(text: str, setting: Setting = LB1) -> list[str]:
    return words(parse(text, "/etc/f.conf", setting, Shelf({})))


def codes(text: str, files: Mapping[str, str] | None = None) -> list[tuple[int, int, Severity, str]]:
    parsed = parse(text, "/etc/f.conf", LB1, Shelf(files or {}))
    return [(found.line, found.column, found.severity, found.code) for found in parsed.diagnostics]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$X=v\n$X rest", ["v rest"]),
        ("$X=b c  # d\na$X", ["ab c"]),
        ("$X=v\n${X}tail pre${X} $X, $X) $Xy", ["vtail prev v, v) $Xy"]),
        ('$X="x y"\n$X z', ["x y z"]),
        ('$X=v\na "k${X}" "k$X"', ["a kv k$X"]),
        ("$X=\nx$X\ny${X}z", ["x", "yz"]),
        ("$A=${B}1\n$B=k\n$A\n$B=m\n${A}", ["k1", "m1"]),
        ("$A=x\nb { $A=y\nk$A\n}", ["b {", "ky", "}"]),
        ("$NAME=X\n$X=v\n${${NAME}}", ["v"]),
        ("$OPEN=vrrp_instance V {\n$CLOSE=}\n$OPEN\na\n$CLOSE", ["vrrp_instance V {", "a", "}"]),
        ("$1X=3", ["$1X=3"]),
        ("$X = v", ["$X = v"]),
        ("auth_pass ab$cd", ["auth_pass ab$cd"]),
        ('script "${WHAT} x"', ["script ${WHAT} x"]),
        ("$_PWD=here\na $_PWD", ["a here"]),
        ("a${_PWD}/x ${_INSTANCE}", ["a/etc/x lb1"]),
        ("a ${_ENV HOME} b${_ENV NOSUCH}c", ["a /root bc"]),
        ('a "b${_HASH}c${_BANG}"', ["a b#c!"]),
        ("a b${_HASH}c", ["a b"]),
        ("a ${_RANDOM 5 5} ${_RANDOM 7  7 } ${_RANDOM 40000}", ["a 5 7 40000"]),
    ],
)
def test_a_definition_stands_for_its_value(text: str, expected: list[str]) -> None:
    assert read_all(text) == expected


def test_random_numbers_are_within_their_bounds_and_the_same_at_each_reading() -> None:
    text = "a ${_RANDOM} ${_RANDOM 100000 100009}\nrandom_seed 5\nb ${_RANDOM 100000 100009}"
    first, seed, last = read_all(text)
    assert 0 <= int(first.split()[1]) <= 32767
    assert [word[:5] for word in (first.split()[2], last.split()[1])] == ["10000", "10000"]
    assert read_all(text) == [first, seed, last]
    assert read_all(text, Setting("lb2")) != [first, seed, last]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$M= \\\n a \\\n b { \\\n  c \\\n }\n$M", ["a", "b {", "c", "}"]),
        ("$M=a \\\nb \\\n$N=5 \\\nk$N \\\nl${N}x\n$M", ["a", "b", "k5", "l5x"]),
        ("$M= \\\n  a  # comment \\\n# comment \\\nb\n$M\nc", ["a", "b", "c"]),
        ("$I= \\\ni_${X} \\\nj_${X}\n$O= \\\n$X=1 \\\n$I \\\n$X=2 \\\n$I\n$O", ["i_1", "j_1", "i_2", "j_2"]),
        ("$M= \\\na \\\nb\nx $M\n$M y", ["x a", "b", "$M y"]),
        ("@lb1 $M= \\\n @lb1 a \\\n @lb2 b \\\nc\n$M", ["a", "c"]),
        ("$M= \\\n\n$M\na", ["a"]),
        ("$M= \\\na \\", []),
    ],
)
def test_a_definition_may_have_several_lines(text: str, expected: list[str]) -> None:
    assert read_all(text) == expected


@pytest.mark.parametrize("empty", ["", "   ", "# comment"])
def test_an_empty_line_ends_a_definition_and_is_pointed_out(empty: str) -> None:
    text = f"$M= \\\na \\\n{empty}\nb\n$M"
    assert read_all(text) == ["b", "a"]
    assert codes(text) == [(3, 1, Severity.ADVICE, "definition-cut")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@lb1 a\n@lb2 b\n@^lb1 c\n@^lb2 d\n @lb1\te\n@lb10 f", ["a", "d", "e"]),
        ("@lb1 $P=1\n@lb2 $P=2\npriority $P", ["priority 1"]),
        ("$IF=@lb1\n$IF a\n$IF=@lb2\n$IF b", ["a"]),
        ("a { @lb1 b\n@lb2 c }\n@lb1 d }", ["a {", "b", "d", "}"]),
        ("@lb1 @lb1 a", ["@lb1 a"]),
        ("@ a\n@^ b", ["b"]),
        ("a b@lb2 c", ["a b@lb2 c"]),
    ],
)
def test_a_condition_keeps_a_line_for_some_nodes(text: str, expected: list[str]) -> None:
    assert read_all(text) == expected


def test_a_placeholder_that_is_a_condition_by_accident_is_pointed_out() -> None:
    assert codes("virtual_ipaddress {\n  @VIP1@\n}") == [(2, 3, Severity.ADVICE, "empty-condition")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~SEQ(n, 0, 2) a$n b${n}", ["a0 b0", "a1 b1", "a2 b2"]),
        ("~SEQ(n,3,1)b${n}", ["b3", "b2", "b1"]),
        ("  ~SEQ ( n , 2 )  c${n}", ["c1", "c2"]),
        ("~SEQ(n,-2) d${n}", ["d-1", "d-2"]),
        ("~SEQ(n, 1, 2, 6) e${n}", ["e1", "e3", "e5"]),
        ("~SEQ(n,6,-2,1) f${n}", ["f6", "f4", "f2"]),
        ("~SEQx(n, 9, 0xb) g${n}", ["g9", "ga", "gb"]),
        ("~SEQ(n,010,011) h${n}", ["h8", "h9"]),
        ("~SEQ(n,) i${n}", ["i1", "i0"]),
        ("~SEQ(n,5,5) ~SEQ(m,1,2) k${n}${m}", ["k51", "k52"]),
        ("~SEQ(n,1,2) ~SEQ(m,1,2) k${n}${m}\nz$n", ["k11", "k12", "k21", "k22", "z2"]),
        ("$E=2\n$S=~SEQ(n,1,$E)\n$S a${n}\n~SEQ(n,1,${E}) b${n}", ["a1", "a2", "b1", "b2"]),
        ("~SEQ(n,1,2) $V=${n}\nv${V}", ["v2"]),
        ("$M= \\\na${n} { \\\nb${n} \\\n}\n~SEQ(n,1,2) $M", ["a1 {", "b1", "}", "a2 {", "b2", "}"]),
        ("$M= \\\n~SEQ(n,1,2) a${n} \\\nb\n$M", ["a1", "a2", "b"]),
        ("~SEQ(n,1,2) a${n} { b${n} }", ["a1 {", "b1", "}", "a2 {", "b2", "}"]),
        ("a { ~SEQ(n,1,2) b${n}\n}", ["a {", "b1", "b2", "}"]),
        ("~SEQ(n,1,2) @lb2 a${n}\n@lb1 ~SEQ(n,1,2) b${n}", ["b1", "b2"]),
        ("~LST(v,a,b) k${v}", ["ka", "kb"]),
        ("~LST( {v, w} , {1,2}, {3 , 4}) m${v}${w}", ["m12", "m34"]),
        ("~LST({v,w},{1},2) n${v}${w}.", ["n1.", "n2."]),
        ("~LST(v,a,,b) o${v}.", ["oa.", "o.", "ob."]),
        ("~LST(v,a,b) ~SEQ(w,1,2) p${v}${w}", ["pa1", "pa2", "pb1", "pb2"]),
        ("~seq(x,1,3) i\n~ k", ["~seq(x,1,3) i", "~ k"]),
    ],
)
def test_a_repetition_reads_the_rest_of_its_line_again_and_again(text: str, expected: list[str]) -> None:
    assert read_all(text) == expected


@pytest.mark.parametrize(
    "line",
    [
        "~SEQ(x) a",
        "~SEQ() a",
        "~SEQ(x,a,b) c",
        "~SEQ(x,1,2 d",
        "~SEQ(x,1,2,3,4) e",
        "~SEQ(x,6,2,1) f",
        "~SEQ(x,1,0,6) g",
        "~SEQx(x,-3,3) h",
        "~SEQ(x,08) i",
        "~LST(v) q",
        "~LST({v,w},{1,2,3}) u",
        "~LST(v,a b,c) w",
        '~LST(v,"a b",c) x',
        "~LST({v},{a b}) y",
        "~LSTx(v,a) z",
    ],
)
def test_a_repetition_that_cannot_be_read_is_an_error_of_its_line_alone(line: str) -> None:
    assert codes(f" {line}\nlast") == [(1, 2, Severity.ERROR, "bad-repetition")]
    assert read_all(f"{line}\nlast") == ["last"]


def test_what_is_made_of_definitions_has_the_place_of_the_reference_and_a_body_has_its_own() -> None:
    text = "$N=12345\n$M= \\\n  a ${N}6 \\\n  b\n  c x${N}y  $N d\n @lb1 ~SEQ(n,1,1) $M"
    parsed = parse(text, "/etc/f.conf", LB1, Shelf({}))
    assert [(word.text, word.line, word.column) for line in parsed.statements for word in line.words] == [
        ("c", 5, 3),
        ("x12345y", 5, 5),
        ("12345", 5, 13),
        ("d", 5, 16),
        ("a", 3, 3),
        ("123456", 3, 5),
        ("b", 4, 3),
    ]


def test_a_name_that_nothing_defines_is_an_error_where_its_braces_would_be_taken_for_a_block() -> None:
    text = "a {\n  b ${NO SUCH} c\n  d $NONE\n}\n"
    assert read_all(text) == ["a {", "b ${NO SUCH} c", "d $NONE", "}"]
    assert codes(text) == [(2, 5, Severity.ERROR, "undefined-name"), (3, 5, Severity.ADVICE, "undefined-name")]


def test_a_backslash_goes_on_only_in_definitions() -> None:
    text = "a b  \\\nc # d \\\n# e \\\nf"
    assert read_all(text) == ["a b\\", "c\\", "f"]
    assert [code for _, _, _, code in codes(text)] == ["stray-backslash"] * 3


FILES = {
    "main.conf": "a\ninclude conf.d-*.conf\nz ${_PWD}",
    "conf.d-2.conf": "two {",
    "conf.d-1.conf": "one\ninclude part",
    "part": "$X=part\n$X",
}


def test_an_include_is_read_in_its_place() -> None:
    shelf = Shelf(FILES)
    parsed = read("/etc/main.conf", LB1, shelf)
    assert words(parsed) == ["a", "one", "part", "two {", "z /etc", "}"]
    assert [(found.file, found.line, found.code) for found in parsed.diagnostics] == [
        ("/etc/conf.d-2.conf", 1, "unclosed-brace")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@lb1 include part\n@lb2 include part", ["part"]),
        ("$F=part\ninclude $F\nlast", ["part", "last"]),
        ("~SEQ(n,1,2) include conf.d-${n}.conf", ["one", "part", "two {", "}"]),
        ("a { include part\n}", ["a {", "part", "}"]),
        ("include {part,conf.d-1.conf}", ["part", "one", "part"]),
        ("includea part", ["part"]),
        ("include", ["include"]),
        ("includex part", ["includex part"]),
    ],
)
def test_an_include_may_come_from_anywhere_a_line_may_come_from(text: str, expected: list[str]) -> None:
    assert words(parse(text, "/etc/f.conf", LB1, Shelf(FILES))) == expected


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("include nosuch", Severity.WARNING),
        ("include nosuch*", Severity.INFO),
        ("include {part,nosuch}", Severity.WARNING),
        ('include "part"', Severity.WARNING),
        ("include part }", Severity.WARNING),
        ("includer nosuch", Severity.WARNING),
        ("includem nosuch", Severity.ERROR),
        ("includem nosuch*", Severity.INFO),
        ("includew nosuch*", Severity.ERROR),
        ("includem nosuch/*", Severity.ERROR),
        ("includeb {part,nosuch}", Severity.ERROR),
        ("includea nosuch", Severity.ERROR),
    ],
)
def test_a_file_that_is_not_there_is_said_and_stops_where_the_author_asked_for_it(
    line: str, severity: Severity
) -> None:
    assert codes(f"a\n {line}", FILES) == [(2, 2, severity, "missing-include")]


def test_a_directory_is_skipped_unless_files_that_can_be_read_are_asked_for() -> None:
    assert codes("include /etc/", FILES) == [(1, 1, Severity.WARNING, "not-a-file")]
    assert codes("includer /etc/", FILES) == [(1, 1, Severity.ERROR, "not-a-file")]


def test_include_check_holds_for_its_file_and_those_below_it() -> None:
    text = "include inner\ninclude nosuch\ninclude_check match\ninclude part\ninclude nosuch"
    files = {**FILES, "inner": "include_check +wildcard_match\ninclude nosuch*\n", "part": "include nosuch"}
    parsed = parse(text, "/etc/f.conf", LB1, Shelf(files))
    assert [(found.file, found.line, found.severity) for found in parsed.diagnostics] == [
        ("/etc/f.conf", 2, Severity.WARNING),
        ("/etc/f.conf", 5, Severity.ERROR),
        ("/etc/inner", 2, Severity.ERROR),
        ("/etc/part", 1, Severity.ERROR),
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a", ["a"]),
        ("{foo/{,cat,dog},bar}", ["foo/", "foo/cat", "foo/dog", "bar"]),
        ("{a,b}/{c,d}", ["a/c", "a/d", "b/c", "b/d"]),
        ("a{}b", ["a{}b"]),
        ("{a", ["{a"]),
        ("a}", ["a}"]),
        (r"\{a,b}", [r"\{a,b}"]),
        ("{a,}", ["a", ""]),
    ],
)
def test_braces_are_expanded_as_in_csh(pattern: str, expected: list[str]) -> None:
    assert alternatives(pattern) == expected


def test_files_that_include_each_other_are_an_error_and_end() -> None:
    files = {"a": "include b\nlast", "b": "x\ninclude a\ny"}
    parsed = read("/etc/a", LB1, Shelf(files))
    assert words(parsed) == ["x", "y", "last"]
    assert [(found.file, found.line, found.code) for found in parsed.diagnostics] == [("/etc/b", 2, "include-loop")]


def test_files_include_each_other_64_deep_and_no_deeper() -> None:
    files = {f"n{depth}": f"d{depth}\ninclude n{depth + 1}" for depth in range(1, 70)}
    parsed = read("/etc/n1", LB1, Shelf(files))
    assert words(parsed) == [f"d{depth}" for depth in range(1, 65)]
    assert [(found.file, found.code) for found in parsed.diagnostics] == [("/etc/n64", "too-deep")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("$S=$S\n$S", "endless-definition"),
        ("$S=x$S\n$S", "endless-definition"),
        ("$A=${B}\n$B=${A}\n${A}", "endless-definition"),
        ("$A=" + "x" * 1000 + "\n$B=" + "${A}" * 600 + "\n$C=" + "${B}" * 600 + "\n$C", "endless-definition"),
        ("\n".join(f"$N{n}=${{N{n + 1}}}${{N{n + 1}}}" for n in range(64)) + "\n$N64=x\na $N0", "endless-definition"),
        ("$M= \\\nx \\\n$M\n$M", "too-deep"),
    ],
)
def test_a_definition_that_explodes_is_an_error_in_bounded_time(text: str, code: str) -> None:
    assert [found for _, _, _, found in codes(text)] == [code]


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("~SEQ(a,1,1000000000) $x=1", Limits(made_lines=1_000)),
        ("~SEQ(a,1,99999999999999999999) ~SEQ(b,1,9999999) $x=1", Limits(made_lines=1_000)),
        ("$M= \\\n$N \\\n$N\n$N= \\\n$O \\\n$O\n$O= \\\na \\\nb\n$M", Limits(made_lines=6)),
        ("$A=xxxxxxxxxx\n" + "a ${A}\n" * 10, Limits(made_characters=50)),
        ("a\n" * 4, Limits(statements=3)),
        ("a b\n" * 4, Limits(words=7)),
        ("#\n\n" * 4, Limits(lines=7)),
        ("$A=1\n" + "{ $A " * 10, Limits(made_characters=50)),
    ],
)
def test_more_than_a_reading_may_come_to_is_an_error_and_the_rest_is_not_read(text: str, limits: Limits) -> None:
    parsed = parse(text + "\nlast", "f", LB1, Shelf({}), limits)
    assert [found.code for found in parsed.diagnostics] == ["too-long"]
    assert "last" not in words(parsed)


@pytest.mark.parametrize(
    "line",
    [
        "${" + "a" * 1_000_000,
        "$" * 1_000_000,
        "~SEQ(n," + " " * 1_000_000 + "x) y",
        "~LST(n," + "a," * 300_000 + "b c) k",
        "a " + "{ $" * 300_000,
        "\\" * 1_000_000,
        '"' * 1_000_001,
        "a#" * 500_000,
        "@node " * 150_000,
        "include " + "a" * 1_000_000,
    ],
    ids=lambda line: line[:8],
)
def test_a_line_as_long_as_a_line_may_be_takes_no_time_out_of_proportion(line: str) -> None:
    """Where time went with the square of a line's length, this would not end."""
    parse(f"$A=1\n{line}", "f", LB1, Shelf({}), Limits(made_characters=5_000_000))


def test_the_limits_leave_room_for_the_largest_example_of_keepalived_s_manual() -> None:
    """65,024 routers of 12 statements, 14 lines of a definition each."""
    assert LIMITS.statements >= 65_024 * 12
    assert LIMITS.made_lines >= 65_024 * 15


def test_a_bomb_of_braces_or_of_includes_is_an_error() -> None:
    assert codes("include " + "{b,c}" * 20) == [(1, 1, Severity.ERROR, "too-many-files")]
    files = {f"f{n}": f"include f{n + 1}\n" * 2 for n in range(60)}
    found = read("/etc/f0", LB1, Shelf(files)).diagnostics
    assert {one.code for one in found} == {"too-many-files", "missing-include", "too-many"}
