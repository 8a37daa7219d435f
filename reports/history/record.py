"""`python -m reports record`: enter results that were made elsewhere into a history."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from clusters.errors import ExitCode
from reports.history import DEFAULT, opening
from reports.history.recording import enter, writing
from reports.model import RESULTS, load


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "record", help="enter runs of another machine, or a joined one, into the history"
    )
    parser.add_argument(
        "results", type=Path, nargs="+", metavar=RESULTS, help="the files, or the runs' directories"
    )
    parser.add_argument("--history", metavar="FILE", type=Path, default=DEFAULT, help=f"default: {DEFAULT}")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> ExitCode:
    """Enter all of them, or none where one is broken. A run that is there already stays as it is told last."""
    results = [(path if path.is_dir() else path.parent, load(path)) for path in given.results]
    opening.ensure(given.history)
    with writing(given.history) as connection:
        for directory, result in results:
            enter(connection, result, directory=directory.absolute())
    sys.stdout.writelines(f"{result.run.id} on {result.run.cluster}\n" for _, result in results)
    return ExitCode.PASSED
