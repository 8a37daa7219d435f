"""Before anything is run: every reason why this run could not do its work, all at once.

A refused run has changed nothing and checked nothing. What is looked at grows with the level: reading for
observe, the run's own objects for create, MetalLB's and the nodes for disrupt.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from packaging.version import Version

from clusters import journal
from clusters.api import Api, ApiError, Forbidden, Resource
from clusters.api import resources as res
from clusters.checks import Level
from clusters.errors import ConformanceError, Refused
from clusters.metallb import versions
from clusters.profile import Profile, Provider, resolve_level
from clusters.providers import Cluster

#: The oldest MetalLB that the checks know; before it, pool changes did not reach services with an address.
OLDEST = Version("0.14.2")
_SELECTORS = (
    "component=controller,app=metallb",
    "app.kubernetes.io/component=controller,app.kubernetes.io/name=metallb",
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One reason not to start, and what to do about it."""

    sentence: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Access:
    """One permission that a level needs; "" for all namespaces (or for what has none)."""

    verb: str
    resource: Resource
    namespace: str = ""
    subresource: str = ""

    @property
    def what(self) -> str:
        """What the verb is about: "pods/log in namespace metallb-system"."""
        name = f"{self.resource.qualified}/{self.subresource}".rstrip("/")
        return f"{name} in namespace {self.namespace}" if self.namespace else name


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What was found: the versions of Kubernetes ("v1.34.4") and MetalLB ("0.15.2", "" where its image hides it).

    `problems` is empty where the run may start.
    """

    level: Level
    kubernetes_version: str = ""
    metallb_version: str = ""
    problems: tuple[Problem, ...] = ()


class Wanted(Protocol):
    """What a run was asked to do, as far as it matters here."""

    @property
    def profile(self) -> Profile:
        """The profile."""
        ...

    @property
    def level(self) -> Level:
        """The level asked for."""
        ...

    @property
    def confirm_cluster(self) -> str:
        """The UID given with --confirm-cluster, or ""."""
        ...


def check(wanted: Wanted, cluster: Cluster, api: Api) -> Preflight:
    """What `inspect` finds, where it is no problem. Raises Refused with every problem otherwise."""
    found = inspect(wanted, cluster, api)
    if not found.problems:
        return found
    if len(found.problems) == 1:
        raise Refused(found.problems[0].sentence, remedy=found.problems[0].remedy)
    listing = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(found.problems, start=1))
    raise Refused(f"{len(found.problems)} reasons not to start against {wanted.profile.name}:\n{listing}\n")


def inspect(wanted: Wanted, cluster: Cluster, api: Api) -> Preflight:
    """Look at everything that a run of this level needs; nothing is raised for what is missing."""
    del cluster  # what it lacks (a vantage, nodes) makes checks inconclusive, and refuses no run
    try:
        kubernetes = api.version()
    except ApiError as error:
        return Preflight(level=wanted.level, problems=(_problem(error),))
    profile, level, uid, problems = wanted.profile, wanted.level, "", list[Problem]()
    try:
        uid = api.uid()
        level = resolve_level(profile, wanted.level, wanted.confirm_cluster, uid)
    except (ApiError, Refused) as error:
        problems.append(_problem(error))
    if level.allows(Level.CREATE):
        problems += left_behind(profile, uid)
    metallb, about_metallb = _metallb(api, profile.namespace)
    problems += about_metallb
    problems += _permissions(api, needs_of(level, profile.namespace))
    return Preflight(
        level=level, kubernetes_version=kubernetes, metallb_version=metallb, problems=tuple(problems)
    )


def left_behind(profile: Profile, uid: str) -> list[Problem]:
    """A problem for each earlier run against the cluster that ended without undoing its changes.

    Where the run was against a lab that is no more (its UID was another), its changes went with it.
    """
    problems = []
    for each in journal.left_behind(profile.name):
        header = each.header
        if header is None or not each.pending() or (profile.provider is Provider.LAB and header.uid != uid):
            each.forget()
            continue
        many = len(each.pending())
        sentence = f"Run {header.run} ended without undoing {many} of its changes."
        remedy = f"Undo them: python -m clusters.sweep --cluster {profile.name}"
        problems.append(Problem(sentence=sentence, remedy=remedy))
    return problems


def needs_of(level: Level, namespace: str) -> tuple[Access, ...]:
    """The permissions that every run of a level uses; `namespace` is MetalLB's."""
    needs = [
        Access(verb=verb, resource=resource)
        for resource in (res.SERVICES, res.PODS, res.NODES, res.EVENTS, res.ENDPOINT_SLICES, res.NAMESPACES)
        for verb in ("get", "list")
    ]
    needs += [
        Access(verb="list", resource=resource, namespace=namespace)
        for resource in (res.IP_ADDRESS_POOLS, res.L2_ADVERTISEMENTS, res.DEPLOYMENTS, res.DAEMON_SETS)
    ]
    needs.append(Access(verb="get", resource=res.PODS, namespace=namespace, subresource="log"))
    if level.allows(Level.CREATE):
        needs += [
            Access(verb=verb, resource=resource)
            for resource in (res.NAMESPACES, res.SERVICES, res.DEPLOYMENTS)
            for verb in ("create", "delete", "patch")
        ]
    if level.allows(Level.DISRUPT):
        needs.append(Access(verb="patch", resource=res.NODES))
        needs.append(Access(verb="delete", resource=res.PODS, namespace=namespace))
        needs += [
            Access(verb=verb, resource=resource, namespace=namespace)
            for resource in (res.IP_ADDRESS_POOLS, res.L2_ADVERTISEMENTS)
            for verb in ("create", "delete", "patch")
        ]
    return tuple(needs)


