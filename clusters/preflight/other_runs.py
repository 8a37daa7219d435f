"""Whether another run is active, and whether an earlier one left something. An observe run only looks."""

from __future__ import annotations

import platform

from clusters.api import Api, ApiError, Forbidden, NotFound
from clusters.api.resources import LEASES
from clusters.changes import cluster_lease, leftovers
from clusters.changes.cluster_lease import Holder, taken_by
from clusters.changes.leftovers import holder_of_cluster
from clusters.checks import Level
from clusters.journal import Journal
from clusters.journal.run_origin import Header
from clusters.preflight.problems import Problem, Wanted, problem_of
from clusters.profile import DISPOSED, Profile


def left_behind(profile: Profile, uid: str, api: Api | None = None) -> list[Problem]:
    """A problem for each journal of the cluster that somebody has to sweep, whoever wrote it.

    Where a run was against a lab that is no more (its UID was another), its changes went with it. Without `api`,
    where the cluster cannot be asked, only those of this machine are looked at: nobody knows of others' runs.
    """
    problems = []
    for each in over(profile, uid, api):
        header = each.header
        if not each.is_left or (header is not None and _is_gone(profile, header, uid)):
            each.forget()
            continue
        many = len(each.pending())
        sentence = f"Run {header.run} ended without undoing {many} of its changes." if header else ""
        if each.damage:
            sentence = f"{sentence} Its journal {each.path} is damaged: {'; '.join(each.damage)}.".lstrip()
        remedy = f"Undo them: {leftovers.command(leftovers.typed(profile))}"
        problems.append(Problem(sentence=sentence, remedy=remedy))
    return problems


def over(profile: Profile, uid: str, api: Api | None) -> list[Journal]:
    """The journals of the cluster whose runs have ended, as far as that can be seen; damaged ones are among them."""
    holder, ahead = _holder(profile, api)
    return [
        each
        for each in leftovers.of_cluster(profile.name, uid)
        if (api is not None or each.header is None or each.header.is_local)
        and leftovers.is_over(each, holder, ahead=ahead)
    ]


def _holder(profile: Profile, api: Api | None) -> tuple[Holder | None, float]:
    try:
        return holder_of_cluster(api, profile.namespace) if api is not None else (None, 0.0)
    except ApiError:
        return None, 0.0  # told with everything else that is wrong


def _is_gone(profile: Profile, header: Header, uid: str) -> bool:
    """Whether the run was against a cluster of this machine that has been removed since."""
    here = header.is_local or header.machine == platform.node()
    return profile.provider in DISPOSED and here and header.uid != uid


def another(api: Api, wanted: Wanted, level: Level) -> list[Problem]:
    """A problem where a run holds the cluster that is no other part of this one; for those see `turn`."""
    try:
        holder = ahead(api, wanted.profile, level)
    except ApiError as error:
        return [problem_of(error)]
    return [] if holder is None or holder.is_part_with(wanted.run_id) else [problem_of(taken_by(holder))]


def ahead(api: Api, profile: Profile, level: Level) -> Holder | None:
    """Who holds the cluster so that a run of this level may not begin. Errors of `clusters.api` as they come.

    Runs that change something stand in each other's way. A run that only looks is disturbed by one that
    disrupts: it would report the other's faults. A dead run's Lease is over when it ends; that of a run whose
    journal here says that it has died is the sweep's matter (`left_behind`).
    """
    try:
        holder = Holder.of(api.get(LEASES, cluster_lease.NAME, profile.namespace))
    except (NotFound, Forbidden):
        return None  # without the right to look it cannot change anything either: taking it is refused
    dead = {each.header.run for each in leftovers.of_dead_processes(profile.name) if each.header}
    disturbs = level.allows(Level.CREATE) or holder.level is Level.DISRUPT
    return holder if disturbs and not holder.is_over(cluster_lease.now()) and holder.run not in dead else None
