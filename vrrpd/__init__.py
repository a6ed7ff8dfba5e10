"""A VRRP daemon that reads keepalived.conf, hands over without an outage and says why."""

__version__ = "0.1.0"
