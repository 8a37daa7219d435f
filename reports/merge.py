"""`python -m reports merge`: the shards of one run as one run, with its page and its evidence."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from clusters import files
from clusters.checks.failure import EVIDENCE
from clusters.checks.judgement import exit_code
from clusters.errors import ExitCode, UsageError
from reports.history import DEFAULT
from reports.html import page
from reports.model import RESULTS, NotWritten, load, save, write_text
from reports.remembering import past_of
from reports.shards import Shard, joined

PAGE = "report.html"
#: What the shards observed; the first one's is kept, as every shard looks at the same cluster first of all.
_OBSERVED = ("snapshot.json", "snapshot.repository.json")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("merge", help="join the shards of one run (see --run-id)")
    parser.add_argument(
        "shards", type=Path, nargs="+", metavar=RESULTS, help="the shards' files, or their directories"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="where the whole run goes, a new place",
    )
    parser.add_argument(
        "--history",
        metavar="FILE",
        type=Path,
        help=f"what is known of earlier runs (default: {DEFAULT}, if there)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> ExitCode:
    """Write the whole run and print where its page is; the exit code is that of the whole run."""
    output: Path = given.output
    given_files = [path / RESULTS if path.is_dir() else path for path in given.shards]
    result, counted = joined([Shard(path=path, result=load(path)) for path in given_files])
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output} is not empty.", remedy="Name a new place for the whole run.")
    _keep(counted, output)
    save(result, output / RESULTS)
    history = given.history or (DEFAULT if DEFAULT.exists() else None)
    past = past_of(history, result, directory=output) if history else None
    write_text(output / PAGE, page(result, directory=output, past=past))
    files.make_private(output)
    sys.stdout.write(f"{output / PAGE}\n")
    return exit_code(result.run.verdict)


def _keep(shards: Sequence[Shard], output: Path) -> None:
    """Copy what the results refer to."""
    try:
        files.private_directory(output)
        for shard in shards:
            place = shard.path.parent
            for name in _OBSERVED:
                if (place / name).is_file() and not (output / name).exists():
                    shutil.copyfile(place / name, output / name)
            for check in shard.result.checks:
                if (folder := place / EVIDENCE / check.id).is_dir():
                    shutil.copytree(folder, output / shard.place_of(check.id), dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise NotWritten(f"The evidence could not be copied to {output}: {error}.") from None
