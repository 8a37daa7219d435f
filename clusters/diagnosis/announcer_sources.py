"""Whether the sources agree on who announces an address: the election, the status, the metric, the wire.

Only a source that names somebody can disagree. A ServiceL2Status may be gone for over a minute after its
speaker's pod was deleted while the address keeps answering (measured with 0.15.2): its absence says nothing.
One that names a node without a working speaker is left over, as only that speaker takes it away. And before
0.16.0 a status stays with the node that wrote it first, because its field may not be changed afterwards
(https://github.com/metallb/metallb/issues/2626, mended by pull request 2938): there, alone against all others,
it is noted and not believed.

A speaker denies an address only where its metrics were read and do not name it. From 0.16.0 unread metrics are the
ordinary case, and what was not read never counts as a denial.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes import Effect, having
from clusters.diagnosis import pool_ranges, pool_usage
from clusters.diagnosis.announcer_election import Announcers
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import Explanation, KnownCauses, RootCause
from clusters.diagnosis.wire_index import Responder
from clusters.metallb import services, versions
from clusters.metallb.ranges import parse_address
from clusters.metallb.services import Service
from clusters.metallb.versions import Feature
from clusters.observation.snapshot import Heard
from clusters.subject import CLUSTER, Subject

METRIC = "metallb_speaker_announced"
_ONE_HEARD = (
    "the vantage's kernel knows only one host for an address: the other nodes may answer as well, as with an address "
    "on a loopback interface (strict-arp-off)"
)


class Claim(StrEnum):
    """What is known of one node and one address."""

    CLAIMED = "claimed"
    DENIED = "denied"
    NOT_READ = "not read"


def claim_of(facts: Facts, node: str, address: str) -> Claim:
    """What the speaker of a node says of an address. Where no speaker runs, nobody announces."""
    if node in facts.signals.announced.get(address, ()):
        return Claim.CLAIMED
    absent = node not in facts.components.speakers and facts.snapshot.pods.ok
    return Claim.DENIED if absent or node in facts.speakers_read else Claim.NOT_READ


def unread_claims(facts: Facts, nodes: Iterable[str], address: str) -> tuple[str, ...]:
    """Those of the nodes whose speaker's word on an address is not known."""
    return tuple(node for node in nodes if claim_of(facts, node, address) is Claim.NOT_READ)


def describe_claims(facts: Facts, address: str) -> str:
    """Who says that he announces an address, and of whom it was not read."""
    nodes, speakers = sorted(facts.signals.announced.get(address, ())), sorted(facts.components.speakers)
    silent = unread_claims(facts, speakers, address)
    told = [", ".join(nodes)] if nodes else [] if silent else ["on no node"]
    told += (
        ["not read" if len(silent) == len(speakers) else f"not read on {', '.join(silent)}"] if silent else []
    )
    return f"{METRIC} for {address}: {'; '.join(told)}"


@dataclass(frozen=True, kw_only=True)
class AnnouncerSources:
    """Whom each source names as the announcer of a service's first address; empty where it names nobody.

    `unread` are the sources, by their field, of which not all was read: naming nobody, they say nothing.
    """

    election: frozenset[str]
    status: frozenset[str]
    metric: frozenset[str]
    wire: frozenset[str]
    unread: frozenset[str] = frozenset()

    @property
    def agree(self) -> bool:
        """Whether all that name somebody name the same one node."""
        named = [each for each in (self.election, self.status, self.metric, self.wire) if each]
        return all(each == named[0] for each in named) and all(len(each) == 1 for each in named)

    @property
    def only_status_dissents(self) -> bool:
        """Whether all but the ServiceL2Status agree."""
        return not self.agree and replace(self, status=frozenset()).agree

    def __str__(self) -> str:
        told = (
            ("election", "election"),
            ("ServiceL2Status", "status"),
            ("metric", "metric"),
            ("wire", "wire"),
        )
        return ", ".join(f"{name}: {self._said(field)}" for name, field in told)

    def _said(self, field: str) -> str:
        named = " and ".join(sorted(getattr(self, field)))
        return named or ("not read" if field in self.unread else "nobody")


def sources(facts: Facts, announcers: Announcers, service: Service) -> AnnouncerSources:
    """What each source says of one service."""
    address = str(service.ingress[0])
    owner, heard = announcers.elected(service), facts.wire_index.responders(address)
    unread = {
        "status": not facts.snapshot.service_l2_statuses.known,
        "metric": facts.speakers_read != set(facts.components.speakers),
        "wire": heard is None,
    }
    return AnnouncerSources(
        election=frozenset({owner} if owner else ()),
        status=facts.stated.get(service.key, frozenset()) & facts.members,
        metric=facts.signals.announced.get(address, frozenset()),
        wire=frozenset(map(str, heard or ())),
        unread=frozenset(field for field, whether in unread.items() if whether),
    )


def _status_sticks(facts: Facts) -> bool:
    """Whether this MetalLB leaves a ServiceL2Status with the node that wrote it first."""
    return bool(versions.supports(facts.components.version, Feature.STATUS_STAYS))


def disputed(facts: Facts, announcers: Announcers) -> Iterator[tuple[str, AnnouncerSources]]:
    """What the sources say of each service on whose announcer they do not agree."""
    for key, service in facts.layer2.items():
        claims = (facts.stated.get(key, frozenset()) & facts.members) or facts.signals.announced.get(
            str(service.ingress[0])
        )
        if not claims and not facts.wire_index.responders(str(service.ingress[0])):
            continue  # nothing to compare the election with
        found = sources(facts, announcers, service)
        if not found.agree:
            yield key, found


