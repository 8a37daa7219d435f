"""Permissions: which ones the chosen checks use, and which of them this login lacks, asked of the API server itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from clusters import lease
from clusters.api import Api, ApiError
from clusters.checks import Access, CheckSpec, Level, Need, Place, may
from clusters.observation import permissions
from clusters.preflight.found import Problem

_NAMED = 3
#: Who may not read these cannot learn anything about MetalLB.
_INDISPENSABLE = may("list", "pods", "deployments.apps", place=Place.METALLB)
_LEASES = "leases.coordination.k8s.io"
#: A run that changes something holds the cluster by a Lease, so that no second one changes it at the same time.
HOLD = (
    *may("get patch delete", _LEASES, place=Place.METALLB, names=(lease.NAME,)),
    *may("create", _LEASES, place=Place.METALLB),
)
_ROLE = "Give it the role of this level: deploy/rbac has one for each."
_UNSEEN = (
    "not all may be read, and the checks that need it stay undecided (deploy/rbac/observe.yaml allows all of it); "
    "this login may not {what}"
)

Users = Mapping[Access, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Permissions with the ids of the checks that use them; none for those of the run itself.

    A run does not begin without the `required` ones: what is created must also be followed and removed. Without
    one of the `wished` it sees less, and the checks say what they could not see.
    """

    required: Users = field(default_factory=dict)
    wished: Users = field(default_factory=dict)


def needs_of(specs: Iterable[CheckSpec], level: Level) -> Needs:
    """What a run of these checks uses at this level."""
    chosen = [spec for spec in specs if Need.CLUSTER in spec.needs]
    required: dict[Access, list[str]] = {use: [] for use in HOLD} if level.allows(Level.CREATE) else {}
    wished: dict[Access, list[str]] = {use: [] for use in permissions.OBSERVATION}
    for spec in chosen:
        for use in spec.uses:
            users = wished if spec.level is Level.OBSERVE else required
            users.setdefault(use, []).append(spec.id)
    return Needs(required=required, wished={use: who for use, who in wished.items() if use not in required})


def missing(api: Api, needs: Needs, namespace: str) -> tuple[list[Problem], list[str]]:
    """Problems about permissions that are missing, or cannot be asked about; and what else will not be seen.

    Where there is a problem, all that is missing is one: who gives a role wants to know of everything at once.
    """
    users = {**needs.wished, **needs.required}
    with ThreadPoolExecutor(8, thread_name_prefix="preflight") as pool:
        answers = pool.map(lambda use: _answer(api, use, namespace), users)
        refused = {use: answer for use, answer in zip(users, answers, strict=True) if answer}
    lacking: dict[tuple[str, str], list[Access]] = {}
    for use, answer in refused.items():
        lacking.setdefault((use.describe(namespace), answer), []).append(use)
    told = [_problem(answer, what, found, users) for (what, answer), found in lacking.items()]
    if refused.keys() & {*needs.required, *_INDISPENSABLE}:
        return told, []
    return [], [
        _UNSEEN.format(what="; ".join(_in_short(found, namespace) for found in lacking.values()))
    ] if told else []


def _in_short(found: Sequence[Access], namespace: str) -> str:
    verbs = ", ".join(dict.fromkeys(use.verb for use in found))
    return f"{verbs} {found[0].describe(namespace)}"


def _problem(answer: str, what: str, found: Sequence[Access], users: Users) -> Problem:
    verbs = ", ".join(dict.fromkeys(use.verb for use in found))
    checks = list(dict.fromkeys(check for use in found for check in users[use]))
    more = f" and {len(checks) - _NAMED} more" if len(checks) > _NAMED else ""
    need = "needs" if len(checks) == 1 else "need"
    wanted = f", which {', '.join(checks[:_NAMED])}{more} {need}" if checks else ""
    return Problem(sentence=f"{answer} {verbs} {what}{wanted}.", remedy=_ROLE)


def _answer(api: Api, use: Access, namespace: str) -> str:
    """How the sentence about a missing permission begins; "" where it is not missing."""
    try:
        allowed = api.can_i(use, namespace)
    except ApiError as error:
        return f"It cannot be told ({error}) whether this login may"
    return "" if allowed else "This login may not"
