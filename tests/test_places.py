from __future__ import annotations

from ipaddress import ip_address

import pytest

from vrrpd.config.language import parse
from vrrpd.config.places import Places

PLACES = Places(
    parse(
        "global_defs {\n router_id x\n}\nvrrp_instance V1 {\n priority 1\n priority 2\n"
        " virtual_ipaddress {\n  192.0.2.1/24 dev eth0\n }\n"
        " virtual_ipaddress_excluded {\n  2001:DB8:0::1/64\n  x\n }\n"
        " track_script {\n  chk weight 5\n }\n}\nvrrp_instance V1 {\n priority 3\n}\nstray\n",
        "f",
    ).statements,
    "f",
)


@pytest.mark.parametrize(
    ("where", "line", "column"),
    [
        (("vrrp_instance", "V1", "priority"), 6, 2),
        (("vrrp_instance", "V1", "track_script", "chk"), 15, 3),
        (("vrrp_instance", "V1", "track_script", "other"), 14, 2),
        (("vrrp_instance", "V1", "nopreempt"), 4, 15),
        (("vrrp_instance", "V1"), 4, 15),
        (("global_defs", "", "router_id"), 2, 2),
        (("global_defs", "", "smtp_server"), 1, 1),
        (("vrrp_instance", "V2", "priority"), 0, 0),
    ],
)
def test_the_nearest_place_that_there_is_is_found(where: tuple[str, ...], line: int, column: int) -> None:
    place = PLACES.find(*where)
    assert (place.file, place.line, place.column) == ("f", line, column)


@pytest.mark.parametrize(("text", "line"), [("192.0.2.1", 8), ("2001:db8::1", 11), ("192.0.2.9", 4)])
def test_an_address_is_found_however_it_is_spelt(text: str, line: int) -> None:
    assert PLACES.address("V1", ip_address(text)).line == line
    assert PLACES.address("V2", ip_address(text)).line == 0


def test_what_an_author_wrote_is_known() -> None:
    assert PLACES.stands("vrrp_instance", "V1", "priority")
    assert not PLACES.stands("vrrp_instance", "V1", "nopreempt")
    assert not PLACES.stands("vrrp_instance", "V2", "priority")
    assert PLACES.words("vrrp_instance", "V1", "priority") == ("2",)
    assert PLACES.words("vrrp_instance", "V1", "track_script", "chk") == ("weight", "5")
    assert PLACES.words("vrrp_instance", "V1", "track_script", "other") == ()
    assert PLACES.words("vrrp_instance", "V1", "nopreempt") == ()
