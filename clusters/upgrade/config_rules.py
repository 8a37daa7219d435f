"""Rules about what the cluster holds: legacy configuration, services and their addresses, nodes that are excluded."""

from __future__ import annotations

from collections.abc import Iterator

from clusters import yaml_text
from clusters.cause_ids import CauseId
from clusters.errors import Inconclusive
from clusters.gitops.findings import known
from clusters.metallb import install, services
from clusters.metallb.nodes import EXCLUDE_LABEL
from clusters.objects import Object
from clusters.subject import CLUSTER, Subject
from clusters.upgrade.rule import Rule, Sighting, Situation

_NOTES = "MetalLB's release notes"
_ADDRESS_POOLS = "addresspools.metallb.io"
_SHOWN = 10


def _config_map(situation: Situation) -> Iterator[Sighting]:
    for found in known(situation.snapshot.config_maps, "configuration maps"):
        if found["metadata"]["name"] == "config" and "address-pools" in str(
            (found.get("data") or {}).get("config")
        ):
            yield Sighting(
                subject=Subject("configmap", "config", namespace=situation.snapshot.metallb_namespace),
                summary="MetalLB is configured by the ConfigMap config.",
            )


def _address_pools(situation: Situation) -> Iterator[Sighting]:
    for found in known(situation.snapshot.legacy_pools, "AddressPools"):
        name = found["metadata"]["name"]
        yield Sighting(subject=Subject.pool(name), summary=f"{name} is an AddressPool, of the legacy API.")


def _address_pool_definition(situation: Situation) -> Iterator[Sighting]:
    definitions = known(situation.snapshot.custom_resource_definitions, "resource definitions")
    if any(each["metadata"]["name"] == _ADDRESS_POOLS for each in definitions):
        yield Sighting(
            subject=CLUSTER, summary=f"The definition {_ADDRESS_POOLS} is still installed.", stops=False
        )


def _excluded(situation: Situation) -> Iterator[Sighting]:
    """All speakers' nodes excluded means that nobody announces; some means that addresses move."""
    parts = situation.facts.components
    if parts.speaking and parts.speaking.ignore_exclude_label:
        return
    known(situation.snapshot.nodes, "nodes")
    nodes = [node for node in situation.facts.nodes.values() if node.name in parts.speakers]
    excluded = [node for node in nodes if node.excluded]
    for node in excluded:
        yield Sighting(
            subject=Subject.node(node.name),
            summary=f"Node {node.name} has a speaker and the label {EXCLUDE_LABEL}.",
            stops=len(excluded) == len(nodes),
        )


def _outside(situation: Situation) -> Iterator[Sighting]:
    known(situation.snapshot.services, "services")
    known(situation.snapshot.ip_address_pools, "address pools")
    for service in situation.addressed:
        for address in service.ingress:
            if situation.facts.pool_of(address) is None:
                yield Sighting(
                    subject=Subject.service(service.key),
                    summary=f"Service {service.key} holds {address}, which is in no address pool.",
                )


def _annotations(situation: Situation) -> Iterator[Sighting]:
    known(situation.snapshot.services, "services")
    for service in situation.facts.owned.values():
        if found := services.deprecated_annotations(service):
            yield Sighting(
                subject=Subject.service(service.key),
                summary=f"Service {service.key} has {', '.join(found)}.",
                stops=False,
            )


def _webhooks(situation: Situation) -> Iterator[Sighting]:
    for name in _second_webhooks(situation):
        yield Sighting(
            subject=Subject("webhook", name),
            summary=f"A second webhook configuration, {name}, validates MetalLB's resources.",
        )


def _webhook_to_be(situation: Situation) -> Iterator[Sighting]:
    for name in _second_webhooks(situation):
        yield Sighting(
            subject=Subject("webhook", name),
            summary=f"The webhook configuration {name} validates MetalLB's resources.",
            stops=False,
        )


def _second_webhooks(situation: Situation) -> Iterator[str]:
    """The configurations, by name, that are not the one of MetalLB's manifests."""
    hooks = known(situation.snapshot.webhooks, "webhook configurations")
    names = (found["metadata"]["name"] for found in hooks if install.asked_about_metallb(found))
    return (name for name in names if name != "metallb-webhook-configuration")


def _tuning(situation: Situation) -> Iterator[Sighting]:
    for found in known(situation.snapshot.config_maps, "configuration maps"):
        text = (found.get("data") or {}).get("config.json")
        if text is None or "memberlist" not in found["metadata"]["name"]:
            continue
        lacking = sorted(_MEMBERLIST - _keys(text))
        if lacking:
            yield Sighting(
                subject=Subject(
                    "configmap", found["metadata"]["name"], namespace=found["metadata"]["namespace"]
                ),
                summary=f"Its config.json lacks {lacking[0]} and {len(lacking) - 1} more of memberlist's fields."
                if len(lacking) > 1
                else f"Its config.json lacks memberlist's field {lacking[0]}.",
                lines=tuple(lacking[:_SHOWN]),
            )


def _keys(text: str) -> set[str]:
    try:
        found: Object = yaml_text.parsed(text) or {}
    except yaml_text.NotYaml as error:
        raise Inconclusive(f"The memberlist configuration cannot be read: {error}.") from None
    return set(map(str, found)) if isinstance(found, dict) else set()


