"""The flight recorder: the last events that the engine was given, from a state that they can be replayed from.

Everything that the core speaks in is a value, so one codec serves all of it. A recording is lines of JSON: a header,
the engine as it was, then one event a line. `replay` gives the actions that the engine takes on them, which are those
that it took. Passwords are not in it: ours is zeroed, and in a packet that had it too.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from sys import modules
from typing import Any, Final, TypeAlias

from vrrpd import actions
from vrrpd.engine import Engine
from vrrpd.frames import Datagram, internet_checksum
from vrrpd.model import Authentication, AuthenticationType, Config, Instant, Version

FORMAT = 1
EVENTS_MAX = 4096
"""Of one segment; a recording has the last two."""

Entry: TypeAlias = tuple[Instant, str, tuple[Any, ...]]
"""When, which method of the engine, and its arguments but the time."""

_PLAIN = (type(None), bool, int, float, str)
_SHARED: Final = (
    *_PLAIN,
    bytes,
    Enum,
    IPv4Address,
    IPv6Address,
    IPv4Interface,
    IPv6Interface,
    IPv4Network,
    IPv6Network,
)
_PACKAGE = "vrrpd."
_IPV4_MIN, _V2_MIN, _PASSWORD_BYTES = 20, 16, 8
_WRONG_PASSWORD = b"\xff" * _PASSWORD_BYTES


class RecordingError(Exception):
    """A file that is no recording, or one of another vrrpd: what is wrong."""


class Recorder:
    """Stands before an engine, has its methods, and keeps what it is told: two segments of EVENTS_MAX events."""

    def __init__(self, recorded: Engine) -> None:
        self._engine = recorded
        self._base = frozen_copy(recorded)
        self._events: list[Entry] = []
        self._before: tuple[Any, list[Entry]] | None = None

    def handle(self, event: actions.Event, now: Instant) -> list[actions.Action]:
        """`Engine.handle`."""
        self._note(now, "handle", (event,))
        return self._engine.handle(event, now)

    def receive(self, interface: str, packet: bytes, now: Instant) -> list[actions.Action]:
        """`Engine.receive`."""
        self._note(now, "receive", (interface, packet))
        return self._engine.receive(interface, packet, now)

    def receive_ipv6(self, interface: str, datagram: Datagram, now: Instant) -> list[actions.Action]:
        """`Engine.receive_ipv6`."""
        self._note(now, "receive_ipv6", (interface, datagram))
        return self._engine.receive_ipv6(interface, datagram, now)

    def _note(self, now: Instant, method: str, arguments: tuple[Any, ...]) -> None:
        if len(self._events) < 2 * EVENTS_MAX:
            self._events.append((now, method, arguments))

    @property
    def is_full(self) -> bool:
        """A segment has ended: `turn_over` when there is time for it."""
        return len(self._events) >= EVENTS_MAX

    def turn_over(self) -> None:
        """Begin a new segment at the engine as it is."""
        self._before = (self._base, self._events)
        self._base, self._events = frozen_copy(self._engine), []

    def lines(self) -> Iterator[str]:
        """The recording: the older segment's base and the events of both. The engine may go on meanwhile."""
        base, before = self._before or (self._base, [])
        events = [*before, *self._events]
        passwords = _Passwords(base, events)
        yield json.dumps({"vrrpd": "recording", "format": FORMAT})
        yield json.dumps(encode(base, passwords))
        for now, method, arguments in events:
            yield json.dumps([now, method, [encode(passwords.scrub(argument), passwords) for argument in arguments]])


def replay(lines: Iterable[str]) -> Iterator[tuple[Instant, list[actions.Action]]]:
    """What the engine does at each event. Raises `RecordingError`."""
    remaining = iter(lines)
    try:
        header = json.loads(next(remaining))
        if not isinstance(header, dict) or header.get("vrrpd") != "recording":
            raise RecordingError("this is no recording of vrrpd")
        if header["format"] != FORMAT:
            raise RecordingError(f"the recording has format {header['format']}, this vrrpd reads {FORMAT}")
        replayed = decode(json.loads(next(remaining)))
        for line in remaining:
            now, method, arguments = json.loads(line)
            yield now, _METHODS[method](replayed, *map(decode, arguments), now)
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise RecordingError(f"the recording is damaged, or from another vrrpd: {error}") from error


_METHODS: dict[str, Callable[..., list[actions.Action]]] = {
    "handle": Engine.handle,
    "receive": Engine.receive,
    "receive_ipv6": Engine.receive_ipv6,
}


# --- a copy that does not change ---


def frozen_copy(value: Any, seen: dict[int, Any] | None = None) -> Any:
    """What changes is copied, values are shared."""
    seen = {} if seen is None else seen
    if isinstance(value, _SHARED) or _is_value(value):
        return value
    if id(value) in seen:
        return seen[id(value)]
    return _copy_of(value, seen)


def _copy_of(value: Any, seen: dict[int, Any]) -> Any:
    match value:
        case Counter():
            return Counter(value)
        case dict():
            return {key: frozen_copy(content, seen) for key, content in value.items()}
        case deque():
            return deque((frozen_copy(content, seen) for content in value), value.maxlen)
        case list() | set() | frozenset():
            return type(value)(frozen_copy(content, seen) for content in value)
        case tuple():
            return value
    blank = seen[id(value)] = object.__new__(type(value))
    for name in _attributes(value):
        object.__setattr__(blank, name, frozen_copy(getattr(value, name), seen))
    return blank


