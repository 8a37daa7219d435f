"""kube-proxy, as far as it can make every node answer for service addresses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from clusters import yaml_text
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import RootCause
from clusters.observation.snapshot import Json
from clusters.subject import CLUSTER


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
    """IPVS without strict ARP, where services hold addresses."""
    mode, strict = settings(facts)
    if mode == "ipvs" and strict is False and facts.layer2:
        yield strict_arp_off(facts, "kube-proxy runs in mode ipvs, and ipvs.strictARP is false")


def strict_arp_off(facts: Facts, *evidence: str) -> RootCause:
    """The root for nodes whose own kernel answers for service addresses."""
    return RootCause(
        cause="strict-arp-off",
        subject=CLUSTER,
        summary="Nodes hold service addresses themselves and answer for them, whoever announces.",
        evidence=evidence,
        fields=facts.command_fields(),
    )


@cache
def _parsed(text: str) -> Json:
    try:
        found = yaml_text.parsed(text)
    except yaml_text.NotYaml:
        return {}
    return found if isinstance(found, dict) else {}
