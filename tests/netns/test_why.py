"""Twelve ways in which a pair fails, and what `vrrpd status` says of each: the cause, with the peer and the field."""

from __future__ import annotations

from worlds import GUIDE, KEEPALIVED, LB1, LB2, VIP, Site, site

from vrrpd.lab.node import Node

PLAIN = GUIDE[: GUIDE.index("    track_script")] + "}\n"
"""Without a check."""
SECOND = PLAIN.replace("state  MASTER", "state  BACKUP").replace("priority  100", "priority  99")


def checked(command: str, *lines: str) -> str:
    """A router whose check has weight 0: it may not run while that fails."""
    body = "".join(f"    {line}\n" for line in (f'script "{command}"', *lines))
    return PLAIN.rstrip()[:-1] + "    track_script {\n        chk\n    }\n}\nvrrp_script chk {\n" + body + "}\n"


def says(here: Site, node: Node, *words: str) -> None:
    """Until all of it stands in one line of the status."""

    def found() -> bool:
        return any(all(word in line for word in words) for line in node.status().splitlines())

    here.until(f"{node.name}: {words}", found)


def pair(here: Site, first: str, second: str) -> None:
    here.start(here.lb1, first)
    here.start(here.lb2, second)


def served(here: Site) -> None:
    here.until("lb1 serves", lambda: here.holders() == {"lb1"})


def test_another_interval() -> None:
    with site() as here:
        pair(here, PLAIN, SECOND.replace("advert_int  1", "advert_int  2"))
        says(here, here.lb1, f"conflict: {LB2}: advertises every 2 s, we: every 1 s")
        says(here, here.lb1, f"problem: {LB2} disagrees about interval")
        says(here, here.lb2, f"conflict: {LB1}: advertises every 1 s, we: every 2 s")


def test_another_password() -> None:
    with site() as here:
        pair(here, PLAIN, SECOND.replace("auth_pass passwd", "auth_pass guess"))
        says(here, here.lb1, f"conflict: {LB2}: another password, we: our password")


def test_another_version() -> None:
    with site() as here:
        open_pair = [text.replace("auth_type PASS", "auth_type NONE") for text in (PLAIN, SECOND)]
        here.start(here.lb1, open_pair[0])
        here.start(here.lb2, open_pair[1].replace("advert_int  1", "advert_int  1\n    version 3"), daemon=KEEPALIVED)
        says(here, here.lb1, f"conflict: {LB2}: version 3, we: version 2")


def test_another_list_of_addresses() -> None:
    with site() as here:
        pair(here, PLAIN, SECOND.replace(VIP, "10.230.137.101"))
        says(here, here.lb2, f"conflict: {LB1}: {VIP}, we: 10.230.137.101")


def test_another_vrid() -> None:
    with site() as here:
        pair(here, PLAIN, SECOND.replace("virtual_router_id  50", "virtual_router_id  51"))
        says(here, here.lb1, "advertisements for VRID 51, which is not configured here", LB2)


def test_advertisements_that_have_crossed_a_router() -> None:
    with site() as here:
        pair(here, PLAIN, SECOND)
        served(here)
        here.lb2.run("nft", "add table netdev lower")
        here.lb2.run("nft", "add chain netdev lower in { type filter hook ingress device eth0 priority 0; }")
        here.lb2.run("nft", "add rule netdev lower in ip protocol 112 ip ttl set 63")
        says(here, here.lb2, f"conflict: {LB1}: TTL 63, we: TTL 255")


def test_a_firewall_that_keeps_one_of_two_from_hearing_the_other() -> None:
    with site() as here:
        pair(here, PLAIN, SECOND)
        served(here)
        here.lb2.run("nft", "add table ip closed")
        here.lb2.run("nft", "add chain ip closed in { type filter hook input priority 0; }")
        here.lb2.run("nft", "add rule ip closed in ip protocol 112 drop")
        says(here, here.lb2, "R1 MASTER since", f"no advertisement from {LB1} for 3.6")
        says(here, here.lb1, f"conflict: {LB2}: goes on as Master with priority 99 and does not hear us (a firewall?)")


def test_a_link_that_is_down() -> None:
    with site() as here:
        pair(here, PLAIN, SECOND)
        served(here)
        here.lb1.run("ip", "link", "set", "eth0", "down")
        says(here, here.lb1, "R1 FAULT since", "eth0 is down")
        says(here, here.lb2, "R1 MASTER since", f"no advertisement from {LB1} for 3.6")


def test_a_check_that_fails() -> None:
    with site() as here:
        here.start(here.lb1, checked("/bin/false", "interval 1", "fall 2"))
        says(here, here.lb1, "R1 FAULT since", "chk failed (exit 1)")


def test_a_check_that_takes_too_long() -> None:
    with site() as here:
        here.start(here.lb1, checked("/bin/sleep 60", "interval 1", "timeout 1"))
        says(here, here.lb1, "R1 FAULT since", "chk failed (timed out after 1 s)")


def test_a_check_that_cannot_be_executed_any_more() -> None:
    with site() as here:
        script = here.lb1.directory / "check.sh"
        script.write_text("#!/bin/sh\nexit 0\n")
        script.chmod(0o755)
        here.start(here.lb1, checked("/run/check.sh", "interval 1"))
        here.until("it runs", lambda: here.router(here.lb1).get("state") == "BACKUP")
        script.chmod(0o644)
        says(here, here.lb1, "R1 FAULT since", "chk failed (cannot be executed: Permission denied)")


def test_an_address_that_somebody_else_takes_away() -> None:
    with site() as here:
        pair(here, PLAIN, SECOND)
        served(here)
        here.lb1.run("ip", "address", "delete", f"{VIP}/32", "dev", "eth0")
        says(here, here.lb1, "somebody else took addresses away 1 times; they were put back")
        assert here.lb1.holds_address(VIP)
