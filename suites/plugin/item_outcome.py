"""One item from start to end: is it possible, what did it raise, what does that mean, what is kept."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from packaging.version import Version

from clusters.checks import CheckResult, CheckSpec, Measurement, Need, NotSupported, Outcome
from clusters.checks.outcome import describe
from clusters.checks.serialise import REPORT_FIELD
from clusters.errors import ConformanceError, Inconclusive
from suites.plugin import redacted_output
from suites.plugin.declare import spec_of
from suites.plugin.failure_evidence import Failure, collect
from suites.plugin.phase_outcome import PhaseOutcome, completed, explain, outcome_of, over_budget, unexplained
from suites.plugin.record import Findings, OverBudget, Record
from suites.plugin.run import RUN, Run
from suites.plugin.run_state import ItemResult


@dataclass
class ItemState:
    """What is known of one item while it runs."""

    spec: CheckSpec
    run: Run
    label: str
    record: Record
    started: datetime
    findings: Findings = field(default_factory=Findings)
    outcome: PhaseOutcome = field(default_factory=lambda: PhaseOutcome(outcome=Outcome.PASSED, reason=""))
    duration: float = 0.0


STATE = pytest.StashKey[ItemState]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Begin an item's notes."""
    spec, run = spec_of(item), item.config.stash.get(RUN, None)
    if spec is not None and run is not None:
        label = item.callspec.id if hasattr(item, "callspec") else ""
        folder = "/".join(part for part in (spec.id, label) if part)
        item.stash[STATE] = ItemState(
            spec=spec,
            run=run,
            label=label,
            record=Record(run.settings.directory, str(Path("evidence", folder))),
            started=datetime.now(UTC),
        )
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Decide before any fixture whether the check can be decided at all."""
    state = item.stash.get(STATE, None)
    if state is None:
        return
    spec, run = state.spec, state.run
    if Need.CLUSTER not in spec.needs:
        return
    # What is judged from the observation says itself what it could not see, and may fail without a vantage.
    observed = run.settings.snapshot is not None or "observed" in getattr(item, "fixturenames", ())
    if Need.WIRE in spec.needs and not observed and run.cluster.vantage is None:
        raise Inconclusive(
            f"It needs a vantage on the addresses' network, and there is none: {run.settings.profile.unseen}.",
            remedy=f"Name one under vantage in the profile {run.settings.profile.name}.",
        )
    found = run.found.metallb_version
    if spec.since and found and Version(found) < Version(spec.since):
        raise NotSupported(f"needs MetalLB {spec.since} or newer, and the cluster runs {found}")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """After the body: what it found, then what it measured, decides."""
    result = yield
    state = pyfuncitem.stash.get(STATE, None)
    if state is not None:
        state.findings.require_none()
        state.record.require_budgets()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Conclude a phase, keep evidence while the fixtures still stand, and send the item's result on its way."""
    report = yield
    state = item.stash.get(STATE, None)
    if state is None:
        return redacted_output.cleaned(report) if RUN in item.config.stash else report
    state.duration += call.duration
    error = call.excinfo.value if call.excinfo is not None else None
    if error is not None and not isinstance(error, KeyboardInterrupt | pytest.exit.Exception):
        _conclude_phase(item, error, report)
    text = ""
    if report.when == "teardown":
        report.user_properties = [*report.user_properties, *_properties(state)]
        text = _result_of(state).to_text()
        if state.outcome.outcome is Outcome.SKIPPED and report.passed:
            # pytest's summary (-rs) takes place and reason from the report that the item was counted by: this one.
            report.longrepr = _where_and_why(report, state.outcome)
    setattr(report, REPORT_FIELD, text)
    return redacted_output.cleaned(report)


def _conclude_phase(item: pytest.Item, error: BaseException, report: pytest.TestReport) -> None:
    state = item.stash[STATE]
    phase = outcome_of(error, report.when or "call")
    faulty = phase.outcome is Outcome.FAILED or phase.claim or phase.broken
    if faulty and run_may_be_asked(item):
        collect(
            Failure(
                item=item,
                spec=state.spec,
                run=state.run,
                record=state.record,
                since=state.started.timestamp(),
            )
        )
    if faulty:
        phase = _explained(item, error, phase)
    phase = _waived(phase, state)
    state.outcome = _together(state.outcome, phase)
    _shape(report, phase, error, state)


def run_may_be_asked(item: pytest.Item) -> bool:
    """Whether a failure's evidence is read from the cluster: not where the observation itself is the evidence."""
    observed = "observed" in getattr(item, "fixturenames", ())
    return item.stash[STATE].run.settings.asks_cluster and not observed


def _explained(item: pytest.Item, error: BaseException, phase: PhaseOutcome) -> PhaseOutcome:
    """The phase with its causes; a failure nobody can explain says so."""
    state = item.stash[STATE]
    findings = phase.findings
    if not findings and phase.claim:
        findings, fault = explain(item, error)
        if fault:
            state.record.note(fault)
    if not findings and phase.outcome is Outcome.FAILED and not phase.cleanup_failed:
        late = isinstance(error, OverBudget)
        evidence = tuple(state.record.evidence)
        findings = (replace((over_budget if late else unexplained)(phase.reason), evidence=evidence),)
    profile = state.run.settings.profile
    overlay = profile.gitops.overlay if profile.gitops else ""
    whole = tuple(
        completed(finding, state.spec, namespace=profile.namespace, overlay=overlay) for finding in findings
    )
    return _declared(replace(phase, findings=whole), state.spec)


