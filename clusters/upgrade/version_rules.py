"""Rules about the versions themselves: releases to avoid, and Kubernetes beside MetalLB."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import Version

from clusters.cause_ids import CauseId
from clusters.metallb import versions
from clusters.subject import CLUSTER, Subject
from clusters.upgrade.rule import Rule, Sighting, Situation

_NOTES = "MetalLB's release notes"
_VERSIONS = ("kubectl version", "kubectl -n {metallb_namespace} get deploy,ds -o wide")


def _always(situation: Situation) -> Iterator[Sighting]:
    yield Sighting(subject=CLUSTER, summary=f"Do not install MetalLB {situation.target}.")


def _speaker_beside_controller(situation: Situation) -> Iterator[Sighting]:
    parts = situation.facts.components
    for pod in parts.controllers:
        if pod.node and pod.node not in parts.speakers:
            yield Sighting(
                subject=Subject.node(pod.node),
                summary=f"The controller runs on {pod.node}, where no speaker runs.",
            )


def _cordoned(situation: Situation) -> Iterator[Sighting]:
    for node in situation.facts.nodes.values():
        if node.unschedulable and node.name in situation.facts.components.speakers:
            yield Sighting(subject=Subject.node(node.name), summary=f"Node {node.name} is cordoned.")


def _new_kubernetes(situation: Situation) -> Iterator[Sighting]:
    if situation.kubernetes >= Version("1.36"):
        yield _kubernetes(situation)


def _old_kubernetes(situation: Situation) -> Iterator[Sighting]:
    if situation.kubernetes < Version("1.21"):
        yield _kubernetes(situation)


def _kubernetes(situation: Situation) -> Sighting:
    return Sighting(subject=CLUSTER, summary=f"The cluster runs Kubernetes {situation.kubernetes}.")


def _skewed(situation: Situation) -> Iterator[Sighting]:
    found = {
        f"pod {pod.name}": str(found_in)
        for pod in situation.facts.components.pods
        if (found_in := versions.of_image(pod.image))
    }
    if len(set(found.values())) > 1:
        told = ", ".join(sorted(set(found.values())))
        lines = tuple(f"{pod} runs {version}" for pod, version in sorted(found.items()))
        yield Sighting(
            subject=CLUSTER, summary=f"MetalLB's pods are of several versions: {told}.", lines=lines
        )


def _avoided(target: str, consequence: str, better: str, source: str) -> Rule:
    return Rule(
        id=f"avoid-{target.replace('=', '').replace('.', '-')}",
        target=target,
        condition="always",
        consequence=consequence,
        remedy=f"Upgrade to {better} instead.",
        commands=_VERSIONS,
        source=source,
        cause=CauseId.TARGET_UNSAFE,
        look=_always,
    )


RULES = (
    _avoided(
        "==0.14.6",
        "Its ServiceL2Status definition validates one field twice, and strict clients refuse to apply it.",
        "0.14.8 or newer",
        f"{_NOTES} of 0.14.7; issue 2460",
    ),
    _avoided("==0.14.7", "Its manifests do not apply.", "0.14.8 or newer", f"{_NOTES} of 0.14.8"),
    _avoided(
        "==0.15.0",
        "It refuses pools because they overlap with node addresses, where they do not, and goes on without any pool.",
        "0.15.1 or newer",
        f"{_NOTES} of 0.15.1; issue 2779",
    ),
    _avoided(
        "==0.16.0",
        "Its controller asks the speaker on its own node whether it is healthy, and is restarted again and again "
        "where none runs; its chart scrapes metrics over HTTP, which it does not serve.",
        "0.16.1 or newer",
        f"{_NOTES} of 0.16.1; issue 3061",
    ),
    Rule(
        id="speaker-beside-controller",
        target="==0.16.0",
        condition="the controller's node runs no speaker",
        consequence="The controller of 0.16.0 is restarted again and again there.",
        remedy="Upgrade to 0.16.1 or newer, or let a speaker run on the controller's node.",
        commands=("kubectl -n {metallb_namespace} get pods -o wide",),
        source=f"{_NOTES} of 0.16.1; issue 3061",
        cause=CauseId.TARGET_UNSAFE,
        look=_speaker_beside_controller,
    ),
    Rule(
        id="cordoned-nodes",
        target="==0.14.9",
        condition="a node with a speaker is cordoned",
        consequence="0.14.9, and no other release, takes addresses away from cordoned nodes.",
        remedy="Uncordon the node, or upgrade to 0.15.1 or newer.",
        commands=("kubectl get nodes",),
        source=f"{_NOTES} of 0.14.9 and 0.15.0",
        cause=CauseId.TARGET_UNSAFE,
        look=_cordoned,
    ),
    Rule(
        id="kubernetes-1-36",
        target="<0.16.1",
        condition="Kubernetes 1.36 or newer",
        consequence="It refuses the definition of BGPPeer: the largest AS number does not fit its integer format.",
        remedy="Upgrade to MetalLB 0.16.1 or newer.",
        commands=_VERSIONS,
        source=f"{_NOTES} of 0.16.0 and 0.16.1; issues 3034, 3054",
        cause=CauseId.KUBERNETES_UNSUPPORTED,
        look=_new_kubernetes,
    ),
    Rule(
        id="kubernetes-1-21",
        target=">=0.14.2",
        condition="Kubernetes older than 1.21",
        consequence="MetalLB reads EndpointSlices alone since 0.14.2, which older clusters do not serve.",
        remedy="Upgrade Kubernetes first.",
        commands=_VERSIONS,
        source=f"{_NOTES} of 0.14.2",
        cause=CauseId.KUBERNETES_UNSUPPORTED,
        look=_old_kubernetes,
    ),
    Rule(
        id="one-version",
        condition="MetalLB's pods are of different versions",
        consequence="Another upgrade has not finished, and in what state it left MetalLB is not known.",
        remedy="Finish that upgrade, or roll it back, first.",
        commands=(
            "kubectl -n {metallb_namespace} get deploy,ds -o wide",
            "kubectl -n {metallb_namespace} get pods -o wide",
        ),
        source="a DaemonSet that is rolled out replaces one pod after the other",
        cause=CauseId.VERSION_SKEW,
        look=_skewed,
    ),
)
