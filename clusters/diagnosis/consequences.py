"""What would become of every address if a node, a speaker or the configuration were another: judged on an observation.

The observation is edited as the cluster would be, and MetalLB's own rules (clusters/metallb) are asked before and
after. Nothing is asked of the cluster, and nothing in it is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from clusters.diagnosis import configuration_faults
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.diagnosis.facts import Facts
from clusters.metallb import election
from clusters.metallb.allocation import Outcome, World, predict_allocation
from clusters.metallb.nodes import EXCLUDE_LABEL
from clusters.metallb.services import Service
from clusters.observation.snapshot import Json, Objects, Snapshot

#: The lists of an observation that a proposed object belongs to, by its kind.
LISTS = {
    "IPAddressPool": "ip_address_pools",
    "L2Advertisement": "l2_advertisements",
    "BGPAdvertisement": "bgp_advertisements",
}


class Fate(StrEnum):
    """What would become of the address of one service."""

    STAYS = "stays"
    MOVES = "moves"
    SILENT = "nobody would announce it"
    ANNOUNCED = "would be announced"
    REPLACED = "would be another address"
    LOST = "would be lost"


#: What a person would not want to happen unasked.
HARM = frozenset({Fate.SILENT, Fate.REPLACED, Fate.LOST})


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What would be different. `removed` nodes are gone with all that runs on them; `speakerless` ones run no speaker.

    `drained` nodes keep their speaker, which is a DaemonSet's, and lose their endpoints; `excluded` ones get the label
    node.kubernetes.io/exclude-from-external-load-balancers. `objects` are pools and advertisements that are applied:
    one that is there by that name is replaced, others stay.
    """

    removed: frozenset[str] = frozenset()
    speakerless: frozenset[str] = frozenset()
    drained: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    objects: tuple[Json, ...] = ()

    @property
    def nodes(self) -> frozenset[str]:
        """Every node that it names."""
        return self.removed | self.speakerless | self.drained | self.excluded


@dataclass(frozen=True, kw_only=True)
class Consequence:
    """What would become of one service: `before` and `after` are nodes, or addresses where those would change."""

    service: str
    address: str
    fate: Fate
    before: str = ""
    after: str = ""
    because: str = ""


@dataclass(frozen=True, kw_only=True)
class Consequences:
    """What a proposal would do. `rejected` says why MetalLB would not accept the configuration; it keeps its own."""

    services: tuple[Consequence, ...]
    rejected: tuple[str, ...] = ()

    @property
    def harmful(self) -> bool:
        """Whether an address would be lost, replaced, or left without an announcer."""
        return any(each.fate in HARM for each in self.services)

    def of(self, fate: Fate) -> tuple[Consequence, ...]:
        """Those of one fate, in the order of their services."""
        return tuple(each for each in self.services if each.fate is fate)


def of_proposal(diagnosis: Diagnosis, proposal: Proposal) -> Consequences:
    """What would become of each address that MetalLB's services hold now."""
    after = Diagnosis(edited(diagnosis.snapshot, proposal))
    already = {root.summary for root in configuration_faults.refused(diagnosis.facts)}
    rejected = tuple(
        root.summary for root in configuration_faults.refused(after.facts) if root.summary not in already
    )
    if rejected:
        return Consequences(services=(), rejected=rejected)
    lost = {each.service: each for each in _reassigned(diagnosis.facts, after.facts)}
    announced = {**diagnosis.facts.layer2, **after.facts.layer2}
    moved = {key: _announcer(key, diagnosis, after) for key in announced if key not in lost}
    return Consequences(services=tuple(each for _, each in sorted((lost | moved).items())))


def _announcer(key: str, before: Diagnosis, after: Diagnosis) -> Consequence:
    now, then = _owner(before, key), _owner(after, key)
    fate, because = Fate.STAYS, ""
    if now and not then:
        fate, because = Fate.SILENT, _nobody(after, key)
    elif then and not now:
        fate = Fate.ANNOUNCED
    elif now != then:
        fate = Fate.MOVES
    service = before.facts.services[key]
    return Consequence(
        service=key, address=str(service.ingress[0]), fate=fate, before=now, after=then, because=because
    )


