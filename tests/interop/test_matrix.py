"""vrrpd beside keepalived 2.2.7 and FRR 8.4, in both roles, over everything that they can speak.

A row is a configuration; each is gone through whole: elect, crash, return, planned stop, return. "Not a bad packet" is
what their statistics, their logs and our counters say at the end.
"""

from __future__ import annotations

import pytest
from arena import Arena, Frr, Keepalived, Party, Row, Speaker, Vrrpd, arena

VIP4, VIP6 = "10.230.137.100/24", "2001:db8::100/64"
V3 = "version 3"
UNICAST = "unicast_src_ip {own}\nunicast_peer {{\n    {peer}\n}}"
AH = "authentication {{\n    auth_type AH\n    auth_pass secret\n}}"
IN_CLEAR = "authentication {{\n    auth_type PASS\n    auth_pass secret\n}}"
FRR_V3 = "version 3\nadvertisement-interval 100\nip 10.230.137.100"

ROWS = (
    Row("v2", "version 2", (VIP4,), frr="version 2\nadvertisement-interval 1000\nip 10.230.137.100"),
    Row("v2-pass", f"version 2\n{IN_CLEAR}", (VIP4,)),
    Row("v2-ah", f"version 2\n{AH}", (VIP4,)),
    Row("v2-unicast", f"version 2\n{UNICAST}", (VIP4,)),
    Row("v2-ah-unicast", f"version 2\n{AH}\n{UNICAST}", (VIP4,)),
    Row("v3", V3, (VIP4,), 0.1, frr=FRR_V3),
    Row("v3-unicast", f"{V3}\n{UNICAST}", (VIP4,), 0.1),
    Row(
        "v3-ipv6",
        V3,
        ("fe80::100/64", VIP6),
        0.1,
        frr="version 3\nadvertisement-interval 100\nipv6 fe80::100\nipv6 2001:db8::100",
    ),
    Row("v3-ipv6-unicast", f"{V3}\n{UNICAST}", (VIP6,), 0.1),
    Row("v3-nopreempt", f"{V3}\nnopreempt", (VIP4,), 0.1, preempts=False, frr=f"{FRR_V3}\nno preempt"),
    Row("v3-other-group", f"{V3}\nmcast_dst_ip 224.0.0.99", (VIP4,), 0.1),
)
US = Vrrpd()
PEERS: tuple[Speaker, ...] = (Keepalived(), Frr())
MATCHES = [
    pytest.param(row, *pair, id=f"{row.name}-{pair[0].name}-{pair[1].name}")
    for row in ROWS
    for peer in PEERS
    if row.frr or not isinstance(peer, Frr)
    for pair in ((US, peer), (peer, US))
]


@pytest.mark.parametrize(("row", "first", "second"), MATCHES)
def test_they_elect_fail_over_return_and_hand_over_without_one_bad_packet(
    row: Row, first: Speaker, second: Speaker
) -> None:
    with arena(row, first, second) as here:
        better, worse = here.lb1, here.lb2
        here.start(better)
        here.until_master(better)
        here.start(worse)
        here.until_backup(worse, better)
        here.crash(better)
        here.until_master(worse)
        here.boot(better)
        _returns(here, better, worse)
        serving, other = (better, worse) if row.preempts else (worse, better)
        here.stop(serving)
        here.until_master(other)
        here.start(serving)
        _returns(here, better, worse, now=other)
        assert here.complaints() == {}
        # Whoever is preempted may have sent one more before it heard of that.
        assert len(here.reigns()) <= (5 + 2 if row.preempts else 3 + 2)


def _returns(here: Arena, better: Party, worse: Party, now: Party | None = None) -> None:
    """Who serves once both run: the better one, unless nobody preempts."""
    serving = better if here.row.preempts else now or worse
    here.until_master(serving)
    here.until_backup(worse if serving is better else better, serving)


def test_either_checksum_of_version_3_over_ipv4_is_taken_and_told() -> None:
    """Neither keepalived 2.2.7 nor FRR 8.4 can send RFC 9568's, so here it is ours to ours."""
    row = Row("plain", V3, (VIP4,), 0.1, first_only="v3_checksum_as_v2")
    with arena(row, US, US) as here:
        here.start(here.lb1)
        here.until_master(here.lb1)
        here.start(here.lb2)
        here.until_backup(here.lb2, here.lb1)
        assert _checksums(here) == ["message", "message"]
        here.stop(here.lb1)
        here.until_master(here.lb2)
        here.start(here.lb1)
        here.until_master(here.lb1)
        assert here.complaints() == {}
        here.stop(here.lb1)
        here.until_master(here.lb2)
        assert Vrrpd.status(here.lb2.node)["virtual_routers"][0]["master"]["checksum"] == "pseudo-header"


def _checksums(here: Arena) -> list[str]:
    return [Vrrpd.status(party.node)["virtual_routers"][0]["master"]["checksum"] for party in here.parties]
