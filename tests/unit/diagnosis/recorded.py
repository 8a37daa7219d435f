"""What was recorded of a lab in trouble, and what has to come of it: as the catalogue of faults says.

A recording names a fault of the catalogue, or one of its own that is made nowhere else. From the fault come the cause,
the checks that name it and what is said in sum; `observations/references.json` has the checks that only refer to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from clusters.observation import Snapshot, load
from tests.faults.catalogue import FAULTS
from tests.faults.catalogue_fault import ALL_BY_CONFIGURATION, ALL_BY_NETWORK, ONE_POOL, Also, Fault

FOLDER = Path(__file__).parent / "observations"
#: Recording, check and the subjects with which it refers to the check that reports the cause.
REFERENCES: Mapping[str, Mapping[str, list[str]]] = json.loads((FOLDER / "references.json").read_text())
LATE, WEB, LOCAL = "service shop/late", "service shop/web", "service shop/web-local"
EDGE, POOL, ADVERTISEMENT = "service traefik/traefik", "pool metallb-pool", "advertisement metallb-l2"
ALL = (WEB, LOCAL, EDGE)
#: What the catalogue makes its faults of, and what they were recorded of.
USUAL = {
    "service shop/open": (LATE,),
    "service shop/waiting": (LATE,),
    "service .*": ALL,
    "pool edge": (POOL,),
    "advertisement edge": (ADVERTISEMENT,),
    "advertisement strays": (ADVERTISEMENT,),
    "node node2": ("node node3",),
    "node .*": ("node node3",),
    "cluster|service traefik/traefik": ("cluster",),
    ".*": ("deployment controller",),
}
HEALTHY = (
    "healthy",
    "foreign-class",
    "one-node-excluded",
    "shared-address",
    "speaker-limited",
    "stale-status",
)


@dataclass(frozen=True)
class Recorded:
    """One recording: its fault, the subjects that it had where they are not the usual ones, and what refers."""

    fault: Fault
    instead: Mapping[str, tuple[str, ...]]
    references: Mapping[str, list[str]]
    also: tuple[Also, ...] = ()

    @property
    def shows(self) -> dict[str, list[str]]:
        """The checks that must name the cause, and with which subjects."""
        called = {**USUAL, **self.instead}
        return {check: list(called.get(subject, (subject,))) for check, subject in self.fault.shows.items()}

    @property
    def home(self) -> str:
        """The one check that reports the cause: the others refer to it."""
        (home,) = set(self.shows) - set(self.references)
        return home

    @property
    def findings(self) -> dict[str, list[list[str]]]:
        """Every finding of every check: cause, subject, and the check that reports it where that is another."""
        cause = self.fault.cause
        found = {self.home: [[cause, subject, ""] for subject in self.shows[self.home]]}
        for check, subjects in self.references.items():
            found[check] = [[cause, subject, self.home] for subject in subjects]
        return found | {each.check: [[each.cause, each.subject, ""]] for each in self.also}


def _of(
    recording: str,
    fault: str | Fault,
    instead: Mapping[str, tuple[str, ...]] | None = None,
    also: tuple[Also, ...] = (),
) -> tuple[str, Recorded]:
    if isinstance(fault, str):
        (fault,) = (each for each in FAULTS if each.name == fault)
    return recording, Recorded(fault, instead or {}, REFERENCES.get(recording, {}), also)


#: Made for the recording alone.
_NO_NODE_LEFT = Fault(
    name="every node is labelled out of load balancing",
    cause="node-excluded",
    says=ALL_BY_CONFIGURATION,
    shows={"traffic.speakers-placed": "cluster"},
)
_WRONG_LABELS = Fault(
    name="speakers look for each other by labels that none has",
    cause="memberlist-partition",
    says=ALL_BY_NETWORK,
    shows={"health.speaker-log": "cluster"},
)
_MOVED = Fault(
    name="an advertisement is moved to an interface that no node has; what was announced stays so",
    cause="advertisement-interface-missing",
    says=ONE_POOL,
    shows={"traffic.speakers-placed": ADVERTISEMENT},
)
_SECOND_POOL = Also(check="health.config-present", cause="pool-not-advertised", subject="pool second")

#: What was done to the lab, by the name of its recording.
TROUBLE: Mapping[str, Recorded] = dict(
    (
        _of("advertisement-interface-missing", _MOVED),
        _of(
            "advertisement-selects-nothing",
            "an advertisement whose selector fits no node",
            {"service shop/open": ALL},
        ),
        _of("advertisement-unknown-pool", "an advertisement of a pool that does not exist"),
        _of("api-unreachable", "a node is refused by the API server"),
        _of("backend-refuses", "a target port that nobody listens on"),
        _of("class-mismatch", "a load-balancer class that nobody serves"),
        _of("controller-cpu-bound", "a CPU limit that the controller uses up"),
        _of("controller-crashing", "a controller with an argument that it does not know"),
        _of("controller-down", "the controller is scaled to nothing"),
        _of("deprecated-annotation", "an annotation under the old prefix"),
        _of(
            "endpoints-unready",
            "a service whose only pod is never ready",
            {"service shop/open": (WEB, LOCAL)},
        ),
        _of("family-unavailable", "an IPv6 address for an IPv4 service"),
        _of("foreign-responder-assigned", "a stranger answers for an assigned address"),
        _of("foreign-responder-free", "a stranger answers for a free address"),
        _of("kube-proxy-stale", "kube-proxy stands still"),
        _of(
            "local-policy",
            "local traffic policy, and no endpoint on the announcing node",
            {"service shop/open": (LOCAL,)},
        ),
        _of("memberlist-disabled", "speakers without memberlist"),
        _of("memberlist-key-mismatch", "one speaker has another memberlist key"),
        _of("memberlist-labels", _WRONG_LABELS),
        _of("memberlist-partition", "memberlist is cut off on one node"),
        _of("memberlist-secret-missing", "the memberlist secret is gone"),
        _of("no-endpoints", "a service that selects nothing"),
        _of("node-excluded", _NO_NODE_LEFT),
        _of("node-network-unavailable", "a node whose network is said to be unavailable"),
        _of("node-not-ready", "a kubelet that stands still"),
        _of("permission-missing", "the controller may not read services"),
        _of("pool-autoassign-off", "a pool that gives no address unasked"),
        _of("pool-exhausted", "a pool without a free address"),
        _of("pool-holds-node-address", "a pool with a node's address"),
        _of("pool-missing", "no pool at all"),
        _of("pool-missing-annotated", "a pool that does not exist"),
        _of("pool-not-advertised", "the advertisement is deleted"),
        _of(
            "pool-restricted",
            "a pool that is kept for another namespace",
            {"service shop/waiting": ("service default/late",)},
        ),
        _of("requested-outside-pools", "an address that no pool holds"),
        _of("requested-taken", "an address that another service holds"),
        _of("requested-twice", "two addresses, by field and by annotation"),
        _of("requested-wrong-pool", "an address of another pool than the one named"),
        _of(
            "rival-controller",
            "another load balancer that writes a service's address",
            {"service shop/open": (WEB,)},
        ),
        _of("sharing-refused", "one address under two sharing keys"),
        _of("speaker-crashing", "a speaker with an argument that it does not know"),
        _of("speaker-down", "a quota keeps a speaker from being made"),
        _of("speaker-refused", "a quota keeps a speaker from being made", {"node node3": ("node node2",)}),
        _of("speaker-unschedulable", "a taint keeps a speaker away"),
        _of("strict-arp-off", "an address on a loopback of every node"),
        _of("webhook-unreachable", "the API server does not reach the webhook"),
        _of("wrong-segment", "a pool on another network than the nodes", {"pool edge": ("pool away",)}),
    )
)
#: Two things were done at once.
TWICE: Mapping[str, Recorded] = dict(
    (
        _of(
            "pool-overlap",
            "two pools with a common address",
            {"pool (edge|metallb-pool)": (POOL,)},
            also=(_SECOND_POOL,),
        ),
    )
)


@cache
def observed(name: str) -> Snapshot:
    """A recording, with what the fault needs of the profile."""
    seen = load(FOLDER / f"{name}.json.gz")
    if name == "speaker-unschedulable":  # a taint is a fault where the profile expects the node to announce
        names = tuple(each["metadata"]["name"] for each in seen.nodes.items)
        return replace(seen, expectations=replace(seen.expectations, announcers=names))
    return seen
