"""Which node announces a service's addresses in layer 2, and why each other node does not.

Source: `ShouldAnnounce`, `speakersForAds` (0.15.2: `speakersForPool`), `nodesWithEndpoint` and
`sortL2Candidates` in speaker/layer2_controller.go. The rule is one for 0.15.0 and newer, where 0.16.0 adds
serviceSelectors, and 0.16.2 preferred nodes and the refusal of shared addresses with serviceSelectors.

There is no memory in it: who wins depends on who takes part now. Removing a loser moves nothing, a new node
may win at once, and an address goes back as soon as its first owner is back. A service's first address alone
decides for all of its addresses, in both versions: a dual-stack service is never announced by two nodes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from packaging.version import Version

from clusters.cause_ids import CauseId
from clusters.metallb import advertisements as ads
from clusters.metallb.advertisements import Advertisement
from clusters.metallb.nodes import EXCLUDE_LABEL, Endpoint, Node
from clusters.metallb.pools import Pool, containing
from clusters.metallb.ranges import Address
from clusters.metallb.reasons import Reason
from clusters.metallb.services import Service
from clusters.metallb.versions import Feature, supports
from clusters.subject import Subject


@dataclass(frozen=True)
class Speakers:
    """Which nodes' speakers see each other.

    `members` are node names as memberlist has them: a speaker that runs but is cut off is not one. With
    memberlist off every node counts, whether it runs a speaker or not.
    """

    members: frozenset[str] = frozenset()
    memberlist: bool = True
    ignore_exclude_label: bool = False


@dataclass(frozen=True)
class Scene:
    """What the speakers know: all they need to elect an announcer for any service."""

    pools: tuple[Pool, ...]
    advertisements: tuple[Advertisement, ...]
    nodes: tuple[Node, ...]
    speakers: Speakers
    version: Version


@dataclass(frozen=True)
class Prediction:
    """Who announces. `candidates` is in order of election; `owner` is its first, None if empty.

    `excluded` has every other node with the reason that keeps it out; a reason without a cause is by design.
    `reason` says why nobody announces, and is None if somebody does.
    """

    owner: str | None
    candidates: tuple[str, ...] = ()
    excluded: Mapping[str, Reason] = field(default_factory=dict)
    reason: Reason | None = None
    advertisements: tuple[Advertisement, ...] = ()


def digest(node: str, address: Address) -> bytes:
    """What a node brings to the election for an address: the SHA-256 of "node#address"."""
    return sha256(f"{node}#{address}".encode()).digest()


def order(nodes: Iterable[str], address: Address, scores: Mapping[str, int] | None = None) -> tuple[str, ...]:
    """The nodes in order of election: the highest preference first, then the smallest digest."""
    preferred = scores or {}
    return tuple(sorted(nodes, key=lambda node: (-preferred.get(node, 0), digest(node, address))))


class Ballot:
    """The election of one set of nodes, none of which is preferred, for many addresses."""

    def __init__(self, nodes: Iterable[str]) -> None:
        self._nodes = tuple(nodes)
        # What is hashed begins with the node for every address: that part is taken in once, and copied.
        self._copies = [sha256(f"{node}#".encode()).copy for node in self._nodes]

    def first(self, address: Address) -> str:
        """The first of `order` for an address. Raises ValueError where there are no nodes."""
        # Thousands of addresses and hundreds of nodes make a million digests: this is as short as it gets.
        rest = str(address).encode()
        digests = []
        for copy in self._copies:
            hashed = copy()
            hashed.update(rest)
            digests.append(hashed.digest())
        return self._nodes[digests.index(min(digests))]


def predict_announcer(service: Service, endpoints: Collection[Endpoint], scene: Scene) -> Prediction:
    """Who announces the service's addresses, given its endpoints and what the speakers know."""
    chosen = advertised_by(service, scene)
    unservable = no_endpoint(service, endpoints)
    if isinstance(chosen, Reason) or unservable:
        return Prediction(None, reason=chosen if isinstance(chosen, Reason) else unservable)
    excluded = _excluded(service, chosen, endpoints, scene)
    names = {node.name for node in scene.nodes} | _participants(scene)
    wanting = ads.scores(chosen, scene.nodes) if supports(scene.version, Feature.PREFERRED_NODES) else None
    candidates = order(names - excluded.keys(), service.ingress[0], wanting)
    if not candidates:
        return Prediction(None, (), excluded, _nobody(service, chosen, excluded), chosen)
    return Prediction(candidates[0], candidates, excluded, advertisements=chosen)


def no_endpoint(service: Service, endpoints: Collection[Endpoint]) -> Reason | None:
    """Why no node may announce the service for want of endpoints, or None if one of them may serve."""
    if any(each.servable for each in endpoints):
        return None
    if not endpoints:
        return Reason(CauseId.NO_ENDPOINTS, f"Service {service.key} has no endpoints.")
    text = f"None of the {len(endpoints)} endpoints of service {service.key} is ready."
    return Reason(CauseId.ENDPOINTS_UNREADY, text)


def advertised_by(service: Service, scene: Scene) -> tuple[Advertisement, ...] | Reason:
    """The advertisements that hold for the service's address, or why it is not advertised."""
    if not service.ingress:
        return Reason("", f"Service {service.key} has no address.")
    pool = containing(scene.pools, service.ingress)
    if pool is None:
        listed = ", ".join(str(each) for each in service.ingress)
        text = f"No pool holds {listed}, the address of service {service.key}."
        return Reason(CauseId.REQUESTED_OUTSIDE_POOLS, text, Subject.service(service.key))
    covering = ads.covering(pool, scene.advertisements)
    if not covering:
        text = f"Pool {pool.name} is covered by no L2Advertisement."
        return Reason(CauseId.POOL_NOT_ADVERTISED, text, Subject.pool(pool.name))
    if not supports(scene.version, Feature.SERVICE_SELECTORS):
        return covering
    return _selecting(service, covering, scene.version)


