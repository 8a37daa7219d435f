"""`python -m reports merge`: the shards of one run as one run, with its page and its evidence."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from clusters import files
from clusters.checks.failure import EVIDENCE
from clusters.checks.run_verdict import exit_code
from clusters.confinement import Folder, RefusedPath, Tree
from clusters.errors import ExitCode, UsageError
from reports.history import DEFAULT
from reports.history.history_view import past_of
from reports.model import RESULTS, NotWritten, load, save, write_text
from reports.pages.page import page
from reports.publish.shards import Shard, joined

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
    for left_out in _keep(counted, output):
        sys.stderr.write(f"left out: {left_out}\n")
    save(result, output / RESULTS)
    history = given.history or (DEFAULT if DEFAULT.exists() else None)
    past = past_of(history, result, directory=output) if history else None
    write_text(output / PAGE, page(result, directory=output, past=past))
    files.make_private(output)
    sys.stdout.write(f"{output / PAGE}\n")
    return exit_code(result.run.verdict)


def _keep(shards: Sequence[Shard], output: Path) -> list[str]:
    """Copy what the results refer to; returns a sentence for each file that was refused."""
    left_out: list[str] = []
    try:
        files.private_directory(output)
        for shard in shards:
            for source, target in _kept_by(shard, left_out):
                if source not in _OBSERVED or not (output / target).exists():
                    try:
                        Folder(output).copy(_tree_of(shard), source, to=target)
                    except RefusedPath as error:
                        left_out.append(str(error.args[0]))
    except OSError as error:
        raise NotWritten(f"The evidence could not be copied to {output}: {error}.") from None
    return left_out


def _kept_by(shard: Shard, left_out: list[str]) -> Iterator[tuple[str, str]]:
    """The files of a shard that belong to the whole run, with their places in it; links as what they are called."""
    tree = _tree_of(shard)
    for name in _OBSERVED:
        if os.path.lexists(tree.root / name):
            yield name, name
    for check in shard.result.checks:
        folder = f"{EVIDENCE}{check.id}"
        try:
            for path in tree.entries(folder):
                yield path, shard.place_of(check.id) + path.removeprefix(f"{folder}/")
        except RefusedPath as error:
            left_out.append(str(error.args[0]))


def _tree_of(shard: Shard) -> Tree:
    return Tree(shard.path.parent, name=str(shard.path.parent))
