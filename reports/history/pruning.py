"""`python -m reports prune`: which runs may go, by age and by number, and what still rests on the others.

Nothing is deleted without `--delete`. A run goes as a whole: its folder among the runs, and its rows in the history.
What stays whatever its age is what somebody may still ask for: the runs that a last validation, a last failure or a
present row of failures rests on, the newest failed run of each cluster, the newest run, and runs that have not ended.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clusters import files, outbound
from clusters.checks import RunInfo, Verdict
from clusters.errors import ConformanceError, ExitCode
from reports.history.opening import DEFAULT, moment, opened
from reports.history.recording import writing
from reports.history.standings import needed
from reports.history.stored_runs import Ending, Run, runs
from reports.model import FLEET, RESULTS, NotWritten, load

OUT = files.REPORTS / "out"
_LATEST = "latest"
_YOUNG, _NEWEST = "younger than asked for", "among the newest of its cluster"
_RESTS = "a last validation or failure rests on it"
_FAILED, _RUNNING, _IS_LATEST = "the newest failed run of its cluster", "it has not ended", "it is `latest`"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is kept of one run. `folder` is "" where it has none, `key` 0 where the history does not know it.

    `because` is why it stays; "" where it may go.
    """

    run: str
    cluster: str
    started: str
    folder: str = ""
    bytes: int = 0
    key: int = 0
    because: str = ""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Runs go that began before `before`, but for the newest `keep` of each cluster."""

    before: datetime
    keep: int


def plan(connection: sqlite3.Connection, out: Path, rule: Rule) -> list[Kept]:
    """Every run that the history or the folder of runs has, with the reason why it stays; the oldest first."""
    known = [_of_history(one) for one in _reasons(connection, rule)]
    by_name = {(one.run, one.cluster): one for one in known}
    found: dict[str, Kept] = {}
    for folder, info in _folders(out):
        name = folder.relative_to(out).as_posix()
        # More than one folder may hold a run: a copy is not what frees the run itself.
        one = by_name.get((info.id, info.cluster)) or _alone(info, rule)
        found[name] = replace(one, folder=name, bytes=_size(folder))
    latest = os.path.realpath(out / _LATEST)
    for name, one in found.items():
        whole = os.path.realpath(out / name)
        if not one.because and (whole == latest or whole.startswith(f"{latest}{os.sep}")):
            found[name] = replace(one, because=_IS_LATEST)
    folderless = [one for one in known if one.key not in {each.key for each in found.values()}]
    return sorted([*found.values(), *folderless], key=lambda one: (one.started, one.run))


def _reasons(connection: sqlite3.Connection, rule: Rule) -> Iterator[tuple[Run, str]]:
    """Each run of the history, and why it stays."""
    rests, before = needed(connection), moment(rule.before)
    newest: Counter[str] = Counter()
    failed: set[str] = set()
    for one in reversed(runs(connection)):
        newest[one.cluster] += 1
        newest_failure = one.verdict is Verdict.FAILED and one.cluster not in failed
        failed |= {one.cluster} if newest_failure else set()
        reasons = {
            _RUNNING: one.ending is Ending.RUNNING,
            _YOUNG: one.started >= before,
            _NEWEST: newest[one.cluster] <= max(rule.keep, 1),
            _RESTS: one.key in rests,
            _FAILED: newest_failure,
        }
        yield one, next((why for why, holds in reasons.items() if holds), "")


def _of_history(found: tuple[Run, str]) -> Kept:
    one, because = found
    return Kept(run=one.id, cluster=one.cluster, started=one.started, key=one.key, because=because)


def _alone(info: RunInfo, rule: Rule) -> Kept:
    """A run that the history does not know, so that nothing rests on it: its age decides."""
    young = datetime.fromisoformat(info.started) >= rule.before
    started = moment(datetime.fromisoformat(info.started))
    return Kept(run=info.id, cluster=info.cluster, started=started, because=_YOUNG if young else "")


def _folders(out: Path) -> Iterator[tuple[Path, RunInfo]]:
    """The folders of runs in `out`, those of a fleet's runs included. Links and what is no run's are left alone."""
    for folder in sorted(out.iterdir()) if out.is_dir() else ():
        if folder.is_symlink() or not folder.is_dir():
            continue
        members = sorted(folder.iterdir()) if (folder / FLEET).is_file() else [folder]
        for one in members:
            if not one.is_symlink() and (one / RESULTS).is_file():
                try:
                    yield one, load(one).run
                except ConformanceError:
                    continue


def _size(folder: Path) -> int:
    return sum((Path(place) / name).lstat().st_size for place, _, names in os.walk(folder) for name in names)


def delete(connection: sqlite3.Connection, doomed: Sequence[Kept]) -> None:
    """Take runs out of the history, inside a transaction."""
    connection.executemany("DELETE FROM runs WHERE key = ?", [(one.key,) for one in doomed if one.key])


def remove_folders(out: Path, doomed: Sequence[Kept]) -> list[str]:
    """Remove the folders of runs, and those of fleets that have no run any more; what could not be removed."""
    faults = []
    for one in doomed:
        if not one.folder:
            continue
        folder = out / one.folder
        try:
            shutil.rmtree(folder)
            if folder.parent != out and not any(
                (each / RESULTS).is_file() for each in folder.parent.iterdir()
            ):
                shutil.rmtree(folder.parent)
        except OSError as error:
            faults.append(f"{folder} could not be removed: {error.strerror or error}.")
    return faults


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("prune", help="say which old runs may go; with --delete, delete them")
    parser.add_argument(
        "--older-than",
        metavar="DAYS",
        type=_whole,
        default=60,
        help="only runs older than this (default: 60)",
    )
    parser.add_argument(
        "--keep", metavar="N", type=_whole, default=10, help="the newest N of each cluster stay (default: 10)"
    )
    parser.add_argument("--delete", action="store_true", help="delete what is listed")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--out", metavar="DIR", type=Path, default=OUT, help=f"the folder of runs ({OUT})")
    parser.add_argument("--history", metavar="FILE", type=Path, default=DEFAULT, help=f"default: {DEFAULT}")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> ExitCode:
    """Say what may go, and delete it where that was asked for."""
    rule = Rule(before=datetime.now(UTC) - timedelta(days=given.older_than), keep=given.keep)
    faults: list[str] = []
    if given.delete:
        with writing(given.history) as connection:
            found = plan(connection, given.out, rule)
            doomed = [one for one in found if not one.because]
            delete(connection, doomed)
        faults = remove_folders(given.out, doomed)
    else:
        with opened(given.history) as connection:
            found = plan(connection, given.out, rule)
    written = _as_json if given.format == "json" else _as_text
    sys.stdout.write(outbound.text(written(found, deleted=given.delete)) + "\n")
    if faults:
        raise NotWritten(" ".join(faults))
    return ExitCode.PASSED


def _as_json(found: Sequence[Kept], *, deleted: bool) -> str:
    rows = []
    for one in found:
        row = asdict(one)
        del row["key"]
        rows.append(row | {"because": one.because or None, "folder": one.folder or None})
    return json.dumps({"schema_version": 1, "deleted": deleted, "runs": rows}, indent=1)


def _as_text(found: Sequence[Kept], *, deleted: bool) -> str:
    doomed = [one for one in found if not one.because]
    lines = [f"{'deleted' if deleted else 'may go'}: {_row(one)}" for one in doomed]
    reasons = Counter(one.because for one in found if one.because)
    lines += [f"stays: {number} of {len(found)} runs: {why}" for why, number in reasons.most_common()]
    room = f"{sum(one.bytes for one in doomed) / 2**20:.1f} MiB"
    if deleted or not doomed:
        lines.append(f"{len(doomed)} runs deleted, {room}." if doomed else "No run may go.")
    else:
        lines.append(f"{len(doomed)} runs may go, {room}. Nothing was deleted: add --delete.")
    return "\n".join(lines)


def _row(one: Kept) -> str:
    size = f"{one.bytes / 2**20:.1f} MiB in {one.folder}" if one.folder else "no folder"
    return f"{one.run} on {one.cluster}, {one.started[:10]}, {size}"


def _whole(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 100_000:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 100000")
    return value
