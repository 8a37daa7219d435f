"""`python -m reports merge`: the shards of one run as one run, with its page and its evidence.

A run that is split (over several jobs, or by level) is named by `--run-id`: its shards are ID.1, ID.2 and so on,
any short name after the dot. That name is the only thing that makes files shards of one run. Nothing is counted
twice, and nothing joined that does not belong together.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clusters import files
from clusters.checks import CheckResult, Level, Outcome, RunInfo, RunResult, Verdict
from clusters.checks.outcome import EVIDENCE, is_evidence_path
from clusters.checks.run_verdict import exit_code, merge, scope, verdict
from clusters.confinement import Folder, RefusedPath, Tree
from clusters.errors import ExitCode, UsageError
from reports.history import DEFAULT
from reports.history.history_view import view_of
from reports.model import RESULTS, SNAPSHOT, NotWritten, load, run_of, save, write_text
from reports.pages.page import page

PAGE = "report.html"
#: What the shards observed; the first one's is kept, as every shard looks at the same cluster first of all.
_OBSERVED = (SNAPSHOT, "snapshot.repository.json")
#: What the shards of one run agree on, and what a reader calls it.
_SHARED = {
    "cluster": "cluster",
    "provider": "provider",
    "context": "context",
    "suite_version": "suite version",
    "kubernetes_version": "Kubernetes version",
    "metallb_version": "MetalLB version",
}
#: Empty in a shard that was refused or killed before it knew them.
_MAY_BE_UNKNOWN = frozenset({"context", "kubernetes_version", "metallb_version"})


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One shard: its file, and what it holds.

    `apart` are the checks that another shard decided too: their evidence goes into a folder of this shard's own.
    """

    path: Path
    result: RunResult
    apart: frozenset[str] = frozenset()

    @property
    def part(self) -> str:
        """Which shard of its run it is: what follows the dot in its id."""
        return self.result.run.id.partition(".")[2] or self.result.run.id

    def place_of(self, check: str) -> str:
        """The folder of a check's evidence in the whole run, below its directory; ends with a slash."""
        return f"{EVIDENCE}{check}/{self.part}/" if check in self.apart else f"{EVIDENCE}{check}/"


def joined(shards: Sequence[Shard]) -> tuple[RunResult, tuple[Shard, ...]]:
    """The whole run, and the shards that were counted: a file that is given twice counts once.

    Raises UsageError for shards of different runs, clusters or versions, and for two files that both claim
    to be one shard and differ.
    """
    counted = _distinct(shards)
    _refuse_other_runs(counted)
    counted = _set_apart(counted)
    checks = tuple(_checks(counted))
    decided = {check.id for check in checks}
    left_out = dict(pair for shard in counted for pair in shard.result.not_tested if pair[0] not in decided)
    run = _info([shard.result.run for shard in counted], checks)
    # Each shard looked for itself: what the first one saw in trouble is reported, as its checks are.
    paths = next((shard.result.paths for shard in counted if shard.result.paths), ())
    return RunResult(run=run, checks=checks, not_tested=tuple(sorted(left_out.items())), paths=paths), counted


def _distinct(shards: Sequence[Shard]) -> tuple[Shard, ...]:
    found: dict[str, Shard] = {}
    for shard in shards:
        known = found.setdefault(shard.result.run.id, shard)
        if known.result != shard.result:
            raise UsageError(
                f"{known.path} and {shard.path} are both {shard.result.run.id}, but differ.",
                remedy="Name the one that is whole.",
            )
    return tuple(sorted(found.values(), key=lambda shard: (shard.result.run.started, shard.result.run.id)))


def _refuse_other_runs(shards: Sequence[Shard]) -> None:
    first = shards[0]
    for other in shards[1:]:
        if run_of(other.result.run.id) != run_of(first.result.run.id):
            raise UsageError(
                f"{first.path} belongs to run {run_of(first.result.run.id)}, and {other.path} to run "
                f"{run_of(other.result.run.id)}.",
                remedy="The shards of one run are named by --run-id ID.1, --run-id ID.2 and so on.",
            )
    for name, called in _SHARED.items():
        values: dict[str, Path] = {}
        for shard in shards:
            values.setdefault(getattr(shard.result.run, name), shard.path)
        if name in _MAY_BE_UNKNOWN:
            values.pop("", None)
        if len(values) > 1:
            (one, here), (another, there), *_ = values.items()
            raise UsageError(
                f"The {called} is {one!r} in {here} and {another!r} in {there}: these are not shards of one run."
            )


def _set_apart(shards: Sequence[Shard]) -> tuple[Shard, ...]:
    """The same shards; where two decided one check, neither's evidence takes the place of the other's."""
    seen = Counter(check.id for shard in shards for check in shard.result.checks)
    several = frozenset(name for name, times in seen.items() if times > 1)
    return tuple(_moved(replace(shard, apart=several)) for shard in shards) if several else tuple(shards)


def _moved(shard: Shard) -> Shard:
    checks = tuple(_with_moved_evidence(check, shard) for check in shard.result.checks)
    return replace(shard, result=replace(shard.result, checks=checks))


def _with_moved_evidence(check: CheckResult, shard: Shard) -> CheckResult:
    if check.id not in shard.apart:
        return check
    before, after = f"{EVIDENCE}{check.id}/", shard.place_of(check.id)

    def moved(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            after + text.removeprefix(before) if is_evidence_path(text) and text.startswith(before) else text
            for text in texts
        )

    findings = tuple(replace(one, evidence=moved(one.evidence)) for one in check.findings)
    return replace(check, findings=findings, evidence=moved(check.evidence))


def _checks(shards: Sequence[Shard]) -> Iterable[CheckResult]:
    """Each check once. Where it was decided anywhere, a shard that skipped it says nothing."""
    found: dict[str, list[CheckResult]] = {}
    for shard in shards:
        for check in shard.result.checks:
            found.setdefault(check.id, []).append(check)
    for results in found.values():
        decided = [one for one in results if one.outcome is not Outcome.SKIPPED]
        yield merge(decided or results[:1])


def _info(runs: Sequence[RunInfo], checks: Sequence[CheckResult]) -> RunInfo:
    known = {name: next((value for run in runs if (value := getattr(run, name))), "") for name in _SHARED}
    return replace(
        runs[0],
        **known,
        id=run_of(runs[0].id),
        started=min(run.started for run in runs),
        finished=max(run.finished for run in runs),
        allow=str(max((Level(run.allow) for run in runs), key=lambda level: level.rank)),
        vantage=", ".join(dict.fromkeys(run.vantage for run in runs if run.vantage)),
        verdict=_verdict(runs, checks),
        maintenance="; ".join(dict.fromkeys(run.maintenance for run in runs if run.maintenance)),
        scope=scope(checks),
    )


def _verdict(runs: Sequence[RunInfo], checks: Sequence[CheckResult]) -> Verdict:
    """As of one run; a shard that was refused leaves the whole incomplete at best."""
    refused = [run.verdict is Verdict.REFUSED for run in runs]
    unclean = any(run.verdict is Verdict.CLEANUP_FAILED for run in runs)
    reached = verdict(checks, cleanup_failed=unclean, refused=all(refused))
    return Verdict.INCOMPLETE if reached is Verdict.PASSED and any(refused) else reached


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
    view = view_of(history, result, directory=output) if history else None
    write_text(output / PAGE, page(result, directory=output, view=view))
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
