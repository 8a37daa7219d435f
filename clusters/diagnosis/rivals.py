"""Other controllers that work on MetalLB's services: ServiceLB, kube-vip, Cilium, or whoever writes their status."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.diagnosis.facts import Facts
from clusters.diagnosis.roots import Root
from clusters.diagnosis.telling import fields
from clusters.observation.snapshot import Json

#: The field manager under which MetalLB's controller writes: its binary's name (Go's default manager).
_OWN_MANAGERS = ("controller", "metallb")
_SERVICE_LB = "svccontroller.k3s.cattle.io/svc"
_KUBE_VIP = "kube-vip.io/"
_CILIUM = "cilium.io/IPAMRequestSatisfied"
#: An address that is taken away this often and lately is fought for: MetalLB itself takes one away once.
_FIGHT, _LATELY = 3, 90.0


def roots(facts: Facts) -> Iterator[Root]:
    """One root for each service that another controller also works on."""
    serving = {
        f"{labels.get(_SERVICE_LB + 'namespace')}/{labels.get(_SERVICE_LB + 'name')}"
        for raw in facts.snapshot.service_lb_pods.items
        if (labels := raw["metadata"].get("labels") or {})
    }
    for key, service in facts.owned.items():
        raw = facts.raw_services[key]
        proof = [*_writers(raw), *_marks(raw), *_fight(facts, key)]
        if key in serving:
            proof.append("k3s' ServiceLB runs pods for it")
        if proof:
            yield Root(
                cause="rival-controller",
                subject=f"service {key}",
                summary=f"Another load balancer also works on service {key}: {proof[0]}.",
                evidence=tuple(proof),
                fields=fields(facts, namespace=service.namespace, service=service.name),
            )


def _writers(raw: Json) -> Iterator[str]:
    for entry in raw["metadata"].get("managedFields", ()):
        name = entry["manager"]
        if not any(own in name for own in _OWN_MANAGERS) or "cloud-controller" in name:
            yield f"its load balancer status was written by {name!r} at {entry.get('time') or 'some time'}"


def _marks(raw: Json) -> Iterator[str]:
    for name in raw["metadata"].get("annotations") or {}:
        if name.startswith(_KUBE_VIP):
            yield f"it carries kube-vip's annotation {name}"
    for condition in raw["status"].get("conditions") or ():
        if condition.get("type") == _CILIUM:
            yield f"Cilium reports on it: {condition.get('type')}={condition.get('status')}"


def _fight(facts: Facts, key: str) -> Iterator[str]:
    for event in facts.saying.of_services.get(key, ()):
        if event.reason == "ClearAssignment" and event.count >= _FIGHT and event.age < _LATELY:
            yield f"MetalLB took its address away {event.count} times, last {event.age:.0f} s ago"
