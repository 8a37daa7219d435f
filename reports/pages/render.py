"""`python -m reports render`: the page again, from stored results."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from clusters.errors import ExitCode
from reports.history import DEFAULT
from reports.history.history_view import past_of
from reports.model import FLEET, RESULTS, load, write_text
from reports.pages import fleet_page
from reports.pages.page import page


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("render", help=f"make the page again from a {RESULTS}, or a {FLEET}")
    parser.add_argument("results", type=Path, metavar=RESULTS, help="the file, or the directory it is in")
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
    results: Path = given.results
    if results.is_dir():
        # The directory of several clusters' runs has no results of its own.
        results /= FLEET if (results / FLEET).exists() else RESULTS
    output = given.output or results.parent / "report.html"
    write_text(output, _fleet(results, output) if results.name == FLEET else _run(results, given.history))
    sys.stdout.write(f"{output}\n")
    return ExitCode.PASSED


def _fleet(path: Path, output: Path) -> str:
    return fleet_page.page(fleet_page.fleet_from(path), output.parent)


def _run(path: Path, history: Path | None) -> str:
    result = load(path)
    history = history or (DEFAULT if DEFAULT.exists() else None)
    past = past_of(history, result, directory=path.parent) if history else None
    return page(result, directory=path.parent, past=past)
