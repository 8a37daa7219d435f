"""`python -m clusters.sweep --cluster NAME`: undo what runs left that were killed before they could.

Whatever wrote a journal of the cluster (another host, a pod that is no more), it is undone from here, with the login
that the profile gives today. Runs that are under way are left alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from clusters import budgets, files, journal, profile, shield
from clusters.api import Api
from clusters.changes import CleanupResult, clean, leftovers, not_undone
from clusters.changes.leftovers import ClusterGone, JournalClusters
from clusters.errors import CleanupFailed, ConformanceError, ExitCode, Refused
from clusters.journal import Entry, Journal
from clusters.journal.run_origin import Header
from clusters.outbound import say
from clusters.profile import Profile

_HOUR, _DAY = 3600.0, 86400.0
_UNFINISHED = ".*.new"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 0, or 7 where something may still be there, 4 or 6 where it could not begin."""
    parser = argparse.ArgumentParser(prog="python -m clusters.sweep", description=__doc__)
    parser.add_argument("--cluster", metavar="NAME", required=True, help="the profile that the runs were for")
    parser.add_argument("--list", action="store_true", help="only say what would be undone")
    parser.add_argument(
        "--restore-old",
        action="store_true",
        help="also make again what a run deleted more than a day ago; by then somebody may have removed it on purpose",
    )
    options = parser.parse_args(arguments)
    put_back = shield.end_by_signal()
    try:
        chosen = profile.load(options.cluster)
        return Sweep(chosen, only_list=options.list, restore_old=options.restore_old).run()
    except ConformanceError as error:
        say(f"error: {error}", error=True)
        return int(error.exit_code)
    except KeyboardInterrupt:
        say(f"interrupted: what is left stays in the journals in {journal.state_dir()}", error=True)
        return int(ExitCode.CLEANUP_FAILED)
    finally:
        put_back()


