"""Other controllers that work on MetalLB's services: ServiceLB, kube-vip, Cilium, or whoever writes their status."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.cause_ids import CauseId
from clusters.diagnosis import pool_usage
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import RootCause
from clusters.diagnosis.signals import Event
from clusters.metallb.services import Service
from clusters.observation.snapshot import Json
from clusters.subject import Subject

#: The field managers under which MetalLB's controller writes: its binary's name, which is Go's default manager; the
#: second one is that of images which name the binary after the project.
_OWN_MANAGERS = frozenset({"controller", "metallb-controller"})
#: Who else writes, by field manager, and how that one is kept from MetalLB's services.
_KNOWN_RIVALS = {
    "kube-controllers": (
        "Calico's kube-controllers",
        "Set loadBalancer.assignIPs: RequestedServicesOnly in Calico's KubeControllersConfiguration.",
    ),
    "cilium-operator": (
        "Cilium's operator",
        "Give Cilium's LB IPAM a pool with a serviceSelector of its own.",
    ),
    "cilium-operator-generic": (
        "Cilium's operator",
        "Give Cilium's LB IPAM a pool with a serviceSelector of its own.",
    ),
    "k3s": ("k3s' ServiceLB", "Start k3s with --disable=servicelb."),
    "antrea-controller": ("Antrea's controller", "Take the service out of Antrea's ExternalIPPool."),
}
_SERVICE_LB = "svccontroller.k3s.cattle.io/svc"
_KUBE_VIP = "kube-vip.io/"
_CILIUM = "cilium.io/IPAMRequestSatisfied"
#: An address that is taken away this often and lately is fought for: MetalLB itself takes one away once.
_FIGHT, _LATELY = 3, 90.0


def root_causes(facts: Facts) -> Iterator[RootCause]:
    """One root for each service that another controller also works on."""
    serving = {
        f"{labels.get(_SERVICE_LB + 'namespace')}/{labels.get(_SERVICE_LB + 'name')}"
        for raw in facts.snapshot.service_lb_pods.items
        if (labels := raw["metadata"].get("labels") or {})
    }
    for key, service in facts.owned.items():
        raw = facts.raw_services[key]
        proof = [*_writers(raw), *_marks(raw), *_fight(facts, key, service)]
        if key in serving:
            proof.append("k3s' ServiceLB runs pods for it")
        if proof:
            yield RootCause(
                cause=CauseId.RIVAL_CONTROLLER,
                subject=Subject.service(key),
                summary=f"A second controller also manages service {key}: {proof[0]}.",
                evidence=tuple(proof),
                remedy=next((remedy for name, (_, remedy) in _KNOWN_RIVALS.items() if _wrote(raw, name)), ""),
                fields=facts.command_fields(namespace=service.namespace, service=service.name),
            )


def _writers(raw: Json) -> Iterator[str]:
    for entry in raw["metadata"].get("managedFields", ()):
        name = entry["manager"]
        if name not in _OWN_MANAGERS:
            who = f" ({_KNOWN_RIVALS[name][0]})" if name in _KNOWN_RIVALS else ""
            yield f"its load balancer status was written by {name!r}{who} at {entry.get('time') or 'some time'}"


def _wrote(raw: Json, manager: str) -> bool:
    return any(entry["manager"] == manager for entry in raw["metadata"].get("managedFields", ()))


def _marks(raw: Json) -> Iterator[str]:
    for name in raw["metadata"].get("annotations") or {}:
        if name.startswith(_KUBE_VIP):
            yield f"it carries kube-vip's annotation {name}"
    for condition in raw["status"].get("conditions") or ():
        if condition.get("type") == _CILIUM:
            yield f"Cilium reports on it: {condition.get('type')}={condition.get('status')}"


def _fight(facts: Facts, key: str, service: Service) -> Iterator[str]:
    for event in facts.signals.of_services.get(key, ()):
        if event.reason == "ClearAssignment" and event.count >= _FIGHT and event.age < _LATELY:
            yield f"MetalLB took its address away {event.count} times, last {event.age:.0f} s ago"
        if event.reason == "IPAllocated" and _again_and_again(event) and _writes(facts, service, event.begun):
            yield f"somebody takes its address away: MetalLB gave it {event.count} times, last {event.age:.0f} s ago"


def _writes(facts: Facts, service: Service, lately: float) -> bool:
    """Whether MetalLB is known to write what it gives, and to leave it: what it cannot write it gives again as well.

    What its log says counts for the last `lately` seconds: a refusal before it gave the address first kept nothing.
    """
    if pool_usage.prefers_in_vain(service):
        return False
    logs = [facts.signals.logs.get(pod.name) for pod in facts.components.controllers]
    refused = {CauseId.PERMISSION_MISSING, CauseId.STATUS_WRITE_REFUSED, CauseId.API_UNREACHABLE}
    said = (
        hit.cause
        for pod in facts.components.controllers
        for hit in facts.hits.get(pod.name, ())
        if hit.when is None or facts.now - hit.when.timestamp() <= lately
    )
    return bool(logs) and all(tail and tail.ok and tail.lines for tail in logs) and refused.isdisjoint(said)


def _again_and_again(event: Event) -> bool:
    """Whether something that happens once in a while has come several times lately, and each time soon again."""
    if event.count < _FIGHT or event.age >= _LATELY:
        return False
    return (event.begun - event.age) / (event.count - 1) < _LATELY
