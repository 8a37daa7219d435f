"""What the page may know of earlier runs: plain, frozen data, whoever keeps it and however.

Everything here is of one cluster. `reports.pages.page.page` takes a `Past`, or None where nothing is kept. Series are
aligned with `Past.runs`: place i of a strip or a trend belongs to run i, so that many runs stay small in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clusters.checks import Outcome, Verdict
from reports.attribution import Blame


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """An earlier run. `finished` is RFC 3339, UTC; of one that was killed, `verdict` is None."""

    id: str
    finished: str
    verdict: Verdict | None
    metallb_version: str = ""
    kubernetes_version: str = ""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A check that ended otherwise than before. An outcome of None: the check was not tested at all."""

    check: str
    before: Outcome | None
    after: Outcome | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Otherwise:
    """A check that failed before and fails now, by a cause or a subject that it did not fail by then."""

    check: str
    before: tuple[Blame, ...]
    after: tuple[Blame, ...]
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
class Move:
    """A service ("service default/web") whose addresses are not what they were."""

    subject: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A run beside an earlier one. `against` names that one for a reader ("the run before", a file).

    `newly_untested` are checks that were decided then and are not now: skipped, inconclusive or left out.
    `reconfigured` holds a sentence for each object of the configuration that changed, appeared or went.
    """

    against: str
    run: PastRun
    newly_failing: tuple[Change, ...] = ()
    failing_otherwise: tuple[Otherwise, ...] = ()
    fixed: tuple[Change, ...] = ()
    newly_untested: tuple[Change, ...] = ()
    regressions: tuple[Regression, ...] = ()
    moves: tuple[Move, ...] = ()
    reconfigured: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing worth telling changed."""
        return not (
            self.newly_failing
            or self.failing_otherwise
            or self.fixed
            or self.newly_untested
            or self.regressions
            or self.moves
            or self.reconfigured
        )


@dataclass(frozen=True, kw_only=True)
class Validated:
    """What is known of one check with one pair of versions, this run included. Times are RFC 3339, UTC.

    `last_passed` and `last_failed` are "" for never. `since` is when the present state (passing, or failing
    for `consecutive_failures` runs) began. `budget` is how old a pass may be.
    """

    check: str
    title: str
    runbook: tuple[str, ...]
    metallb_version: str
    kubernetes_version: str
    last_run: str
    last_outcome: Outcome | None
    last_passed: str = ""
    last_failed: str = ""
    consecutive_failures: int = 0
    since: str = ""
    budget: timedelta = timedelta(hours=36)

    def age(self, now: str) -> timedelta | None:
        """How long ago, at `now` (RFC 3339), the check last passed; None for never."""
        if not self.last_passed:
            return None
        return datetime.fromisoformat(now) - datetime.fromisoformat(self.last_passed)

    def stale(self, now: str) -> bool:
        """Whether its last pass is older than its budget, or there was none: not green, whatever it was."""
        age = self.age(now)
        return age is None or age > self.budget


@dataclass(frozen=True, kw_only=True)
class Past:
    """Everything that is known of earlier runs of this cluster; `runs` goes from the oldest to the newest.

    `strips` has each check's outcome in each of `runs` (None: not tested there), `trends` the worst sample of
    each (check, figure) in each of `runs` (None: not measured there); this run is in neither. `as_of` is the
    time at which `validated` is judged. `problem` is a sentence where the history is not to be trusted: it
    could not be read, or not be written.
    """

    runs: tuple[PastRun, ...] = ()
    comparison: Comparison | None = None
    strips: Mapping[str, tuple[Outcome | None, ...]] = field(default_factory=dict)
    trends: Mapping[tuple[str, str], tuple[float | None, ...]] = field(default_factory=dict)
    validated: tuple[Validated, ...] = ()
    as_of: str = ""
    problem: str = ""
