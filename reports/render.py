"""`python -m reports render`: the page again, from stored results."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from clusters.errors import ExitCode
from reports.history import DEFAULT
from reports.html import page
from reports.model import RESULTS, load, write_text
from reports.remembering import past_of


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("render", help="make the page again from a results.json")
    parser.add_argument("results", type=Path, metavar=RESULTS, help="the file, or the run's directory")
    parser.add_argument(
        "-o", "--output", type=Path, help="the page (default: report.html beside the results)"
    )
    parser.add_argument(
        "--history",
        metavar="FILE",
        type=Path,
        help=f"what is known of earlier runs (default: {DEFAULT}, if there)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> ExitCode:
    """Write the page and say where."""
    results: Path = given.results / RESULTS if given.results.is_dir() else given.results
    result = load(results)
    output = given.output or results.parent / "report.html"
    history = given.history or (DEFAULT if DEFAULT.exists() else None)
    past = past_of(history, result, directory=results.parent) if history else None
    write_text(output, page(result, directory=results.parent, past=past))
    sys.stdout.write(f"{output}\n")
    return ExitCode.PASSED
