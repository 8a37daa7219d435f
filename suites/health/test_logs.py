"""Section 1 of the runbook: what logs, probes and events say."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.diagnosis.answers import health, logs
from suites.causes import CONTROLLER, NOT_RESTORED, PENDING, SPEAKER
from suites.plugin import OBSERVE, check
from suites.plugin.run_fixtures import Observed


@check(
    "health.controller-log",
    runbook="1",
    level=OBSERVE,
    causes=(*NOT_RESTORED, CauseId.MEMBERLIST_SECRET_MISSING),
    commands=("kubectl -n {metallb_namespace} logs {controller} --tail=200",),
)  # fmt: skip
def test_the_controller_reports_no_failure(observed: Observed) -> None:
    """The last 200 controller lines hold no known failure.

    Lines that tell of what has recovered since are noted, and fail nothing.
    """
    observed.expect(logs.controller_log)


@check(
    "health.speaker-log",
    runbook="1",
    level=OBSERVE,
    causes=(*NOT_RESTORED, CauseId.MEMBERLIST_DISABLED),
    commands=("kubectl -n {metallb_namespace} logs {speaker} --tail=200",),
)  # fmt: skip
def test_no_speaker_reports_a_failure(observed: Observed) -> None:
    """The last 200 lines of every speaker hold no known failure."""
    observed.expect(logs.speaker_log)


@check(
    "health.probes",
    runbook="1 Probe verification",
    level=OBSERVE,
    causes=(*CONTROLLER, *SPEAKER),
    commands=("kubectl -n {metallb_namespace} describe pod -l app.kubernetes.io/name=metallb",),
)
def test_probes_pass(observed: Observed) -> None:
    """Liveness and readiness probes pass, and no current Warning event hangs on a MetalLB pod.

    A warning is current while it is repeated: three times, and within 30 s. Others are noted.
    """
    observed.expect(health.probes)


@check(
    "health.allocation-events",
    runbook="1 Record",
    level=OBSERVE,
    causes=PENDING,
    commands=("kubectl -n {namespace} describe svc {service}",),
)
def test_no_allocation_fails(observed: Observed) -> None:
    """The services' event streams hold no current allocation failure."""
    observed.expect(health.allocation_events)
