"""`python -m reports`: reports from stored results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from clusters.errors import ConformanceError, ExitCode
from reports.html import page
from reports.model import RESULTS, load, write_text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what a user can mend is one line on stderr."""
    given = _parser().parse_args(arguments)
    try:
        return int(given.run(given))
    except ConformanceError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports", description="Reports from stored results.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    render = commands.add_parser("render", help="make the page again from a results.json")
    render.add_argument("results", type=Path, metavar=RESULTS, help="the file, or the run's directory")
    render.add_argument(
        "-o", "--output", type=Path, help="the page (default: report.html beside the results)"
    )
    render.set_defaults(run=_render)
    return parser


def _render(given: argparse.Namespace) -> ExitCode:
    results: Path = given.results / RESULTS if given.results.is_dir() else given.results
    result = load(results)
    output = given.output or results.parent / "report.html"
    write_text(output, page(result, directory=results.parent))
    print(output)
    return ExitCode.PASSED


if __name__ == "__main__":
    raise SystemExit(main())
