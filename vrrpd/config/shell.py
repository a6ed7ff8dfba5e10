"""What a command line, or the text of a script, tells of what its author took for granted. Right when it speaks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

_OPERATOR = re.compile(r"\|\|?|&&|&|;|[0-9&]?>.*|<.*|.*[^\\];")
"""A whole word that a shell would not hand on as an argument."""
_EXPANSION = re.compile(r"\$\(|`|\$\{?[A-Za-z_?@*#!0-9]")
_PATTERN = re.compile(r"/.*\*.*")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})
_HAVE_A_LANGUAGE = frozenset({"awk", "gawk", "mawk", "sed", "perl", "python", "python3", "ruby", "jq", "find", "xargs"})
"""Programs whose own arguments look like a shell's."""
_HAVE_PATTERNS = _HAVE_A_LANGUAGE | {"grep", "egrep", "pgrep", "pkill", "curl", "wget", "expr"}
_BUILTINS = frozenset(
    {"exit", "cd", "source", ".", "if", "while", "for", "case", "export", "set", "ulimit", "trap", "!"}
)


def program_name(argv: Sequence[str]) -> str:
    """What is run, without its directory."""
    return argv[0].rpartition("/")[2] if argv else ""


def shell_syntax(argv: Sequence[str]) -> str | None:
    """The first word that only a shell would understand; None when there is none, or when a shell is what is run."""
    if program_name(argv) in _BUILTINS or re.match(r"[A-Za-z_]\w*=", argv[0]):
        return argv[0]
    if program_name(argv) in _SHELLS and "-c" in argv:
        return None
    own = program_name(argv) in _HAVE_A_LANGUAGE
    for word in argv[1:]:
        if re.search(r"\s", word):  # quoted: the text is for somebody else
            continue
        if not own and (_OPERATOR.fullmatch(word) or _EXPANSION.search(word)):
            return word
        if program_name(argv) not in _HAVE_PATTERNS and _PATTERN.fullmatch(word):
            return word
    return None


_LOOKS_WITH: Mapping[str, frozenset[str]] = {
    "killall": frozenset({"-0"}),
    "pkill": frozenset({"-0"}),
    "pidof": frozenset(),
    "pgrep": frozenset({"-x"}),
}
"""Without these options they do something else, or match more than a name."""
_QUIETLY = frozenset({"-q", "--quiet", "-s"})


def looked_for_process(argv: Sequence[str]) -> str | None:
    """The process whose existence is all that a command tells: `killall -0 X`, `pidof X`, `pgrep -x X`."""
    needed = _LOOKS_WITH.get(program_name(argv))
    if needed is None or len(argv) == 1:
        return None
    *options, name = argv[1:]
    if name.startswith("-") or not needed <= set(options) <= needed | _QUIETLY:
        return None
    return PurePosixPath(name).name or None


_SHELL = re.compile(rb"#!\s*\S*/(?:env\s+)?(?:ba|da|k|z|a)?sh(?P<options>[^\n]*)\n?")
_STEP = re.compile(r"\b(then|else|do)\b|[;\n]")
_HARMLESS = re.compile(r"(?:echo|printf|true|:|logger|exit\s+0)(?:\s[^|&]*)?")
_MAY_FAIL = re.compile(r"\bexit\b(?!\s+0\b)|\bset\s+-\w*[eE]|\berrexit\b|\bkill\b[^\n]*\$\$|\bexec\b|<<")


def always_succeeds(script: bytes) -> bool:
    """Whether a shell script ends with 0 whatever it finds: it prints its verdict where it should exit with it."""
    first = _SHELL.match(script)
    if first is None or re.search(rb"\s-\w*e", first["options"]):
        return False
    lines = script[first.end() :].decode(errors="replace").split("\n")
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    if _MAY_FAIL.search(text):
        return False
    steps = [step.strip() for step in _STEP.split(text) if step and step.strip(" \t\r\n;")]
    return bool(steps) and _ends_well(steps)


def _ends_well(steps: Sequence[str]) -> bool:
    if steps[-1] != "fi":
        return _HARMLESS.fullmatch(steps[-1]) is not None
    depth = 0
    for at in range(len(steps) - 1, 0, -1):
        word = steps[at].split()[0]
        depth += (word == "fi") - (word == "if")
        if word == "fi" and depth > 1:
            return False  # an if within the last one: not worth the guess
        if (word in {"fi", "else", "elif"}) and not _HARMLESS.fullmatch(steps[at - 1]):
            return False
        if depth == 0:
            return True
    return steps[0].split()[0] == "if"
