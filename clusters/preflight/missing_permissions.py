"""Permissions: which ones the chosen checks use, and which of them this login lacks, asked of the API server itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from clusters.api import Api, ApiError
from clusters.api.resources import NAMESPACES
from clusters.changes import cluster_lease
from clusters.changes.workspace import MAKING_ONE
from clusters.checks import Access, CheckSpec, Level, Need, Place, may
from clusters.observation import cluster_part
from clusters.preflight.problems import Problem

_NAMED = 3
#: Who may not read these cannot learn anything about MetalLB.
_INDISPENSABLE = may("list", "pods", "deployments.apps", place=Place.METALLB)
_LEASES = "leases.coordination.k8s.io"
#: A run that changes something holds the cluster by a Lease, so that no second one changes it at the same time.
HOLD = (
    *may("get patch delete", _LEASES, place=Place.METALLB, names=(cluster_lease.NAME,)),
    *may("create", _LEASES, place=Place.METALLB),
)
_ROLE = "Give this login the role of the run's level: deploy/rbac has one for each."
_MAKE = (
    "Ask an administrator for the namespace with its role: kubectl apply -f deploy/rbac/{level}.yaml "
    "(python -m suites.rbac writes it for another namespace)."
)
_UNSEEN = (
    "this login may not read all that the checks ask for, and those that need it will be inconclusive "
    "(deploy/rbac/observe.yaml allows it all): it may not {what}"
)

Users = Mapping[Access, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Permissions with the ids of the checks that use them; none for those of the run itself.

    A run does not begin without the `required` ones: what is created must also be followed and removed. Without
    one of the `optional` it sees less, and the checks say what they could not see.
    """

    required: Users = field(default_factory=dict)
    optional: Users = field(default_factory=dict)
    level: Level = Level.OBSERVE

    def with_own_namespace(self) -> Needs:
        """The same for a run that makes the namespace of its workloads itself."""
        needing = {use: who for use, who in self.required.items() if use.place is Place.WORKLOADS}
        users = list(dict.fromkeys(check for who in needing.values() for check in who))
        more = dict.fromkeys(MAKING_ONE, users) if needing else {}
        return replace(self, required={**self.required, **more})


def needs_of(specs: Iterable[CheckSpec], level: Level) -> Needs:
    """What a run of these checks uses at this level."""
    chosen = [spec for spec in specs if Need.CLUSTER in spec.needs]
    required: dict[Access, list[str]] = {use: [] for use in HOLD} if level.allows(Level.CREATE) else {}
    optional: dict[Access, list[str]] = {use: [] for use in cluster_part.OBSERVATION}
    for spec in chosen:
        for use in spec.uses:
            users = optional if spec.level is Level.OBSERVE else required
            users.setdefault(use, []).append(spec.id)
    left = {use: who for use, who in optional.items() if use not in required}
    return Needs(required=required, optional=left, level=level)


def missing(api: Api, needs: Needs, namespace: str, workloads: str = "") -> tuple[list[Problem], list[str]]:
    """Problems about permissions that are missing, or cannot be asked about; and what else will not be seen.

    `namespace` is MetalLB's, `workloads` the one for the run's workloads, "" where the run makes one. Where there is
    a problem, all that is missing is one: who gives a role wants to know of everything at once.
    """
    users = {**needs.optional, **needs.required}
    with ThreadPoolExecutor(8, thread_name_prefix="preflight") as pool:
        answers = pool.map(lambda use: _answer(api, use, namespace, workloads), users)
        refused = {use: answer for use, answer in zip(users, answers, strict=True) if answer}
    there: dict[Access, str] = {}
    if workloads:
        there = {use: refused.pop(use) for use in list(refused) if use.place is Place.WORKLOADS}
    lacking: dict[tuple[str, str], list[Access]] = {}
    for use, answer in refused.items():
        lacking.setdefault((use.describe(namespace), answer), []).append(use)
    told = [_problem(answer, what, found, users) for (what, answer), found in lacking.items()]
    about_workloads = _workloads_problem(api, there, workloads, needs)
    if about_workloads or refused.keys() & {*needs.required, *_INDISPENSABLE}:
        return [*told, *about_workloads], []
    return [], [
        _UNSEEN.format(what="; ".join(_in_short(found, namespace) for found in lacking.values()))
    ] if told else []


def _workloads_problem(
    api: Api, refused: Mapping[Access, str], workloads: str, needs: Needs
) -> list[Problem]:
    """One sentence for all that is missing in the namespace for the run's workloads: that, or the role in it."""
    if not (workloads and any(use.place is Place.WORKLOADS for use in needs.required)):
        return []
    remedy = _MAKE.format(level=needs.level)
    if not _is_there(api, workloads):
        sentence = f"There is no namespace {workloads}, in which this run would make its workloads."
        return [Problem(sentence=sentence, remedy=remedy)]
    if not refused:
        return []
    by_resource: dict[str, list[str]] = {}
    for use in refused:
        by_resource.setdefault(use.resource, []).append(use.verb)
    what = "; ".join(f"{', '.join(verbs)} {resource}" for resource, verbs in by_resource.items())
    answer = next(iter(refused.values()))
    need = _wanted(list(refused), needs.required)
    sentence = f"{answer} {what} in namespace {workloads}{need}: the role for it is missing there."
    return [Problem(sentence=sentence, remedy=remedy)]


def _is_there(api: Api, name: str) -> bool:
    """Whether the namespace exists; where this login may not look, it is taken to."""
    try:
        return bool(api.list(NAMESPACES, fields=f"metadata.name={name}"))
    except ApiError:
        return True


def _in_short(found: Sequence[Access], namespace: str) -> str:
    verbs = ", ".join(dict.fromkeys(use.verb for use in found))
    return f"{verbs} {found[0].describe(namespace)}"


def _problem(answer: str, what: str, found: Sequence[Access], users: Users) -> Problem:
    verbs = ", ".join(dict.fromkeys(use.verb for use in found))
    return Problem(sentence=f"{answer} {verbs} {what}{_wanted(found, users)}.", remedy=_ROLE)


def _wanted(found: Sequence[Access], users: Users) -> str:
    """The checks that need it, as the end of a sentence; "" where only the run itself does."""
    checks = list(dict.fromkeys(check for use in found for check in users[use]))
    more = f" and {len(checks) - _NAMED} more" if len(checks) > _NAMED else ""
    need = "needs" if len(checks) == 1 else "need"
    return f", which {', '.join(checks[:_NAMED])}{more} {need}" if checks else ""


def is_allowed(api: Api, use: Access, metallb: str = "", workloads: str = "") -> bool:
    """Whether this login has a permission; the namespaces are MetalLB's, and that of a run's workloads."""
    place = use.namespace(metallb, workloads)
    return api.can_i(use.verb, use.resource, namespace=place, name="".join(use.names[:1]))


def _answer(api: Api, use: Access, namespace: str, workloads: str) -> str:
    """How the sentence about a missing permission begins; "" where it is not missing."""
    try:
        allowed = is_allowed(api, use, namespace, workloads)
    except ApiError as error:
        return f"It cannot be determined ({error}) whether this login may"
    return "" if allowed else "This login may not"
