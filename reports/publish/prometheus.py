"""metrics.prom: the run for Prometheus. A file cannot count seconds, so times are Unix times and rules count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from clusters.checks import CheckResult, Outcome, RunResult, Verdict
from reports.history.history_view import Successes, unix_time

PREFIX = "metallb_conformance"
#: Every metric but its prefix: labels beside `cluster`, and its help text.
FAMILIES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "run_info": (("kubernetes", "metallb", "suite", "allow"), "The last run, always 1."),
    "run_started_timestamp_seconds": ((), "When the last run started, Unix time."),
    "run_finished_timestamp_seconds": ((), "When the last run ended, Unix time."),
    "run_verdict": (("verdict",), "1 for the verdict of the last run, 0 for the others."),
    "last_success_timestamp_seconds": (
        (),
        "When the last run that passed ended, Unix time; absent while none is known.",
    ),
    "not_tested": ((), "Checks that the last run left out."),
    "check_outcome": (
        ("check", "level", "outcome"),
        "1 for the outcome of a check in the last run, 0 for the others.",
    ),
    "check_last_success_timestamp_seconds": (
        ("check",),
        "When a check last passed, Unix time; absent while no pass is known.",
    ),
    "check_never_passed_since_timestamp_seconds": (
        ("check",),
        "When a check was first run that has never passed, Unix time; absent once it has.",
    ),
    "run_in_maintenance": ((), "1 where the last run fell into declared maintenance, else 0."),
    "check_duration_seconds": (("check",), "How long a check took in the last run."),
    "measured_seconds": (("check", "figure"), "The worst sample of a measured time."),
    "measured_budget_seconds": (("check", "figure"), "The budget of that time."),
    "measured": (("check", "figure", "unit"), "The worst sample of a measured figure that is not a time."),
    "measured_budget": (("check", "figure", "unit"), "The budget of that figure."),
}
_NO_PASS = frozenset({Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.SKIPPED})
_EXCUSED = frozenset({Outcome.WAIVED, Outcome.NOT_SUPPORTED})
Sample = tuple[str, tuple[str, ...], float]


def metrics(result: RunResult, before: Successes | None = None) -> str:
    """Every metric of a run as text. `before` is what was known of the cluster before it."""
    return generate_latest(registry(result, before)).decode()


def registry(result: RunResult, before: Successes | None = None) -> CollectorRegistry:
    """The same as a registry of its own, to be pushed."""
    made = CollectorRegistry()
    made.register(_Run(result, before or Successes()))
    return made


class _Run(Collector):
    """One outcome (and the verdict) is 1 and the others 0, so that a change shows as a step."""

    def __init__(self, result: RunResult, before: Successes) -> None:
        self._result, self._before = result, before

    def collect(self) -> Iterable[GaugeMetricFamily]:
        families = {
            name: GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=("cluster", *labels))
            for name, (labels, text) in FAMILIES.items()
        }
        samples = [*_run(self._result, self._before)]
        for check in self._result.checks:
            samples += _check(check)
        samples += _passed(self._result, self._before)
        for name, labels, value in samples:
            families[name].add_metric((self._result.run.cluster, *labels), value)
        return [family for family in families.values() if family.samples]


def _run(result: RunResult, before: Successes) -> Iterator[Sample]:
    run = result.run
    finished = unix_time(run.finished)
    yield "run_info", (run.kubernetes_version, run.metallb_version, run.suite_version, run.allow), 1
    yield "run_started_timestamp_seconds", (), unix_time(run.started)
    yield "run_finished_timestamp_seconds", (), finished
    for verdict in Verdict:
        yield "run_verdict", (str(verdict),), float(run.verdict is verdict)
    success = finished if run.verdict is Verdict.PASSED else before.run
    if success is not None:
        yield "last_success_timestamp_seconds", (), success
    yield "not_tested", (), len(result.not_tested)
    yield "run_in_maintenance", (), float(bool(run.maintenance))


def _check(check: CheckResult) -> Iterator[Sample]:
    for outcome in Outcome:
        yield "check_outcome", (check.id, check.level, str(outcome)), float(check.outcome is outcome)
    yield "check_duration_seconds", (check.id,), check.duration_s
    for name, one in check.measurements.items():
        metric, labels = ("measured_seconds", ()) if one.unit == "s" else ("measured", (one.unit,))
        yield metric, (check.id, name, *labels), one.value
        if one.budget is not None:
            budget = "measured_budget_seconds" if one.unit == "s" else "measured_budget"
            yield budget, (check.id, name, *labels), one.budget


def _passed(result: RunResult, before: Successes) -> Iterator[Sample]:
    now = unix_time(result.run.finished)
    passed = {check.id: now for check in result.checks if check.outcome is Outcome.PASSED}
    for check, when in {**before.checks, **passed}.items():
        yield "check_last_success_timestamp_seconds", (check,), when
    known = {**before.checks, **passed}
    open_now = {check.id: now for check in result.checks if check.outcome in _NO_PASS}
    excused = {check.id for check in result.checks if check.outcome in _EXCUSED}
    for check, when in {**open_now, **before.never}.items():
        if check not in known and check not in excused:
            yield "check_never_passed_since_timestamp_seconds", (check,), when
