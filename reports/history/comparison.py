"""What differs between two runs: outcomes, causes, figures, addresses, configuration. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from clusters import outbound
from clusters.checks import Outcome, RunResult, Verdict
from clusters.observation.snapshot import Snapshot
from reports.attribution import Attribution, attributions, fails_differently
from reports.history.configuration_changes import Move, moves, reconfigured
from reports.history.stored_runs import WorstSample

#: What each unit's figures differ by without a reason: a sampling interval or two, one retransmission.
_FLOORS = {"s": 0.2, "%": 1.0}
_OTHER_FLOOR = 1.0
#: With fewer earlier runs than this nobody knows what is usual, and half as much again is allowed.
_ENOUGH, _UNKNOWN = 5, 0.5
#: Three standard deviations, estimated from the median deviation, and at least a quarter of the figure.
_SPREAD, _LEAST = 3 * 1.4826, 0.25
_UNDECIDED = frozenset({Outcome.SKIPPED, Outcome.INCONCLUSIVE, None})


@dataclass(frozen=True, kw_only=True)
class EarlierRun:
    """An earlier run. `finished` is RFC 3339, UTC; of one that was killed, `verdict` is None."""

    id: str
    finished: str
    verdict: Verdict | None
    metallb_version: str = ""
    kubernetes_version: str = ""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A check whose outcome is not what it was. An outcome of None: the check was not tested at all."""

    check: str
    before: Outcome | None
    after: Outcome | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class FailingDifferently:
    """A check that failed before and fails now, by a cause or a subject that it did not fail by then."""

    check: str
    before: tuple[Attribution, ...]
    after: tuple[Attribution, ...]
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A figure whose worst sample left the band of what earlier runs gave: `usual` is (lowest, highest)."""

    check: str
    figure: str
    unit: str
    before: float
    after: float
    usual: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A run beside an earlier one. `against` names that one for a reader ("the previous run", a file).

    `newly_untested` are checks that were decided then and are not now: skipped, inconclusive or left out.
    `reconfigured` holds a sentence for each object of the configuration that changed, appeared or went.
    """

    against: str
    run: EarlierRun
    newly_failing: tuple[Change, ...] = ()
    failing_differently: tuple[FailingDifferently, ...] = ()
    fixed: tuple[Change, ...] = ()
    newly_untested: tuple[Change, ...] = ()
    regressions: tuple[Regression, ...] = ()
    moves: tuple[Move, ...] = ()
    reconfigured: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing worth reporting changed."""
        return not (
            self.newly_failing
            or self.failing_differently
            or self.fixed
            or self.newly_untested
            or self.regressions
            or self.moves
            or self.reconfigured
        )


#: A check and the name of one of its figures.
Name = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two runs. `outcomes` has the reason beside each outcome, and None for a check it left out.

    `attributed` has what each failed check is attributed to.
    """

    run: EarlierRun
    outcomes: Mapping[str, tuple[Outcome | None, str]]
    attributed: Mapping[str, tuple[Attribution, ...]] = field(default_factory=dict)
    figures: Mapping[Name, WorstSample] = field(default_factory=dict)
    snapshot: Snapshot | None = None


def side_of(result: RunResult, snapshot: Snapshot | None = None) -> Side:
    """A run's results, and what it observed, as one side of a comparison."""
    info = result.run
    left_out: dict[str, tuple[Outcome | None, str]] = {name: (None, why) for name, why in result.not_tested}
    return Side(
        run=EarlierRun(
            id=info.id,
            finished=info.finished,
            verdict=info.verdict,
            metallb_version=info.metallb_version,
            kubernetes_version=info.kubernetes_version,
        ),
        outcomes=left_out | {one.id: (one.outcome, one.reason) for one in result.checks},
        attributed={check.id: attributions(check) for check in result.checks},
        figures={
            (check.id, name): WorstSample(unit=one.unit, worst=one.value, lowest=one.worst == "lowest")
            for check in result.checks
            for name, one in check.measurements.items()
        },
        snapshot=snapshot,
    )


def compared(
    before: Side, after: Side, *, against: str, usual: Mapping[Name, Sequence[float]] | None = None
) -> Comparison:
    """What differs in `after`. `usual` has the worst samples of earlier runs, which say what is noise."""
    changes = list(_changes(before, after))
    found = Comparison(
        against=against,
        run=before.run,
        newly_failing=tuple(one for one in changes if one.after is Outcome.FAILED),
        failing_differently=tuple(_failing_differently(before, after)),
        fixed=tuple(one for one in changes if one.after is Outcome.PASSED and one.before is Outcome.FAILED),
        newly_untested=tuple(
            one for one in changes if one.after in _UNDECIDED and one.before not in _UNDECIDED
        ),
        regressions=tuple(_regressions(before, after, usual or {})),
        moves=tuple(moves(before.snapshot, after.snapshot)),
        reconfigured=tuple(reconfigured(before.snapshot, after.snapshot)),
    )
    return outbound.record(found)


def band(values: Sequence[float], unit: str) -> tuple[float, float]:
    """What is usual for a figure by its worst samples in earlier runs: (lowest, highest)."""
    middle = median(values)
    if len(values) < _ENOUGH:
        spread = _UNKNOWN * abs(middle)
    else:
        spread = max(_SPREAD * median(abs(one - middle) for one in values), _LEAST * abs(middle))
    spread = max(spread, _FLOORS.get(unit, _OTHER_FLOOR))
    return middle - spread, middle + spread


def _changes(before: Side, after: Side) -> Iterator[Change]:
    for check in sorted({*before.outcomes, *after.outcomes}):
        old, _ = before.outcomes.get(check, (None, ""))
        new, reason = after.outcomes.get(check, (None, "not in this run at all"))
        if old is not new:
            yield Change(check=check, before=old, after=new, reason=reason)


def _failing_differently(before: Side, after: Side) -> Iterator[FailingDifferently]:
    for check, now in sorted(after.attributed.items()):
        was = before.attributed.get(check, ())
        if fails_differently(was, now):
            yield FailingDifferently(check=check, before=was, after=now, reason=after.outcomes[check][1])


def _regressions(before: Side, after: Side, usual: Mapping[Name, Sequence[float]]) -> Iterator[Regression]:
    """The figures that are worse than before and than what is usual, by more than the noise."""
    for name, new in after.figures.items():
        old = before.figures.get(name)
        if old is None or old.unit != new.unit:
            continue
        known = usual.get(name, ())
        enough = len(known) >= _ENOUGH
        low, high = band(known if enough else (old.worst,), new.unit)
        worse = new.worst < min(low, old.worst) if new.lowest else new.worst > max(high, old.worst)
        if worse:
            yield Regression(
                check=name[0],
                figure=name[1],
                unit=new.unit,
                before=old.worst,
                after=new.worst,
                usual=(low, high) if enough else None,
            )
