"""Whether another run is active, and whether an earlier one left something. An observe run only looks."""

from __future__ import annotations

from clusters import journal, lease
from clusters.api import Api, ApiError, Forbidden, NotFound
from clusters.api.resources import LEASES
from clusters.changes.hold import held
from clusters.checks import Level
from clusters.commands import command
from clusters.lease import Holder
from clusters.preflight.found import Problem, Wanted, problem_of
from clusters.profile import DISPOSED, Profile
from clusters.profile.reading import SHIPPED


def left_behind(profile: Profile, uid: str) -> list[Problem]:
    """A problem for each earlier run against the cluster that ended without undoing its changes.

    Where the run was against a lab that is no more (its UID was another), its changes went with it.
    """
    problems = []
    for each in journal.left_behind(profile.name):
        header = each.header
        if header is None or not each.pending() or (profile.provider in DISPOSED and header.uid != uid):
            each.forget()
            continue
        many = len(each.pending())
        sentence = f"Run {header.run} ended without undoing {many} of its changes."
        remedy = "Undo them: " + command(
            "python -m clusters.sweep --cluster {profile}", profile=_typed(profile)
        )
        problems.append(Problem(sentence=sentence, remedy=remedy))
    return problems


def _typed(profile: Profile) -> str:
    """How a command line names the profile: a shipped one by its name, any other by its file."""
    is_file = profile.source.name and profile.source.parent != SHIPPED
    return str(profile.source) if is_file else profile.name


def another(api: Api, wanted: Wanted, level: Level) -> list[Problem]:
    """A problem where a run holds the cluster that is no other part of this one; for those see `turn`."""
    try:
        holder = ahead(api, wanted.profile, level)
    except ApiError as error:
        return [problem_of(error)]
    return [] if holder is None or holder.is_part_with(wanted.run_id) else [problem_of(held(holder))]


def ahead(api: Api, profile: Profile, level: Level) -> Holder | None:
    """Who holds the cluster so that a run of this level may not begin. Errors of `clusters.api` as they come.

    Runs that change something stand in each other's way. A run that only looks is disturbed by one that
    disrupts: it would report the other's faults. A dead run's hold is over when it ends; that of a run whose
    journal here says that it has died is the sweep's matter (`left_behind`).
    """
    try:
        holder = Holder.of(api.get(LEASES, lease.NAME, profile.namespace))
    except (NotFound, Forbidden):
        return None  # without the right to look it cannot change anything either: taking it is refused
    dead = {each.header.run for each in journal.left_behind(profile.name) if each.header}
    disturbs = level.allows(Level.CREATE) or holder.level is Level.DISRUPT
    return holder if disturbs and not holder.is_over(lease.now()) and holder.run not in dead else None
