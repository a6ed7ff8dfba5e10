"""Words as numbers, times and addresses. What is wrong is said, and None is returned: the line then counts for nothing.

keepalived reads most numbers up to the first character that is none ("2s" is 2) and says so; `strict` are those
where it takes nothing at all.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from vrrpd.config.syntax import Word, quoted
from vrrpd.config.table import BOOLEANS, FALSE, Reading
from vrrpd.model import SECOND, Duration, IPAddress

_WHOLE = re.compile(r"([+-]?0*[0-9]{1,20})(.*)", re.DOTALL)
_DECIMAL = re.compile(r"\+?(?=\.?[0-9])([0-9]{0,10})(?:\.([0-9]{0,50}))?(.*)", re.DOTALL)


def whole(
    word: Word,
    low: int,
    high: int,
    to: Reading,
    *,
    otherwise: str = "the line counts for nothing",
    strict: bool = False,
) -> int | None:
    """A decimal number from low to high."""
    form = _WHOLE.fullmatch(word.text)
    number = int(form[1]) if form else None
    surplus = form[2] if form else ""
    if number is None or not low <= number <= high or (surplus and strict):
        to.warning(word, "bad-number", f"{quoted(word)} is not a whole number from {low} to {high}: {otherwise}")
        return None
    if surplus:
        to.warning(word, "bad-number", f"{quoted(word)} is not a whole number: {number} is taken, as keepalived does")
    return number


def seconds(word: Word, low: Duration, high: Duration, to: Reading, *, strict: bool = True) -> Duration | None:
    """Decimal seconds, from low to high, as nanoseconds. Further digits than nine are cut off."""
    form = _DECIMAL.fullmatch(word.text)
    if form and not (form[3] and strict):
        duration = int(form[1] or 0) * SECOND + int((form[2] or "")[:9].ljust(9, "0"))
        if low <= duration <= high:
            if form[3]:
                to.warning(word, "bad-number", f"{quoted(word)} is not a number: {spoken(duration)} is taken")
            return duration
    to.warning(
        word,
        "bad-number",
        f"{quoted(word)} is not a number of seconds from {spoken(low)} to {spoken(high)}: the line counts for nothing",
    )
    return None


def spoken(duration: Duration) -> str:
    """Seconds for people, without a float: 1.5, 60."""
    whole_seconds, rest = divmod(duration, SECOND)
    return f"{whole_seconds}.{rest:09}".rstrip("0").rstrip(".")


def size(text: str) -> int:
    """In bytes of UTF-8."""
    return len(utf8(text))


def utf8(text: str) -> bytes:
    """As it stands in the file; never raises, whatever the text."""
    return text.encode("utf-8", "surrogatepass")


def ipv4(text: str) -> IPv4Address | None:
    """An IPv4 address in its dotted form, or None."""
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


def ip(text: str) -> IPAddress | None:
    """An IPv4 address in its dotted form or an IPv6 address without a zone, or None."""
    if ":" not in text:
        return ipv4(text)
    try:
        return None if "%" in text else IPv6Address(text)
    except AddressValueError:
        return None


def boolean(word: Word, to: Reading) -> bool | None:
    """One of keepalived's six words for it, in lower case."""
    if word.text in BOOLEANS:
        return word.text not in FALSE
    to.warning(word, "bad-boolean", f"{quoted(word)} is none of on, true, yes, off, false, no: the line does not count")
    return None
