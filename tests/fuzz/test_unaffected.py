"""One object that cannot be read costs the checks that need its list, and no other; and it hides and invents nothing.

Which checks need a list is not written here: they are those that say so themselves where the list cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from clusters.observation import Objects, Snapshot, Status, load
from clusters.observation.decoding import Gate
from clusters.observation.object_records import RECORDS
from clusters.observation.snapshot import Unreadable
from tests.answers import all_answered, questions
from tests.fuzz import observations
from tests.fuzz.conftest import EXAMPLES
from tests.fuzz.observations import Digest, digests
from tests.fuzz.tally import tally

#: A few that differ in what they are about; `make fuzz` takes all of them.
FEW = (
    "healthy",
    "pool-exhausted",
    "memberlist-partition",
    "node-excluded",
    "kube-proxy-stale",
    "webhook-unreachable",
)
_MARK = "marked as unreadable"
#: Objects of one list that are made unreadable, one at a time.
_MOST = 6 if EXAMPLES else 3


@cache
def observed(name: str) -> Snapshot:
    """A recorded observation."""
    return load(observations.FOLDER / f"{name}.json.gz")


def without(part: Objects, place: int) -> Objects:
    """The list with one object made unreadable, as the gate leaves it."""
    items = [*part.items[:place], {**part.items[place], "metadata": 5}, *part.items[place + 1 :]]
    gate = Gate("nodes")
    for item in items[place : place + 1]:
        gate.take(item, trim=lambda found: found)
    (unreadable,) = gate.objects().unreadable
    assert isinstance(unreadable, Unreadable)
    kept = part.items[:place] + part.items[place + 1 :]
    return replace(part, status=Status.FAILED, detail=_MARK, items=kept, unreadable=(unreadable,))


def lists(seen: Snapshot) -> Iterator[tuple[str, Objects]]:
    """The lists that have objects."""
    for name in RECORDS:
        part: Objects = getattr(seen, name)
        if part.items:
            yield name, part


@cache
def needing(part: str) -> frozenset[str]:
    """The checks that need a list by their own word: they name it where it cannot be read, or find otherwise.

    By each recorded observation that has the list, as what a check looks at depends on what there is.
    """
    found: set[str] = set()
    for name in observations.NAMES if EXAMPLES else FEW:
        seen = observed(name)
        kept: Objects = getattr(seen, part)
        if kept.items:
            told = all_answered(replace(seen, **{part: without(kept, 0)}))
            found |= {check for check, one in told.items() if any(_MARK in each for each in one.missing)}
    return frozenset(found)


@cache
def spoilt(name: str) -> tuple[tuple[str, dict[str, Digest]], ...]:
    """An observation with one object after the other unreadable: its list, and what every check says."""
    seen = observed(name)
    return tuple(
        (part, digests(replace(seen, **{part: without(kept, place)})))
        for part, kept in lists(seen)
        for place in range(0, len(kept.items), max(1, len(kept.items) // _MOST))
    )


@pytest.mark.parametrize("name", observations.NAMES if EXAMPLES else FEW)
def test_an_unreadable_object_costs_only_the_checks_that_need_its_list(name: str) -> None:
    before = digests(observed(name))
    found = tally("one unreadable object")

    for part, after in spoilt(name):
        touched = {check for check in before if after[check] != before[check]}
        assert touched <= needing(part), part
        found.outcomes["judged in part"] += 1
        share = 1 - len(touched) / len(questions())
        assert share >= 1 - len(needing(part)) / len(questions())
        found.shares.append(share)


@pytest.mark.parametrize("name", observations.NAMES if EXAMPLES else FEW)
def test_an_unreadable_object_neither_hides_a_fault_nor_invents_one(name: str) -> None:
    before = digests(observed(name))

    for part, after in spoilt(name):
        for check, (word, accused) in after.items():
            was, _ = before[check]
            assert not (was == "failed" and word == "passed"), (part, check)
            assert not (was != "failed" and word == "failed"), (part, check, accused)
