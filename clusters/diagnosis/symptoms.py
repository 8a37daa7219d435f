"""From a symptom that somebody saw on one service to the cause behind it; the way in for checks that act."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from clusters.cause_ids import CauseId
from clusters.checks import Finding
from clusters.checks.causes import Effect, having
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.diagnosis.missing_address import MissingAddress
from clusters.diagnosis.root_cause import Explanation, RootCause, referring
from clusters.diagnosis.wire_index import Responder, outside
from clusters.metallb.services import Service
from clusters.observation.field_types import ProbeOutcome
from clusters.observation.snapshot import Reached, Snapshot
from clusters.subject import Subject


class Symptom(StrEnum):
    """What a user would see of a service; `explain_service` looks for the cause behind it."""

    PENDING = "pending"
    WRONG_ADDRESS = "wrong-address"
    NOT_REFUSED = "not-refused"
    NO_EVENT = "no-event"
    SILENT = "silent"
    TWO_ANNOUNCERS = "two-announcers"
    UNREACHABLE = "unreachable"
    UNREACHED_INSIDE = "unreached-inside"
    STILL_ANSWERING = "still-answering"
    WRONG_ANNOUNCER = "wrong-announcer"
    CLIENT_ADDRESS_LOST = "client-address-lost"
    NO_GRATUITOUS = "no-gratuitous"
    DISAGREEMENT = "disagreement"
    NOT_MOVED = "not-moved"
    NOT_BACK = "not-back"
    GAP = "gap"
    ADDRESS_CHANGED = "address-changed"


def explain_service(snapshot: Snapshot, namespace: str, name: str, symptom: Symptom) -> Finding | None:
    """The cause behind `symptom` on service namespace/name, or None where the Snapshot shows none.

    The Snapshot should have been taken while the symptom lasted.
    """
    diagnosis = Diagnosis(snapshot)
    service = diagnosis.facts.services.get(f"{namespace}/{name}")
    found = _gone(diagnosis, namespace, name) if service is None else _explained(diagnosis, service, symptom)
    return referring(found.finding(""), "") if found else None


def _explained(diagnosis: Diagnosis, service: Service, symptom: Symptom) -> Explanation | None:
    if not service.ingress:
        # Whoever gave a service its address against the rules may have lost it again by now.
        meddled = (
            _first(diagnosis, service, having(Effect.CHANGES_ADDRESS))
            if symptom is Symptom.NOT_REFUSED
            else None
        )
        return meddled or MissingAddress(diagnosis.facts, diagnosis.known).explain(service)
    match symptom:
        case Symptom.TWO_ANNOUNCERS | Symptom.STILL_ANSWERING | Symptom.WRONG_ANNOUNCER:
            return _answered_wrongly(diagnosis, service)
        case Symptom.NOT_MOVED | Symptom.NOT_BACK:
            return _kept(diagnosis, service) or _unserved(diagnosis, service)
        case Symptom.WRONG_ADDRESS | Symptom.NOT_REFUSED | Symptom.NO_EVENT | Symptom.ADDRESS_CHANGED:
            return _first(diagnosis, service, having(Effect.CHANGES_ADDRESS))
        case Symptom.SILENT:
            return diagnosis.responders.silent(service, str(service.ingress[0]))
        case _:
            unserved = _unserved_inside if symptom is Symptom.UNREACHED_INSIDE else _unserved
            return unserved(diagnosis, service)


def _answered_wrongly(diagnosis: Diagnosis, service: Service) -> Explanation | None:
    """By the wire where the Snapshot has it, else by what the speakers claim."""
    for address in map(str, service.ingress):
        claiming = sorted(diagnosis.facts.signals.announced.get(address, ()))
        replying = diagnosis.facts.wire_index.responders(address) or tuple(map(Responder, claiming))
        if len(replying) > 1 or outside(replying):
            return diagnosis.responders.doubled(service, address, replying)
    return _first(diagnosis, service, having(Effect.SPLITS))


def _kept(diagnosis: Diagnosis, service: Service) -> Explanation | None:
    """What keeps other nodes from announcing: nobody may, or their speakers are in trouble."""
    explained = diagnosis.announcers.explain(service)
    if explained and explained.root.cause != CauseId.NOBODY_ANSWERS:
        return explained
    return _first(diagnosis, service, having(Effect.PREVENTS_TAKEOVER))


def _unserved(diagnosis: Diagnosis, service: Service) -> Explanation | None:
    """What keeps the service from answering now; None where it answers as it should."""
    if explained := diagnosis.announcers.explain(service) or diagnosis.responders.wrong_responder(service):
        return explained
    if tries := diagnosis.facts.wire_index.unreached(service.key):
        return diagnosis.responders.unreached(service, tries)
    if diagnosis.facts.snapshot.wire.ok and _reached(diagnosis.facts.wire_index.reached.get(service.key, ())):
        return _first(diagnosis, service, having(Effect.PREVENTS_TAKEOVER))
    explained = diagnosis.responders.silent(service, str(service.ingress[0]))
    return explained if explained.root.cause != CauseId.NOBODY_ANSWERS else None


def _unserved_inside(diagnosis: Diagnosis, service: Service) -> Explanation | None:
    """What keeps the cluster's own pods from a service: only what is behind it, they need nobody to announce it."""
    explained = diagnosis.announcers.explain(service)
    return (
        explained
        if explained and explained.root.cause in having(Effect.NOTHING_BEHIND, Effect.LOSES_NODE)
        else None
    )


def _reached(tries: Iterable[Reached]) -> bool:
    return any(each.outcome is ProbeOutcome.ANSWERED for each in tries)


def _first(diagnosis: Diagnosis, service: Service, causes: Iterable[CauseId]) -> Explanation | None:
    root: RootCause | None = next((root for cause in causes for root in diagnosis.known.get(cause, ())), None)
    if root is None:
        return None
    return Explanation(
        root=root,
        subject=Subject.service(service.key),
        summary=root.summary,
        fields=diagnosis.facts.command_fields(namespace=service.namespace, service=service.name),
    )


def _gone(diagnosis: Diagnosis, namespace: str, name: str) -> Explanation | None:
    """A service that is not there any more: what in the cluster could keep its address in use."""
    service = Service(namespace=namespace, name=name)
    return _first(diagnosis, service, having(Effect.SPLITS, Effect.CHANGES_ADDRESS))
