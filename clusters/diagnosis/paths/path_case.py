"""One service whose paths are read, and the forms of a reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clusters.checks import Candidate, LinkReading, Reading
from clusters.checks.causes import get
from clusters.checks.path_links import Link
from clusters.diagnosis.root_cause import RootCause
from clusters.subject import Subject

if TYPE_CHECKING:
    from clusters.diagnosis.diagnosis import Diagnosis
    from clusters.diagnosis.facts import Facts
    from clusters.metallb.services import Service
    from clusters.observation.snapshot import Reached


@dataclass(frozen=True)
class Case:
    """A service with one of its addresses and ports, and the roots that are known for it, by the link they break."""

    diagnosis: Diagnosis
    service: Service
    address: str
    port: int
    roots: Mapping[Link, RootCause]

    @classmethod
    def of(cls, diagnosis: Diagnosis, service: Service) -> Case:
        """The case of a service: by the first address and port that are in trouble, else by its first ones."""
        lost = diagnosis.facts.wire_index.unreached(service.key)
        tries = lost or diagnosis.facts.wire_index.reached.get(service.key, ())
        address = tries[0].address if tries else str(service.ingress[0]) if service.ingress else ""
        return cls(diagnosis, service, address, tries[0].port if tries else 0, _roots(diagnosis, service))

    @property
    def facts(self) -> Facts:
        """What the observation says."""
        return self.diagnosis.facts

    @property
    def announcer(self) -> str:
        """The one node that replies for the address, else the elected one; empty where neither is known."""
        return self.diagnosis.responders.replying(self.service, self.address)

    @property
    def tries(self) -> tuple[Reached, ...]:
        """The tries at the ports of this address."""
        found = self.facts.wire_index.reached.get(self.service.key, ())
        return tuple(one for one in found if one.address == self.address)

    @property
    def layer2(self) -> bool:
        """Whether the address is meant to be answered for by ARP or NDP."""
        return self.service.key in self.facts.layer2


def _roots(diagnosis: Diagnosis, service: Service) -> Mapping[Link, RootCause]:
    """What is known to be wrong with a service, by link; of several roots of one link the first that was found."""
    found: dict[Link, RootCause] = {}
    for explained in diagnosis.explanations(service.key):
        _add(found, explained.root)
    for root in diagnosis.known_causes:
        if root.subject == Subject.service(service.key):
            _add(found, root)
    return found


def _add(found: dict[Link, RootCause], root: RootCause) -> None:
    link = get(root.cause).link
    if link is not None:
        found.setdefault(link, root)


Read = Callable[[Case], LinkReading]


def ok(link: Link, *proof: str) -> LinkReading:
    """The link holds, by this proof."""
    return LinkReading(link=link, reading=Reading.OK, proof=proof)


def unknown(link: Link, *why: str, candidates: tuple[Candidate, ...] = ()) -> LinkReading:
    """Nothing that was read decides."""
    return LinkReading(link=link, reading=Reading.UNKNOWN, proof=why, candidates=candidates)


def not_applicable(link: Link, why: str) -> LinkReading:
    """The service does not need this link."""
    return LinkReading(link=link, reading=Reading.NOT_APPLICABLE, proof=(why,))


def broken(link: Link, root: RootCause) -> LinkReading:
    """The link is broken by a root; one that is not proved at this link leaves it open, with its candidates."""
    proof = tuple(dict.fromkeys((root.summary, *root.evidence)))
    if not root.proved:
        return unknown(link, *proof, candidates=root.candidates)
    return LinkReading(
        link=link, reading=Reading.BROKEN, proof=proof, cause=root.cause, candidates=root.candidates
    )
