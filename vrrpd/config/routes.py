"""The lines of `virtual_routes` and `static_routes`: `ip route`'s grammar without abbreviations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_interface, ip_network
from typing import TypeAlias

from vrrpd.config.routing import number_named
from vrrpd.config.syntax import Statement, Word, quoted
from vrrpd.config.table import Reading
from vrrpd.config.values import ip, whole
from vrrpd.model import Family, IPAddress, IPNetwork, NextHop, Route

_MAX_U32 = (1 << 32) - 1
_KEEPALIVED = 18
_DEFAULTS = {Family.IPV4: ip_network("0.0.0.0/0"), Family.IPV6: ip_network("::/0")}
_EVERYTHING = frozenset({"default", "any", "all"})
_MAX_WEIGHT = 256
_FEATURE_ECN = 1
KINDS = frozenset(
    {"unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit", "throw", "nat"}
)
_WITHOUT_DEVICE = frozenset({"blackhole", "unreachable", "prohibit", "throw"})
_LOCKS = {"mtu": 2, "rtt": 4, "rttvar": 5, "ssthresh": 6, "cwnd": 7, "advmss": 8, "reordering": 9, "rto_min": 13}
"""RTAX_ numbers of the metrics that may be locked."""


class LineError(ValueError):
    """The whole line counts for nothing; the message says why."""

    def __init__(self, at: Word | Statement, message: str) -> None:
        super().__init__(message)
        self.at = at


class Words:
    """The words of a line, one after the other."""

    def __init__(self, words: tuple[Word, ...]) -> None:
        self._words = words
        self._next = 0

    def __iter__(self) -> Iterator[Word]:
        while self._next < len(self._words):
            self._next += 1
            yield self._words[self._next - 1]

    def after(self, option: Word) -> Word:
        """The value of an option. Raises LineError when the line ends with it."""
        if self._next >= len(self._words):
            raise LineError(option, f"{option.text} needs a value")
        self._next += 1
        return self._words[self._next - 1]

    def takes(self, *texts: str) -> str | None:
        """The next word, if it is one of these."""
        if self._next < len(self._words) and self._words[self._next].text in texts:
            self._next += 1
            return self._words[self._next - 1].text
        return None


@dataclass(slots=True)
class RouteDraft:
    """A route line as read; devices are looked for when the whole file is."""

    line: Statement
    family: Family | None = None
    destination: IPNetwork | None = None
    everything: bool = False
    kind: str = "unicast"
    source: IPAddress | None = None
    gateways: list[IPAddress] = field(default_factory=list)
    device: Word | None = None
    on_link: bool = False
    next_hops: list[NextHop] = field(default_factory=list)
    devices: list[Word] = field(default_factory=list)
    """All that are named."""
    table: int = Route(Family.IPV4, ip_network("0.0.0.0/0")).table
    scope: int | None = None
    metric: int | None = None
    protocol: int = _KEEPALIVED
    tos: int = 0
    metrics: dict[str, int] = field(default_factory=dict)
    locked: int = 0
    appended: bool = False
    no_track: bool = False
    track_group: Word | None = None

    def is_of_family(self, address: IPAddress | IPNetwork) -> bool:
        """The first address fixes it."""
        if self.family is None:
            self.family = Family(address.version)
        return self.family == address.version

    def finished(self) -> Route:
        """As the kernel is asked for it."""
        family = self.family or Family.IPV4
        hops = self.next_hops or [NextHop(gateway, self._device, on_link=self.on_link) for gateway in self.gateways]
        if not hops and self.device is not None:
            hops = [NextHop(None, self._device, on_link=self.on_link)]
        lock = (("lock", self.locked),) if self.locked else ()
        return Route(
            family=family,
            destination=self.destination or _DEFAULTS[family],
            kind=self.kind,
            source=self.source,
            next_hops=tuple(hops),
            table=self.table,
            scope=self.scope,
            metric=self.metric,
            protocol=self.protocol,
            tos=self.tos,
            metrics=tuple(self.metrics.items()) + lock,
            appended=self.appended,
            is_tracked=self.device is not None and not self.no_track,
            track_group=None if self.track_group is None else self.track_group.text,
            text=" ".join(word.text for word in self.line.words),
        )

    @property
    def _device(self) -> str | None:
        return None if self.device is None else self.device.text


_Reader: TypeAlias = Callable[[RouteDraft, Word, Words, Reading], None]


def read_route(line: Statement, to: Reading) -> RouteDraft | None:
    """None, with the reason said, when keepalived takes no route from the line either."""
    draft = RouteDraft(line)
    words = Words(line.words)
    try:
        for word in words:
            _read(draft, word, words, to)
        _require_sense(draft)
    except LineError as error:
        to.warning(error.at, "bad-route", f"{error}: the route is left out, as keepalived does")
        return None
    if draft.device is None and not draft.no_track and draft.kind not in _WITHOUT_DEVICE:
        to.warning(
            line, "untracked-route", "a route without dev is not tracked: its loss goes unnoticed", "name its dev"
        )
    return draft


def _require_sense(draft: RouteDraft) -> None:
    if draft.destination is None and not draft.everything:
        raise LineError(draft.line, "a route needs a destination")
    if draft.next_hops and draft.gateways:
        raise LineError(draft.line, "a route has via or nexthop, not both")


def _read(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    if word.text in OPTIONS:
        OPTIONS[word.text](draft, word, words, to)
    elif word.text in _METRICS:
        _metric_value(draft, word, words, to)
    elif word.text in KINDS:
        draft.kind = word.text
    elif word.text in _EVERYTHING:
        draft.everything = True
    else:
        draft.destination = _network(draft, word, to)


def _network(draft: RouteDraft, word: Word, to: Reading) -> IPNetwork:
    try:
        interface = ip_interface(word.text)
    except ValueError:
        raise LineError(word, f"{quoted(word)} is neither a network nor an option of a route") from None
    if not draft.is_of_family(interface.ip):
        raise LineError(word, "a route is of one family")
    if interface.ip != interface.network.network_address:
        to.warning(word, "host-bits", f"{quoted(word)} has bits set behind its prefix: {interface.network} is taken")
    return interface.network


def address_of(word: Word) -> IPAddress:
    """Raises LineError."""
    address = ip(word.text)
    if address is None:
        raise LineError(word, f"{quoted(word)} is no address")
    return address


def _address(draft: RouteDraft, word: Word) -> IPAddress:
    address = address_of(word)
    if not draft.is_of_family(address):
        raise LineError(word, "a route is of one family")
    return address


def _src(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    del to
    draft.source = _address(draft, words.after(word))


def _to(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    if kind := words.takes(*KINDS):
        draft.kind = kind
    if words.takes(*_EVERYTHING):
        draft.everything = True
    else:
        draft.destination = _network(draft, words.after(word), to)


def _via(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    if word.text in ("gw", "or"):
        instead = "via" if word.text == "gw" else "nexthop"
        to.advice(word, "deprecated", f"{word.text} is an old word of keepalived's", f"write {instead}")
    words.takes("inet", "inet6")
    draft.gateways.append(_address(draft, words.after(word)))


def _dev(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    del to
    draft.device = words.after(word)
    draft.devices.append(draft.device)


def _family(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    del words, to
    family = Family.IPV6 if word.text != "inet" else Family.IPV4
    if draft.family not in (None, family):
        raise LineError(word, "a route is of one family")
    draft.family = family
    draft.everything |= word.text == "default6"


def _table(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    name = words.after(word)
    draft.table = named("tables", name, _MAX_U32, "routing table", to)


def named(kind: str, word: Word, high: int, what: str, to: Reading) -> int:
    """Raises LineError."""
    number = number_named(kind, word, to.node, high)
    if number is None:
        raise LineError(word, f"there is no {what} {quoted(word)}")
    return number


def _scope(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    draft.scope = named("scopes", words.after(word), 255, "scope", to)


def _protocol(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    draft.protocol = named("protos", words.after(word), 255, "protocol", to)


def _tos(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    draft.tos = named("dsfield", words.after(word), 255, "traffic class", to)


def _metric(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    draft.metric = number_of(words.after(word), 0, _MAX_U32, to)


def number_of(word: Word, low: int, high: int, to: Reading) -> int:
    """Raises LineError."""
    number = whole(word, low, high, to, otherwise="the line counts for nothing", strict=True)
    if number is None:
        raise LineError(word, f"{quoted(word)} is out of range")
    return number


def _onlink(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    del word, words, to
    draft.on_link = True


def _appended(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    del words, to
    draft.appended = word.text == "append"


def _no_track(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    del word, words, to
    draft.no_track = True


def _track_group(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    del to
    draft.track_group = words.after(word)


def _next_hop(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    """All the rest of the line: `nexthop [via A] [dev D] [weight N] [onlink] nexthop …`."""
    hop = NextHop()
    for option in words:
        match option.text:
            case "nexthop":
                draft.next_hops.append(hop)
                hop = NextHop()
            case "via":
                words.takes("inet", "inet6")
                hop = NextHop(_address(draft, words.after(option)), hop.device, hop.weight, hop.on_link)
            case "dev":
                device = words.after(option)
                draft.devices.append(device)
                hop = NextHop(hop.gateway, device.text, hop.weight, hop.on_link)
            case "weight":
                weight = number_of(words.after(option), 1, _MAX_WEIGHT, to)
                hop = NextHop(hop.gateway, hop.device, weight, hop.on_link)
            case "onlink":
                hop = NextHop(hop.gateway, hop.device, hop.weight, on_link=True)
            case _:
                raise LineError(option, f"{quoted(option)} is no option of a nexthop")
    draft.next_hops.append(hop)
    if hop.gateway is None and hop.device is None:
        raise LineError(word, "a nexthop needs via or dev")


def _metric_value(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    """`mtu [lock] N` and its like, in the kernel's units."""
    if word.text in _LOCKS and words.takes("lock"):
        draft.locked |= 1 << _LOCKS[word.text]
    value = words.after(word)
    if word.text == "features":
        if value.text != "ecn":
            to.warning(value, "unknown-option", f"{quoted(value)} is no feature of a route; it is ignored")
            return
        draft.metrics[word.text] = _FEATURE_ECN
    elif word.text in _TIMES:
        draft.metrics[word.text] = _milliseconds(value, _TIMES[word.text], to)
    else:
        draft.metrics[word.text] = number_of(value, 0, _MAX_U32, to)


