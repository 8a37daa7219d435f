"""What a change that should not be is attributed to: asked of an observation taken while it lasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clusters.api import Api
from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks import CheckFailed, Finding
from clusters.diagnosis import Diagnosis, explain_service
from clusters.diagnosis.answer import findings
from clusters.diagnosis.answers import health, recovery, trigger
from clusters.diagnosis.conclusion import Question, ask
from clusters.observation.collecting import collect
from clusters.observation.snapshot import Snapshot
from clusters.profile import Profile
from clusters.subject import CLUSTER, Subject
from clusters.vantage.base import Vantage
from suites.scenes.announcement_state import AnnouncementChange
from suites.scenes.promise_explainer import LAST_RESORT


@dataclass(frozen=True)
class ObserveCheck:
    """A check of level observe that knows why a scene is stuck: its id, and what it asks."""

    id: str
    question: Question


PODS_READY = ObserveCheck(CheckId.HEALTH_PODS_READY, health.pods_ready)
CONFIG_PRESENT = ObserveCheck(CheckId.HEALTH_CONFIG_PRESENT, health.config_present)
CONFIG_ACCEPTED = ObserveCheck(CheckId.HEALTH_CONFIG_ACCEPTED, health.config_accepted)
INCIDENT_SCOPE = ObserveCheck(CheckId.RECOVERY_INCIDENT_SCOPE, recovery.incident_scope)
PENDING_SERVICES = ObserveCheck(CheckId.TRIGGER_PENDING_SERVICES, trigger.pending_services)


@dataclass(frozen=True)
class FailureAttribution:
    """Observes the cluster and says what is wrong with it."""

    api: Api
    profile: Profile
    vantage: Vantage

    def observed(self) -> Snapshot:
        """What the cluster looks like now."""
        return collect(self.api, namespace=self.profile.namespace, vantage=self.vantage, profile=self.profile)

    def changes(self, found: Sequence[AnnouncementChange], readings: str = "") -> CheckFailed:
        """The cause behind each change, one finding a service."""
        snapshot = self.observed()
        first = {change.service: change for change in reversed(found)}
        return CheckFailed([_attributed(snapshot, change, readings) for _, change in sorted(first.items())])

    def failure_of(self, asked: ObserveCheck, otherwise: str, readings: str) -> CheckFailed:
        """What a check of level observe finds now; where it finds nothing, the cause `otherwise`."""
        diagnosis = Diagnosis(self.observed())
        found = findings(asked.id, ask(asked.question, diagnosis), diagnosis)
        if not found:
            first = readings.strip().partition("\n")[0]
            found = (Finding(cause=otherwise, subject=CLUSTER, summary=first),)
        return CheckFailed([_with_evidence(one, readings) for one in found])


def _attributed(snapshot: Snapshot, change: AnnouncementChange, readings: str) -> Finding:
    namespace, _, name = change.service.partition("/")
    found = explain_service(snapshot, namespace, name, change.symptom)
    if found is None:
        cause = LAST_RESORT.get(change.symptom, CauseId.ADDRESS_NOT_INTENDED)
        found = Finding(cause=cause, subject=Subject.service(change.service), summary=f"{change.text}.")
    return _with_evidence(found, change.text, readings)


def _with_evidence(found: Finding, *texts: str) -> Finding:
    lines = tuple(line for text in texts for line in text.splitlines() if line.strip())
    return replace(found, evidence=(*found.evidence, *lines))
