"""The two daemons that a node can run: how each is started, and which of its log lines are news."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from vrrpd.logs import sentence
from vrrpd.model import MICROSECOND, Instant

RUNTIME_DIRECTORY = "/run/vrrpd"


@dataclass(frozen=True, slots=True)
class News:
    """What a log line says."""

    words: str
    at: Instant | None = None
    """On the wall clock; None when the line does not say it well enough."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """What runs on a node."""

    name: str
    run: Callable[[str], list[str]]
    """The command that runs it in the foreground on that configuration file."""
    news: Callable[[str], News | None]
    """What a line of its log says; None when it is nothing for the story."""
    releases: bool
    """It has `status` to say why, and `release` for what a kill -9 leaves."""


def vrrpd(*arguments: str) -> list[str]:
    """A command of this very vrrpd, in this interpreter."""
    return [sys.executable, "-m", "vrrpd", *arguments]


def _vrrpd_run(file: str) -> list[str]:
    return vrrpd("run", "-f", file, "--runtime-dir", RUNTIME_DIRECTORY, "--log-format", "json")


def _keepalived_run(file: str) -> list[str]:
    # VRRP alone, in the foreground, logging in detail to its output.
    options = ["-P", "-n", "-l", "-D", "-p", "/run/keepalived.pid", "-r", "/run/keepalived-vrrp.pid"]
    return ["keepalived", *options, "-f", file]


def _vrrpd_news(line: str) -> News | None:
    """Changes in words, whatever is at least a warning, and what is not a log line at all."""
    try:
        event = json.loads(line)
    except ValueError:
        return None if "advice:" in line else News(line)
    at = round(datetime.fromisoformat(event["timestamp"]).timestamp() * 1_000_000) * MICROSECOND
    match event["event"]:
        case "state changed":
            return News(f"{event['router']} {event['new']}: {event['why']}", at)
        case "check changed":
            return News(event["why"], at)
        case _:
            return News(sentence(event), at) if event["level"] in {"warning", "error", "critical"} else None


_KEEPALIVED_NEWS = re.compile(
    r".*?: (.*(?:\(R1\) (?:Entering|Receive|Backup received|Master received)|track script|nopreempt|VRRP_Script).*)"
)


def _keepalived_news(line: str) -> News | None:
    said = _KEEPALIVED_NEWS.match(line)
    return News(said[1]) if said else None


VRRPD = Daemon("vrrpd", _vrrpd_run, _vrrpd_news, releases=True)
KEEPALIVED = Daemon("keepalived", _keepalived_run, _keepalived_news, releases=False)
