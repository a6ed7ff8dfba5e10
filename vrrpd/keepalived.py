"""`python -m vrrpd.keepalived`: keepalived's options, for unit files, exporters and images that start keepalived.

What an option asks for and vrrpd does in any case, or has no part in, is taken without a word. The dumps are written to
$TMPDIR, or /tmp, as keepalived's are.
"""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

CONFIGURATION = Path("/etc/keepalived/keepalived.conf")
PID_FILE = Path("/run/keepalived.pid")
SIGNALS = {
    "STOP": signal.SIGTERM,
    "RELOAD": signal.SIGHUP,
    "DATA": signal.SIGUSR1,
    "STATS": signal.SIGUSR2,
    "JSON": signal.SIGRTMIN + 2,
    "STATS_CLEAR": signal.SIGRTMAX - 1,
}
EXIT_OK, EXIT_FAILED = 0, 1

_WITHOUT_VALUE = (
    *(("-P", "--vrrp"), ("-C", "--check"), ("-B", "--no_bfd"), ("-l", "--log-console"), ("-D", "--log-detail")),
    *(("-G", "--no-syslog"), ("-X", "--release-vips"), ("-V", "--dont-release-vrrp"), ("-I", "--dont-release-ipvs")),
    *(("-R", "--dont-respawn"), ("-d", "--dump-conf"), ("-x", "--snmp"), ("-m", "--core-dump")),
    *(("-e", "--all-config"), ("--no-mem-check",), ("--ignore-sigint",), ("--flush-log-file",), ("--all",)),
)
_WITH_VALUE = (
    *(("-S", "--log-facility"), ("-g", "--log-file"), ("-r", "--vrrp_pid"), ("-c", "--checkers_pid")),
    *(("-b", "--bfd_pid"), ("-a", "--address-monitoring"), ("-A", "--snmp-agent-socket"), ("-u", "--umask")),
    *(("-M", "--core-dump-pattern"), ("--perf",), ("--debug",)),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_FAILED, f"keepalived (vrrpd): {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="keepalived (vrrpd)", description="vrrpd, started by keepalived's options.")
    parser.add_argument("-f", "--use-file", type=Path, default=CONFIGURATION, metavar="FILE", help="the configuration")
    parser.add_argument("-n", "--dont-fork", action="store_true", help="stay in the foreground")
    parser.add_argument("-p", "--pid", type=Path, default=PID_FILE, metavar="FILE", help="where the process id goes")
    parser.add_argument("-t", "--config-test", nargs="?", const="", metavar="LOG", help="check the file, and exit")
    parser.add_argument("-i", "--config-id", metavar="ID", help="which lines that begin with @ID are read")
    parser.add_argument("-s", "--namespace", metavar="NAME", help="run in this network namespace")
    parser.add_argument("--signum", choices=sorted(SIGNALS), help="print the number of a signal, and exit")
    parser.add_argument("-v", "--version", action="store_true", help="print the version, and exit")
    for names in _WITHOUT_VALUE:
        parser.add_argument(*names, action="store_true", help=argparse.SUPPRESS)
    for names in _WITH_VALUE:
        parser.add_argument(*names, help=argparse.SUPPRESS)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.version:
        from vrrpd import __version__  # noqa: PLC0415

        print(f"Keepalived's place is taken by vrrpd {__version__}", file=sys.stderr)
        return EXIT_OK
    if options.signum is not None:
        print(int(SIGNALS[options.signum]))
        return EXIT_OK
    if options.config_test is not None:
        return _test(options)
    return _run(options)


def _test(options: argparse.Namespace) -> int:
    from vrrpd import cli  # noqa: PLC0415

    chosen = ["--config-id", options.config_id] if options.config_id else []
    return cli.main(["check", "--keepalived", "-f", str(options.use_file), *chosen])


def _run(options: argparse.Namespace) -> int:
    from vrrpd.linux.init import become_init  # noqa: PLC0415

    if (code := become_init()) is not None:
        return code
    from vrrpd import daemon, rundir  # noqa: PLC0415

    if not options.dont_fork and os.fork():
        return EXIT_OK
    if not options.dont_fork:
        os.setsid()
    try:
        options.pid.write_text(f"{os.getpid()}\n", encoding="ascii")
    except OSError as error:
        print(f"keepalived (vrrpd): cannot write {options.pid}: {error.strerror}", file=sys.stderr)
        return EXIT_FAILED
    try:
        dumps = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - as keepalived
        return daemon.run(options.use_file, rundir.DEFAULT, daemon.Options(dumps=dumps, config_id=options.config_id))
    finally:
        options.pid.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
