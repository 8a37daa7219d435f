"""`python -m clusters.sweep --cluster NAME`: undo what runs left that were killed before they could."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from clusters import journal, outbound, profile
from clusters.api import Api, ApiError
from clusters.changes import clean, not_undone
from clusters.errors import CleanupFailed, ConformanceError, ExitCode, Refused
from clusters.journal import Header, Journal
from clusters.profile import DISPOSED, Profile


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 0, or 7 where something may still be there, 4 or 6 where it could not begin."""
    parser = argparse.ArgumentParser(prog="python -m clusters.sweep", description=__doc__)
    parser.add_argument("--cluster", metavar="NAME", required=True, help="the profile that the runs were for")
    parser.add_argument("--list", action="store_true", help="only say what would be undone")
    options = parser.parse_args(arguments)
    try:
        return sweep(profile.load(options.cluster), only_list=options.list)
    except ConformanceError as error:
        _say(f"error: {error}", error=True)
        return int(error.exit_code)


def sweep(chosen: Profile, *, only_list: bool = False) -> int:
    """Undo, or list, what every ended run against the profile's cluster has left; returns the exit code.

    Raises ConformanceError where it cannot begin at all: an unreadable journal, another sweep under way.
    """
    folder = journal.folder_for(chosen.name)
    for header in journal.elsewhere(chosen.name):
        _say(f"run {header.run} was started on {header.machine}: sweep there")
    if not folder.is_dir():
        return _nothing(chosen)
    lock = FileLock(folder / ".sweep.lock")
    try:
        with lock.acquire(timeout=0):
            left = list(journal.left_behind(chosen.name))
            if not left:
                return _nothing(chosen)
            codes = [_list(each) if only_list else _sweep_one(chosen, each) for each in left]
    except Timeout:
        raise Refused(f"Another sweep of {chosen.name} is under way.", remedy="Wait for it.") from None
    return max(codes)


def _nothing(chosen: Profile) -> int:
    _say(f"nothing to undo for {chosen.name}")
    return int(ExitCode.PASSED)


def _list(left: Journal) -> int:
    entries = left.pending()
    _say(f"run {_header(left).run}: {len(entries)} to undo")
    for entry in entries:
        _say(f"  {entry.change}")
    return int(ExitCode.PASSED)


def _sweep_one(chosen: Profile, left: Journal) -> int:
    header = _header(left)
    if not left.pending():
        left.close()
        _say(f"run {header.run}: nothing left to undo")
        return int(ExitCode.PASSED)
    try:
        api = _cluster_of(chosen, header)
    except CleanupFailed as error:
        _say(f"run {header.run}: {error}", error=True)
        return int(error.exit_code)
    if api is None:
        _say(f"run {header.run}: its cluster is gone, and what was left to undo with it")
        left.forget()
        return int(ExitCode.PASSED)
    return _undo(api, left)


def _undo(api: Api, left: Journal) -> int:
    entries = left.pending()
    _say(f"run {_header(left).run}: {len(entries)} to undo")
    result = clean(api, left, entries)
    for entry in result.done:
        _say(f"  undone: {entry.change}")
    for note in result.notes:
        _say(f"  note: {note}")
    left.close()
    if result.failures:
        error = not_undone(left, result.failures)
        _say(f"error: {error}", error=True)
        return int(error.exit_code)
    return int(ExitCode.PASSED)


def _cluster_of(chosen: Profile, header: Header) -> Api | None:
    """The cluster that the journal is about, None where that was a lab or kind cluster which is no more.

    It is asked for by the kubeconfig that the run used, so that sweeping never boots one. Raises
    CleanupFailed where the cluster is away, or another one now answers in its place.
    """
    disposed = chosen.provider in DISPOSED
    if disposed and not Path(header.kubeconfig).exists():
        return None
    try:
        api = Api.connect(Path(header.kubeconfig), header.context)
        uid = api.uid()
    except ApiError as error:
        raise CleanupFailed(
            f"The cluster cannot be asked: {error}", remedy="Sweep again when it is back."
        ) from error
    if uid == header.uid:
        return api
    if disposed:
        return None
    raise CleanupFailed(
        f"Context {header.context!r} of {header.kubeconfig} now leads to cluster {uid}, and the run changed "
        f"{header.uid}.",
        remedy="Make the context lead to that cluster again, or delete the journal if it is gone for good.",
    )


def _header(left: Journal) -> Header:
    if left.header is None:
        raise ValueError(f"{left.path} has no header")
    return left.header


def _say(text: str, *, error: bool = False) -> None:
    (sys.stderr if error else sys.stdout).write(f"{outbound.text(text)}\n")


if __name__ == "__main__":
    sys.exit(main())
