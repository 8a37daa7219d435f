"""What differs between two runs, for a pull request, a terminal and a machine; `python -m reports compare A B`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from clusters.checks import Outcome, RunResult
from clusters.errors import ExitCode, UsageError
from reports.attribution import listed
from reports.history import DEFAULT, opened, stored_runs
from reports.history.comparison import Change, Comparison, Name, Side, compared, side_of
from reports.history.history_view import observed
from reports.markup import code, plain
from reports.model import load
from reports.wording import shown

#: How many earlier runs say what is usual for a figure.
_USUAL = 30
#: What each policy looks at.
POLICIES: Mapping[str, str] = {
    "failing": "newly_failing",
    "untested": "newly_untested",
    "slower": "regressions",
    "moved": "moves",
    "reconfigured": "reconfigured",
}
_EITHER_WAY = ("any", "never")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("compare", help="what differs in run B from run A")
    parser.add_argument("before", metavar="A", type=Path, help="a results.json, or a run's directory")
    parser.add_argument("after", metavar="B", type=Path, help="another one")
    parser.add_argument("--format", choices=("md", "json"), default="md", help="default: md")
    parser.add_argument(
        "--fail-on",
        metavar="WHAT[,WHAT]",
        type=_policy,
        default=("failing",),
        help=f"leave with 1 on any of: {', '.join((*POLICIES, *_EITHER_WAY))} (default: failing)",
    )
    parser.add_argument(
        "--history",
        metavar="FILE",
        type=Path,
        help=f"says what is noise and what is change (default: {DEFAULT}, if there)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> ExitCode:
    """Print the comparison; the exit code follows the policy."""
    before, after = (_side(path) for path in (given.before, given.after))
    usual = usual_figures(given.history, load(given.after))
    found = compared(before, after, against=str(given.before), usual=usual)
    text = json.dumps(as_json(found, after), indent=1) if given.format == "json" else markdown(found, after)
    sys.stdout.write(f"{text}\n")
    return ExitCode.FAILED if fails(found, given.fail_on) else ExitCode.PASSED


def fails(found: Comparison, policy: Sequence[str]) -> bool:
    """Whether a comparison has what the policy does not allow."""
    asked = POLICIES if "any" in policy else [name for name in policy if name in POLICIES]
    return any(getattr(found, POLICIES[name]) for name in asked)


def usual_figures(history: Path | None, after: RunResult) -> dict[Name, list[float]]:
    """The worst samples of each figure in the runs before `after`, of its cluster; nothing without a history."""
    if history is None and not DEFAULT.exists():
        return {}
    with opened(history or DEFAULT) as connection:
        known = stored_runs.runs(connection, after.run.cluster)
        earlier = [run for run in known if run.id != after.run.id and run.started <= after.run.started]
        trends = stored_runs.trends(connection, earlier[-_USUAL:])
    return {name: [one for one in trend if one is not None] for name, trend in trends.items()}


def markdown(found: Comparison, after: Side) -> str:
    """The comparison as a pull request shows it."""
    before, now = found.run, after.run
    head = f"# {code(now.id)} beside {code(before.id)}\n\n{_worded(before.verdict)} before, {_worded(now.verdict)} now"
    versions = [
        f"{what} {plain(old) or 'unknown'} → {plain(new) or 'unknown'}"
        for what, old, new in (
            ("MetalLB", before.metallb_version, now.metallb_version),
            ("Kubernetes", before.kubernetes_version, now.kubernetes_version),
        )
        if old != new
    ]
    lines = [", ".join((head, *versions)) + "."]
    return "\n".join((*lines, *sections(found, level=2)))


def sections(found: Comparison, *, level: int) -> Iterator[str]:
    """What differs, each kind under a heading of that level; one sentence where nothing does."""
    if found.nothing:
        yield "\nNothing changed."
    for title, lines in _lists(found):
        if lines:
            yield f"\n{'#' * level} {title} ({len(lines)})\n"
            yield from (f"- {plain(line)}" for line in lines)


def as_json(found: Comparison, after: Side) -> dict[str, object]:
    """The comparison for machines."""
    # What scripts read keeps its name.
    kinds = {"fixed": "fixed", "failing_otherwise": "failing_differently"} | {
        one: one for one in POLICIES.values()
    }
    changes = {name: [_plain(one) for one in getattr(found, field)] for name, field in kinds.items()}
    return {"schema_version": 1, "before": asdict(found.run), "after": asdict(after.run), **changes}


def brief(found: Comparison) -> Iterator[str]:
    """The comparison in a few lines of a terminal."""
    changes = [(title, lines) for title, lines in _lists(found) if lines]
    yield f"since {found.against} ({found.run.id}):" + ("" if changes else " nothing changed")
    for title, lines in changes:
        more = f", and {len(lines) - _BRIEF} more" if len(lines) > _BRIEF else ""
        yield f"  {title.lower()}: {'; '.join(lines[:_BRIEF])}{more}"


_BRIEF = 3


def _lists(found: Comparison) -> Iterator[tuple[str, list[str]]]:
    yield "Newly failing", [_change(one) for one in found.newly_failing]
    yield (
        "Failing differently",
        [
            f"{one.check}: {listed(one.before)} → {listed(one.after)}: {one.reason}"
            for one in found.failing_differently
        ],
    )
    yield "Fixed", [one.check for one in found.fixed]
    yield "No longer tested", [_change(one) for one in found.newly_untested]
    yield (
        "Slower",
        [
            f"{one.check}, {one.figure}: {shown(one.before, one.unit)} before, {shown(one.after, one.unit)} now"
            + (
                f", usual is up to {shown(one.usual[1], one.unit)}"
                if one.usual and one.after > one.usual[1]
                else ""
            )
            for one in found.regressions
        ],
    )
    yield (
        "Moved",
        [
            f"{one.subject}: {', '.join(one.before) or 'no address'} → {', '.join(one.after) or 'no address'}"
            for one in found.moves
        ],
    )
    yield "Configuration changed", list(found.reconfigured)


def _change(one: Change) -> str:
    return f"{one.check} ({_worded(one.before)} before): {one.reason}"


def _worded(outcome: Outcome | str | None) -> str:
    return str(outcome).replace("_", " ") if outcome else "not tested"


def _plain(one: object) -> object:
    return one if isinstance(one, str) else asdict(one)  # type: ignore[call-overload]  # a dataclass otherwise


def _side(path: Path) -> Side:
    return side_of(load(path), observed(path))


def _policy(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in names if name not in (*POLICIES, *_EITHER_WAY)]
    if unknown:
        raise UsageError(
            f"--fail-on does not know {unknown[0]!r}.",
            remedy=f"It knows: {', '.join((*POLICIES, *_EITHER_WAY))}.",
        )
    return names
