"""What MetalLB itself may not do: the API server refuses it, by permission or by admission control, or a kernel does.

Its log says so, in the words of whoever refuses.
"""

from __future__ import annotations

from collections.abc import Iterator

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import KnownCauses, RootCause
from clusters.metallb.allocation import Outcome, predict_allocation
from clusters.metallb.api_table import Refusal
from clusters.metallb.install import asked_about_services
from clusters.metallb.log_lines import fields_of
from clusters.metallb.signatures import Hit
from clusters.subject import Subject

#: A refused request is made again, with a pause that grows to a few minutes; later than this it is over.
_LASTING = 300.0
#: What nothing of MetalLB's asks for but its metrics endpoint.
_REVIEWS = ("tokenreviews.authentication.k8s.io", "subjectaccessreviews.authorization.k8s.io")
_SUBRESOURCE = " --subresource="
#: Of somebody else, as MetalLB has neither.
_VALIDATING, _POLICY = "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy"
_HOMES = {"controller": CheckId.HEALTH_CONTROLLER_LOG, "speaker": CheckId.HEALTH_SPEAKER_LOG}


def root_causes(facts: Facts) -> Iterator[RootCause]:
    """One root for each of controller and speakers that lacks a permission now."""
    for component, home in _HOMES.items():
        told = [
            (pod.name, hit)
            for pod in facts.components.pods
            if pod.component == component
            for hit in facts.hits.get(pod.name, ())
            if hit.cause == CauseId.PERMISSION_MISSING and hit.signature.certain and _lasts(facts, hit)
        ]
        if told:
            subject = facts.components.workload(component)
            refused = next((_refused(found) for _, hit in told if (found := hit.refusal)), {})
            yield RootCause(
                cause=CauseId.PERMISSION_MISSING,
                subject=subject,
                summary=f"The API server denies requests of the {subject}{_what(refused)}.",
                evidence=tuple(f"pod {name}: {_said(hit)}" for name, hit in told[:3]),
                reporter=home,
                fields=facts.command_fields(**refused),
            )


def unprivileged(facts: Facts) -> Iterator[RootCause]:
    """One root for the speakers whose kernels refuse them the sockets by which they would reply."""
    told = {
        pod.node: f"pod {pod.name} on node {pod.node}: {_said(hit)}"
        for pod in facts.components.speakers.values()
        for hit in facts.hits.get(pod.name, ())
        if hit.cause == CauseId.SPEAKER_UNPRIVILEGED
    }
    if told:
        names = sorted(told)
        where = (
            "every node" if len(names) == len(facts.components.speakers) else f"node {', '.join(names[:6])}"
        )
        yield RootCause(
            cause=CauseId.SPEAKER_UNPRIVILEGED,
            subject=facts.components.workload("speaker"),
            summary=f"The speaker on {where} may not open raw sockets, so it replies to nobody.",
            evidence=tuple(told[name] for name in names[:3]),
            nodes=tuple(names),
            fields=facts.command_fields(),
        )


def writes_refused(facts: Facts) -> Iterator[RootCause]:
    """One root for each webhook or policy of somebody else that keeps the controller from writing an address.

    MetalLB tries again later and later, and says it each time: it holds while a service waits for which, by MetalLB's
    own rules, an address is free.
    """
    waiting = [
        facts.age(each.key)
        for each in facts.owned.values()
        if not each.ingress and predict_allocation(each, facts.world).outcome is Outcome.ASSIGNED
    ]
    for pod in facts.components.controllers:
        for hit in facts.hits.get(pod.name, ()):
            # What was said before the eldest of them was made is not about any of them.
            since = facts.now - hit.when.timestamp() if hit.when else 0.0
            if (
                hit.cause == CauseId.STATUS_WRITE_REFUSED
                and hit.subjects
                and max(waiting, default=-1.0) >= since - 1
            ):
                ((kind, name),) = hit.subjects.items()
                yield _unwritten(facts, pod.name, hit, kind=kind, name=name)


def _unwritten(facts: Facts, pod: str, hit: Hit, *, kind: str, name: str) -> RootCause:
    subject, named = (
        _asked(facts, name) if kind == "webhook" else (Subject(_POLICY, name), f"{_POLICY} {name}")
    )
    fails = "does not answer" if hit.signature.id == "status-webhook-dead" else "denies it"
    times = "once" if hit.count == 1 else f"{hit.count} times"
    return RootCause(
        cause=CauseId.STATUS_WRITE_REFUSED,
        subject=subject,
        summary=f"The API server asks {named} before MetalLB may write a service's status, and that {fails}: no "
        "service gets an address.",
        evidence=(f"pod {pod}, {times}: {fields_of(hit.line).get('error', '')}",),
        ruled_out=("the controller is ready, and has chosen an address",),
        fields=facts.command_fields(name=subject.name),
    )


def _asked(facts: Facts, webhook: str) -> tuple[Subject, str]:
    """The configuration that a webhook stands in, and how it is called; the webhook alone where that was not read."""
    for raw in facts.snapshot.webhooks.items:
        if any(each.get("name") == webhook for each in raw["webhooks"]) and asked_about_services(raw):
            found = Subject(_VALIDATING, raw["metadata"]["name"])
            return found, f"webhook {webhook} of {found}"
    return Subject("webhook", webhook), f"webhook {webhook}"


def refused_to(facts: Facts, known: KnownCauses, component: str) -> tuple[RootCause, ...]:
    """Of the roots known so far, by cause, that of a component ("controller", "speaker") that lacks a permission."""
    own = facts.components.workload(component)
    return tuple(root for root in known.get(CauseId.PERMISSION_MISSING, ()) if root.subject == own)


def _said(hit: Hit) -> str:
    """What the API server answered, without the rest of the line, which may be a page of a program's stack."""
    fields = fields_of(hit.line)
    return fields.get("error") or fields.get("err") or hit.line


def _refused(refusal: Refusal) -> dict[str, str]:
    """What may not be done, as the fields of a command."""
    return {
        "account": refusal.account,
        "verb": refusal.verb,
        # kubectl would take what follows a slash for the name of one object.
        "resource": f"{refusal.resource}.{refusal.group}".rstrip(".")
        + (_SUBRESOURCE + refusal.part if refusal.part else ""),
        "within": f"-n {refusal.namespace}" if refusal.namespace else "--all-namespaces",
    }


def _what(refused: dict[str, str]) -> str:
    if not refused:
        return ": a permission is missing"
    return f": it may not {refused['verb']} {refused['resource'].replace(_SUBRESOURCE, '/')}"


def _lasts(facts: Facts, hit: Hit) -> bool:
    """Whether a refusal still stands: it is recent, and the service that it names, if any, still waits.

    What the metrics endpoint may not ask is not counted: from 0.16.0 the plain manifests do not let it check
    tokens, so that each look at the metrics leaves such lines and nothing of MetalLB's work is touched.
    """
    found = hit.refusal
    asked = f"{found.resource}.{found.group}" if found else ""
    if fields_of(hit.line).get("logger") == "controller-runtime.metrics" or asked in _REVIEWS:
        return False
    if hit.when is not None and facts.now - hit.when.timestamp() > _LASTING:
        return False
    if found is None or found.resource != "services" or not found.name or not facts.snapshot.services.ok:
        return True
    service = facts.services.get(f"{found.namespace}/{found.name}")
    return service is not None and not service.ingress
