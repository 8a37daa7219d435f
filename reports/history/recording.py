"""Writing runs into a history: one row when a run begins, everything in one transaction when it ends.

`python -m reports record` enters results that were made elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from clusters.checks import CheckResult, RunResult, Verdict
from clusters.errors import ExitCode
from reports.attribution import attributions
from reports.history import opening, standings
from reports.history.opening import DEFAULT, Damaged, HistoryError, moment, opened
from reports.model import RESULTS, load

_CLEAN = frozenset({Verdict.PASSED, Verdict.FAILED, Verdict.INCOMPLETE})
_RUN = (
    "id", "cluster", "started", "finished", "host", "pid", "process_started", "provider", "context", "allow",
    "kubernetes_version", "metallb_version", "suite_version", "vantage", "verdict", "scope", "validates",
    "replayed", "directory", "maintenance",
)  # fmt: skip
# One row a run, however often it is entered; a name that is given again, at another time, is another run.
_ENTER = (
    f"INSERT INTO runs ({', '.join(_RUN)}) VALUES ({', '.join(f':{name}' for name in _RUN)}) "  # noqa: S608 - names
    f"ON CONFLICT (id, cluster, started) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _RUN)} "
    "RETURNING key"
)


class Recorder:
    """Keeps one run in the history at `path`: `begin` before its first check, `finish` after the last.

    Neither keeps the run from going on. What went wrong is a sentence each in `faults`.
    """

    def __init__(
        self, path: Path, *, directory: Path, replayed: bool = False, days: int | None = None
    ) -> None:
        self.path = path
        self.faults: list[str] = []
        #: Whether there was no history before this run.
        self.first = False
        self._directory = directory
        self._replayed = replayed
        self._days = days

    def begin(self, result: RunResult) -> None:
        """Say that the run has begun, so that one that is killed is seen. Looks for damage first."""

        def write() -> None:
            self.first = opening.ensure(self.path)
            opening.examine(self.path)
            with writing(self.path) as connection:
                enter(connection, result, directory=self._directory, replayed=self._replayed, ended=False)

        self._try(write)

    def finish(self, result: RunResult) -> None:
        """Write the whole run, and drop what is older than it has to be kept."""
        # What could not be begun is reported only if it cannot be ended either.
        self.faults = [fault for fault in self.faults if fault.startswith(_SET_ASIDE)]

        def write() -> None:
            self.first = opening.ensure(self.path) or self.first
            with writing(self.path) as connection:
                enter(connection, result, directory=self._directory, replayed=self._replayed)
                if self._days is not None:
                    standings.prune(connection, before=datetime.now(UTC) - timedelta(days=self._days))

        self._try(write)

    def _try(self, write: Callable[[], None]) -> None:
        try:
            try:
                write()
            except Damaged as damage:
                aside = opening.set_aside(self.path)
                if aside is not None:
                    self.faults.append(_kept_aside(damage, aside))
                write()
        except HistoryError as error:
            self.faults.append(f"{error} This run is not in it.")


_SET_ASIDE = "The earlier history is not used any more: "


def _kept_aside(damage: Damaged, aside: Path) -> str:
    return f"{_SET_ASIDE}{damage.args[0]} It is kept as {aside}, and a new one begins with this run."


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction on the history at `path`: everything in it is kept, or nothing. Raises HistoryError."""
    with opened(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            # A full disk has ended the transaction already.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def enter(
    connection: sqlite3.Connection,
    result: RunResult,
    *,
    directory: Path,
    replayed: bool = False,
    ended: bool = True,
) -> None:
    """Enter a run, inside a transaction; what was known of the same run on the same cluster is replaced."""
    run = result.run
    process = psutil.Process()
    row = {name: getattr(run, name) for name in _RUN if hasattr(run, name)} | {
        "started": _time(run.started),
        "finished": _time(run.finished) if ended else None,
        "host": platform.node(),
        "pid": os.getpid(),
        "process_started": process.create_time(),
        "verdict": str(run.verdict) if ended else None,
        "scope": str(run.scope) if ended else None,
        "validates": int(ended and not replayed and validates(result)),
        "replayed": int(replayed),
        "directory": str(directory),
    }
    (key,) = connection.execute(_ENTER, row).fetchone()
    replaced = standings.keys_of(connection, key)
    for table in ("outcomes", "figures", "untested"):
        connection.execute(f"DELETE FROM {table} WHERE run = ?", (key,))  # noqa: S608 - a name from above
    if ended:
        _enter_outcomes(connection, key, result)
    if ended or replaced:
        standings.carry_on(connection, key, replaced=replaced)


def _enter_outcomes(connection: sqlite3.Connection, key: int, result: RunResult) -> None:
    connection.executemany(
        "INSERT INTO checks VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
        "SET title = excluded.title, runbook = excluded.runbook, level = excluded.level",
        ((one.id, one.title, json.dumps(one.runbook), one.level) for one in result.checks),
    )
    connection.executemany(
        "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        ((key, *_outcome(one, result)) for one in result.checks),
    )
    connection.executemany(
        "INSERT INTO figures VALUES (?, ?, ?, ?, ?, ?, ?)", ((key, *one) for one in _figures(result))
    )
    connection.executemany(
        "INSERT OR REPLACE INTO untested VALUES (?, ?, ?)", ((key, *one) for one in result.not_tested)
    )


def validates(result: RunResult) -> bool:
    """Whether passes in this run count as validation: it ran, it ended, and it cleaned up.

    That another check failed, was not decided or not reached takes nothing from what passed.
    """
    return result.run.verdict in _CLEAN


def _outcome(check: CheckResult, result: RunResult) -> tuple[object, ...]:
    causes = sorted({finding.cause for finding in check.findings})
    attributed = [[one.cause, one.subject] for one in attributions(check)]
    return (
        check.id, str(check.outcome), _decided(check, result), check.duration_s, check.reason, json.dumps(causes),
        json.dumps(attributed),
    )  # fmt: skip


def _decided(check: CheckResult, result: RunResult) -> str:
    if not check.started:
        return _time(result.run.finished)
    return moment(datetime.fromisoformat(check.started) + timedelta(seconds=check.duration_s))


def _figures(result: RunResult) -> Iterable[tuple[object, ...]]:
    for check in result.checks:
        for name, one in check.measurements.items():
            yield check.id, name, one.unit, one.value, one.budget, int(one.worst == "lowest")


def _time(text: str) -> str:
    return moment(datetime.fromisoformat(text))


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
    """Enter all of them, or none where one is broken. A run that is there already becomes what was entered last."""
    results = [(path if path.is_dir() else path.parent, load(path)) for path in given.results]
    opening.ensure(given.history)
    with writing(given.history) as connection:
        for directory, result in results:
            enter(connection, result, directory=directory.absolute())
    sys.stdout.writelines(f"{result.run.id} on {result.run.cluster}\n" for _, result in results)
    return ExitCode.PASSED
