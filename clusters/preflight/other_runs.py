"""Other runs on the cluster: one that is active, what an earlier one left, and the other parts of this one.

The parts of one run take turns: whatever one of them changes, the others would measure. Parts may be started all at
once, as an Indexed Job does: each waits until none of the others holds the cluster. A part whose pod is lost is begun
anew, and nobody would sweep between: what its former self left is undone before it begins. A run that is no part of
this one is never waited for, only refused. An observe run only looks.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import replace

from filelock import FileLock, Timeout

from clusters import budgets, journal, wait
from clusters.api import Api, ApiError, Forbidden, NotFound
from clusters.api.resources import LEASES
from clusters.changes import clean, cluster_lease, leftovers
from clusters.changes.cluster_lease import Holder, LeaseTaken, taken_by
from clusters.changes.leftovers import holder_of_cluster
from clusters.checks import Level
from clusters.errors import Refused
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
    """A problem where a run holds the cluster that is no other part of this one; for those see `Turn`."""
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


def undo_former_parts(wanted: Wanted, api: Api, say: Callable[[str], None]) -> None:
    """Undo what dead parts of this run have changed; what cannot be undone is left to preflight, which refuses.

    Raises Refused where another part, or a sweep, is at it for too long.
    """
    whole, profile = cluster_lease.whole_of(wanted.run_id), wanted.profile
    if not whole or not wanted.level.allows(Level.CREATE):
        return
    try:
        uid = api.uid()
    except ApiError:
        return  # told with everything else that is wrong
    folder = journal.folder_for(profile.name)
    if not folder.is_dir():
        return
    try:
        # Whoever comes second must not undo again what the first one's run makes in the meantime.
        with FileLock(folder / ".sweep.lock", timeout=budgets.get(budgets.FLEET_UNDONE).within):
            for left in over(profile, uid, api):
                if _is_former_part(left, whole, uid):
                    _undo(left, api, say)
    except Timeout:
        raise Refused(f"A sweep of {profile.name} is under way.", remedy="Wait for it.") from None


def _is_former_part(left: Journal, whole: str, uid: str) -> bool:
    header = left.header
    return (
        header is not None
        and header.uid == uid
        and cluster_lease.whole_of(header.run) == whole
        and bool(left.pending())
    )


def _undo(left: Journal, api: Api, say: Callable[[str], None]) -> None:
    assert left.header is not None  # see _is_former_part
    result = clean(api, left, left.pending())
    left.close()
    say(
        f"undone for part {left.header.run} on {left.header.machine}, which ended without: {len(result.done)} changes"
    )
    for note in result.notes:
        say(f"note: {note}")


class Turn:
    """One run's turn; `say` is told whom it waits for. A run that is no part of another waits for nobody."""

    def __init__(self, wanted: Wanted, api: Api, say: Callable[[str], None]) -> None:
        self._wanted, self._api, self._say = wanted, api, say
        self._budget = budgets.get(budgets.PART_TURN)
        self._begun = time.monotonic()
        self._told = ""

    def take(self, begin: Callable[[], None]) -> None:
        """Call `begin`, which looks whether the run may start and takes its Lease, once no other part has the cluster.

        Where another part comes between, what was seen of the cluster may be its doing: wait, and begin again.
        Raises Refused as `begin` does, and where the budget part_turn is over.
        """
        if not cluster_lease.whole_of(self._wanted.run_id):
            return begin()
        while True:
            self._wait()
            try:
                return begin()
            except Refused as refused:
                if not self._came_between(refused):
                    raise

    def _wait(self) -> None:
        try:
            if not self._other():
                return
        except ApiError:
            return  # what is wrong is told with all that is
        left = self._budget.within - (time.monotonic() - self._begun)
        try:
            wait.until(
                "no other part of the run holds the cluster",
                read=self._other,
                accept=lambda other: not other,
                budget=replace(self._budget, within=max(0.0, left)),
                tolerate=(ApiError,),  # that part may be restarting the API server
            )
        except wait.NotWithinBudget:
            raise Refused(
                f"{self._told} still holds the cluster after {self._budget.within:g} s.",
                remedy="Give the parts longer: budgets.part_turn in the profile, or --patience.",
            ) from None
        self._say(f"the cluster is free, after {time.monotonic() - self._begun:.0f} s")

    def _other(self) -> str:
        """The part that holds the cluster now, "" for none; whoever comes next is told."""
        holder = ahead(self._api, self._wanted.profile, self._wanted.level)
        if holder is None or not self._is_part(holder):
            return ""
        told = f"Part {holder.run} on {holder.machine}"
        if told != self._told:
            self._told = told
            self._say(
                f"waiting for part {holder.run} on {holder.machine}, at most {self._budget.within:g} s in all"
            )
        return told

    def _came_between(self, refused: Refused) -> bool:
        if isinstance(refused, LeaseTaken):
            return refused.holder is None or self._is_part(refused.holder)
        try:
            return bool(self._other())
        except ApiError:
            return False

    def _is_part(self, holder: Holder) -> bool:
        return holder.is_part_with(self._wanted.run_id)
