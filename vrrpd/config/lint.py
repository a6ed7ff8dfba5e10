"""Configurations that are legal and will not do what their author means. Works on the Config alone."""

from __future__ import annotations

from collections.abc import Mapping

from vrrpd.config.diagnostics import Diagnostic, Findings, Place
from vrrpd.model import OWNER_PRIORITY, Config, InitialState, IPAddress, Script, VirtualRouter

_HIGHEST = OWNER_PRIORITY - 1


def lint(config: Config, routers: Mapping[str, Place], scripts: Mapping[str, Place]) -> tuple[Diagnostic, ...]:
    """Advice about a configuration; `routers` and `scripts` say where the parts of those names stand."""
    findings = Findings()
    for router in config.routers:
        _nopreempt(router, routers[router.name], findings)
        _weights(router, routers[router.name], findings)
    for script in config.scripts:
        _timeout(script, scripts[script.name], findings)
    _addresses(config, routers, findings)
    return findings.all()


def _nopreempt(router: VirtualRouter, at: Place, findings: Findings) -> None:
    if not router.resigns_when_worse or router.is_owner:
        return
    if router.initial_state is InitialState.MASTER:
        findings.advice(
            at,
            "nopreempt-with-master",
            f"{router.name}: state MASTER cancels nopreempt, here as in keepalived: this router takes the addresses"
            " back when it is better; it still hands them over when one of its checks fails",
            "for a pair that moves only on failure write state BACKUP on both nodes",
        )
    elif weighted := [tracker.name for tracker in router.trackers if tracker.weight]:
        findings.advice(
            at,
            "nopreempt-with-weight",
            f"{router.name}: under keepalived the weight of {', '.join(weighted)} would never move the addresses,"
            " since a nopreempt Backup leaves a living Master alone; under vrrpd the Master hands over",
            "a keepalived peer needs weight 0 or no nopreempt for that",
        )


def _weights(router: VirtualRouter, at: Place, findings: Findings) -> None:
    for tracker in router.trackers:
        sign = -1 if tracker.reverse else 1
        changed = min(max(router.priority + sign * tracker.weight, 1), _HIGHEST)
        if tracker.weight and changed == router.priority:
            findings.advice(
                at,
                "weight-without-effect",
                f"{router.name}: the weight {tracker.weight} of {tracker.name} changes nothing: priority"
                f" {router.priority} is at the end of 1 to {_HIGHEST}",
                "choose a priority with room for the weight",
            )


def _timeout(script: Script, at: Place, findings: Findings) -> None:
    if script.timeout > script.interval:
        findings.advice(
            at,
            "timeout-above-interval",
            f"{script.name}: its timeout is longer than its interval: while a run hangs, no other is started",
            "a timeout below the interval",
        )


def _addresses(config: Config, routers: Mapping[str, Place], findings: Findings) -> None:
    first: dict[tuple[IPAddress, str], VirtualRouter] = {}
    for router in config.routers:
        if not router.addresses:
            findings.advice(
                routers[router.name],
                "no-address",
                f"{router.name} has no address: nothing moves when it becomes Master",
            )
        for address in router.addresses:
            if address.key in first:
                both = _both(router, first[address.key])
                findings.advice(routers[router.name], "duplicate-address", f"{address} stands in {both}", "keep one")
            first.setdefault(address.key, router)


def _both(router: VirtualRouter, other: VirtualRouter) -> str:
    return f"{router.name} twice" if other is router else f"{other.name} and {router.name}"