def _is_value(value: Any) -> bool:
    return _is_frozen(type(value))


def _is_frozen(kind: Any) -> bool:
    parameters = getattr(kind, "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)


def _attributes(value: Any) -> Iterator[str]:
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    for name in (*slots, *getattr(value, "__dict__", ())):
        if name not in {"__dict__", "__weakref__"} and hasattr(value, name):
            yield name


# --- to JSON and back ---


class _Passwords:
    """Which there are; they stay here."""

    def __init__(self, base: Any, events: list[Entry]) -> None:
        configs = [base.config, *(e[2][0].config for e in events if isinstance(e[2][0], actions.ConfigChanged))]
        self._known = {
            router.authentication.password.ljust(_PASSWORD_BYTES, b"\0")
            for config in configs
            if isinstance(config, Config)
            for router in config.routers
            if router.authentication.type is AuthenticationType.PASS
        }

    def scrub(self, argument: Any) -> Any:
        """An IPv4 packet without its password: zeros for one of ours, ones for another; right or wrong as it was."""
        if not isinstance(argument, bytes) or len(argument) < _IPV4_MIN:
            return argument
        start = (argument[0] & 0x0F) * 4
        message = argument[start:]
        if len(message) < _V2_MIN or message[0] >> 4 != Version.V2 or message[4] != AuthenticationType.PASS:
            return argument
        neutral = bytes(_PASSWORD_BYTES) if message[-_PASSWORD_BYTES:] in self._known else _WRONG_PASSWORD
        changed = message[:-_PASSWORD_BYTES] + neutral
        if internet_checksum(message) == 0:
            blank = changed[:6] + b"\0\0" + changed[8:]
            changed = blank[:6] + internet_checksum(blank).to_bytes(2, "big") + blank[8:]
        return argument[:start] + changed

    def hide(self, value: bytes) -> bytes:
        """Wherever else it stands."""
        for password in self._known:
            value = value.replace(password, bytes(_PASSWORD_BYTES))
        return value


def encode(value: Any, passwords: _Passwords) -> Any:
    """A value of the core as JSON's values."""
    match value:
        case Authentication(kind, _):
            return {"$": _name(value), "type": encode(kind, passwords)}
        case Enum():
            return {"$": _name(value), "is": value.value}
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return {"$bytes": passwords.hide(value).hex()}
        case IPv4Interface() | IPv6Interface():
            return {"$interface": str(value)}
        case IPv4Address() | IPv6Address():
            return {"$ip": str(value)}
        case IPv4Network() | IPv6Network():
            return {"$network": str(value)}
        case tuple() if hasattr(value, "_fields"):
            return {"$": _name(value)} | {n: encode(getattr(value, n), passwords) for n in value._fields}
        case tuple():
            return [encode(content, passwords) for content in value]
        case list() | set() | frozenset() | deque():
            longest = value.maxlen if isinstance(value, deque) else None
            return {f"${type(value).__name__}": [encode(c, passwords) for c in value], "max": longest}
        case dict():
            container = "$Counter" if isinstance(value, Counter) else "$dict"
            return {container: [[encode(key, passwords), encode(content, passwords)] for key, content in value.items()]}
    names = [f.name for f in fields(value) if f.init] if _is_value(value) else list(_attributes(value))
    return {"$": _name(value)} | {name: encode(getattr(value, name), passwords) for name in names}


_CONTAINERS: dict[str, Callable[[Any], Any]] = {
    "$bytes": bytes.fromhex,
    "$ip": ip_address,
    "$interface": ip_interface,
    "$network": ip_network,
    "$list": lambda contents: [decode(content) for content in contents],
    "$set": lambda contents: {decode(content) for content in contents},
    "$frozenset": lambda contents: frozenset(decode(content) for content in contents),
    "$dict": lambda pairs: {decode(key): decode(content) for key, content in pairs},
    "$Counter": lambda pairs: Counter({decode(key): content for key, content in pairs}),
}


def decode(content: Any) -> Any:
    """The value again. KeyError, ValueError or TypeError when it is none of ours."""
    match content:
        case list():
            return tuple(decode(one) for one in content)
        case {"$": str(name), "is": value}:
            return _class(name)(value)
        case {"$": str(name), **attributes}:
            return _built(_class(name), {str(key): decode(one) for key, one in attributes.items()})
        case {"$deque": contents, "max": longest}:
            return deque((decode(one) for one in contents), longest)
        case dict():
            (kind, inner), *_ = content.items()
            return _CONTAINERS[kind](inner)
        case _:
            return content


def _built(kind: Any, attributes: dict[str, Any]) -> Any:
    if issubclass(kind, tuple) or _is_frozen(kind):
        return kind(**attributes)
    value = object.__new__(kind)
    for name, content in attributes.items():
        object.__setattr__(value, name, content)
    return value


def _name(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__.removeprefix(_PACKAGE)}:{kind.__name__}"


def _class(name: str) -> Any:
    """A class of ours, and no other is ever built. KeyError or AttributeError when there is none of that name."""
    module, _, kind = name.partition(":")
    found = getattr(modules[_PACKAGE + module], kind)
    if not isinstance(found, type) or found.__module__ != _PACKAGE + module:
        raise KeyError(name)
    return found
