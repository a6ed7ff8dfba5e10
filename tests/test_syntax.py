from __future__ import annotations

from pathlib import Path

import pytest

from vrrpd.config.diagnostics import Severity
from vrrpd.config.language import parse
from vrrpd.config.syntax import CommandError, Statement, command_words

GUIDE = (Path(__file__).parent / "data" / "guide.conf").read_text(encoding="utf-8")


def shape(statements: tuple[Statement, ...]) -> list[object]:
    """Words and children only: ["a b", ["c", [...]]]."""
    found: list[object] = []
    for statement in statements:
        found.append([word.text for word in statement.words])
        if statement.children is not None:
            found.append(shape(statement.children))
    return found


def codes(text: str) -> list[tuple[int, int, Severity, str]]:
    return [(found.line, found.column, found.severity, found.code) for found in parse(text, "f").diagnostics]


@pytest.mark.parametrize(
    "text",
    [
        "a x {\n b 1\n c\n}\n",
        "a x\n{\n b 1\n c\n}\n",
        "a x{ b 1\nc }",
        "a x {b 1\n\tc}",
        "a x\t{\r\n  b  1  # } {\r\n  c ! }\r\n}\r\n",
        'a "x" {\n b "1"\n c\n}',
        "\n\na x\n\n# {\n{\n b 1\n c\n}",
    ],
)
def test_every_brace_style_reads_the_same(text: str) -> None:
    parsed = parse(text, "f")
    assert shape(parsed.statements) == [["a", "x"], [["b", "1"], ["c"]]]
    assert parsed.diagnostics == ()


def test_a_statement_ends_at_a_newline_or_a_brace() -> None:
    assert shape(parse("a { b { c } d 1 } e 2\nf", "f").statements) == [
        ["a"],
        [["b"], [["c"]], ["d", "1"]],
        ["e", "2"],
        ["f"],
    ]


def test_words_know_where_they_begin() -> None:
    statement = parse('\n\tkey  "two words" x # y', "conf").statements[0]
    assert [(word.text, word.line, word.column, word.quoted) for word in statement.words] == [
        ("key", 2, 2, False),
        ("two words", 2, 7, True),
        ("x", 2, 19, False),
    ]
    assert (statement.file, statement.line, statement.column) == ("conf", 2, 2)


def test_a_comment_glued_to_a_word_ends_it_and_is_pointed_out() -> None:
    parsed = parse("priority 100#x\nauth_pass Test!1\n", "f")
    assert shape(parsed.statements) == [["priority", "100"], ["auth_pass", "Test"]]
    assert codes("priority 100#x\nauth_pass Test!1\n") == [
        (1, 13, Severity.ADVICE, "comment-in-word"),
        (2, 15, Severity.ADVICE, "comment-in-word"),
    ]


def test_double_quotes_keep_comment_signs_and_braces_in() -> None:
    assert shape(parse('a "x # ! { } y"', "f").statements) == [["a", "x # ! { } y"]]


def test_words_outside_commands_know_neither_single_quotes_nor_escapes() -> None:
    assert shape(parse(r"""auth_pass 'a b\c\\""", "f").statements) == [["auth_pass", "'a", r"b\c\\"]]
    assert shape(parse(r"auth_pass ab\#cd", "f").statements) == [["auth_pass", "ab"]], (
        "as the running keepalived has it"
    )
    assert shape(parse('id ab"c d"e', "f").statements) == [["id", "ab", "c d", "e"]]


def test_a_no_break_space_is_part_of_its_word() -> None:
    assert shape(parse("mail { [email\xa0protected] }", "f").statements) == [["mail"], [["[email\xa0protected]"]]]


def test_a_byte_order_mark_is_skipped_with_advice() -> None:
    parsed = parse("\ufeffa 1", "f")
    assert shape(parsed.statements) == [["a", "1"]]
    assert codes("\ufeffa 1") == [(1, 1, Severity.ADVICE, "byte-order-mark")]


def test_a_block_that_is_never_closed_is_named_where_it_opens() -> None:
    parsed = parse("a {\n b {\n c 1\n}\n", "f")
    assert shape(parsed.statements) == [["a"], [["b"], [["c", "1"]]]]
    assert codes("a {\n b {\n c 1\n}\n") == [(1, 1, Severity.ERROR, "unclosed-brace")]


def test_a_brace_too_many_is_ignored_with_a_warning() -> None:
    assert shape(parse("a { b }\n }\nc", "f").statements) == [["a"], [["b"]], ["c"]]
    assert codes("a { b }\n }\nc") == [(2, 2, Severity.WARNING, "extra-brace")]


def test_an_unclosed_quote_is_an_error_of_its_line_alone() -> None:
    assert shape(parse('a "b\nc', "f").statements) == [["c"]]
    assert codes('a "b\nc') == [(1, 3, Severity.ERROR, "unclosed-quote")]


def test_a_dollar_that_defines_nothing_is_a_character() -> None:
    parsed = parse("auth_pass ab$cd\nscript \"sh -c 'echo ${HOME} $1'\"\nprice 5$\n", "f")
    assert parsed.diagnostics == ()
    assert parsed.statements[0].values[0].text == "ab$cd"


def test_blocks_nest_64_deep_and_no_deeper() -> None:
    assert parse("a {\n" * 64 + "}" * 64, "f").diagnostics == ()
    parsed = parse("a {\n" * 66 + "b\n" + "}\n" * 66 + "c", "f")
    assert [(found.code, found.line) for found in parsed.diagnostics] == [("too-deep", 65)]
    assert shape(parsed.statements)[-1] == ["c"]


def test_a_line_longer_than_a_mebibyte_is_an_error() -> None:
    fits = "a " + "x" * ((1 << 20) - 2)
    assert codes(f"{fits}\nb") == []
    assert codes(f"{fits}x\nb") == [(1, 1, Severity.ERROR, "too-long")]


def test_the_guides_file_is_read_without_a_word() -> None:
    parsed = parse(GUIDE, "f")
    assert parsed.diagnostics == ()
    assert [[word.text for word in block.words] for block in parsed.statements] == [
        ["global_defs"],
        ["vrrp_instance", "R1"],
        ["vrrp_script", "chk_haproxy"],
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("killall -0 haproxy", ("killall", "-0", "haproxy")),
        (r"/bin/true 'a b' c\"d", ("/bin/true", "a b", 'c"d')),
        ('a"b c"d', ("ab cd",)),
        ("a '' b", ("a", "", "b")),
        (r"a\ b \x41\101 \t|\n", ("a b", "AA", "\t|\n")),
        ("sh -c 'exit 0'", ("sh", "-c", "exit 0")),
        ('"it\'s"', ("it's",)),
        ("", ()),
    ],
)
def test_command_lines_are_split_as_keepalived_splits_them(text: str, words: tuple[str, ...]) -> None:
    assert command_words(text) == words


@pytest.mark.parametrize("text", ["a 'b", 'a "b', "a\\", "a \0", r"a \x00", r"a \377", r"a \c@"])
def test_a_command_that_cannot_be_passed_says_why(text: str) -> None:
    with pytest.raises(CommandError, match=r".+"):
        command_words(text)
