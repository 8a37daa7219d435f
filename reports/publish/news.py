"""Is there anything to tell people? A pure decision over this run and what was known before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clusters.checks import Outcome, RunResult, Verdict
from reports.attribution import Blame, blames, otherwise

_UNDECIDED = frozenset({Outcome.INCONCLUSIVE, Outcome.SKIPPED})


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What was known before this run: the previous one of its cluster and level, and each check's last pass.

    `blamed` says what each failed check was laid to. `passed` reaches back over all runs. Times have a zone.
    """

    verdict: Verdict
    finished: datetime
    outcomes: Mapping[str, Outcome]
    blamed: Mapping[str, tuple[Blame, ...]] = field(default_factory=dict)
    passed: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class News:
    """What a digest would tell; checks by id. `before` is None where no earlier run is known.

    `failing`, `fixed` and `undecided` are changes since the previous run; `otherwise` are checks that failed then, too,
    but not by all that they fail by now, with what that was. `stale` are checks whose last pass became too old since
    then, and which this run did not pass either.
    """

    verdict: Verdict
    before: Verdict | None
    failing: tuple[str, ...] = ()
    otherwise: Mapping[str, tuple[Blame, ...]] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()

    @property
    def worth_telling(self) -> bool:
        """Whether anybody is to be told: something changed or went stale, or the first run did not pass."""
        if self.before is None:
            return self.verdict is not Verdict.PASSED
        changed = self.verdict is not self.before
        return changed or any((self.failing, self.otherwise, self.fixed, self.undecided, self.stale))


def news(result: RunResult, earlier: Earlier | None, *, stale_after: timedelta) -> News:
    """What this run says that the earlier ones did not. A run that was refused says nothing of any check."""
    now = {check.id: check.outcome for check in result.checks}
    failing = {name for name, outcome in now.items() if outcome is Outcome.FAILED}
    if earlier is None:
        return News(verdict=result.run.verdict, before=None, failing=tuple(sorted(failing)))
    was = earlier.outcomes
    failed = {name for name, outcome in was.items() if outcome is Outcome.FAILED}
    refused = result.run.verdict is Verdict.REFUSED
    return News(
        verdict=result.run.verdict,
        before=earlier.verdict,
        failing=_sorted(failing - failed),
        otherwise={
            check.id: earlier.blamed[check.id]
            for check in sorted(result.checks, key=lambda one: one.id)
            if otherwise(earlier.blamed.get(check.id, ()), blames(check))
        },
        fixed=_sorted(name for name in failed if now.get(name) is Outcome.PASSED),
        undecided=() if refused else _sorted(_no_longer_decided(was, now)),
        stale=_sorted(_newly_stale(result, earlier, now, stale_after)),
    )


def _no_longer_decided(was: Mapping[str, Outcome], now: Mapping[str, Outcome]) -> Iterable[str]:
    """Checks that passed or failed the last time, and this time were not decided, or not in the run at all."""
    for name, outcome in was.items():
        if outcome in {Outcome.PASSED, Outcome.FAILED} and now.get(name, Outcome.SKIPPED) in _UNDECIDED:
            yield name


def _newly_stale(
    result: RunResult, earlier: Earlier, now: Mapping[str, Outcome], stale_after: timedelta
) -> Iterable[str]:
    """Staleness is told once, by the run that first sees it; a run that passes the check ends it."""
    ended = datetime.fromisoformat(result.run.finished)
    for name, passed in earlier.passed.items():
        stale, was_stale = ended - passed > stale_after, earlier.finished - passed > stale_after
        if stale and not was_stale and now.get(name) is not Outcome.PASSED:
            yield name


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
