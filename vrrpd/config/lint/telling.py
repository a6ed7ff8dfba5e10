"""Whom it is told: mail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vrrpd.config.lint.rules import GLOBALS, Advice, Rule, Subject


def _mails(subject: Subject) -> bool:
    routers, groups = subject.config.routers, subject.config.groups
    return any(router.notification.mails for router in routers) or any(group.notification.mails for group in groups)


def _nobody_mails(subject: Subject) -> Iterator[Advice]:
    mail = subject.config.mail
    if mail.recipients and subject.config.routers and not _mails(subject):
        yield Advice(
            subject.places.find(GLOBALS, "", "notification_email"),
            "notification_email alone mails nothing: no router and no group says smtp_alert",
            "smtp_alert in the blocks that are to mail, or smtp_alert_vrrp in global_defs",
        )


def _mail_without_server(subject: Subject) -> Iterator[Advice]:
    mail = subject.config.mail
    if not _mails(subject) or (mail.recipients and mail.server):
        return
    missing = "smtp_server" if mail.recipients else "notification_email"
    yield Advice(
        subject.places.find(GLOBALS, "", "notification_email"),
        f"smtp_alert mails nothing: global_defs has no {missing}",
        f"{missing} in global_defs, or no smtp_alert",
    )


def _garbled_recipient(subject: Subject) -> Iterator[Advice]:
    for recipient in subject.config.mail.recipients if _mails(subject) else ():
        if "@" not in recipient or "," in recipient:
            yield Advice(
                subject.places.find(GLOBALS, "", "notification_email", recipient),
                f'"{recipient}" is no mail address',
                "one address of the form name@host a line",
            )


RULES: Mapping[str, Rule] = {
    "nobody-mails": _nobody_mails,
    "mail-without-server": _mail_without_server,
    "garbled-recipient": _garbled_recipient,
}
