"""The lines of `virtual_rules` and `static_rules`: `ip rule`'s grammar without abbreviations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import Any, TypeAlias

from vrrpd.config.routes import LineError, Words, named, number_of
from vrrpd.config.routing import c_number
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Reading
from vrrpd.model import Family, IPNetwork, Rule

_MAX_U32 = (1 << 32) - 1
_MAX_PORT = 65535
_EVERYTHING = frozenset({"all", "any", "default"})
"""What matches without a condition."""
_IP_PROTOCOLS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "sctp": 132, "vrrp": 112}


@dataclass(slots=True)
class RuleDraft:
    """A rule line as read; interfaces are looked for when the whole file is."""

    line: Statement
    family: Family | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    """Of Rule, by name."""
    action: str | None = None
    devices: list[Word] = field(default_factory=list)
    no_track: bool = False
    track_group: Word | None = None

    def finished(self) -> Rule:
        """As the kernel is asked for it."""
        return Rule(
            family=self.family or Family.IPV4,
            action=self.action or "lookup",
            is_tracked=not self.no_track,
            track_group=None if self.track_group is None else self.track_group.text,
            text=" ".join(word.text for word in self.line.words),
            **self.fields,
        )


_Reader: TypeAlias = Callable[[RuleDraft, Word, Words, Reading], None]


def read_rule(line: Statement, to: Reading) -> RuleDraft | None:
    """None, with the reason said, when keepalived takes no rule from the line either."""
    draft = RuleDraft(line)
    words = Words(line.words)
    try:
        for word in words:
            OPTIONS.get(word.text, _unknown)(draft, word, words, to)
        _complete(draft, to)
    except LineError as error:
        to.warning(error.at, "bad-rule", f"{error}: the rule is left out, as keepalived does")
        return None
    return draft


def _unknown(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    del draft, words, to
    raise LineError(word, f"{quoted(word)} is no option of a rule")


def _complete(draft: RuleDraft, to: Reading) -> None:
    if draft.action is None and not draft.fields.get("l3mdev"):
        raise LineError(draft.line, "a rule needs an action: table, goto, nop, blackhole, unreachable or prohibit")
    preference, target = draft.fields.get("preference"), draft.fields.get("goto")
    if target is not None and (preference is None or preference >= target):
        raise LineError(draft.line, "a rule with goto needs a preference below its target")
    if preference is None:
        draft.fields["preference"] = invented = next(to.preferences)
        to.warning(
            draft.line,
            "no-preference",
            f"a rule without preference gets {invented}, as in keepalived: it depends on the rules before it",
            "write a preference",
        )


def _prefix(name: str) -> _Reader:
    def read(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
        if words.takes(*_EVERYTHING):
            return
        at = words.after(word)
        try:
            network: IPNetwork = ip_interface(at.text).network
        except ValueError:
            raise LineError(at, f"{quoted(at)} is no network") from None
        if draft.family not in (None, network.version):
            raise LineError(at, "a rule is of one family")
        if ip_interface(at.text).ip != network.network_address:
            to.warning(at, "host-bits", f"{quoted(at)} has bits set behind its prefix: {network} is taken")
        draft.family = Family(network.version)
        draft.fields[name] = network

    return read


def _interface(name: str) -> _Reader:
    def read(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
        del to
        device = words.after(word)
        draft.devices.append(device)
        draft.fields[name] = device.text

    return read


def _number(name: str, high: int) -> _Reader:
    def read(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
        draft.fields[name] = number_of(words.after(word), 0, high, to)

    return read


def _range(name: str, high: int) -> _Reader:
    """`N` or `N-M`."""

    def read(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
        at = words.after(word)
        low, _, last = at.text.partition("-")
        ends = [number_of(Word(text, at.file, at.line, at.column), 0, high, to) for text in (low, last or low)]
        if ends[0] > ends[1]:
            raise LineError(at, f"{quoted(at)} is no range")
        draft.fields[name] = (ends[0], ends[1])

    return read


def _act(draft: RuleDraft, word: Word, action: str) -> None:
    if draft.action is not None:
        raise LineError(word, f"a rule has one action, {draft.action} or {action}")
    draft.action = action


def _table(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    _act(draft, word, "lookup")
    at = words.after(word)
    draft.fields["table"] = named("tables", at, _MAX_U32, "routing table", to)
    if draft.fields["table"] == 0:
        raise LineError(at, "table 0 is none")


def _goto(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    _act(draft, word, "goto")
    draft.fields["goto"] = number_of(words.after(word), 0, _MAX_U32, to)


def _other_action(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    del words, to
    _act(draft, word, word.text)


def _not(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    del word, words, to
    draft.fields["inverted"] = True


def _mark(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    """`MARK[/MASK]`, in C's notation."""
    del to
    at = words.after(word)
    mark, slash, mask = at.text.partition("/")
    numbers = [c_number(mark), c_number(mask) if slash else _MAX_U32]
    if any(number is None or not 0 <= number <= _MAX_U32 for number in numbers):
        raise LineError(at, f"{quoted(at)} is no firewall mark")
    draft.fields["mark"], draft.fields["mark_mask"] = numbers[0], numbers[1] if slash else None


