"""Which router a datagram is for. Nearly always one has its VRID there; two may, where groups or peers differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from vrrpd.frames import Datagram
from vrrpd.model import Family, Identity, IPAddress
from vrrpd.records import Record

Ear: TypeAlias = tuple[str, Family, int]
"""Where it is heard: device, family, VRID."""


class Ears:
    """Who listens where."""

    def __init__(self) -> None:
        self._listening: dict[Ear, tuple[Identity, ...]] = {}

    def add(self, router: Identity) -> None:
        """It listens from now on."""
        ear = _ear(router)
        self._listening[ear] = (*self._listening.get(ear, ()), router)

    def remove(self, router: Identity) -> None:
        """It has gone."""
        ear = _ear(router)
        self._listening[ear] = tuple(other for other in self._listening[ear] if other != router)

    def at(self, ear: Ear) -> tuple[Identity, ...]:
        """All that listen there."""
        return self._listening.get(ear, ())


def addressee(records: Sequence[Record], datagram: Datagram) -> Record | None:
    """Of those with its VRID the one that it was sent to; of those, the one whose peer sent it."""
    if len(records) < 2:  # noqa: PLR2004
        return next(iter(records), None)
    meant = [record for record in records if datagram.destination in _ends(record)] or records
    return next((record for record in meant if datagram.source in record.router.destinations), meant[0])


def _ear(router: Identity) -> Ear:
    return (router.interface, router.family, router.vrid)


def _ends(record: Record) -> tuple[IPAddress | None, ...]:
    """Where others send what is for it."""
    if record.router.unicast is None:
        return (record.router.group,)
    return (None if record.parameters is None else record.parameters.primary_address,)
