"""The notify_ keywords of a router."""

from __future__ import annotations

from reading import router, router_and_codes

from vrrpd.model import NO_NOTIFICATION, Command, Notification, User

TRUE = Command(("/bin/true",))


def test_each_keyword_has_its_command() -> None:
    found = router(
        'notify "/bin/sh -c x" nobody adm',
        "notify_master /bin/true",
        "notify_backup /bin/ps",
        "notify_fault /bin/ps root",
        'notify_stop "/bin/true stop"',
        "notify_deleted /bin/true",
        "notify_master_rx_lower_pri /bin/true",
        "notify_priority_changes off",
        "smtp_alert",
    ).notification
    assert found == Notification(
        on_change=Command(("/bin/sh", "-c", "x"), User("nobody", 65534, 4)),
        on_master=TRUE,
        on_backup=Command(("/bin/ps",)),
        on_fault=Command(("/bin/ps",), User("root", 0, 0)),
        on_stop=Command(("/bin/true", "stop")),
        on_deleted=TRUE,
        tells_deletion=True,
        on_lower_priority=TRUE,
        mails=True,
        tells_priority=False,
    )


def test_a_deletion_may_be_told_without_a_command() -> None:
    assert router("notify_deleted").notification == Notification(tells_deletion=True)


def test_the_first_of_a_kind_counts() -> None:
    found, said = router_and_codes("notify_master /bin/true", "notify_master /bin/ps")
    assert (found.notification, said) == (Notification(on_master=TRUE), ["duplicate-keyword"])


def test_who_cannot_be_told_is_a_warning_and_the_router_runs() -> None:
    for line in ("notify /nonexistent/n.sh", "notify /bin/true MASTER", "notify bin/x", "notify ''"):
        found, said = router_and_codes(line)
        assert (found.notification, said) == (NO_NOTIFICATION, ["bad-script"])