def _milliseconds(word: Word, fraction: int, to: Reading) -> int:
    """`10ms` and `1s` are times, which the kernel has in parts of a millisecond; a bare number is the kernel's own."""
    for unit, factor in (("ms", 1), ("s", 1000)):
        if word.text.endswith(unit):
            number = Word(word.text.removesuffix(unit), word.file, word.line, word.column)
            return number_of(number, 0, _MAX_U32 // (factor * fraction), to) * factor * fraction
    return number_of(word, 0, _MAX_U32, to)


def _left_out(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    del draft
    words.after(word)
    to.warning(word, "left-out", f"{word.text} of a route is not put into the kernel: the route is without it")


def _encapsulated(draft: RouteDraft, word: Word, words: Words, to: Reading) -> None:
    del draft, words, to
    raise LineError(word, f"{word.text} is not vrrpd's")


_TIMES = {"rtt": 8, "rttvar": 4, "rto_min": 1}
_METRICS = frozenset(
    {"mtu", "advmss", "hoplimit", "reordering", "window", "cwnd", "ssthresh", "initcwnd", "initrwnd", "quickack"}
    | {"fastopen_no_cookie", "features", *_TIMES}
)

OPTIONS: Mapping[str, _Reader] = {
    "src": _src,
    "to": _to,
    "via": _via,
    "gw": _via,
    "or": _via,
    "dev": _dev,
    "oif": _dev,
    "inet": _family,
    "inet6": _family,
    "default6": _family,
    "table": _table,
    "scope": _scope,
    "protocol": _protocol,
    "proto": _protocol,
    "tos": _tos,
    "dsfield": _tos,
    "metric": _metric,
    "priority": _metric,
    "preference": _metric,
    "onlink": _onlink,
    "append": _appended,
    "prepend": _appended,
    "add": _appended,
    "nexthop": _next_hop,
    "no_track": _no_track,
    "track_group": _track_group,
    "from": _left_out,
    "expires": _left_out,
    "realms": _left_out,
    "pref": _left_out,
    "congctl": _left_out,
    "ttl-propagate": _left_out,
    "vrf": _left_out,
    "encap": _encapsulated,
    "as": _encapsulated,
}
