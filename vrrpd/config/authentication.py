"""`authentication { auth_type T  auth_pass P }` of a router."""

from __future__ import annotations

from dataclasses import dataclass

from vrrpd.config.syntax import Statement, quoted
from vrrpd.config.table import Block, Reading, value
from vrrpd.config.values import utf8
from vrrpd.model import NO_AUTHENTICATION, Authentication, AuthenticationType, Family, Version

_MAX_PASSWORD_BYTES = 8


@dataclass(slots=True)
class AuthenticationDraft:
    """What the block has said so far."""

    at: Statement | None = None
    type: AuthenticationType = AuthenticationType.NONE
    password: bytes = b""

    def finished(self, version: Version, family: Family, strict: bool, to: Reading) -> Authentication:
        """None where keepalived has none, with the reason said."""
        if self.at is None:
            return NO_AUTHENTICATION
        if self.type is AuthenticationType.NONE or not self.password:
            missing = "a password" if self.type is not AuthenticationType.NONE else "an auth_type"
            return _none(self.at, f"authentication without {missing}: none is used, as in keepalived", to)
        if strict:
            return _none(self.at, "strict mode has no authentication: none is used, as in keepalived", to)
        if version is Version.V3:
            return _none(self.at, "version 3 has no authentication: none is used, as in keepalived", to)
        if family is Family.IPV6:
            return _none(self.at, "IPv6 has no authentication: none is used, as in keepalived", to)
        return Authentication(self.type, self.password)


def _none(at: Statement, why: str, to: Reading) -> Authentication:
    to.warning(at, "no-authentication", why, "take the block out, on all nodes")
    return NO_AUTHENTICATION


def _auth_type(draft: AuthenticationDraft, line: Statement, to: Reading) -> None:
    word = line.values[0]
    match word.text:
        case "PASS":
            draft.type = AuthenticationType.PASS
        case "AH":
            draft.type = AuthenticationType.AH
        case _:
            draft.type = AuthenticationType.NONE
            to.warning(word, "bad-authentication", f"unknown authentication type {quoted(word)}: none is used", "PASS")


def _auth_pass(draft: AuthenticationDraft, line: Statement, to: Reading) -> None:
    """Says nothing of the password but its length."""
    password = utf8(line.values[0].text)
    if len(password) > _MAX_PASSWORD_BYTES:
        to.warning(
            line.values[0],
            "long-password",
            f"the password has {len(password)} bytes: its first {_MAX_PASSWORD_BYTES} are taken, as keepalived does",
        )
    draft.password = password[:_MAX_PASSWORD_BYTES]


AUTHENTICATION: Block[AuthenticationDraft] = Block(
    "authentication",
    {
        "auth_type": value(1, _auth_type, note="PASS or AH"),
        "auth_pass": value(1, _auth_pass, note="the first 8 bytes"),
    },
    secret=True,
)