#: Source: memberlistFileConfig in internal/speakerlist/speakerlist.go of 0.16.2.
_MEMBERLIST = frozenset(
    ("TCPTimeout", "IndirectChecks", "RetransmitMult", "SuspicionMult", "SuspicionMaxTimeoutMult",
     "PushPullInterval", "ProbeTimeout", "ProbeInterval", "DisableTcpPings", "AwarenessMaxMultiplier",
     "GossipNodes", "GossipInterval", "GossipToTheDeadTime", "GossipVerifyIncoming", "GossipVerifyOutgoing",
     "EnableCompression", "HandoffQueueDepth", "UDPBufferSize", "QueueCheckInterval")
)  # fmt: skip

RULES = (
    Rule(
        id="config-map",
        current="<0.13.2",
        target=">=0.13.2",
        condition="the ConfigMap config holds the configuration",
        consequence="From 0.13 on it is not read: no service gets an address, and those held are lost.",
        remedy="Write IPAddressPools, and an L2Advertisement for each, from it; MetalLB's configmaptocrs does it.",
        commands=("kubectl -n {metallb_namespace} get configmap config -o yaml",),
        source=f"{_NOTES} of 0.13.2",
        cause=CauseId.LEGACY_CONFIGURATION,
        look=_config_map,
    ),
    Rule(
        id="address-pools",
        current="<0.14.2",
        target=">=0.14.2",
        condition="AddressPools exist",
        consequence="From 0.14.2 on they are not read, and services lose the addresses that are in no IPAddressPool.",
        remedy="Write an IPAddressPool with the same addresses, and an L2Advertisement for it.",
        commands=("kubectl get addresspools.metallb.io -A -o yaml",),
        source=f"{_NOTES} of 0.14.2",
        cause=CauseId.LEGACY_CONFIGURATION,
        look=_address_pools,
    ),
    Rule(
        id="address-pool-definition",
        target=">=0.14.3",
        condition="the definition of AddressPool is installed",
        consequence="Nothing serves it any more, so its conversion fails whenever somebody lists AddressPools.",
        remedy="Delete it once no AddressPool is left.",
        commands=(f"kubectl delete crd {_ADDRESS_POOLS}",),
        source=f"{_NOTES} of 0.14.3 and 0.14.4; issue 2270",
        cause=CauseId.LEGACY_CONFIGURATION,
        look=_address_pool_definition,
    ),
    Rule(
        id="exclude-label",
        current="<0.14.2",
        target=">=0.14.2",
        condition="nodes with a speaker have the label that excludes them from load balancers",
        consequence="From 0.14.2 on these nodes announce nothing; if there are no others, nobody does.",
        remedy="Remove the label, or start the speakers with --ignore-exclude-lb (0.14.4 and newer).",
        commands=(f"kubectl get nodes -l {EXCLUDE_LABEL}", f"kubectl label node {{node}} {EXCLUDE_LABEL}-"),
        source=f"{_NOTES} of 0.14.2 and 0.14.4; issues 2274, 2285",
        cause=CauseId.NODE_EXCLUDED,
        look=_excluded,
    ),
    Rule(
        id="addresses-in-pools",
        target=">=0.14.2",
        condition="a service holds an address that no pool has",
        consequence="The new controller takes such an address away as soon as it starts.",
        remedy="Put the address into a pool first.",
        commands=("kubectl get svc -A | grep LoadBalancer",
                  "kubectl -n {metallb_namespace} get ipaddresspools -o yaml"),
        source=f"{_NOTES} of 0.14.2; issue 2449",
        cause=CauseId.ADDRESS_OUTSIDE_POOLS,
        look=_outside,
    ),
    Rule(
        id="annotations",
        target=">=0.14.9",
        condition="services have annotations with the prefix metallb.universe.tf",
        consequence="They still work, and a later release may drop them.",
        remedy="Write them with the prefix metallb.io.",
        commands=("kubectl get svc -A -o yaml | grep metallb.universe.tf",),
        source=f"{_NOTES} of 0.14.9",
        cause=CauseId.DEPRECATED_ANNOTATION,
        look=_annotations,
    ),
    Rule(
        id="webhook-left-over",
        current=">=0.13.4",
        condition="another webhook configuration than metallb-webhook-configuration validates MetalLB's resources",
        consequence="Its service is gone, so every change to a pool is refused.",
        remedy="Delete it.",
        commands=("kubectl get validatingwebhookconfigurations",
                  "kubectl delete validatingwebhookconfiguration {name}"),
        source=f"{_NOTES} of 0.13.4 and 0.14.4",
        cause=CauseId.WEBHOOK_LEFT_OVER,
        look=_webhooks,
    ),
    Rule(
        id="webhook-renamed",
        current="<0.13.4",
        target=">=0.13.4",
        condition="the webhook configuration still has its name from before 0.13.4",
        consequence="The upgrade brings another one, and this one stays and refuses every change to a pool.",
        remedy="Delete it as soon as the new one is there.",
        commands=("kubectl delete validatingwebhookconfiguration validating-webhook-configuration",),
        source=f"{_NOTES} of 0.13.4",
        cause=CauseId.WEBHOOK_LEFT_OVER,
        look=_webhook_to_be,
    ),
    Rule(
        id="memberlist-file",
        target=">=0.16.0",
        condition="a ConfigMap tunes memberlist and leaves fields out",
        consequence="A speaker does not start where a duration is missing, and reads a missing number as 0.",
        remedy="Give every field, or do without the file.",
        commands=("kubectl -n {metallb_namespace} get configmaps",),
        source="internal/speakerlist/speakerlist.go of 0.16.2",
        cause=CauseId.LEGACY_CONFIGURATION,
        look=_tuning,
    ),
)  # fmt: skip
