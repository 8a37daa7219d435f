"""Before an upgrade: nothing is there that is known to break on the way."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.observation.cluster_part import BEFORE_AN_UPGRADE
from clusters.upgrade.decision import Decision, conclude
from suites.plugin import OBSERVE, check


@check(
    "upgrade.readiness",
    runbook="pre-upgrade",
    level=OBSERVE,
    needs={"target"},
    causes=(CauseId.VERSION_SKEW, CauseId.CRD_OUTDATED, CauseId.NODE_EXCLUDED, CauseId.SPEAKER_DOWN),
    commands=("kubectl -n {metallb_namespace} get deploy,ds -o wide", "kubectl get crds | grep metallb.io"),
    uses=BEFORE_AN_UPGRADE,
)  # fmt: skip
def test_nothing_that_is_there_is_known_to_break(readiness: Decision) -> None:
    """Nothing known to break on the way to the target version is present.

    What it goes through is the table of docs/before-an-upgrade.md. What could not be seen leaves it undecided.
    """
    conclude(readiness)