def _tos(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    draft.fields["tos"] = named("dsfield", words.after(word), 255, "traffic class", to)


def _realms(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    """`[FROM/]TO`, 16 bits each."""
    at = words.after(word)
    first, slash, second = at.text.partition("/")
    source, destination = (first, second) if slash else ("0", first)
    parts = [
        named("realms", Word(text, at.file, at.line, at.column), _MAX_PORT, "realm", to)
        for text in (source, destination)
    ]
    draft.fields["realms"] = parts[0] << 16 | parts[1]


def _ip_protocol(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    del to
    at = words.after(word)
    number = c_number(at.text)
    if number is None:
        number = _IP_PROTOCOLS.get(at.text.lower())
    if number is None or not 0 < number < 256:  # noqa: PLR2004 - one byte of the IP header
        raise LineError(at, f"{quoted(at)} is no IP protocol")
    draft.fields["ip_protocol"] = number


def _l3mdev(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    del word, words, to
    draft.fields["l3mdev"] = True


def _family(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    del words, to
    family = Family.IPV6 if word.text == "inet6" else Family.IPV4
    if draft.family not in (None, family):
        raise LineError(word, "a rule is of one family")
    draft.family = family


def _no_track(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    del word, words, to
    draft.no_track = True


def _track_group(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    del to
    draft.track_group = words.after(word)


def _left_out(draft: RuleDraft, word: Word, words: Words, to: Reading) -> None:
    del draft
    words.after(word)
    to.warning(word, "left-out", f"{word.text} of a rule is not put into the kernel: the rule is without it")


OPTIONS: Mapping[str, _Reader] = {
    "from": _prefix("source"),
    "to": _prefix("destination"),
    "not": _not,
    **dict.fromkeys(("iif", "dev"), _interface("incoming")),
    "oif": _interface("outgoing"),
    **dict.fromkeys(("tos", "dsfield"), _tos),
    "fwmark": _mark,
    **dict.fromkeys(("preference", "priority", "order", "pref"), _number("preference", _MAX_U32)),
    "realms": _realms,
    **dict.fromkeys(("suppress_prefixlength", "sup_pl"), _number("suppress_prefix_length", 128)),
    **dict.fromkeys(("suppress_ifgroup", "sup_group"), _number("suppress_interface_group", _MAX_U32)),
    "uidrange": _range("uid_range", _MAX_U32),
    "l3mdev": _l3mdev,
    **dict.fromkeys(("ip_proto", "ipproto"), _ip_protocol),
    "sport": _range("source_ports", _MAX_PORT),
    "dport": _range("destination_ports", _MAX_PORT),
    **dict.fromkeys(("table", "lookup"), _table),
    "goto": _goto,
    **dict.fromkeys(("nop", "blackhole", "unreachable", "prohibit"), _other_action),
    **dict.fromkeys(("inet", "inet6"), _family),
    "no_track": _no_track,
    "track_group": _track_group,
    **dict.fromkeys(("protocol", "tunnel-id"), _left_out),
}
