"""`python -m clusters.lab up|down|status|exec`: keeps a lab for interactive use."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import get_args

from clusters import extras
from clusters.commands import command as shown
from clusters.errors import ConformanceError, ExitCode, UsageError

try:
    with extras.needed("lab", "The lab"):
        from clusters.lab import life, netns
        from clusters.lab.lab import Lab
        from clusters.lab.plan import DEFAULT_NAME, Consumer, Families, Install, LabOptions, Proxy
except UsageError as missing:
    print(f"error: {missing}", file=sys.stderr)
    raise SystemExit(int(missing.exit_code)) from None

_UNSET = argparse.SUPPRESS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m clusters.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="boot a lab, or take the running one as it is")
    _add_up_options(up)
    down = commands.add_parser("down", help="remove a lab, or what a crash left of one")
    show = commands.add_parser("status", help="print one JSON object")
    execute = commands.add_parser("exec", help="run a command in a host's network namespace")
    for command in (up, down, show, execute):
        command.add_argument("--name", default=DEFAULT_NAME, help=f"which lab (default {DEFAULT_NAME})")
    execute.add_argument("host", help="a node, client, remote or lan")
    execute.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD…")
    return parser


def _add_up_options(up: argparse.ArgumentParser) -> None:
    """Those of LabOptions have no default here, so that what was asked for can be told from what was not."""
    up.add_argument(
        "--nodes", type=int, default=_UNSET, help="1 to 7, the first is the control plane too (3)"
    )
    up.add_argument("--families", choices=get_args(Families), default=_UNSET, help="address families (ipv4)")
    up.add_argument("--nics", type=int, default=_UNSET, help="network cards of every host, 1 or 2 (1)")
    up.add_argument("--proxy", choices=get_args(Proxy), default=_UNSET, help="kube-proxy's mode (iptables)")
    up.add_argument("--metallb", default=_UNSET, help="MetalLB's version (the one that the overlay pins)")
    up.add_argument(
        "--install",
        choices=get_args(Install),
        default=_UNSET,
        help="whose names, labels and rights (manifest)",
    )
    up.add_argument(
        "--consumer",
        choices=get_args(Consumer),
        default=_UNSET,
        help="what serves at the edge (agnhost); traefik is built first, which takes minutes",
    )
    up.add_argument("--overlay", default=_UNSET, help="a kustomize folder of your own")
    up.add_argument("--keep", action="store_true", help="leave a lab that did not come up, to look at it")


def _up(arguments: argparse.Namespace) -> int:
    given = {key: value for key, value in vars(arguments).items() if key in LabOptions.__dataclass_fields__}
    lab = life.up(LabOptions(**given), insist=set(given) - {"name"}, keep=arguments.keep)
    export = shown("export KUBECONFIG={file}", file=str(lab.kubeconfig))
    print(f"Lab {lab.name} is running: {export}")
    return ExitCode.PASSED


def _down(arguments: argparse.Namespace) -> int:
    life.down(LabOptions(name=arguments.name).name)
    return ExitCode.PASSED


def _status(arguments: argparse.Namespace) -> int:
    print(json.dumps(life.status(LabOptions(name=arguments.name).name), indent=2))
    return ExitCode.PASSED


def _exec(arguments: argparse.Namespace) -> int:
    command = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    if not command:
        raise UsageError(
            "No command was given to run.",
            remedy="Write it after --: " + shown("exec {host} -- ip addr", host=arguments.host),
        )
    netns.join(Lab.load(arguments.name).netns(arguments.host))
    try:
        os.execvp(command[0], command)  # noqa: S606 - the user's own command, as it stands
    except OSError as error:
        raise UsageError(f"The command {command[0]} cannot be run: {error.strerror}.") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = _parser().parse_args(argv)
    commands = {"up": _up, "down": _down, "status": _status, "exec": _exec}
    try:
        return commands[arguments.command](arguments)
    except ConformanceError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: nothing is left of a lab that was on its way up", file=sys.stderr)
        return ExitCode.INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main())
