"""A check's specification: what it promises, at which level, what it needs to be decided, and what it may do.

Permissions are data, from which roles are made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from clusters.cause_ids import CauseId

READING = frozenset({"get", "list", "watch"})
"""The verbs that change nothing."""

#: The lists of an observation, by their names, on which causes and checks rest.
POOLS, NODES, PODS, SERVICES = "ip_address_pools", "nodes", "pods", "services"
SLICES, DAEMON_SETS, ADVERTISEMENTS = "endpoint_slices", "daemon_sets", "l2_advertisements"
BGP_ADVERTISEMENTS, NAMESPACES, POLICIES = "bgp_advertisements", "namespaces", "network_policies"
#: What an election rests on.
ELECTION = (NODES, PODS, DAEMON_SETS, POOLS, ADVERTISEMENTS, SLICES)
#: What the answer to a service without address rests on, besides the services and the pools.
ALLOCATION = (NAMESPACES, "deployments", PODS)


class Level(StrEnum):
    """How much a check may do to a cluster; each level includes the ones before it."""

    OBSERVE = "observe"
    CREATE = "create"
    DISRUPT = "disrupt"

    @property
    def rank(self) -> int:
        """0 for observe, 1 for create, 2 for disrupt."""
        return list(Level).index(self)

    def allows(self, other: Level) -> bool:
        """Whether a run at this level may run a check of level `other`."""
        return other.rank <= self.rank


class Need(StrEnum):
    """What must be at hand for a check to be decided at all."""

    CLUSTER = "cluster"
    WIRE = "wire"
    REPOSITORY = "repository"
    #: A cluster, the repository, or both: each is judged as far as it is there.
    EITHER = "either"
    #: That the profile asks for pods to look from. Without that such a check is not run at all.
    POD = "pod"
    #: The version that an upgrade would go to. Without one such a check is not run at all.
    TARGET = "target"


@dataclass(frozen=True, kw_only=True)
class CheckSpec:
    """One check as its author declares it. `id` never changes its meaning.

    `promise` is the first line of the check's docstring. `runbook` holds section numbers ("2.1") or
    the section's name where the runbook gives no number ("Trigger"). `causes` are the cause ids that the
    check may name, `commands` the templates of what a person would type to see the same, `since` the MetalLB version
    below which the check is not supported ("" where there is none). `uses` are the permissions that it needs
    beyond those of the run's observation. `phases` are the phases of an upgrade that somebody else performs
    ("before", "during", "after") in which the check is decided by looking alone.
    """

    id: str
    title: str
    promise: str
    runbook: tuple[str, ...]
    level: Level
    needs: frozenset[Need] = frozenset({Need.CLUSTER})
    causes: tuple[CauseId, ...] = ()
    commands: tuple[str, ...] = ()
    uses: tuple[Access, ...] = ()
    since: str = ""
    measured: bool = False
    phases: tuple[str, ...] = ()


class Place(StrEnum):
    """Where a permission is used.

    WORKLOADS is the namespace in which a run makes its workloads and services. Where the run makes that namespace
    too, nobody knows its name before, and what is done in it is allowed everywhere or not at all.
    """

    EVERYWHERE = "everywhere"
    WORKLOADS = "workloads"
    METALLB = "metallb"
    KUBE_SYSTEM = "kube-system"
    NODE_LEASES = "kube-node-lease"


@dataclass(frozen=True, kw_only=True, order=True)
class Access:
    """One verb on one resource, as kubectl and roles name it ("pods", "pods/log", "ipaddresspools.metallb.io").

    A resource that begins with a slash is a path of a server and no object. `names` are the only objects that
    are meant, where that is known.
    """

    resource: str
    verb: str
    place: Place = Place.EVERYWHERE
    names: tuple[str, ...] = ()

    @property
    def is_path(self) -> bool:
        """Whether it is about a path ("/metrics") and no object."""
        return self.resource.startswith("/")

    @property
    def plural(self) -> str:
        """The resource without its group and subresource: "pods"."""
        return self.resource.partition("/")[0].partition(".")[0]

    @property
    def subresource(self) -> str:
        """What stands after the slash: "log"; "" where there is none."""
        return "" if self.is_path else self.resource.partition("/")[2]

    @property
    def group(self) -> str:
        """The API group: "metallb.io"; "" for the core."""
        return self.resource.partition("/")[0].partition(".")[2]

    @property
    def writes(self) -> bool:
        """Whether the verb changes something."""
        return self.verb not in READING

    def namespace(self, metallb: str, workloads: str = "") -> str:
        """The namespace where it is used, "" for all of them.

        `metallb` is MetalLB's; `workloads` is the one for a run's workloads, "" where each run makes one.
        """
        named = {Place.EVERYWHERE: "", Place.METALLB: metallb, Place.WORKLOADS: workloads}
        return named.get(self.place, str(self.place))

    def describe(self, metallb: str, workloads: str = "") -> str:
        """What the verb is about, as a sentence says it: "pods/log in namespace metallb-system"."""
        where = self.namespace(metallb, workloads)
        return f"{self.resource} in namespace {where}" if where else self.resource


def may(
    verbs: str, *resources: str, place: Place = Place.EVERYWHERE, names: Iterable[str] = ()
) -> tuple[Access, ...]:
    """Every one of `verbs` ("get list") on every resource."""
    return tuple(
        Access(resource=resource, verb=verb, place=place, names=tuple(names))
        for resource in resources
        for verb in verbs.split()
    )
