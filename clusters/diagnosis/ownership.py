"""Whether the sources agree on who announces an address: the election, the status, the metric, the wire.

Only a source that names somebody can disagree. A ServiceL2Status may be gone for over a minute after its
speaker's pod was deleted while the address keeps answering (measured with 0.15.2): its absence says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from clusters.diagnosis.announcing import Announcing
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.roots import Explanation, Root
from clusters.diagnosis.telling import fields
from clusters.metallb.services import Service
from clusters.observation.snapshot import Heard

_SPLITTING = ("memberlist-key-mismatch", "memberlist-partition", "api-unreachable", "strict-arp-off")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Whom each source names as the announcer of a service's first address; empty where it names nobody."""

    election: frozenset[str]
    status: frozenset[str]
    metric: frozenset[str]
    wire: frozenset[str]

    @property
    def agree(self) -> bool:
        """Whether all that name somebody name the same one node."""
        named = [each for each in (self.election, self.status, self.metric, self.wire) if each]
        return all(each == named[0] for each in named) and all(len(each) == 1 for each in named)

    def __str__(self) -> str:
        told = (
            ("election", self.election),
            ("ServiceL2Status", self.status),
            ("metric", self.metric),
            ("wire", self.wire),
        )
        return ", ".join(f"{name}: {' and '.join(sorted(nodes)) or 'nobody'}" for name, nodes in told)


def sources(facts: Facts, announcing: Announcing, service: Service) -> Sources:
    """What each source says of one service."""
    address = str(service.ingress[0])
    owner = announcing.owner(service)
    return Sources(
        election=frozenset({owner} if owner else ()),
        status=facts.stated.get(service.key, frozenset()),
        metric=facts.saying.announced.get(address, frozenset()),
        wire=frozenset(facts.hearing.owners(address) or ()),
    )


def disagreements(
    facts: Facts, announcing: Announcing, ground: Mapping[str, tuple[Root, ...]]
) -> Iterator[tuple[str, Explanation]]:
    """The services on whose announcer the sources do not agree."""
    for key, service in facts.layer2.items():
        claims = facts.stated.get(key) or facts.saying.announced.get(str(service.ingress[0]))
        if not claims and not facts.hearing.owners(str(service.ingress[0])):
            continue  # nothing to compare the election with
        found = sources(facts, announcing, service)
        if found.agree:
            continue
        named = found.election | found.status | found.metric | found.wire
        own = Root(
            cause="owner-disagreement",
            subject=f"service {key}",
            summary=f"The sources name different announcers of {service.ingress[0]}: {found}.",
            evidence=(str(found),),
            fields=fields(
                facts, namespace=service.namespace, service=service.name, address=str(service.ingress[0])
            ),
        )
        root = _split(ground, named) or own
        yield (
            key,
            Explanation(root=root, subject=f"service {key}", summary=own.summary, evidence=own.evidence),
        )


def _split(ground: Mapping[str, tuple[Root, ...]], named: frozenset[str]) -> Root | None:
    for cause in _SPLITTING:
        for root in ground.get(cause, ()):
            if root.subject == "cluster" or root.subject.removeprefix("node ") in named:
                return root
    return None


def squatters(facts: Facts, ground: Mapping[str, tuple[Root, ...]]) -> Iterator[Root]:
    """Free addresses of pools for which somebody answers."""
    for heard in facts.hearing.free if facts.hearing.asked else ():
        if heard.macs:
            yield _squatter(facts, heard, ground)


def _squatter(facts: Facts, heard: Heard, ground: Mapping[str, tuple[Root, ...]]) -> Root:
    owners = facts.hearing.named(heard.macs)
    for root in ground.get("api-unreachable", ()):
        if root.subject.removeprefix("node ") in owners:
            return root  # a speaker that does not see that the address was given back goes on announcing it
    who = ", ".join(
        f"node {each}" if not each.startswith("?") else f"a machine with MAC {each[1:]}" for each in owners
    )
    return Root(
        cause="foreign-responder",
        subject=f"pool {heard.pool}",
        summary=f"{who} answers for {heard.address}, which pool {heard.pool} could give away.",
        evidence=(f"asked for {heard.address}, heard {', '.join(heard.macs)}",),
        home="traffic.no-squatter",
        fields=fields(facts, pool=heard.pool, address=heard.address),
    )
