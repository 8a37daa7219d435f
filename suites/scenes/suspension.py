"""What applies the repository by itself, suspended while a drill takes away what it would bring back at once.

Flux's objects have `spec.suspend` for that; of an Argo CD application the automatic synchronisation is taken away. Both
are changes like any other: in the journal first, and undone at the end or by a sweep.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from clusters.api import Forbidden
from clusters.changes import Changes
from clusters.errors import Inconclusive
from clusters.gitops.pool_objects import listed
from clusters.gitops.reconcilers import APPLICATIONS, Reconciler
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.objects import Object
from clusters.profile import Profile
from suites.plugin.record import Record

_WHY = "what applies the repository is suspended for a drill"


@contextmanager
def suspended(
    changes: Changes, repository: RepositorySnapshot, profile: Profile, record: Record
) -> Iterator[None]:
    """Nothing applies the repository in the block. Raises Inconclusive, with nothing changed, where that may not be."""
    acting = [each for each in repository.reconcilers if each.acting and each.applies]
    unread = [each for each in repository.reconcilers if each.unreadable]
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
        if acting:
            record.note(
                f"{listed(each.key for each in acting)} was suspended for the drill, and resumed after it."
            )
        yield


def _patch(each: Reconciler) -> Object:
    if each.kind == APPLICATIONS.kind:
        return {"spec": {"syncPolicy": {"automated": None}}}
    return {"spec": {"suspend": True}}
