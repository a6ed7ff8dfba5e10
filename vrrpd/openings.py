"""What has to be open for the routers that there are: a function of the present."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vrrpd.channels import Channel
from vrrpd.model import Family, Interface, VirtualRouter
from vrrpd.ports import Ear, Openings
from vrrpd.records import Record
from vrrpd.voice import Voice


def openings(records: Iterable[Record], voices: Iterable[Voice], interfaces: Mapping[str, Interface]) -> Openings:
    """Ears for the routers that have something to say, on their devices and on those of their addresses."""
    ears: dict[tuple[str, Family], Ear] = {}
    for record in records:
        if record.voice.channel is None:
            continue
        for ear in (*_announcements(record.router, interfaces), _advertisements(record.router, record.voice.channel)):
            known = ears.setdefault((ear.device, ear.family), ear)
            ears[ear.device, ear.family] = replace(
                ear, groups=ear.groups | known.groups, protocols=ear.protocols | known.protocols
            )
    channels = frozenset(voice.channel for voice in voices if voice.channel is not None)
    return Openings(frozenset(ears.values()), channels)


def _advertisements(router: VirtualRouter, channel: Channel) -> Ear:
    groups = frozenset((router.group,)) if router.unicast is None else frozenset()
    return Ear(channel.device, channel.index, router.family, groups, frozenset((channel.protocol,)))


def _announcements(router: VirtualRouter, interfaces: Mapping[str, Interface]) -> Iterable[Ear]:
    """An heir's, of an address on any device."""
    for name in dict.fromkeys(address.device for address in router.addresses):
        interface = interfaces.get(name)
        if interface is not None:
            yield Ear(name, interface.index, router.family)
