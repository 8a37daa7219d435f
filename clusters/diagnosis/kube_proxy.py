"""kube-proxy, as far as it can make every node answer for service addresses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from clusters import yaml_text
from clusters.cause_ids import CauseId
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import RootCause
from clusters.observation.snapshot import Json
from clusters.subject import CLUSTER

_HEALTHY, _FALLEN_BEHIND = 200, 503


def settings(facts: Facts) -> tuple[str, bool | None]:
    """kube-proxy's mode ("" for its default) and whether strict ARP is on; ("unknown", None) where not known.

    Source: https://metallb.io/installation/ and the KubeProxyConfiguration in the ConfigMap kube-proxy.
    """
    for raw in facts.snapshot.kube_proxy_config.items:
        found = _parsed((raw.get("data") or {}).get("config.conf", ""))
        ipvs = found.get("ipvs")
        return str(found.get("mode") or ""), bool(isinstance(ipvs, dict) and ipvs.get("strictARP"))
    return "unknown", None


def root_causes(facts: Facts) -> Iterator[RootCause]:
    """IPVS without strict ARP, where services hold addresses, unless one node alone replies for one of them."""
    mode, strict = settings(facts)
    wire = facts.wire_index
    single = not wire.wire.by_kernel and any(
        len(hosts) == 1 for address in wire.assigned if (hosts := wire.responders(address))
    )
    if mode == "ipvs" and strict is False and facts.layer2 and not single:
        yield strict_arp_off(facts, "kube-proxy runs in mode ipvs, and ipvs.strictARP is false")


def strict_arp_off(facts: Facts, *evidence: str) -> RootCause:
    """The root for nodes whose own kernel answers for service addresses."""
    return RootCause(
        cause=CauseId.STRICT_ARP_OFF,
        subject=CLUSTER,
        summary="Nodes have service addresses on an interface and answer ARP for them, whoever announces.",
        evidence=evidence,
        fields=facts.command_fields(),
    )


def failing(facts: Facts, node: str) -> tuple[str, ...]:
    """Proof that kube-proxy on a node does not work, as sentences; empty where nothing proves it."""
    proof = []
    for health in facts.snapshot.wire.proxy_health:
        if health.node == node and health.status == _FALLEN_BEHIND:
            since = f", by {health.behind:.0f} s" if health.behind else ""
            proof.append(f"kube-proxy on node {node} says that it has fallen behind{since} (/healthz: 503)")
    proof += _mute(facts, node)
    on_node = [raw for raw in facts.snapshot.kube_proxy_pods.items if raw["spec"].get("nodeName") == node]
    if on_node and not any(_ready(raw) for raw in on_node):
        proof.append(f"pod {on_node[0]['metadata']['name']} on node {node} is not ready")
    if facts.snapshot.kube_proxy_pods.ok and not on_node and node:
        others = {raw["spec"].get("nodeName") for raw in facts.snapshot.kube_proxy_pods.items if _ready(raw)}
        if facts.nodes and set(facts.nodes) - others == {node} and others:
            proof.append(f"every node but {node} has a pod of kube-proxy")
    return tuple(proof)


def _mute(facts: Facts, node: str) -> Iterator[str]:
    """A kube-proxy that says nothing where others say that they are well, on a node that is reached otherwise."""
    wire = facts.snapshot.wire
    well = sorted({one.node for one in wire.proxy_health if one.status == _HEALTHY} - {node})
    mute = [one for one in wire.proxy_health if one.node == node and not one.status]
    spoke = any(one.node == node and one.status for one in wire.proxy_health)
    asked = {one.address for one in mute}  # one family's way back may be lost, and the other's not
    reached = any(one.node == node and one.replied and one.address in asked for one in wire.node_reach)
    if well and mute and reached and not spoke:
        yield (
            f"kube-proxy on node {node} says nothing at /healthz ({mute[0].detail or mute[0].outcome}), and on "
            f"{', '.join(well)} it says that it is healthy"
        )


def healthy(facts: Facts, node: str) -> Iterator[str]:
    """What says that kube-proxy on a node works, as sentences."""
    for health in facts.snapshot.wire.proxy_health:
        if health.node == node and health.status == _HEALTHY:
            yield f"kube-proxy on node {node} is healthy by its own word (/healthz: 200)"
    for raw in facts.snapshot.kube_proxy_pods.items:
        if raw["spec"].get("nodeName") == node and _ready(raw):
            yield f"pod {raw['metadata']['name']} on node {node} is ready"


def _ready(raw: Json) -> bool:
    conditions = raw.get("status", {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


@cache
def _parsed(text: str) -> Json:
    try:
        found = yaml_text.parsed(text)
    except yaml_text.NotYaml:
        return {}
    return found if isinstance(found, dict) else {}
