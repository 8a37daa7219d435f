"""What may still be said where a list was not read, or not all of it.

What is there is proof; what is not there is none. A cause that says that something is missing, or is somebody else's,
holds only where the lists in which it could stand are known as a whole. And a check that would find its faults in an
object that cannot be read has not passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from clusters.checks.causes import get
from clusters.checks.spec import ELECTION
from clusters.diagnosis.root_cause import RootCause
from clusters.observation.snapshot import Objects, Part, Snapshot, Status

_NOT_READ = frozenset({Status.FAILED, Status.NOT_PERMITTED})


def not_read(seen: Snapshot) -> frozenset[str]:
    """The lists that were asked for and are not known as a whole."""
    return frozenset(name for name, part in _lists(seen) if part.status in _NOT_READ)


def held_back(root: RootCause, unknown: frozenset[str]) -> bool:
    """Whether a root cannot be told, as it rests on a list that is not known as a whole."""
    return not unknown.isdisjoint((*get(root.cause).rests_on, *root.rests_on))


def may_be_another(root: RootCause, seen: Snapshot) -> bool:
    """Whether something that was not read may explain what this root was told for: then nobody knows where it lies."""
    return get(root.cause).last_resort and not not_read(seen).isdisjoint(ELECTION)


def lacking(needs: Iterable[str], seen: Snapshot, said: Iterable[Part]) -> Iterator[str]:
    """A sentence for each of the lists that a check needs of which objects cannot be read, but for those of `said`."""
    needed, told = frozenset(needs), [id(each) for each in said]
    for name, part in _lists(seen):
        if part.unreadable and name in needed and id(part) not in told:
            yield f"It could not read all that it needs: {part.detail}"


def lists(seen: Snapshot, *, but: str) -> tuple[str, ...]:
    """The names of all lists of an observation but one."""
    return tuple(name for name, _ in _lists(seen) if name != but)


def _lists(seen: Snapshot) -> Iterator[tuple[str, Objects]]:
    return ((name, part) for name, part in vars(seen).items() if isinstance(part, Objects))
