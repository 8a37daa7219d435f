"""The look itself: everything that speaks against a run, collected and told at once."""

from __future__ import annotations

from clusters import budgets
from clusters.api import Api, ApiError, Forbidden, KubeconfigInvalid
from clusters.changes import workspace
from clusters.checks import Level
from clusters.errors import ConformanceError, Refused
from clusters.preflight import installed, missing_permissions, other_runs, vantage_position
from clusters.preflight.missing_permissions import Needs, needs_of
from clusters.preflight.other_runs import left_behind
from clusters.preflight.problems import Preflight, Problem, Wanted, problem_of, refusal
from clusters.profile import DISPOSED, Profile, resolve_level
from clusters.providers import Cluster


def check(wanted: Wanted, cluster: Cluster, api: Api, *, needs: Needs | None = None) -> Preflight:
    """What `inspect` finds, where it is no problem. Raises Refused with every problem otherwise."""
    found = inspect(wanted, cluster, api, needs=needs)
    if found.problems:
        raise refusal(wanted.profile.name, found.problems)
    return found


def inspect(wanted: Wanted, cluster: Cluster, api: Api, *, needs: Needs | None = None) -> Preflight:
    """Look at everything that a run of this level needs; nothing is raised for what is missing.

    `needs` are the permissions that the selected checks declare; None stands for those of the run itself.
    """
    profile, level = wanted.profile, wanted.level
    problems = [problem_of(error) for error in cluster.problems]
    try:
        kubernetes = api.version()
    except ApiError as error:
        problems = [problem_of(error), *problems]
        return Preflight(level=level, problems=(*problems, *_here(profile, level)))
    uid, about_identity = _identity(wanted, api)
    if not about_identity:
        level = resolve_level(profile, wanted.level, wanted.confirm_cluster, uid)
    problems += about_identity
    about_kubernetes, notes = installed.kubernetes(kubernetes)
    metallb, about_metallb = installed.metallb(api, profile.namespace)
    problems += about_kubernetes + about_metallb + _clock(api)
    if level.allows(Level.CREATE):
        problems += left_behind(profile, uid, api) + installed.shortage(api, profile)
    problems += other_runs.another(api, wanted, level)
    about_place, about_segments = vantage_position.wrong(api, profile, cluster, level)
    problems += about_place
    needs = needs_of((), level) if needs is None else needs
    workloads = workspace.fixed(api, profile.workloads_namespace) if level.allows(Level.CREATE) else ""
    if not workloads:
        needs = needs.with_own_namespace()
    about_permissions, unseen = missing_permissions.missing(api, needs, profile.namespace, workloads)
    problems += about_permissions
    return Preflight(
        level=level,
        kubernetes_version=kubernetes,
        metallb_version=metallb,
        problems=tuple(problems),
        notes=(*notes, *about_segments, *unseen),
    )


def versions_of(wanted: Wanted, api: Api) -> Preflight:
    """Only the versions, "" where they cannot be read: for a process that joins a run that has begun."""
    try:
        kubernetes = api.version()
    except ApiError:
        kubernetes = ""
    metallb, _ = installed.metallb(api, wanted.profile.namespace)
    return Preflight(level=wanted.level, kubernetes_version=kubernetes, metallb_version=metallb)


def unopened(wanted: Wanted, error: ConformanceError) -> ConformanceError:
    """What to raise where the cluster could not even be opened: the error, with what else stands in the way."""
    if not isinstance(error, KubeconfigInvalid):
        return error
    others = [*_vantage(wanted.profile), *_here(wanted.profile, wanted.level)]
    return refusal(wanted.profile.name, [problem_of(error), *others]) if others else error


def _identity(wanted: Wanted, api: Api) -> tuple[str, list[Problem]]:
    """The cluster's UID, and what is wrong with it: another cluster than meant, or no yes where it takes one."""
    profile, confirmed = wanted.profile, wanted.confirm_cluster
    try:
        uid = api.uid()
    except Forbidden as error:
        # Who only looks, at whatever cluster the context leads to, may do so without knowing which one it is.
        looks = wanted.level is Level.OBSERVE and not (profile.uid or confirmed)
        return "", [] if looks else [problem_of(error)]
    except ApiError as error:
        return "", [problem_of(error)]
    if profile.uid and profile.uid != uid:
        leads = f"The context of profile {profile.name} leads to cluster {uid}"
        sentence = f"{leads}, and the profile is for {profile.uid}."
        return uid, [Problem(sentence=sentence, remedy="Fix the context or the uid in the profile.")]
    try:
        resolve_level(profile, wanted.level, confirmed, uid)
    except Refused as error:
        return uid, [problem_of(error)]
    if confirmed and confirmed != uid:
        sentence = (
            f"--confirm-cluster {confirmed} is not the cluster of profile {profile.name}: that is {uid}."
        )
        return uid, [Problem(sentence=sentence, remedy="Check which cluster the profile's context leads to.")]
    return uid, []


def _clock(api: Api) -> list[Problem]:
    """The clock here against the cluster's, as times of events, logs and probes are compared with each other.

    A problem where the API server's clock is further from this machine's than the budget `clock_skew`.
    """
    try:
        ahead = api.clock_ahead()
    except ApiError as error:
        return [problem_of(error)]
    limit = budgets.get(budgets.CLOCK_SKEW).within
    if abs(ahead) <= limit:
        return []
    which = "behind" if ahead > 0 else "ahead of"
    return [
        Problem(
            sentence=f"This machine's clock is {abs(ahead):.0f} s {which} the API server's; "
            f"{limit:g} s are allowed.",
            remedy="Synchronise the clock (NTP).",
        )
    ]


def _here(profile: Profile, level: Level) -> list[Problem]:
    """What can be told without the cluster; of a disposable one only itself can tell whether it is still the same."""
    if profile.provider in DISPOSED or not level.allows(Level.CREATE):
        return []
    return left_behind(profile, "")


def _vantage(profile: Profile) -> list[Problem]:
    from clusters.vantage import open_vantage  # noqa: PLC0415 - brings the packet library, which is slow to load

    if not profile.outside:
        return []
    try:
        with open_vantage(profile.outside):
            return []
    except ConformanceError as error:
        return [problem_of(error)]
