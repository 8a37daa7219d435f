"""Permissions: which ones a run uses, and which of them its login lacks, asked of the API server itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from clusters.api import Api, ApiError, Resource
from clusters.api import resources as res
from clusters.checks import Level
from clusters.preflight.found import Problem

_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Access:
    """One permission; `namespace` "" for all namespaces (or for what has none)."""

    verb: str
    resource: Resource
    namespace: str = ""
    subresource: str = ""

    @property
    def what(self) -> str:
        """What the verb is about: "pods/log in namespace metallb-system"."""
        name = f"{self.resource.qualified}/{self.subresource}".rstrip("/")
        return f"{name} in namespace {self.namespace}" if self.namespace else name


#: Every permission that a run uses, with the ids of the checks that use it; none for the run itself.
Needs = Mapping[Access, Sequence[str]]


def needs_of(level: Level, namespace: str) -> Needs:
    """What any run of a level uses, whatever checks are selected; `namespace` is MetalLB's."""
    needs = list(_observing(namespace))
    if level.allows(Level.CREATE):
        needs += _creating(namespace)
    if level.allows(Level.DISRUPT):
        needs += _disrupting(namespace)
    return dict.fromkeys(needs, ())


def _observing(namespace: str) -> Iterator[Access]:
    for resource in (res.SERVICES, res.PODS, res.NODES, res.EVENTS, res.ENDPOINT_SLICES, res.NAMESPACES):
        for verb in ("get", "list"):
            yield Access(verb=verb, resource=resource)
    for resource in (res.IP_ADDRESS_POOLS, res.L2_ADVERTISEMENTS, res.DEPLOYMENTS, res.DAEMON_SETS):
        yield Access(verb="list", resource=resource, namespace=namespace)
    yield Access(verb="get", resource=res.PODS, namespace=namespace, subresource="log")


def _creating(namespace: str) -> Iterator[Access]:
    for resource in (res.NAMESPACES, res.SERVICES, res.DEPLOYMENTS):
        for verb in ("create", "delete", "patch"):
            yield Access(verb=verb, resource=resource)
    # The run holds the cluster by a Lease, so that no second one changes it at the same time.
    for verb in ("get", "create", "delete", "patch"):
        yield Access(verb=verb, resource=res.LEASES, namespace=namespace)


def _disrupting(namespace: str) -> Iterator[Access]:
    yield Access(verb="patch", resource=res.NODES)
    yield Access(verb="delete", resource=res.PODS, namespace=namespace)
    for resource in (res.IP_ADDRESS_POOLS, res.L2_ADVERTISEMENTS):
        for verb in ("create", "delete", "patch"):
            yield Access(verb=verb, resource=resource, namespace=namespace)


def missing(api: Api, needs: Needs) -> list[Problem]:
    """One problem for each resource of which a permission is missing, or cannot be asked about."""
    listed = list(needs)
    with ThreadPoolExecutor(8, thread_name_prefix="preflight") as pool:
        answers = list(pool.map(lambda need: _answer(api, need), listed))
    lacking: dict[tuple[str, str], list[Access]] = {}
    for need, answer in zip(listed, answers, strict=True):
        if answer:
            lacking.setdefault((need.what, answer), []).append(need)
    return [_problem(answer, what, found, needs) for (what, answer), found in lacking.items()]


def _problem(answer: str, what: str, found: Sequence[Access], needs: Needs) -> Problem:
    verbs = ", ".join(need.verb for need in found)
    users = list(dict.fromkeys(check for need in found for check in needs[need]))
    more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
    wanted = f", which {', '.join(users[:_NAMED])}{more} needs" if users else ""
    return Problem(sentence=f"{answer} {verbs} {what}{wanted}.", remedy="Give it the role of this level.")


def _answer(api: Api, need: Access) -> str:
    """How the sentence about a missing permission begins; "" where it is not missing."""
    try:
        allowed = api.can_i(need.verb, need.resource, need.namespace, subresource=need.subresource)
    except ApiError as error:
        return f"It cannot be told ({error}) whether this login may"
    return "" if allowed else "This login may not"
