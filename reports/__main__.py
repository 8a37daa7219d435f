"""`python -m reports`: reports from stored results. Each command is a module of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from clusters.errors import ConformanceError
from reports import merge, render

_COMMANDS = (merge, render)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what a user can mend is one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m reports", description="Reports from stored results.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.register(commands)
    given = parser.parse_args(arguments)
    try:
        return int(given.run(given))
    except ConformanceError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)


if __name__ == "__main__":
    raise SystemExit(main())