def _selecting(
    service: Service, covering: tuple[Advertisement, ...], version: Version
) -> tuple[Advertisement, ...] | Reason:
    chosen = tuple(each for each in covering if each.applies_to(service))
    if not chosen:
        names = ", ".join(each.name for each in covering)
        text = f"No L2Advertisement of the pool ({names}) selects service {service.key}."
        return Reason(CauseId.ADVERTISEMENT_SELECTS_NOTHING, text, Subject.service(service.key))
    refuses = supports(version, Feature.SHARED_WITH_SELECTORS_REFUSED)
    if refuses and service.shares and any(each.service_selectors for each in chosen):
        text = (
            f"Service {service.key} shares its address, and an L2Advertisement for it has serviceSelectors; "
            "MetalLB announces nothing then."
        )
        return Reason(CauseId.SHARING_REFUSED, text, Subject.service(service.key))
    return chosen


def _participants(scene: Scene) -> frozenset[str]:
    if scene.speakers.memberlist:
        return scene.speakers.members
    return frozenset(node.name for node in scene.nodes)


def _excluded(
    service: Service, chosen: tuple[Advertisement, ...], endpoints: Collection[Endpoint], scene: Scene
) -> dict[str, Reason]:
    known = {node.name: node for node in scene.nodes}
    taking_part = _participants(scene)
    serving = {each.node for each in endpoints if each.servable}
    result = {}
    for name in sorted(known.keys() | taking_part):
        reason = (
            _not_allowed(name, known, chosen)
            or _no_speaker(name, taking_part)
            or _withheld(known[name], scene)
            or _nothing_local(name, service, serving)
        )
        if reason:
            result[name] = reason
    return result


def _not_allowed(name: str, known: Mapping[str, Node], chosen: tuple[Advertisement, ...]) -> Reason | None:
    # A speaker whose node object is gone is not in any advertisement's set of nodes either.
    if name in known and any(each.allows(known[name]) for each in chosen):
        return None
    return Reason("", f"No L2Advertisement for the service allows node {name}.", Subject.node(name))


def _no_speaker(name: str, taking_part: frozenset[str]) -> Reason | None:
    if name in taking_part:
        return None
    return Reason(
        CauseId.SPEAKER_MISSING_ON_NODE,
        f"Node {name} has no speaker that takes part in the election.",
        Subject.node(name),
    )


def _withheld(node: Node, scene: Scene) -> Reason | None:
    if node.network_unavailable:
        text = f"Node {node.name} has the condition NetworkUnavailable."
        return Reason(CauseId.NODE_NETWORK_UNAVAILABLE, text, Subject.node(node.name))
    honoured = supports(scene.version, Feature.EXCLUDE_LABEL) and not scene.speakers.ignore_exclude_label
    if node.excluded and honoured:
        return Reason(
            CauseId.NODE_EXCLUDED, f"Node {node.name} has the label {EXCLUDE_LABEL}.", Subject.node(node.name)
        )
    if node.unschedulable and supports(scene.version, Feature.CORDON_MOVES):
        return Reason("", f"Node {node.name} is cordoned.", Subject.node(node.name))
    return None


def _nothing_local(name: str, service: Service, serving: Collection[str | None]) -> Reason | None:
    if not service.local_policy or name in serving:
        return None
    text = f"Node {name} has no ready endpoint, and externalTrafficPolicy is Local."
    return Reason(CauseId.LOCAL_POLICY_NO_ENDPOINT_ON_ANNOUNCER, text, Subject.node(name))


_WORST_FIRST = (
    CauseId.LOCAL_POLICY_NO_ENDPOINT_ON_ANNOUNCER,
    CauseId.NODE_NETWORK_UNAVAILABLE,
    CauseId.NODE_EXCLUDED,
    CauseId.SPEAKER_MISSING_ON_NODE,
)
"""Where every node is out, the reason of the node that came furthest is the one to fix."""


def _nobody(service: Service, chosen: tuple[Advertisement, ...], excluded: Mapping[str, Reason]) -> Reason:
    for cause in _WORST_FIRST:
        nodes = [name for name, reason in excluded.items() if reason.cause == cause]
        if nodes:
            text = f"No node may announce service {service.key}: {_because(cause, nodes)}."
            return Reason(cause, text, Subject.service(service.key))
    names = ", ".join(each.name for each in chosen)
    text = f"The L2Advertisements for service {service.key} ({names}) select no node."
    return Reason(CauseId.ADVERTISEMENT_SELECTS_NOTHING, text, Subject.service(service.key))


def _because(cause: str, nodes: list[str]) -> str:
    listed = ", ".join(nodes)
    match cause:
        case CauseId.LOCAL_POLICY_NO_ENDPOINT_ON_ANNOUNCER:
            return f"externalTrafficPolicy is Local and no ready endpoint is on {listed}"
        case CauseId.NODE_NETWORK_UNAVAILABLE:
            return f"NetworkUnavailable is set on {listed}"
        case CauseId.NODE_EXCLUDED:
            return f"the label {EXCLUDE_LABEL} is on {listed}"
        case _:
            return f"no speaker takes part in the election on {listed}"