def _owner(diagnosis: Diagnosis, key: str) -> str:
    service = diagnosis.facts.layer2.get(key)
    return (diagnosis.announcers.elected(service) or "") if service else ""


def _nobody(after: Diagnosis, key: str) -> str:
    facts = after.facts
    found = election.predict_announcer(facts.services[key], facts.endpoints.get(key, ()), facts.scene)
    return found.reason.text if found.reason else ""


def _reassigned(before: Facts, after: Facts) -> Iterable[Consequence]:
    """The services that would lose their address, or get another one, served one after the other by name."""
    world = after.world
    for key, service in sorted(after.addressed.items()):
        found = predict_allocation(service, world)
        if (
            found.outcome is Outcome.KEPT
            or predict_allocation(service, before.world).outcome is not Outcome.KEPT
        ):
            continue
        fate = Fate.LOST if found.outcome is Outcome.REFUSED else Fate.REPLACED
        world = _with(world, replace(service, ingress=found.addresses))
        yield Consequence(
            service=key,
            address=", ".join(map(str, service.ingress)),
            fate=fate,
            before=", ".join(map(str, service.ingress)),
            after=", ".join(map(str, found.addresses)) or _one_of(found.pools),
            because=found.reason.text if found.reason else "",
        )


def _one_of(pools: tuple[str, ...]) -> str:
    return f"one of pool {' or '.join(pools)}" if pools else ""


def _with(world: World, changed: Service) -> World:
    others = tuple(each for each in world.services if each.key != changed.key)
    return replace(world, services=(*others, changed))


def edited(snapshot: Snapshot, proposal: Proposal) -> Snapshot:
    """The observation as it would be; what was heard on the wire is left out, as it is of the cluster that is."""
    without_speaker = proposal.removed | proposal.speakerless
    without_endpoints = proposal.removed | proposal.drained
    lists: dict[str, Any] = {
        "nodes": _each(snapshot.nodes, lambda node: _node(node, proposal)),
        "pods": _each(snapshot.pods, lambda pod: _pod(pod, proposal.removed, without_speaker)),
        "endpoint_slices": _each(snapshot.endpoint_slices, lambda one: _slice(one, without_endpoints)),
    }
    for kind, field in LISTS.items():
        proposed = [one for one in proposal.objects if one.get("kind") == kind]
        if proposed:
            lists[field] = _applied(getattr(snapshot, field), proposed)
    return replace(snapshot, **lists)


def _each(objects: Objects, change: Callable[[Json], Json | None]) -> Objects:
    return replace(objects, items=tuple(kept for one in objects.items if (kept := change(one)) is not None))


def _node(node: Json, proposal: Proposal) -> Json | None:
    name = node["metadata"]["name"]
    if name in proposal.removed:
        return None
    if name not in proposal.excluded | proposal.drained:
        return node
    node = deepcopy(node)
    if name in proposal.excluded:
        node["metadata"]["labels"] = {**(node["metadata"].get("labels") or {}), EXCLUDE_LABEL: ""}
    if name in proposal.drained:
        node["spec"] = {**(node.get("spec") or {}), "unschedulable": True}
    return node


def _pod(pod: Json, removed: frozenset[str], without_speaker: frozenset[str]) -> Json | None:
    node = (pod.get("spec") or {}).get("nodeName", "")
    owned = {each.get("kind") for each in pod["metadata"].get("ownerReferences") or ()}
    gone = node in removed or (node in without_speaker and "DaemonSet" in owned)
    return None if gone else pod


def _slice(found: Json, without_endpoints: frozenset[str]) -> Json:
    endpoints = found.get("endpoints") or ()
    kept = [each for each in endpoints if each.get("nodeName") not in without_endpoints]
    return found if len(kept) == len(endpoints) else {**found, "endpoints": kept}


def _applied(objects: Objects, proposed: Iterable[Json]) -> Objects:
    named = {one["metadata"]["name"]: one for one in objects.items}
    named |= {one["metadata"]["name"]: one for one in proposed}
    return replace(objects, items=tuple(one for _, one in sorted(named.items())))
