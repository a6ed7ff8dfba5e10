"""The whole run happens in network and mount namespaces of its own: nothing that a test sends leaves the machine."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

_OUTSIDE = "VRRPD_TESTS_OUTSIDE"
"""The network namespace that the run was started in, so that an inherited variable alone convinces nobody."""

_XDIST_WORKER = "PYTEST_XDIST_WORKER"
_CLONE_NEWNS, _CLONE_NEWNET = 0x0002_0000, 0x4000_0000

_IN_REAL_TIME = {"netns", "interop", "systemd"}

_ENTER_WORLD = """
set -e
mkdir -p /run/netns 2>/dev/null || { mount -t tmpfs tmpfs /run; mkdir /run/netns; }
mount -t tmpfs tmpfs /run/netns
ip link set lo up
exec "$@"
"""


def _network_namespace() -> str:
    return str(Path("/proc/self/ns/net").readlink())


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Start again inside, unless we are."""
    outside = os.environ.get(_OUTSIDE)
    if outside is not None and outside != _network_namespace():
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    world = ["unshare", "--net", "--mount", *user, "sh", "-c", _ENTER_WORLD, "sh"]
    pytest_again = [sys.executable, "-m", "pytest", *config.invocation_params.args]
    environment = {**os.environ, _OUTSIDE: _network_namespace()}
    os.execvpe(world[0], [*world, *pytest_again], environment)  # noqa: S606  no shell is wanted


def pytest_configure() -> None:
    """Workers of a parallel run each have a world of their own, within the run's, as names in them are the same."""
    if _XDIST_WORKER in os.environ:
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS | _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "no namespaces for a worker")
        subprocess.run(["sh", "-c", _ENTER_WORLD, "sh", "true"], check=True)


@pytest.fixture(autouse=True, scope="session")
def _inside() -> None:
    """Should the re-execution ever be lost, no test runs."""
    assert os.environ.get(_OUTSIDE) not in {None, _network_namespace()}, "not in a world of its own"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What only computes comes first, what waits for real time to pass after that."""
    items.sort(key=lambda item: item.path.parent.name in _IN_REAL_TIME)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skipped test proves nothing: under CI=true, where nobody reads what was skipped, it is a failure."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if os.environ.get("CI") == "true" and skipped:
        for report in skipped:
            reporter.write_line(f"\nnot skipped under CI: {report.nodeid}: {report.longrepr[-1]}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