@dataclass
class Sweep:
    """One sweep of what runs against the profile's cluster have left."""

    chosen: Profile
    only_list: bool = False
    restore_old: bool = False
    clusters: JournalClusters = field(init=False)

    def __post_init__(self) -> None:
        self.clusters = JournalClusters(self.chosen)

    def run(self) -> int:
        """Undo, or list, all of it; returns the exit code, 7 where anything is left.

        Raises ConformanceError where it cannot begin at all, as while another sweep is under way.
        """
        found = leftovers.of_cluster(self.chosen.name, self.clusters.uid if leftovers.are_any() else "")
        codes = []
        with ExitStack() as stack:
            for folder in sorted({each.path.parent for each in found}):
                self._lock(stack, folder)
            for each in found:
                code = self._one(Journal.load(each.path))  # as it is now that no other sweep is at it
                codes += [] if code is None else [code]
        if not codes:
            say(f"nothing to undo for {self.chosen.name}")
        return max(codes, default=int(ExitCode.PASSED))

    def _lock(self, stack: ExitStack, folder: Path) -> None:
        lock = FileLock(folder / ".sweep.lock", mode=files.PRIVATE)
        try:
            stack.enter_context(lock.acquire(timeout=0))
        except Timeout:
            raise Refused(
                f"Another sweep of {self.chosen.name} is under way.", remedy="Wait for it."
            ) from None
        except OSError as error:
            # A full disk keeps nothing from being undone; at worst two sweeps do it twice.
            say(f"note: {folder} cannot be locked against other sweeps: {error.strerror}")
            return
        for unfinished in folder.glob(_UNFINISHED):  # of runs that were killed before they changed anything
            if time.time() - unfinished.lstat().st_mtime > _HOUR:
                unfinished.unlink(missing_ok=True)

    def _one(self, left: Journal) -> int | None:
        """Sweep one journal; its exit code, None where there is nothing to say of it."""
        header = left.header
        if header is None:
            return _report_damage(left) if left.is_left else None
        try:
            return self._of_run(left, header)
        except ClusterGone:
            say(f"run {header.run}: its cluster is gone, and what was left to undo with it")
            left.forget()
            return int(ExitCode.PASSED)
        except CleanupFailed as error:
            say(f"error: {left.path} of run {header.run}: {error}", error=True)
            return int(error.exit_code)

    def _of_run(self, left: Journal, header: Header) -> int | None:
        if header.is_local and header.is_live:
            say(f"run {header.run} is under way: left alone")
            return None
        if not left.is_left and leftovers.is_over(left, None):
            left.close()
            say(f"run {header.run}: nothing left to undo")
            return int(ExitCode.PASSED)
        api = self.clusters.api(left, header)
        if not self.clusters.is_over(api, left, header):
            say(f"run {header.run} is under way on {header.machine}: left alone")
            return None
        return self._list(left) if self.only_list else self._undo(api, left)

    def _list(self, left: Journal) -> int:
        entries = left.pending()
        say(f"{_who(left)}: {len(entries)} to undo")
        held_back = {entry.seq for entry, _ in self._held_back(entries)}
        for entry in entries:
            say(f"  {entry.change}{' (only with --restore-old)' if entry.seq in held_back else ''}")
        for fault in left.damage:
            say(f"  {left.path} is damaged: {fault}")
        return int(ExitCode.PASSED)

    def _undo(self, api: Api, left: Journal) -> int:
        entries = left.pending()
        say(f"{_who(left)}: {len(entries)} to undo")
        held_back = self._held_back(entries)
        kept = {entry.seq for entry, _ in held_back}
        result = clean(api, left, [entry for entry in entries if entry.seq not in kept])
        result.failures += held_back
        return _report(left, result, entries_held_back=bool(held_back))

    def _held_back(self, entries: Iterable[Entry]) -> list[tuple[Entry, str]]:
        """Deletions so long ago that somebody may want them by now; what was deleted is not brought back unasked."""
        limit = budgets.RESTORABLE.within
        now = time.time()
        return [
            (entry, f"this was {ago(now - entry.at)}, and somebody may want it gone by now")
            for entry in entries
            if entry.undo["kind"] == "create" and now - entry.at > limit and not self.restore_old
        ]


def ago(seconds: float) -> str:
    """How long ago, in a unit that is easy to read."""
    for size, unit in ((_DAY, "day"), (_HOUR, "hour"), (60.0, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    return "just now"


def _who(left: Journal) -> str:
    assert left.header is not None  # asked of those that say whose they are
    where = "" if left.header.is_local else f" on {left.header.machine}"
    return f"run {left.header.run}{where}, begun {ago(left.header.age)}"


def _report(left: Journal, result: CleanupResult, *, entries_held_back: bool) -> int:
    """Say what came of one journal, and let go of it."""
    for entry in result.done:
        say(f"  undone: {entry.change}")
    for note in result.notes:
        say(f"  note: {note}")
    left.close()
    code = int(ExitCode.PASSED)
    if result.failures:
        error = not_undone(left, result.failures)
        say(f"error: {error}", error=True)
        code = int(error.exit_code)
    if entries_held_back:
        command = f"{leftovers.command_of(left.header)} --restore-old"
        say(f"To make what was deleted again: {command}; to leave it: delete {left.path}", error=True)
    return max(code, _report_damage(left)) if left.damage else code


def _report_damage(left: Journal) -> int:
    """Name a damaged journal and what can be read of it: a person has to look."""
    run = f" of run {left.header.run}" if left.header else ""
    say(f"error: The journal {left.path}{run} is damaged: {'; '.join(left.damage)}.", error=True)
    for entry in left.pending() if left.header is None else ():
        say(f"  not undone: {entry.change}", error=True)
    say("Look whether what stands in it is still in the cluster, then delete the file.", error=True)
    return int(ExitCode.CLEANUP_FAILED)


if __name__ == "__main__":
    sys.exit(main())
