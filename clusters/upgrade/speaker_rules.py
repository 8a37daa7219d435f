"""Rules about what runs: speakers and their peers, ports, metrics, and whether one speaker may be missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clusters.cause_ids import CauseId
from clusters.gitops.findings import known
from clusters.metallb import election
from clusters.metallb.election import Scene
from clusters.metallb.services import Service
from clusters.objects import Object, metadata_of, spec_of
from clusters.subject import CLUSTER, Subject
from clusters.upgrade.rule import Rule, Sighting, Situation

_NOTES = "MetalLB's release notes"
_PODS = "kubectl -n {metallb_namespace} get pods -o wide"
#: Metrics and health; those of frr-k8s besides, where it comes with the chart.
_NEW_PORTS = frozenset({9120, 17472})
_OLD_METRICS = 7472
_SHOWN = 5


def _key(situation: Situation) -> Iterator[Sighting]:
    parts = situation.facts.components
    speaking = parts.speaking
    if speaking and speaking.memberlist and speaking.secret and len(parts.speakers) > 1:
        yield Sighting(
            subject=CLUSTER,
            summary=f"{len(parts.speakers)} speakers share a memberlist key.",
            stops=False,
        )


def _every_speaker(situation: Situation) -> Iterator[Sighting]:
    """Nodes that should have a ready speaker and do not: nothing is left to lose another one."""
    facts = situation.facts
    known(situation.snapshot.pods, "pods")
    for node in sorted(_meant(situation) - facts.members):
        yield Sighting(
            subject=Subject.node(node), summary=f"Node {node} should run a speaker, and none is ready there."
        )


def _spare(situation: Situation) -> Iterator[Sighting]:
    """Addresses that one node alone may announce; it stops the upgrade where another one was meant to."""
    known(situation.snapshot.services, "services")
    known(situation.snapshot.endpoint_slices, "endpoints")
    facts = situation.facts
    whole = _with_members(facts.scene, _meant(situation))
    for service in facts.layer2.values():
        now = _candidates(situation, service, facts.scene)
        if len(now) != 1:
            continue
        meant = _candidates(situation, service, whole)
        why = "its endpoints are on that node alone" if service.local_policy else "no other one may"
        yield Sighting(
            subject=Subject.service(service.key),
            summary=f"Only node {now[0]} can announce {service.ingress[0]} of service {service.key}"
            + (f", of {len(meant)} nodes that should be able to." if len(meant) > 1 else f": {why}."),
            stops=len(meant) > 1,
        )


def _candidates(situation: Situation, service: Service, scene: Scene) -> tuple[str, ...]:
    return election.predict_announcer(
        service, situation.facts.endpoints.get(service.key, ()), scene
    ).candidates


def _with_members(scene: Scene, members: frozenset[str]) -> Scene:
    return replace(scene, speakers=replace(scene.speakers, members=members))


def _meant(situation: Situation) -> frozenset[str]:
    """The nodes that the DaemonSet means to have a speaker on."""
    facts, placement = situation.facts, situation.facts.components.placement
    return frozenset(
        name
        for name, node in facts.nodes.items()
        if placement.selects(node.labels)
        and not placement.repelled(spec_of(facts.raw_nodes[name]).get("taints") or ())
    )


def _moves(situation: Situation) -> Iterator[Sighting]:
    addresses = sum(len(service.ingress) for service in situation.facts.layer2.values())
    if addresses:
        yield Sighting(
            subject=CLUSTER,
            summary=f"{addresses} addresses are announced by {len(situation.facts.members)} speakers.",
            stops=False,
        )


def _scraped(situation: Situation) -> Iterator[Sighting]:
    """Pods that ask to be scraped where 0.16 serves nothing, and ports that were set by hand."""
    found = []
    for part in (situation.facts.components.deployment, situation.facts.components.daemon_set):
        template = ((part or {}).get("spec") or {}).get("template") or {}
        notes = metadata_of(template).get("annotations") or {}
        if notes.get("prometheus.io/scrape") == "true" and notes.get("prometheus.io/port") == str(
            _OLD_METRICS
        ):
            found.append(f"{part['metadata']['name'] if part else ''} asks to be scraped on {_OLD_METRICS}")
        names = [each["name"] for each in spec_of(template).get("containers") or ()]
        found += [
            f"the container {name} is a proxy for the metrics" for name in names if "rbac-proxy" in name
        ]
    yield Sighting(
        subject=CLUSTER,
        summary=f"Metrics are served on port {_OLD_METRICS}.",
        lines=tuple(found),
        stops=False,
    )


def _ports(situation: Situation) -> Iterator[Sighting]:
    """Host ports of other pods on speakers' nodes. What is no pod, or declares no port, is not seen."""
    nodes = situation.facts.components.speakers
    for pod in known(situation.snapshot.host_pods, "pods on the hosts' network"):
        node = spec_of(pod).get("nodeName", "")
        taken = sorted(_NEW_PORTS & set(_host_ports(pod)))
        about = pod["metadata"]
        if taken and node in nodes and about["namespace"] != situation.snapshot.metallb_namespace:
            yield Sighting(
                subject=Subject.node(node),
                summary=f"Pod {about['namespace']}/{about['name']} has port {taken[0]} of node {node}.",
            )


