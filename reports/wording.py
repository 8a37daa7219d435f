"""How a run, what it did not test, a list of checks, a time, an age and a measured figure are worded for a reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf

from clusters.checks import Finding, Outcome, RunResult
from clusters.checks.outcome import CONSUMER_FIGURES, consumer_figure

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def headline(result: RunResult) -> str:
    """Verdict, cluster, versions and counts: "FAILED on lab (…): 12 passed, 1 failed, 3 not tested"."""
    run = result.run
    where = ", ".join(
        part
        for part in (
            f"Kubernetes {run.kubernetes_version}" if run.kubernetes_version else "",
            f"MetalLB {run.metallb_version}" if run.metallb_version else "",
            f"level {run.allow}",
        )
        if part
    )
    work = ", in declared maintenance" if run.maintenance else ""
    return f"{str(run.verdict).upper()} on {run.cluster} ({where}{work}): {counts(result)}"


def in_maintenance(result: RunResult) -> str:
    """What is to be known of a run that fell into declared maintenance; "" for any other."""
    hours = result.run.maintenance
    if not hours:
        return ""
    return (
        f"This run fell into declared maintenance ({hours}): what it found may be the work going on. It counts as in "
        "any other run; run it again when the work is done."
    )


def counts(result: RunResult) -> str:
    """How many checks ended how: "12 passed, 1 failed, 3 not tested"."""
    found = Counter(check.outcome for check in result.checks)
    parts = [f"{found[one]} {str(one).replace('_', ' ')}" for one in Outcome if found[one]]
    parts += [f"{len(result.not_tested)} not tested"] if result.not_tested else []
    return ", ".join(parts) or "nothing was run"


def not_tested(result: RunResult) -> dict[str, list[str]]:
    """The ids of what was not tested (not run, or skipped), by reason; the largest group first."""
    groups: dict[str, list[str]] = {}
    skipped = [(check.id, check.reason) for check in result.checks if check.outcome is Outcome.SKIPPED]
    for name, reason in (*skipped, *result.not_tested):
        groups.setdefault(reason, []).append(name)
    return dict(sorted(groups.items(), key=lambda group: -len(group[1])))


#: With such a word a summary goes on where its subject stands before it.
_GOES_ON = frozenset({"asks", "can", "cannot", "does", "had", "has", "holds", "is", "was"})


def in_a_sentence(finding: Finding) -> str:
    """What was found, with what it is about where a summary begins in the middle of a sentence."""
    summary, subject = finding.summary, finding.subject
    name = subject.rpartition(" ")[2]
    if not subject or not summary[:1].islower() or name in summary.partition(":")[0]:
        return summary
    return f"{subject}{'' if summary.partition(' ')[0] in _GOES_ON else ':'} {summary}"


def named(ids: Sequence[str], *, most: int = 3) -> str:
    """A few ids, and how many more there are."""
    rest = len(ids) - most
    return ", ".join(ids[:most]) + (f" and {rest} more" if rest > 0 else "")


def moment(text: str) -> str:
    """An RFC 3339 time for a reader: "2026-01-31 03:07 UTC"; a dash for none."""
    if not text:
        return "–"
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"


def long(length: timedelta | float) -> str:
    """A length of time in its largest whole unit: "3 d", "18 h", "4 min", "12 s"."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    for unit, size in _UNITS:
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def between(earlier: str, later: str) -> timedelta:
    """How long from one RFC 3339 time to another."""
    return datetime.fromisoformat(later) - datetime.fromisoformat(earlier)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of one check. `strain` is how much of its budget it used: above 1 it broke it.

    `least` says that the budget is a least, not a most.
    """

    check: str
    name: str
    value: float
    unit: str
    budget: float | None
    samples: tuple[float, ...]
    strain: float
    kept: bool
    least: bool = False


def figures(result: RunResult) -> list[Figure]:
    """Every figure of a run, in the order of its checks."""
    return [
        Figure(
            check=check.id,
            name=name,
            value=one.value,
            unit=one.unit,
            budget=one.budget,
            samples=one.samples,
            strain=_strain(one.value, one.budget, lowest=one.worst == "lowest"),
            kept=one.within_budget,
            least=one.worst == "lowest",
        )
        for check in result.checks
        for name, one in check.measurements.items()
    ]


@dataclass(frozen=True, kw_only=True)
class Missed:
    """What one consumer missed in one check; the figures that were kept of it."""

    check: str
    consumer: str
    longest: Figure
    total: Figure
    failed: Figure
    cut: Figure


def missed_by_consumers(found: Iterable[Figure]) -> tuple[list[Missed], list[Figure]]:
    """A row for each check and consumer that was asked meanwhile, and the figures of anything else."""
    rows: dict[tuple[str, str], dict[str, Figure]] = {}
    others = []
    for one in found:
        if of := consumer_figure(one.name):
            figure, consumer = of
            rows.setdefault((one.check, consumer), {})[figure] = one
        else:
            others.append(one)
    whole = [
        Missed(check=check, consumer=consumer, **row)
        for (check, consumer), row in rows.items()
        if row.keys() == CONSUMER_FIGURES.keys()
    ]
    # What an older run lacks one of is told figure by figure.
    others += [
        each for row in rows.values() if row.keys() != CONSUMER_FIGURES.keys() for each in row.values()
    ]
    return whole, others


def shown(value: float | None, unit: str) -> str:
    """A figure for a person: milliseconds below a second, three figures, its unit; a dash for none."""
    if value is None:
        return "–"
    if unit == "s" and 0 < abs(value) < 1:
        return f"{value * 1000:.0f} ms"
    number = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {unit}".strip()


def _strain(value: float, budget: float | None, *, lowest: bool) -> float:
    if budget is None:
        return 0.0
    used, allowed = (budget, value) if lowest else (value, budget)
    if used <= 0:
        return 0.0
    return used / allowed if allowed > 0 else inf
