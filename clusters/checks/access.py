"""What a check asks of the API server: the permissions that it uses, as data that roles are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


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


READING = frozenset({"get", "list", "watch"})


def may(
    verbs: str, *resources: str, place: Place = Place.EVERYWHERE, names: Iterable[str] = ()
) -> tuple[Access, ...]:
    """Every one of `verbs` ("get list") on every resource."""
    return tuple(
        Access(resource=resource, verb=verb, place=place, names=tuple(names))
        for resource in resources
        for verb in verbs.split()
    )
