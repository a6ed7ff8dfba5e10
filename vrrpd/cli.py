"""The `vrrpd` command. Each subcommand imports what it needs when it runs, so that `status` starts fast."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

EXIT_OK, EXIT_FAILED, EXIT_NO_DAEMON, EXIT_USAGE = 0, 1, 2, 64

_FILES = (Path("/etc/vrrpd/vrrpd.conf"), Path("/etc/keepalived/keepalived.conf"))
_RUNTIME_DIRECTORY = "/run/vrrpd"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = _dispatch(words)
    except BrokenPipeError:
        code = EXIT_FAILED
        sys.stderr.close()
    except KeyboardInterrupt:
        code = 130
    return code


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["lab"]:
        from vrrpd.lab.entry import main as lab

        return lab(words[1:])
    options = parser().parse_args(words)
    code: int = options.run(options)
    return code


def parser() -> argparse.ArgumentParser:
    """The command line: also what completion and the manual page are made from."""
    made = _Parser(
        prog="vrrpd",
        description="A VRRP daemon that reads keepalived.conf, hands over without an outage and says why.",
        epilog="See https://www.rfc-editor.org/rfc/rfc5798 for VRRP, docs/ for everything else.",
    )
    made.add_argument("--version", action="store_true", help="print the version and exit")
    made.set_defaults(run=_version_or_help(made))
    commands = made.add_subparsers(title="commands", metavar="COMMAND")

    run = commands.add_parser("run", help="the daemon, in the foreground")
    _add_file(run)
    _add_config_id(run)
    _add_directory(run)
    run.add_argument(
        "--log-format",
        choices=("auto", "plain", "json"),
        default="auto",
        help="auto: the journal's fields under systemd, sentences anywhere else (default)",
    )
    run.add_argument(
        "--web",
        metavar="ADDRESS",
        help="serve metrics and a status page there: HOST:PORT, PORT on the loopback interface, or unix:PATH",
    )
    run.set_defaults(run=_run)

    check = commands.add_parser("check", help="say what is wrong with a configuration")
    check.add_argument(
        "-f",
        "--file",
        type=Path,
        action="append",
        metavar="FILE",
        help=f"default: {_file_words()}; several: the nodes of one cluster",
    )
    check.add_argument("--json", action="store_true", help="print JSON")
    check.add_argument(
        "--format",
        choices=("people", "gcc", "github"),
        default="people",
        help="gcc: lines that editors read; github: annotations (default: people)",
    )
    check.add_argument("--keepalived", action="store_true", help="exit with the status that keepalived -t would have")
    check.add_argument("--strict", action="store_true", help="exit 2 on a warning or advice")
    check.add_argument("--offline", action="store_true", help="not on the node: do not look for interfaces and scripts")
    _add_config_id(check)
    check.set_defaults(run=_check)

    _add_asking(commands)

    sniff = commands.add_parser("sniff", help="the advertisements on a LAN, live (needs scapy)")
    sniff.add_argument("interface", metavar="INTERFACE")
    sniff.add_argument("-n", "--number", type=int, default=0, metavar="N", help="stop after N")
    sniff.add_argument("--pcap", type=Path, metavar="FILE", help="write them there too, without passwords")
    sniff.set_defaults(run=_sniff)

    completion = commands.add_parser("completion", help="print what a shell needs to complete vrrpd's commands")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    completion.set_defaults(run=_completion)

    manual = commands.add_parser("manual", help="print a manual page: vrrpd(8) or vrrpd.conf(5)")
    manual.add_argument("section", choices=("8", "5"))
    manual.set_defaults(run=_manual)

    release = commands.add_parser("release", help="give up what a daemon that was killed has left in the kernel")
    _add_directory(release)
    release.set_defaults(run=_release)

    commands.add_parser("lab", help="two nodes, HAProxy and a client on this machine: failover to watch")
    return made


def _add_asking(commands: argparse._SubParsersAction[_Parser]) -> None:
    """The subcommands that ask a running daemon."""

    def add(name: str, words: str) -> _Parser:
        parser = commands.add_parser(name, help=words)
        parser.add_argument("--json", action="store_true", help="print JSON")
        _add_directory(parser)
        parser.set_defaults(run=_asking(name.replace("-", "_")))
        return parser

    status = add("status", "what each virtual router is, since when and why")
    status.add_argument("name", nargs="?", metavar="NAME", help="one virtual router")
    status.add_argument("--watch", action="store_true", help="again every second, until interrupted")

    events = add("events", "what has happened, and why")
    events.add_argument("--follow", action="store_true", help="go on with what happens from now on")
    events.add_argument("-n", "--number", type=int, default=0, metavar="N", help="only the last N")

    reload = add("reload", "read the configuration again; with errors in it nothing changes")
    reload.add_argument("--dry-run", action="store_true", help="only say what would happen to each virtual router")

    drain = add("drain", "hand over, and serve only when nobody else does")
    drain.add_argument("names", nargs="*", metavar="NAME", help="virtual routers (default: all)")
    drain.add_argument("--force", action="store_true", help="give the addresses up even if nobody takes them")
    drain.add_argument("--hard", action="store_true", help="do not serve either when nobody else does")
    drain.add_argument("--persist", action="store_true", help="stay drained when the daemon is started again")

    resume = add("resume", "end a drain or a failover: as configured again")
    resume.add_argument("names", nargs="*", metavar="NAME", help="virtual routers (default: all)")

    failover = add("failover", "make another node Master, until that one goes")
    failover.add_argument("name", metavar="NAME", help="a virtual router that is Master here")

    add("record", "write down what the daemon was told last: an incident, to look at in peace")
    replay = commands.add_parser("replay", help="what a recording says happened, through the same state machine")
    replay.add_argument("file", type=Path, metavar="FILE", help="what `vrrpd record` has written")
    replay.set_defaults(run=_asking("replay"))

    level = add("log-level", "how much the daemon logs, until it ends")
    level.add_argument("level", choices=("debug", "info", "warning", "error"))


def _asking(name: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        from vrrpd import asking

        options.ask = getattr(asking, name)
        return asking.run(options)

    return run


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--file", type=Path, metavar="FILE", help=f"default: {_file_words()}")


def _add_config_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-i", "--config-id", metavar="ID", help="what @ID lines are compared with (default: this node's name)"
    )


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runtime-dir", type=Path, default=Path(_RUNTIME_DIRECTORY), metavar="DIR", help="default: %(default)s"
    )


def _file_words() -> str:
    return ", else ".join(map(str, _FILES))


def _default_file() -> Path:
    return next((path for path in _FILES if path.exists()), _FILES[-1])


def _version_or_help(parser: argparse.ArgumentParser) -> object:
    def run(options: argparse.Namespace) -> int:
        if options.version:
            from vrrpd import __version__

            print(f"vrrpd {__version__}")
            return EXIT_OK
        parser.print_help(sys.stderr)
        return EXIT_USAGE

    return run


def _run(options: argparse.Namespace) -> int:
    from vrrpd.linux.init import become_init

    if (code := become_init()) is not None:
        return code
    from vrrpd import daemon, logs
    from vrrpd.web import AddressError, parse_address

    try:
        web = parse_address(options.web) if options.web else None
    except AddressError as error:
        return _fail(str(error), EXIT_USAGE)
    chosen = daemon.Options(logs.Format(options.log_format), web, config_id=options.config_id)
    return daemon.run(options.file or _default_file(), options.runtime_dir, chosen)


def _check(options: argparse.Namespace) -> int:
    from vrrpd import check, rendering, verdict
    from vrrpd.config.load import load, load_nodes
    from vrrpd.config.node import Offline
    from vrrpd.linux.node import ThisNode

    first, *more = options.file or [_default_file()]
    node = Offline() if options.offline else ThisNode()
    config_id = options.config_id
    files = load_nodes([first, *more], config_id) if more else (load(first, node, config_id),)
    found = [diagnostic for file in files for diagnostic in file.diagnostics]
    sys.stdout.write(check.as_json(files) + "\n" if options.json else rendering.FORMATS[options.format](found))
    if options.format == "people" and not options.json and (options.offline or more):
        print("not looked for: this node's interfaces, users and scripts")
    if options.keepalived:
        return verdict.verdict(files)
    return check.exit_code(found, strict=options.strict)


def _completion(options: argparse.Namespace) -> int:
    from vrrpd import completion

    found = [completion.command(*one) for one in completion.subcommands(parser())]
    print(completion.SHELLS[options.shell](found), end="")
    return EXIT_OK


def _manual(options: argparse.Namespace) -> int:
    from vrrpd.manual import PAGES

    print("\n".join(PAGES[options.section]()))
    return EXIT_OK


def _sniff(options: argparse.Namespace) -> int:
    from vrrpd.sniff import SniffError, sniff

    try:
        sniff(options.interface, lambda line: print(line, flush=True), count=options.number, pcap=options.pcap)
    except SniffError as error:
        return _fail(str(error), EXIT_FAILED)
    return EXIT_OK


def _release(options: argparse.Namespace) -> int:
    from vrrpd import ledger, rundir
    from vrrpd.linux.process import enter_network
    from vrrpd.linux.release import release

    owned = rundir.RuntimeDirectory(options.runtime_dir)
    try:
        if not owned.ledger.exists():
            return EXIT_OK
        owned.take()
        if (namespace := owned.network_namespace) is not None:
            enter_network(namespace)
        released = release(ledger.read(owned.ledger))
        ledger.write(owned.ledger, released.left)
    except (rundir.RuntimeDirectoryError, ledger.LedgerError) as error:
        return _fail(str(error), EXIT_FAILED)
    except OSError as error:
        return _fail(f"cannot release what {owned.ledger} names: {error}", EXIT_FAILED)
    for line in released.lines:
        print(line)
    return EXIT_FAILED if released.left.held else EXIT_OK


def _fail(words: str, code: int) -> int:
    print(f"vrrpd: {words}", file=sys.stderr)
    return code
