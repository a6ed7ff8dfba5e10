"""What a reload would do to each virtual router, in words: `vrrpd reload --dry-run`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

from vrrpd.fsm import skew_time
from vrrpd.model import SECOND, Config, Duration, Identity, VirtualAddress, VirtualRouter

_SHOWN_APART = frozenset({"name", "interface", "vrid", "addresses", "excluded"})
"""Fields of a router that have words of their own, or are what makes it the same one."""
_WORDS = {
    "advertisement_interval": "interval",
    "scripts": "checks",
    "source_address": "source",
    "virtual_mac": "virtual MAC",
}


def describe(old: Config, new: Config, states: Mapping[Identity, str]) -> list[str]:
    """A line for each router that is or will be, in the new file's order, the removed ones last.

    `states`: what each router of the old configuration is now, as status says it.
    """
    before = {router.identity: router for router in old.routers}
    after = {router.identity: router for router in new.routers}
    gone = {router.name: router for identity, router in before.items() if identity not in after}
    lines = []
    for identity, router in after.items():
        known = before.get(identity)
        if known is not None:
            lines.append(_kept(known, router, states.get(identity, "?")))
        elif router.name in gone:
            lines.append(_recreated(gone.pop(router.name), router, states))
        else:
            lines.append(f"{router.name} is new: it starts as Backup and takes over after {_spoken(_down(router))} s")
    lines += [_removed(router, states) for router in gone.values()]
    return lines


def _kept(old: VirtualRouter, new: VirtualRouter, state: str) -> str:
    changes = [*_renaming(old, new), *_addresses(old, new), *_parameters(old, new)]
    return f"{new.name} stays {state}: {'; '.join(changes) if changes else 'nothing changes'}"


def _renaming(old: VirtualRouter, new: VirtualRouter) -> Iterator[str]:
    if old.name != new.name:
        yield f"it was {old.name}"


def _addresses(old: VirtualRouter, new: VirtualRouter) -> Iterator[str]:
    ours, theirs = (*old.addresses, *old.excluded), (*new.addresses, *new.excluded)
    yield from (f"+ {address}" for address in theirs if address not in ours)
    yield from (f"- {address}" for address in ours if address not in theirs)


def _parameters(old: VirtualRouter, new: VirtualRouter) -> Iterator[str]:
    for field in fields(VirtualRouter):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if field.name in _SHOWN_APART or before == after:
            continue
        word = _WORDS.get(field.name, field.name.replace("_", " "))
        yield word + (f" {_value(before)} -> {_value(after)}" if _is_plain(before) and _is_plain(after) else " changes")


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | str)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and value >= SECOND // 100:
        return f"{value / SECOND:g} s"
    return "none" if value is None else str(value)


def _recreated(old: VirtualRouter, new: VirtualRouter, states: Mapping[Identity, str]) -> str:
    changed = ", ".join(
        f"{word} {before} -> {after}"
        for word, before, after in (
            ("VRID", old.vrid, new.vrid),
            ("interface", old.interface, new.interface),
            ("family", f"IPv{old.family:d}", f"IPv{new.family:d}"),
        )
        if before != after
    )
    words = f"{new.name} is recreated ({changed or 'it speaks to others than before'})"
    if states.get(old.identity) == "MASTER":
        return f"{words}: it hands over first; without a peer its addresses are gone for up to {_spoken(_down(new))} s"
    return f"{words}: it starts as Backup"


def _removed(router: VirtualRouter, states: Mapping[Identity, str]) -> str:
    addresses: tuple[VirtualAddress, ...] = router.addresses
    if states.get(router.identity) == "MASTER":
        held = ", ".join(map(str, addresses)) or "nothing"
        return f"{router.name} is removed: it hands over and gives up {held}"
    return f"{router.name} is removed"


def _down(router: VirtualRouter) -> Duration:
    """How long a Backup waits before it takes over (RFC 5798 section 6.1)."""
    interval = router.advertisement_interval
    return router.down_timer_adverts * interval + skew_time(router.version, router.priority, interval)


def _spoken(duration: Duration) -> str:
    return f"{duration / SECOND:.1f}"
