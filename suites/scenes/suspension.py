"""What applies the repository by itself, suspended while a drill takes away what it would bring back at once.

Flux's objects have `spec.suspend` for that; of an Argo CD application the automatic synchronisation is taken away. Both
are changes like any other: in the journal first, and undone at the end or by a sweep. What one of them had begun it
ends all the same, so that is waited for; and one that somebody else resumes makes the drill undecided.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from clusters import budgets, wait
from clusters.api import Api, Forbidden
from clusters.changes import Changes
from clusters.checks import CheckFailed
from clusters.commands import command
from clusters.errors import Inconclusive
from clusters.gitops import reconcilers
from clusters.gitops.pool_objects import listed
from clusters.gitops.reconcilers import APPLICATIONS, Reconciler
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.objects import Object
from clusters.profile import Profile
from suites.plugin.record import Record

RESTS = 2.0
"""Seconds without anything under way after which all of them count as suspended: a controller that had not yet read of
it would have begun by then."""
_WHY = "what applies the repository is suspended for a drill"


@dataclass(frozen=True)
class Suspension:
    """What was suspended, and has to stay so until the drill has measured."""

    api: Api
    held: tuple[Reconciler, ...] = ()

    def stands(self) -> None:
        """Raise Inconclusive where one of them applies the repository again: what came back may be its work."""
        now = self._now()
        if unread := [each for each in now if each.unreadable]:
            raise Inconclusive(
                f"Whether {unread[0].key} is still suspended is not known: {unread[0].unreadable}"
            )
        if resumed := [each for each in now if each.acting]:
            raise Inconclusive(
                f"{listed(each.key for each in resumed)} was suspended for the drill and acts again, so that what came "
                "back may be its work.",
                remedy="Somebody, or something that applies that object, resumed it: suspend that as well.",
            )

    @contextmanager
    def watched(self) -> Iterator[None]:
        """A failure of the block counts only where none of them applies the repository again; Inconclusive else."""
        try:
            yield
        except (CheckFailed, AssertionError):
            self.stands()
            raise

    def settle(self) -> None:
        """Wait until nothing that they had begun is under way any more. Inconclusive where that goes on."""
        if not self.held:
            return
        since = time.monotonic()
        busy: Sequence[Reconciler] = ()

        def rested() -> float:
            nonlocal since, busy
            self.stands()
            busy = [each for each in self._now() if each.busy]
            if busy:
                since = time.monotonic()
            return time.monotonic() - since

        try:
            wait.until(
                "nothing that applies the repository is still at it",
                read=rested,
                accept=lambda seconds: seconds >= RESTS,
                budget=budgets.get(budgets.RECONCILER_RESTS),
            )
        except wait.NotWithinBudget as late:
            one = busy[0] if busy else self.held[0]
            look = command(
                "kubectl -n {namespace} get {resource} {name} -o yaml",
                namespace=one.namespace,
                resource=one.resource.qualified,
                name=one.name,
            )
            raise Inconclusive(
                f"{one.key} was suspended and is still applying what it had begun, after {late.budget.within:g} s.",
                remedy=f"Run the drill when it is done: {look}",
            ) from None

    def _now(self) -> list[Reconciler]:
        """How those are now that were suspended; one that is gone applies nothing."""
        found = reconcilers.read(self.api, {each.mark: each.configures for each in self.held})
        marks = {each.mark for each in self.held}
        return [each for each in found if each.mark in marks]


@contextmanager
def suspended(
    api: Api, changes: Changes, repository: RepositorySnapshot, profile: Profile, record: Record
) -> Iterator[Suspension]:
    """Nothing applies the repository in the block. Raises Inconclusive, with nothing changed, where that may not be."""
    # Not as they were when the run began: somebody may have resumed one since.
    found = reconcilers.read(api, {each.mark: each.configures for each in repository.reconcilers})
    acting = [each for each in found if each.acting and each.applies]
    unread = [each for each in found if each.unreadable]
    if unread:
        raise Inconclusive(
            f"{unread[0].key} may apply the repository while the drill runs: {unread[0].unreadable}",
            remedy=f"Allow this login to get {unread[0].resource.qualified}.",
        )
    if acting and not (profile.gitops and profile.gitops.suspend):
        raise Inconclusive(
            f"{listed(each.key for each in acting)} would bring back what a drill takes away before it is measured.",
            remedy="Let drills suspend it and resume it: suspend: true under gitops in the profile.",
        )
    suspension = Suspension(api, tuple(acting))
    with ExitStack() as stack:
        # From the outermost on: who applies another one's object would resume that at once.
        for each in reversed(acting):
            try:
                held = changes.patched(each.resource, each.name, _patch(each), each.namespace, foreign=_WHY)
                stack.enter_context(held)
            except Forbidden as error:
                raise Inconclusive(
                    f"{each.key} cannot be suspended: {error}",
                    remedy=f"Allow this login to patch {each.resource.qualified}, or drop suspend from the profile.",
                ) from error
        suspension.settle()
        if acting:
            record.note(
                f"{listed(each.key for each in acting)} was suspended for the drill, and resumed after it."
            )
        yield suspension


def _patch(each: Reconciler) -> Object:
    if each.kind == APPLICATIONS.kind:
        return {"spec": {"syncPolicy": {"automated": None}}}
    return {"spec": {"suspend": True}}
