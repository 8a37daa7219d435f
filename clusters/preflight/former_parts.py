"""What parts of the same run have left that are no more, a part's own former self among them: undone before it begins.

A part of an Indexed Job whose pod is lost is begun anew, and nobody would sweep between: its run is one and the same.
"""

from __future__ import annotations

from collections.abc import Callable

from filelock import FileLock, Timeout

from clusters import budgets, journal
from clusters.api import Api, ApiError
from clusters.changes import clean, cluster_lease
from clusters.checks import Level
from clusters.errors import Refused
from clusters.journal import Journal
from clusters.preflight.other_runs import over
from clusters.preflight.problems import Wanted


def undo(wanted: Wanted, api: Api, say: Callable[[str], None]) -> None:
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
                if _is_part(left, whole, uid):
                    _undo(left, api, say)
    except Timeout:
        raise Refused(f"A sweep of {profile.name} is under way.", remedy="Wait for it.") from None


def _is_part(left: Journal, whole: str, uid: str) -> bool:
    header = left.header
    return (
        header is not None
        and header.uid == uid
        and cluster_lease.whole_of(header.run) == whole
        and bool(left.pending())
    )


def _undo(left: Journal, api: Api, say: Callable[[str], None]) -> None:
    assert left.header is not None  # see _is_part
    result = clean(api, left, left.pending())
    left.close()
    say(
        f"undone for part {left.header.run} on {left.header.machine}, which ended without: {len(result.done)} changes"
    )
    for note in result.notes:
        say(f"note: {note}")
