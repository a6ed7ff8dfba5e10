"""How a router's messages leave this node: as finished IP packets, sealed where the peers want that."""

from __future__ import annotations

from vrrpd import ah, packet
from vrrpd.channels import Channel, Outgoing
from vrrpd.frames import ip_header
from vrrpd.model import IPAddress, VirtualRouter

RESERVE = 1 << 16
"""So far ahead of its sequence a last word is sealed that may be said much later, by another process."""


class Voice:
    """One router's. It keeps the sequence number of its Authentication Header: the highest that it heard or said."""

    def __init__(self) -> None:
        self.channel: Channel | None = None
        self.sequence = 0
        self._router: VirtualRouter | None = None
        self._said: tuple[bytes, tuple[Outgoing, ...]] | None = None
        self._willed = 0

    def speak(self, router: VirtualRouter, channel: Channel | None) -> None:
        """From now on for this router, so."""
        if (router, channel) != (self._router, self.channel):
            self._router, self.channel, self._said = router, channel, None

    def hear(self, sequence: int) -> None:
        """Another one's: who becomes Master goes on from the highest of all."""
        self.sequence = max(self.sequence, sequence)

    def say(self, message: bytes) -> tuple[Outgoing, ...]:
        """The packets for this message. The same message again costs nothing, unless it is sealed."""
        if self._said is not None and self._said[0] is message:
            return self._said[1]
        router, channel = self._router, self.channel
        if router is None or channel is None:
            return ()
        if router.is_sealed:
            self.sequence = min(self.sequence + 1, ah.LAST_SEQUENCE)
            return _packets(router, channel, message, self.sequence)
        packets = _packets(router, channel, message, 0)
        self._said = (message, packets)
        return packets

    @property
    def outlived_its_testament(self) -> bool:
        """What was sealed for later would soon be taken for a replay."""
        return self.sequence // RESERVE != self._willed

    def testament(self, message: bytes) -> tuple[Outgoing, ...]:
        """The packets for what is said when this process cannot say it any more."""
        if self._router is None or self.channel is None:
            return ()
        # In steps, so that what is on disk need not be written anew for each advertisement.
        self._willed = self.sequence // RESERVE
        ahead = (self._willed + 2) * RESERVE
        return _packets(self._router, self.channel, message, min(ahead, ah.LAST_SEQUENCE))


def _packets(router: VirtualRouter, channel: Channel, message: bytes, sequence: int) -> tuple[Outgoing, ...]:
    return tuple(
        Outgoing(destination, _packet(router, channel, destination, message, sequence))
        for destination in channel.destinations
    )


def _packet(router: VirtualRouter, channel: Channel, destination: IPAddress, message: bytes, sequence: int) -> bytes:
    content = packet.addressed(router, message, channel.source, destination)
    length = len(content) + (ah.SIZE if router.is_sealed else 0)
    # What is sealed has its identification from us: that is covered too.
    identification = 1 + sequence % 0xFFFF if router.is_sealed else 0
    header = ip_header(channel.source, destination, channel.ttl, channel.protocol, length, identification)
    if router.is_sealed:
        content = ah.seal(header, content, router.authentication.password, sequence, unicast=router.unicast is not None)
    return header + content
