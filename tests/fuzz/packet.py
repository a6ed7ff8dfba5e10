"""Decoding one message: an advertisement that a second reading agrees with, or a PacketError, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from vrrpd.frames import Datagram
from vrrpd.model import CENTISECOND
from vrrpd.packet import ChecksumForm, PacketError, decode

from . import messages
from .choices import Choices
from .reading import Reading, read
from .routers import BY_NAME, KINDS
from .steps import Step, Subject, Tally
from .tables import reasons

_EPISODE = 100


class _Decoder:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def take(self, step: Step) -> None:
        _, name, source, destination, ttl, message = step
        kind = BY_NAME[name]
        expected = read(kind.accepts, source, destination, ttl, message)
        try:
            taken = decode(kind.router, Datagram(source, destination, ttl, message))
        except PacketError as dropped:
            self._tally[name, dropped.reason] += 1
            assert expected is None, f"dropped, and it is {expected}"
            return
        addresses = b"".join([address.packed for address in taken.addresses])
        with_pseudo_header = taken.checksum_form is ChecksumForm.PSEUDO_HEADER
        assert taken.advertisement_interval >= CENTISECOND
        assert expected == Reading(
            taken.vrid, taken.priority, taken.advertisement_interval, addresses, with_pseudo_header
        ), f"taken as {taken}, and it is {expected}"
        self._tally[name, f"taken, checksum of the {taken.checksum_form}"] += 1


class PacketTarget:
    """Messages to `decode`."""

    name = "packet"
    unit = "messages"

    def subject(self, tally: Tally) -> Subject:
        return _Decoder(tally)

    def steps(self, choices: Choices) -> Iterator[Step]:
        for _ in range(_EPISODE):
            if not choices.more():
                return
            kind = choices.pick(KINDS[:-1])
            drawn = messages.draft(kind.peer, choices)
            message = messages.message(drawn, choices)
            yield "decode", kind.router.name, drawn.source, drawn.destination, drawn.ttl, message

    def count(self, tally: Tally) -> int:
        return tally.total()

    def report(self, tally: Tally) -> Iterator[str]:
        return reasons(tally)