def left_over(facts: Facts, disputes: Mapping[str, AnnouncerSources]) -> Iterator[str]:
    """Sentences on statuses that still name another node than the one that announces."""
    for key, found in disputes.items() if _status_sticks(facts) else ():
        if found.only_status_dissents:
            yield f"service {key}: the ServiceL2Status still names another node, as it does before 0.16.0: {found}"


def disagreements(
    facts: Facts, disputes: Mapping[str, AnnouncerSources], known: KnownCauses
) -> Iterator[tuple[str, Explanation]]:
    """The services on whose announcer the sources do not agree, but for a status that was left over."""
    for key, found in disputes.items():
        if found.only_status_dissents and _status_sticks(facts):
            continue
        service = facts.layer2[key]
        address = str(service.ingress[0])
        if _several_untold(facts, address):
            continue  # of two there is no one to agree on, whoever they are
        named = found.election | found.status | found.metric | found.wire
        own = RootCause(
            cause=CauseId.OWNER_DISAGREEMENT,
            subject=Subject.service(key),
            summary=f"Election, ServiceL2Status, metric and ARP disagree on who announces {address}: {found}.",
            evidence=(str(found),),
            fields=facts.command_fields(namespace=service.namespace, service=service.name, address=address),
        )
        if facts.wire_index.wire.by_kernel and found.wire:
            own = replace(own, evidence=(*own.evidence, _ONE_HEARD))
        root = _split(known, named) or own
        yield (
            key,
            Explanation(root=root, subject=Subject.service(key), summary=own.summary, evidence=own.evidence),
        )


def _several_untold(facts: Facts, address: str) -> bool:
    """Whether several reply for an address of whom it cannot be told which node each is."""
    heard = facts.wire_index.assigned.get(address)
    return heard is not None and len(heard.macs) > 1 and facts.wire_index.responders(address) is None


def _split(known: KnownCauses, named: frozenset[str]) -> RootCause | None:
    for cause in having(Effect.SPLITS):
        for root in known.get(cause, ()):
            if root.subject.kind == "cluster" or root.subject.is_node_of(named):
                return root
    return None


def unexpected_responders(facts: Facts, known: KnownCauses) -> Iterator[RootCause]:
    """Free addresses of pools for which somebody answers."""
    for heard in facts.wire_index.free if facts.wire_index.asked else ():
        if heard.macs:
            yield _unexpected_responder(facts, heard, known)
        elif proxies := facts.wire_index.proxies(heard.address):
            yield answered_for_others(facts, heard.address, proxies)


def answered_for_others(facts: Facts, address: str, proxies: tuple[Responder, ...]) -> RootCause:
    """Somebody replies for an address that is not its own: once for all addresses that it replies for."""
    wire = facts.wire_index
    known = {one.mac: wire.router(one.mac) for one in proxies if one.mac}
    who = " and ".join(
        f"router {known[one.mac]} (MAC {one.mac})" if known.get(one.mac) else one.named for one in proxies
    )
    every = sorted(
        {one.address for one in wire.wire.heard if set(wire.behind(one.by_proxy)) & set(proxies)},
        key=parse_address,
    )
    some = ", ".join(every[:3]) + (f" and {len(every) - 3} more addresses" if len(every) > 3 else "")
    return RootCause(
        cause=CauseId.PROXY_ARP,
        subject=CLUSTER if len(proxies) > 1 or not proxies[0].node else Subject.node(proxies[0].node),
        summary=f"By proxy ARP {who} replies for {some}, as well as or instead of the node that announces.",
        evidence=(
            f"it replied to a question of the vantage's own address, and to none without a sender's address: {address}",
        ),
        fields=facts.command_fields(address=address),
    )


def _restless(facts: Facts, pool: str, known: KnownCauses) -> RootCause | None:
    """The root of a service that is given and loses addresses of a pool without end, by itself or by a rival."""
    roots = (*known.get(CauseId.FAMILY_UNAVAILABLE, ()), *known.get(CauseId.RIVAL_CONTROLLER, ()))
    for root in roots:
        service = facts.services.get(root.subject.key)
        never = root.cause == CauseId.RIVAL_CONTROLLER or (service and pool_usage.prefers_in_vain(service))
        if service is None or not never:
            continue
        held = {found.name for each in service.ingress if (found := facts.pool_of(each))}
        if pool in {*held, services.request(service).pool, service.annotation(services.ALLOCATED_FROM)}:
            return root
    return None


def _unexpected_responder(facts: Facts, heard: Heard, known: KnownCauses) -> RootCause:
    replying = facts.wire_index.behind(heard.macs)
    nodes = {each.node for each in replying}
    for root in known.get(CauseId.API_UNREACHABLE, ()):
        if root.subject.is_node_of(nodes):
            return root  # a speaker that does not see that the address was given back goes on announcing it
    if all(nodes) and (unsettled := _restless(facts, heard.pool, known)):
        return unsettled  # an address that was just taken away again is still announced for a moment
    for root in known.get(CauseId.POOL_HOLDS_GATEWAY_ADDRESS, ()):
        if root.subject == Subject.pool(heard.pool) and parse_address(heard.address) in pool_ranges.gateways(
            facts
        ):
            return root  # no stranger: the gateway answers for its own address
    who = ", ".join(each.named for each in replying)
    return RootCause(
        cause=CauseId.FOREIGN_RESPONDER,
        subject=Subject.pool(heard.pool),
        summary=f"ARP for {heard.address}, a free address of pool {heard.pool}, is answered by {who}.",
        evidence=(f"ARP replies for {heard.address} from {', '.join(heard.macs)}",),
        reporter=CheckId.TRAFFIC_NO_SQUATTER,
        fields=facts.command_fields(pool=heard.pool, address=heard.address),
    )