def _host_ports(pod: Object) -> Iterator[int]:
    spec = spec_of(pod)
    for container in spec.get("containers") or ():
        for port in container.get("ports") or ():
            if found := port.get("hostPort") or (spec.get("hostNetwork") and port.get("containerPort")):
                yield int(found)


RULES = (
    Rule(
        id="memberlist-key-256",
        current="<0.14.2",
        target=">=0.14.2",
        condition="several speakers encrypt memberlist's traffic",
        consequence="Old and new speakers cut the key to different lengths and do not hear each other until the last "
        "pod is replaced: meanwhile two nodes may answer for one address.",
        remedy="Plan a maintenance window, and watch for two MAC addresses that answer for one service address.",
        commands=("kubectl -n {metallb_namespace} rollout status daemonset/speaker",),
        source=f"{_NOTES} of 0.14.2 (AES-256)",
        cause=CauseId.MEMBERLIST_KEY_MISMATCH,
        look=_key,
    ),
    Rule(
        id="memberlist-key-hashed",
        current="<0.16.2",
        target=">=0.16.2",
        condition="several speakers encrypt memberlist's traffic",
        consequence="Old and new speakers derive the key differently and do not hear each other until the last pod is "
        "replaced: meanwhile two nodes may answer for one address.",
        remedy="Plan a maintenance window, and watch for two MAC addresses that answer for one service address.",
        commands=("kubectl -n {metallb_namespace} rollout status daemonset/speaker",),
        source=f"{_NOTES} of 0.16.2",
        cause=CauseId.MEMBERLIST_KEY_MISMATCH,
        look=_key,
    ),
    Rule(
        id="every-speaker",
        condition="a node that should run a ready speaker has none",
        consequence="The rollout takes another speaker away, and may wait for this one forever.",
        remedy="Find out why the speaker is not ready, and fix that first.",
        commands=(_PODS, "kubectl -n {metallb_namespace} describe daemonset/speaker"),
        source="a DaemonSet's rolling update, one pod unavailable at a time",
        cause=CauseId.SPEAKER_DOWN,
        look=_every_speaker,
    ),
    Rule(
        id="spare-speaker",
        condition="one node alone can announce an address",
        consequence="While its speaker is replaced nobody answers for the address.",
        remedy="Let a second node announce it, or plan for the gap.",
        commands=(_PODS, "kubectl -n {metallb_namespace} get l2advertisements -o yaml"),
        source="the election of layer 2 announcers",
        cause=CauseId.NO_SPARE_ANNOUNCER,
        look=_spare,
    ),
    Rule(
        id="addresses-move",
        condition="addresses are announced in layer 2",
        consequence="Each of them moves to another node and back while the speakers are replaced one after the other, "
        "and connections to it break twice.",
        remedy="Choose a quiet hour.",
        commands=("kubectl get servicel2statuses -A",),
        source="the election has no memory: an address goes back as soon as its first node's speaker is back",
        cause=CauseId.OVER_BUDGET,
        look=_moves,
    ),
    Rule(
        id="metrics-port",
        current="<0.16.0",
        target=">=0.16.0",
        condition="always",
        consequence="From 0.16.0 on they are served on port 9120 over HTTPS alone, to callers with a token.",
        remedy="Change what scrapes them: port 9120, scheme https, a token that may get /metrics.",
        commands=("kubectl -n {metallb_namespace} get servicemonitors,podmonitors,networkpolicies",),
        source=f"{_NOTES} of 0.16.0",
        cause=CauseId.LEGACY_CONFIGURATION,
        look=_scraped,
    ),
    Rule(
        id="host-ports",
        current="<0.16.0",
        target=">=0.16.0",
        condition="another pod has port 9120 or 17472 of a node with a speaker",
        consequence="The new speaker cannot listen there and does not start.",
        remedy="Move the other pod to another port, or give the speakers --port and --health-probe-port.",
        commands=("kubectl get pods -A -o wide",),
        source=f"{_NOTES} of 0.16.0; the manifests of 0.15.2 and 0.16.2",
        cause=CauseId.PORT_TAKEN,
        look=_ports,
    ),
)
