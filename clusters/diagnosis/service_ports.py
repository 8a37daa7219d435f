"""Ports of services behind which no endpoint stands, although the service has endpoints that are ready.

MetalLB looks at endpoints and not at their ports: it announces such a service, and kube-proxy then refuses what comes
to that port, as no EndpointSlice has a port of that name (`targetPort` names a port that no container has, or a slice
that was written by hand names its port otherwise). It matches a service's port with a slice's by name and protocol
(`endpointSliceCache.addEndpoints` in kube-proxy's endpointslicecache.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clusters.cause_ids import CauseId
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import RootCause
from clusters.metallb.nodes import servable
from clusters.metallb.services import Port
from clusters.observation.snapshot import Json
from clusters.subject import Subject

_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class DeadPort:
    """A port of a service that leads to no endpoint: its name ("" where it has none) and what it leads to."""

    port: Port
    name: str
    target: str

    def __str__(self) -> str:
        named = f" ({self.name})" if self.name else ""
        return f"{self.port}{named}"


def without_endpoint(facts: Facts, key: str) -> tuple[DeadPort, ...]:
    """The ports of a service that no ready endpoint has; none where it has no ready endpoint at all."""
    slices = [raw for raw in facts.slices.get(key, ()) if _serves(raw)]
    if not slices or key not in facts.raw_services:
        return ()
    served = {
        (each.get("name") or "", each.get("protocol") or "TCP")
        for raw in slices
        for each in raw.get("ports") or ()
        if each.get("port")
    }
    found = []
    for each in facts.raw_services[key]["spec"].get("ports") or ():
        name, protocol = each.get("name") or "", each.get("protocol") or "TCP"
        if (name, protocol) not in served:
            target = str(each.get("targetPort") or each["port"])
            found.append(DeadPort(port=Port(protocol, each["port"]), name=name, target=target))
    return tuple(found)


def _serves(raw: Json) -> bool:
    return any(servable(each.get("conditions") or {}) for each in raw.get("endpoints") or ())


def root_causes(facts: Facts) -> Iterator[RootCause]:
    """One root for each service that holds an address and has such a port."""
    for key, service in facts.addressed.items():
        dead = without_endpoint(facts, key)
        if not dead:
            continue
        ready = sum(each.servable for each in facts.endpoints.get(key, ()))
        yield RootCause(
            cause=CauseId.TARGET_PORT_MISSING,
            subject=Subject.service(key),
            summary=f"{_which(dead)} of service {key} {'lead' if len(dead) > 1 else 'leads'} to no endpoint: "
            f"none of its {ready} ready endpoints has {_wanted(dead)}.",
            evidence=tuple(_carried(facts, key))[:_SHOWN],
            fields=facts.command_fields(
                namespace=service.namespace, service=service.name, address=str(service.ingress[0])
            ),
        )


def _which(dead: tuple[DeadPort, ...]) -> str:
    return f"{'Ports' if len(dead) > 1 else 'Port'} {', '.join(map(str, dead))}"


def _wanted(dead: tuple[DeadPort, ...]) -> str:
    """What their pods or slices would have to have: a container's port of that name, or a slice's."""
    names = [each for each in dead if not each.target.isdecimal()]
    if names:
        return " or ".join(f"a port named {each.target!r}" for each in names)
    return " or ".join(f"its port {each.name!r}" if each.name else "a port without a name" for each in dead)


def _carried(facts: Facts, key: str) -> Iterator[str]:
    """What the service's slices carry, a line each."""
    for raw in facts.slices.get(key, ()):
        ports = [
            f"{each.get('protocol') or 'TCP'}/{each.get('port')} ({each.get('name') or 'without a name'})"
            for each in raw.get("ports") or ()
        ]
        yield f"EndpointSlice {raw['metadata']['name']} has {', '.join(ports) or 'no port'}"
