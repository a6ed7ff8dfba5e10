"""What a simulation is told: LANs, nodes, and what befalls them. All of it values, so a scenario can be shrunk."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from vrrpd.model import MICROSECOND, MILLISECOND, SECOND, Config, Duration, Instant, IPInterface


class Kind(StrEnum):
    """Whose implementation a node runs."""

    VRRPD = "vrrpd"
    RFC = "rfc"
    KEEPALIVED = "keepalived"


class Checks(StrEnum):
    """What a health check does while it is disturbed."""

    FAIL = "fail"
    FLAP = "flap"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Link:
    """A device of a node, and the LAN it is plugged into."""

    device: str
    lan: str
    mac: bytes
    addresses: tuple[IPInterface, ...]
    """Its own, one of each family that is spoken there; of IPv6 the link-local one."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One machine and its daemon."""

    name: str
    links: tuple[Link, ...]
    config: Config
    kind: Kind = Kind.VRRPD
    starts_at: Instant = 0
    clock_offset: Duration = 0
    """Its monotonic clock shows this much more than the simulation's."""
    lag: Duration = 50 * MICROSECOND
    """How late its timers fire."""
    kernel_delay: Duration = MILLISECOND
    """How long the kernel takes for a batch of addresses."""


@dataclass(frozen=True, slots=True)
class LanPlan:
    """One broadcast domain and the hosts on it that use the virtual addresses."""

    name: str
    hosts: tuple[str, ...] = ()
    latency: tuple[Duration, Duration] = (20 * MICROSECOND, 300 * MICROSECOND)
    """Least and most; each pair has its own, so that frames of one sender keep their order."""
    asks_every: Duration = 30 * SECOND
    """How often a host asks who has an address, although it believes that it knows."""


# --- what befalls them: each begins at `at` and ends after `lasts` ---


@dataclass(frozen=True, slots=True)
class Noise:
    """Frames are lost, doubled, and late, so that they overtake one another."""

    at: Instant
    lasts: Duration
    lan: str
    loss: float = 0.0
    duplicates: float = 0.0
    delay: Duration = 0
    """Up to so much is added."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What the sources send does not reach the destinations; `both`: nor the other way."""

    at: Instant
    lasts: Duration
    lan: str
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    both: bool = True


@dataclass(frozen=True, slots=True)
class PowerOff:
    """The machine is gone with all it holds, and boots again."""

    at: Instant
    lasts: Duration
    node: str


@dataclass(frozen=True, slots=True)
class Kill:
    """The daemon dies; the kernel keeps its addresses until `vrrpd release` has run, if it ever does."""

    at: Instant
    lasts: Duration
    node: str
    release_after: Duration | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """The daemon is stopped as one should, and started again."""

    at: Instant
    lasts: Duration
    node: str


@dataclass(frozen=True, slots=True)
class Stall:
    """The daemon gets no turn, then all at once: datagrams first, then timers."""

    at: Instant
    lasts: Duration
    node: str


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A device has no carrier."""

    at: Instant
    lasts: Duration
    node: str
    device: str


@dataclass(frozen=True, slots=True)
class SourceGone:
    """A device has lost the address that advertisements leave from."""

    at: Instant
    lasts: Duration
    node: str
    device: str


@dataclass(frozen=True, slots=True)
class CheckDisturbed:
    """A health check fails, flaps or hangs."""

    at: Instant
    lasts: Duration
    node: str
    script: str
    how: Checks = Checks.FAIL


@dataclass(frozen=True, slots=True)
class KernelSlow:
    """The kernel takes its time."""

    at: Instant
    lasts: Duration
    node: str
    delay: Duration


@dataclass(frozen=True, slots=True)
class KernelRefuses:
    """The kernel adds no address."""

    at: Instant
    lasts: Duration
    node: str
    errno: int = 12


@dataclass(frozen=True, slots=True)
class SendsFail:
    """No advertisement leaves the node, and it is told so."""

    at: Instant
    lasts: Duration
    node: str


@dataclass(frozen=True, slots=True)
class AddressTaken:
    """Somebody removes every virtual address from the node's devices."""

    at: Instant
    node: str
    lasts: Duration = 0


@dataclass(frozen=True, slots=True)
class Drained:
    """An operator drains the node's routers, and resumes them."""

    at: Instant
    lasts: Duration
    node: str
    hard: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class FailedOver:
    """An operator hands the node's routers over."""

    at: Instant
    node: str
    lasts: Duration = 0


@dataclass(frozen=True, slots=True)
class Reload:
    """Another configuration."""

    at: Instant
    node: str
    config: Config
    lasts: Duration = 0


Fault: TypeAlias = (
    Noise
    | Cut
    | PowerOff
    | Kill
    | Stop
    | Stall
    | LinkDown
    | SourceGone
    | CheckDisturbed
    | KernelSlow
    | KernelRefuses
    | SendsFail
    | AddressTaken
    | Drained
    | FailedOver
    | Reload
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole run, before it runs."""

    name: str
    seed: int
    lasts: Duration
    lans: tuple[LanPlan, ...]
    nodes: tuple[NodePlan, ...]
    faults: tuple[Fault, ...] = ()
