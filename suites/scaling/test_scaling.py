"""Section 4 of the runbook: whether it is a matter of resources at all."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.diagnosis.answers import scaling
from suites.plugin import OBSERVE, check
from suites.plugin.run_fixtures import Observed

_TOP = "kubectl -n {metallb_namespace} top pod"
_WORKLOADS = "kubectl -n {metallb_namespace} get deploy,daemonset"
_DESCRIBE = "kubectl -n {metallb_namespace} describe {controller}"


@check(
    "scaling.controller-cpu",
    runbook="4",
    level=OBSERVE,
    commands=(_TOP, _DESCRIBE),
)
def test_the_controller_is_not_cpu_bound(observed: Observed) -> None:
    """The controller is not CPU bound, by the metrics API against its limit, or without one against its node.

    One look: whether a use lasts is told by the figures of several runs. A controller without a limit that is busier
    than at rest is noted. How often the kernel throttles it is not read, which takes the kubelet's own metrics.
    """
    observed.expect(scaling.controller_cpu)


@check(
    "scaling.speaker-scheduling",
    runbook="4",
    level=OBSERVE,
    commands=(_WORKLOADS, "kubectl -n {metallb_namespace} describe {speaker}"),
)
def test_every_speaker_is_scheduled(observed: Observed) -> None:
    """Every desired speaker is scheduled; what keeps one away (taint, selector, resources) is named."""
    observed.expect(scaling.speaker_scheduling)


@check(
    "scaling.verdict",
    runbook="4",
    level=OBSERVE,
    causes=(CauseId.CONTROLLER_CPU_BOUND, CauseId.SPEAKER_UNSCHEDULABLE),
    commands=(_TOP, _WORKLOADS),
)
def test_no_scale_change_is_needed(observed: Observed) -> None:
    """The run says whether a scale change is needed or the pool configuration is to blame.

    It fails where a scale change is needed, and passes with a note otherwise.
    """
    observed.expect(scaling.verdict)
