"""The cause behind what a create or disrupt check saw go wrong: asked of one observation, taken while it lasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from clusters.api import Api
from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks import CheckFailed, Finding
from clusters.checks.causes import get
from clusters.diagnosis import Diagnosis, explain_service
from clusters.diagnosis.answer import Question, ask, findings
from clusters.diagnosis.answers import health, recovery, trigger
from clusters.diagnosis.symptoms import Symptom
from clusters.observation import save
from clusters.observation.collecting import collect
from clusters.observation.snapshot import Snapshot
from clusters.profile import Profile
from clusters.subject import CLUSTER, Subject
from clusters.vantage import failover
from clusters.vantage.base import Vantage
from suites.plugin.item_outcome import STATE
from suites.plugin.phase_outcome import explainer
from suites.plugin.record import OverBudget
from suites.plugin.run import Run
from suites.scenes.announced import Announced, Wire
from suites.scenes.announcement_state import AnnouncementChange
from suites.scenes.asked_consumers import consumer_of
from suites.scenes.own_services import METALLB_WRITES_AS, BrokenPromise

#: What a symptom means where the observation shows nothing else that is wrong.
LAST_RESORT = {
    Symptom.NO_GRATUITOUS: CauseId.GRATUITOUS_ARP_MISSING,
    Symptom.UNREACHABLE: CauseId.ADDRESS_NOT_FORWARDED,
    Symptom.UNREACHED_INSIDE: CauseId.ADDRESS_NOT_FORWARDED,
    Symptom.SILENT: CauseId.NOBODY_ANSWERS,
    Symptom.TWO_ANNOUNCERS: CauseId.DUPLICATE_ANNOUNCER,
    Symptom.STILL_ANSWERING: CauseId.DUPLICATE_ANNOUNCER,
    Symptom.DISAGREEMENT: CauseId.OWNER_DISAGREEMENT,
    Symptom.WRONG_ANNOUNCER: CauseId.OWNER_DISAGREEMENT,
    Symptom.NOT_BACK: CauseId.OWNER_DISAGREEMENT,
    Symptom.GAP: CauseId.OVER_BUDGET,
}


@explainer
def cause_of_broken_promise(item: pytest.Item, error: BaseException) -> Sequence[Finding]:
    """The cause of a BrokenPromise, or of a figure over its budget, as far as one observation shows it."""
    broken = next((one for one in _chain(error) if isinstance(one, BrokenPromise)), None) or _late(
        item, error
    )
    if broken is None:
        return ()
    state = item.stash[STATE]
    found = (
        _foreign_responder(broken, item) or _rival_controller(broken) or _observed(state.run, broken, item)
    )
    if found is None:
        cause = LAST_RESORT.get(broken.symptom)
        if cause is None:
            return ()
        found = Finding(cause=cause, subject=_subject(broken), summary=_first_line(broken))
    readings = tuple(line for line in broken.readings.splitlines() if line.strip())
    return (replace(found, evidence=(*found.evidence, *readings)),)


def _foreign_responder(broken: BrokenPromise, item: pytest.Item) -> Finding | None:
    """A host outside the cluster that answers for the address now, whether a service holds it or not."""
    wire = getattr(item, "funcargs", {}).get("wire")
    if not isinstance(wire, Wire) or not broken.address:
        return None
    outsiders = sorted(wire.answering(broken.address) - set(wire.macs.nodes.values()))
    if not outsiders:
        return None
    return Finding(
        cause=CauseId.FOREIGN_RESPONDER,
        subject=_subject(broken),
        summary=f"A host outside the cluster answers ARP for {broken.address}: {', '.join(outsiders)}.",
        commands=get(CauseId.FOREIGN_RESPONDER).render(address=broken.address),
    )


def _rival_controller(broken: BrokenPromise) -> Finding | None:
    """Somebody other than MetalLB's controller who was seen to give the service an address."""
    writers = broken.writers - {METALLB_WRITES_AS}
    if broken.symptom is not Symptom.NOT_REFUSED or not writers:
        return None
    return Finding(
        cause=CauseId.RIVAL_CONTROLLER,
        subject=_subject(broken),
        summary=f"MetalLB assigns the service no address, and {', '.join(sorted(writers))} gave it one.",
        commands=get(CauseId.RIVAL_CONTROLLER).render(namespace=broken.namespace, service=broken.service),
    )


def _observed(run: Run, broken: BrokenPromise, item: pytest.Item) -> Finding | None:
    settings = run.settings
    snapshot = collect(
        run.api,
        namespace=settings.profile.namespace,
        vantage=run.cluster.vantage,
        profile=settings.profile,
    )
    record = item.stash[STATE].record
    save(snapshot, record.directory / "snapshot.json")
    record.evidence.append(str((record.directory / "snapshot.json").relative_to(settings.directory)))
    return explain_service(snapshot, broken.namespace, broken.service, broken.symptom)


def _late(item: pytest.Item, error: BaseException) -> BrokenPromise | None:
    """Figures over their budget as a broken promise of the service that they were measured on."""
    if not isinstance(error, OverBudget):
        return None
    if consumer := consumer_of(error.figures) if not _own(error.figures) else "":
        namespace, _, name = consumer.partition("/")
        return BrokenPromise(Symptom.GAP, namespace=namespace, service=name, readings=str(error))
    announced = getattr(item, "funcargs", {}).get("announced")
    if not isinstance(announced, Announced):
        return None
    symptom = Symptom.TWO_ANNOUNCERS if failover.OVERLAPS & error.figures else Symptom.GAP
    return announced.broken_promise(symptom, str(error))


def _own(figures: frozenset[str]) -> bool:
    """Whether one of these figures is of the run's own service."""
    return any(not consumer_of(frozenset({each})) for each in figures)


def _subject(broken: BrokenPromise) -> Subject:
    return Subject.service(f"{broken.namespace}/{broken.service}")


def _first_line(broken: BrokenPromise) -> str:
    return broken.readings.strip().partition("\n")[0]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@dataclass(frozen=True)
class ObserveCheck:
    """A check of level observe that knows why a scene is stuck: its id, and what it asks."""

    id: str
    question: Question


PODS_READY = ObserveCheck(CheckId.HEALTH_PODS_READY, health.pods_ready)
CONFIG_PRESENT = ObserveCheck(CheckId.HEALTH_CONFIG_PRESENT, health.config_present)
CONFIG_ACCEPTED = ObserveCheck(CheckId.HEALTH_CONFIG_ACCEPTED, health.config_accepted)
INCIDENT_SCOPE = ObserveCheck(CheckId.RECOVERY_INCIDENT_SCOPE, recovery.incident_scope)
EDGE_ADDRESS = ObserveCheck(CheckId.TRIGGER_EDGE_ADDRESS, trigger.edge_address)
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
