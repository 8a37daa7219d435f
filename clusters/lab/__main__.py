"""`python -m clusters.lab up|down|status|exec`: keeps a lab for interactive use."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, get_args

from clusters.errors import ConformanceError, ExitCode
from clusters.lab import lab as labs
from clusters.lab import status
from clusters.lab.options import DEFAULT_NAME, Families, Install, LabOptions, Proxy
from clusters.lab.progress import Progress


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m clusters.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="boot a lab, or take the running one as it is")
    up.add_argument(
        "--nodes", type=int, default=3, help="nodes, 1 to 7, one of them the control plane (default 3)"
    )
    up.add_argument("--families", choices=get_args(Families), default="ipv4")
    up.add_argument("--nics", type=int, default=1, help="network cards of every host, 1 or 2 (default 1)")
    up.add_argument("--proxy", choices=get_args(Proxy), default="iptables", help="kube-proxy's mode")
    up.add_argument(
        "--metallb", default="", help="MetalLB's version (default: the one that the overlay pins)"
    )
    up.add_argument(
        "--install", choices=get_args(Install), default="manifest", help="whose names and labels MetalLB has"
    )
    up.add_argument("--overlay", default="", help="a kustomize folder of your own")
    down = commands.add_parser("down", help="remove a lab, or what a crash left of one")
    show = commands.add_parser("status", help="print one JSON object")
    execute = commands.add_parser("exec", help="run a command in a host's network namespace")
    for command in (up, down, show, execute):
        command.add_argument("--name", default=DEFAULT_NAME, help=f"which lab (default {DEFAULT_NAME})")
    execute.add_argument("host")
    execute.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD…")
    return parser


def _up(arguments: argparse.Namespace) -> int:
    given: dict[str, Any] = {k: v for k, v in vars(arguments).items() if k in LabOptions.__dataclass_fields__}
    lab = labs.up(LabOptions(**given), Progress())
    print(f"Lab {lab.name} is running: export KUBECONFIG={lab.kubeconfig}")
    return ExitCode.PASSED


def _down(arguments: argparse.Namespace) -> int:
    labs.down(arguments.name)
    return ExitCode.PASSED


def _status(arguments: argparse.Namespace) -> int:
    print(json.dumps(status.of(arguments.name), indent=2))
    return ExitCode.PASSED


def _exec(arguments: argparse.Namespace) -> int:
    command = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    lab = labs.Lab.load(arguments.name)
    options: dict[str, Any] = {"capture_output": False, "text": None}
    return lab.run(arguments.host, command, **options).returncode


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = _parser().parse_args(argv)
    commands = {"up": _up, "down": _down, "status": _status, "exec": _exec}
    try:
        return commands[arguments.command](arguments)
    except ConformanceError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
