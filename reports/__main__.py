"""`python -m reports`: reports from stored results. Each command is a module of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clusters.errors import ConformanceError, Parser
from reports.history import pruning, recording
from reports.pages import page
from reports.publish import comparison_text, delivery, last_validated, merge, stamp

_COMMANDS = (page, merge, comparison_text, recording, last_validated, stamp, delivery, pruning)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what a user can fix is one line on stderr."""
    parser = Parser(prog="python -m reports", description="Reports from stored results.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.register(commands)
    try:
        given = parser.parse_args(arguments)
        return int(given.run(given))
    except ConformanceError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)


if __name__ == "__main__":
    raise SystemExit(main())
