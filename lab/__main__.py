"""The command line: python3 -m lab check | images | up | status | exec | sh | recordings | down."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from datetime import date
from typing import TYPE_CHECKING

from lab import checks, enter, images, lifecycle, recordings, state, topology
from lab.errors import LabError, MachineError

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """\
examples:
  python3 -m lab up                                   start the fleet (the first time builds its images)
  python3 -m lab exec -- ssh -F /run/athome-lab/ssh/config gv1p
  python3 -m lab exec -H attacker -- ping -c1 192.0.2.11
  python3 -m lab sh gv1p -- fail2ban-client status sshd
  python3 -m lab down
"""


def main(arguments: Sequence[str]) -> int:
    """Run one subcommand; returns the exit status."""
    own, command = _split(arguments)
    options = _parser().parse_args(own)
    options.command = [*getattr(options, "command", []), *command]
    try:
        if options.verb != "check" and os.geteuid() != 0:
            raise MachineError(f"namespaces and mounts take root: sudo python3 -m lab {options.verb} …")
        return VERBS[options.verb](options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.status
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return enter.KILLED + signal.SIGPIPE
    except KeyboardInterrupt:
        return enter.KILLED + signal.SIGINT


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our own arguments and, after the first `--`, those of the command to run."""
    if "--" not in arguments:
        return list(arguments), []
    at = arguments.index("--")
    return list(arguments[:at]), list(arguments[at + 1 :])


def _check(_options: argparse.Namespace) -> int:
    found = checks.every()
    for check in found:
        word = "ok" if check.ok else "missing (plain mode does without)" if check.only_systemd else "MISSING"
        print(f"{check.what}: {word}" + ("" if check.ok else f"\n    {check.way_out}"))
    if not all(check.ok or check.only_systemd for check in found):
        print("the lab cannot run here")
        return 1
    print(f"the lab can run here, mode {'systemd' if all(check.ok for check in found) else 'plain'}")
    return 0


def _images(_options: argparse.Namespace) -> int:
    images.ensure(images.IMAGES, lifecycle.say)
    for image in images.IMAGES.values():
        print(f"{image.name:5} {images.image_path(image)}")
    return 0


def _up(options: argparse.Namespace) -> int:
    lifecycle.up(options.name, options.mode, options.ttl, fresh=options.fresh)
    return 0


def _down(options: argparse.Namespace) -> int:
    lifecycle.down(options.name)
    return 0


def _status(options: argparse.Namespace) -> int:
    if state.inside():
        return 0 if lifecycle.status(options.name) else 1
    return _again_inside(options.name, ["status"])


def _exec(options: argparse.Namespace) -> int:
    return enter.in_lab(options.name, options.command or [os.environ.get("SHELL", "/bin/sh")], options.host)


def _sh(options: argparse.Namespace) -> int:
    return enter.in_host(options.name, options.host, options.command or ["/bin/bash", "-l"])


def _recordings(options: argparse.Namespace) -> int:
    if not state.inside():
        return _again_inside(options.name, sys.argv[1:])
    if options.bytes[0] > options.bytes[1]:
        raise LabError("--bytes takes the smallest size first, e.g. --bytes 2000 40000")
    for server in options.server or recordings.SERVERS:
        recordings.lay(
            server,
            recordings.planned(
                server,
                files=options.files,
                days=options.days,
                seed=options.seed,
                last=options.last,
                sizes=tuple(options.bytes),
            ),
            lifecycle.say,
        )
    return 0


def _again_inside(name: str, arguments: Sequence[str]) -> int:
    """Run this program in the lab: what it does needs the lab's network or files."""
    os.chdir(checks.CHECKOUT)
    return enter.in_lab(name, [sys.executable, "-m", "lab", *arguments, "--name", name])


VERBS = {
    "check": _check,
    "images": _images,
    "up": _up,
    "down": _down,
    "status": _status,
    "exec": _exec,
    "sh": _sh,
    "recordings": _recordings,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m lab",
        description="A real fleet on one machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument(
        "--name", default=os.environ.get("ATHOME_LAB", "default"), help="which lab (default: %(default)s)"
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("check", help="can the lab run on this machine? exit status 1 when it cannot")
    verbs.add_parser("images", help="build the images that are missing, print where they are")
    up = verbs.add_parser("up", parents=[named], help="start a lab; returns when every service answers")
    up.add_argument(
        "--mode", choices=("auto", "systemd", "plain"), default="auto", help="what is process 1 of a host"
    )
    up.add_argument(
        "--ttl",
        type=_seconds,
        default=3600,
        metavar="SECONDS",
        help="it ends by itself after (default: 3600)",
    )
    up.add_argument("--fresh", action="store_true", help="if it is running already, end it first")
    verbs.add_parser("down", parents=[named], help="end a lab; nothing is left")
    verbs.add_parser(
        "status", parents=[named], help="hosts, addresses, services; exit status 1 when one does not answer"
    )
    run = verbs.add_parser("exec", parents=[named], help="run a command of this machine in the lab")
    run.add_argument("-H", "--host", help="in the network of this host, or of the attacker")
    run.add_argument("command", nargs=argparse.REMAINDER, help="default: your shell")
    sh = verbs.add_parser("sh", parents=[named], help="run a command inside a host")
    sh.add_argument(
        "host", choices=[host.name for host in topology.HOSTS], metavar="HOST", help=enter.host_names()
    )
    sh.add_argument("command", nargs=argparse.REMAINDER, help="default: a login shell")
    _add_recordings(
        verbs.add_parser(
            "recordings",
            parents=[named],
            help="lay recordings of calls into S3 and on audio, in place of those that are there",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
    )
    return parser


def _add_recordings(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--server", action="append", choices=recordings.SERVERS, help="of this server alone; may be repeated")
    add(
        "--files",
        type=_whole,
        default=recordings.FILES,
        help="ordinary calls of each server, beside the odd ones",
    )
    add("--days", type=_whole, default=recordings.DAYS, help="over how many days")
    add("--last", type=_date, default=recordings.LAST, metavar="YYYY-MM-DD", help="the last of these days")
    add(
        "--bytes",
        type=_whole,
        nargs=2,
        default=recordings.SIZES,
        metavar=("FROM", "TO"),
        help="size of a file",
    )
    add("--seed", type=_whole, default=recordings.SEED, help="another one gives other calls")


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}': a whole number from 1, e.g. 1200")
    return int(text)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}': a date, e.g. 2025-11-10") from error


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 7 * 86400:
        raise argparse.ArgumentTypeError(
            f"'{text}': a whole number of seconds from 1 to 604800 (a week), e.g. --ttl 7200"
        )
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