def _declared(phase: PhaseOutcome, spec: CheckSpec) -> PhaseOutcome:
    """A check that names a cause which it does not declare is itself in error: nobody has seen it fail that way."""
    undeclared = sorted({finding.cause for finding in phase.findings} - set(spec.causes))
    if not undeclared:
        return phase
    names = ", ".join(undeclared)
    reason = f"an error of the suite: {spec.id} names {names}, which it does not declare: {phase.reason}"
    return replace(phase, outcome=Outcome.INCONCLUSIVE, reason=reason, broken=True)


def _waived(phase: PhaseOutcome, state: ItemState) -> PhaseOutcome:
    """What the profile's owner has accepted until a date, or the word that the date is over.

    A failure can be accepted, and that a check cannot be decided on this cluster; never one that broke.
    """
    from clusters.profile import waiver_of  # noqa: PLC0415 - slow to load, and only a failure needs it

    waiver = waiver_of(state.run.settings.profile, state.spec.id)
    if waiver is None or not phase.acceptable:
        return phase
    by = "" if waiver.check == state.spec.id else f" by {waiver.check}"
    if waiver.expires < date.today():  # noqa: DTZ011 - an expiry is a day on the operator's calendar
        reason = f"{phase.reason} (its waiver{by} expired on {waiver.expires}: {waiver.reason})"
        return replace(phase, reason=reason)
    reason = f"waived{by} until {waiver.expires}: {waiver.reason} ({phase.reason})"
    return replace(phase, outcome=Outcome.WAIVED, reason=reason, claim=False)


def _together(earlier: PhaseOutcome, later: PhaseOutcome) -> PhaseOutcome:
    """Body and clean-up as one: a clean-up that failed fails what passed or was waived."""
    if earlier.outcome is Outcome.PASSED:
        return later
    return replace(
        later,
        reason=f"{earlier.reason}; {later.reason}",
        findings=(*earlier.findings, *later.findings),
        cleanup_failed=earlier.cleanup_failed or later.cleanup_failed,
    )


def _shape(report: pytest.TestReport, phase: PhaseOutcome, error: BaseException, state: ItemState) -> None:
    """Make pytest's own report say the same: undecided is skipped, and a failure is a plain text."""
    path, line, _ = report.location
    name = f"{state.spec.id} [{state.label}]" if state.label else state.spec.id
    report.location = (path, line, name)
    if phase.broken:
        return
    if phase.outcome is Outcome.FAILED:
        report.outcome = "failed"
        if isinstance(error, ConformanceError) or phase.findings:
            report.longrepr = _failure_text(phase, error, report)
        return
    report.outcome = "skipped"
    report.longrepr = _where_and_why(report, phase)


def _where_and_why(report: pytest.TestReport, phase: PhaseOutcome) -> tuple[str, int, str]:
    """What pytest keeps of a skipped item: its file, its line, and why."""
    path, line, _ = report.location
    return (path, (line or 0) + 1, f"{phase.outcome}: {phase.reason}")


def _failure_text(phase: PhaseOutcome, error: BaseException, report: pytest.TestReport) -> str:
    # A bare assertion is best told by its code and values, whoever raises one of their own says it all.
    raised = report.longreprtext if type(error) is AssertionError else str(error)
    causes = "\n".join(describe(finding) for finding in phase.findings)
    # What CheckFailed says is its findings; they are printed once, completed with remedy and commands.
    return (
        causes if getattr(error, "findings", ()) else "\n\n".join(part for part in (raised, causes) if part)
    )


def _result_of(state: ItemState) -> ItemResult:
    spec, phase = state.spec, state.outcome
    return ItemResult(
        result=CheckResult(
            id=spec.id,
            title=spec.title,
            runbook=spec.runbook,
            level=str(spec.level),
            outcome=phase.outcome,
            reason=phase.reason,
            started=f"{state.started:%Y-%m-%dT%H:%M:%S.%f}Z",
            duration_s=state.duration,
            findings=phase.findings,
            measurements=_named_measurements(state),
            evidence=tuple(state.record.evidence),
        ),
        label=state.label,
        cleanup_failed=phase.cleanup_failed,
    )


def _named_measurements(state: ItemState) -> dict[str, Measurement]:
    """The figures, under names that keep the variants of a check apart; repetitions share theirs."""
    repetition = f"{state.run.settings.repeat}"
    variant = "-".join(word for word in state.label.split("-") if not word.endswith(f"of{repetition}"))
    suffix = f" ({variant})" if variant else ""
    return {f"{name}{suffix}": one for name, one in state.record.measurements.items()}


def _properties(state: ItemState) -> list[tuple[str, object]]:
    spec = state.spec
    return [
        ("id", spec.id),
        ("runbook", ", ".join(spec.runbook)),
        ("cluster", state.run.settings.profile.name),
        ("level", str(spec.level)),
        ("outcome", str(state.outcome.outcome)),
    ]