def _permissions(api: Api, needs: Iterable[Access]) -> list[Problem]:
    """One problem for each resource of which a permission is missing, or cannot be asked about."""
    listed = list(needs)
    with ThreadPoolExecutor(8, thread_name_prefix="preflight") as pool:
        answers = list(pool.map(lambda need: _answer(api, need), listed))
    missing: dict[tuple[str, str], list[str]] = {}
    for need, answer in zip(listed, answers, strict=True):
        if answer:
            missing.setdefault((need.what, answer), []).append(need.verb)
    return [
        Problem(sentence=f"{answer} {', '.join(verbs)} {what}.", remedy="Give it the role of this level.")
        for (what, answer), verbs in missing.items()
    ]


def _answer(api: Api, need: Access) -> str:
    """How the sentence about a missing permission begins; "" where it is not missing."""
    try:
        allowed = api.can_i(need.verb, need.resource, need.namespace, subresource=need.subresource)
    except ApiError as error:
        return f"It cannot be told ({error}) whether this login may"
    return "" if allowed else "This login may not"


def _metallb(api: Api, namespace: str) -> tuple[str, list[Problem]]:
    """MetalLB's version, "" where unknown, and what is wrong with it as a whole."""
    try:
        found = _controllers(api, namespace)
    except Forbidden:
        return "", []  # the permission that is missing is named where permissions are looked at
    except ApiError as error:
        return "", [_problem(error)]
    if not found:
        remedy = "Set the profile's namespace to MetalLB's, or install MetalLB."
        return "", [
            Problem(sentence=f"There is no MetalLB controller in namespace {namespace}.", remedy=remedy)
        ]
    images = [each["image"] for each in found[0]["spec"]["template"]["spec"]["containers"]]
    version = next((known for known in map(versions.of_image, images) if known is not None), None)
    if version is None or version >= OLDEST:
        return str(version or ""), []
    sentence = f"MetalLB {version} is older than {OLDEST}, the oldest that the checks know."
    return str(version), [
        Problem(sentence=sentence, remedy="Upgrade MetalLB, or use an older release of this.")
    ]


def _controllers(api: Api, namespace: str) -> list[dict[str, Any]]:
    for selector in _SELECTORS:
        found = api.list(res.DEPLOYMENTS, namespace, labels=selector)
        if found:
            return found
    return []


def _problem(error: ConformanceError) -> Problem:
    return Problem(sentence=str(error.args[0]), remedy=error.remedy)
