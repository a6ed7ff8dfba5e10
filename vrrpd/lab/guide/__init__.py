"""The guide whose set-up the lab runs: its two files, byte for byte, and what a second node or a plain user changes.

They are the listings of "Implementing High-Availability Load Balancing with Keepalived and HAProxy" (Architects'
Tech Alliance), with the mail addresses as the article's page shows them.
"""

from pathlib import Path

KEEPALIVED_CONF = (Path(__file__).parent / "keepalived.conf").read_text(encoding="utf-8")
HAPROXY_CFG = (Path(__file__).parent / "haproxy.cfg").read_text(encoding="utf-8")

ADDRESS = "10.230.137.100"
"""The address that moves, from keepalived.conf."""
WEB_HOSTS = ("host1", "host2")
"""The servers behind HAProxy, from haproxy.cfg."""


def keepalived_conf_of_the_second_node() -> str:
    """The same file with `state BACKUP` and `priority 99`."""
    return KEEPALIVED_CONF.replace("state  MASTER", "state  BACKUP").replace("priority  100", "priority  99")


def haproxy_cfg_without_users() -> str:
    """Without root HAProxy cannot become another user: `user` and `group` are left out, nothing else."""
    return "".join(
        line for line in HAPROXY_CFG.splitlines(keepends=True) if line.split(maxsplit=1)[0] not in {"user", "group"}
    )
