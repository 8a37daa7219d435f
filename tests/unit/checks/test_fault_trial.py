"""How a look at a fault is judged: what is declared as unseen without raw sockets comes out so, and nothing more."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.checks import Finding, Outcome
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.observation import load
from tests.faults.catalogue_fault import Fault, Less
from tests.faults.catalogue_judging import Looked
from tests.faults.catalogue_trial import ALONE, Trial, judge, judge_ordinary, unexpected

OBSERVED = load(Path(__file__).parents[1] / "diagnosis" / "observations" / "healthy.json.gz")
AGREED, DOUBLED, OTHER = "traffic.owner-agreed", "duplicate-announcer", "owner-disagreement"
RAW = "Vantage host may not use raw sockets."
PLAIN = Fault(name="doubled", cause=DOUBLED, shows={ALONE: "service a/b"})
UNSEEN = Fault(name="unseen", cause=DOUBLED, shows=PLAIN.shows, less=Less(why="it is not heard"))
LESS = Fault(
    name="less",
    cause=DOUBLED,
    shows=PLAIN.shows,
    less=Less(why="one is heard", cause=OTHER, shows={AGREED: "service a/b"}),
)


def looked(outcome: Outcome, reason: str = "", **found: str) -> Looked:
    """A look in which the check of the only announcer has an outcome; `found` are causes: alone, agreed."""
    checks = {"alone": ALONE, "agreed": AGREED}
    outcomes = {ALONE: outcome, AGREED: Outcome.FAILED if "agreed" in found else Outcome.PASSED}
    findings = tuple(
        (checks[each], Finding(cause=cause, subject="service a/b", summary="It is so."))
        for each, cause in found.items()
    )
    nowhere = RepositorySnapshot.model_construct()  # type: ignore[call-arg]
    return Looked(outcomes, {ALONE: reason, AGREED: ""}, findings, {}, OBSERVED, nowhere)


NAMED = looked(Outcome.FAILED, alone=DOUBLED)
UNDECIDED = looked(Outcome.INCONCLUSIVE, RAW)


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (PLAIN, NAMED),
        (UNSEEN, UNDECIDED),
        (LESS, UNDECIDED),
        (LESS, looked(Outcome.INCONCLUSIVE, RAW, agreed=OTHER)),
    ],
)
def test_what_comes_out_as_declared_is_not_wrong(fault: Fault, seen: Looked) -> None:
    assert judge_ordinary(fault, seen).wrong == ""


@pytest.mark.parametrize(
    ("fault", "seen", "said"),
    [
        (PLAIN, UNDECIDED, f"{ALONE} stays silent"),
        (PLAIN, looked(Outcome.FAILED, alone=OTHER), f"{ALONE} does not name {DOUBLED}"),
        (
            UNSEEN,
            looked(Outcome.PASSED),
            f"{ALONE} must be inconclusive for want of raw sockets, and is passed",
        ),
        (UNSEEN, looked(Outcome.INCONCLUSIVE, "It broke."), "is inconclusive: It broke."),
        (UNSEEN, NAMED, f"unrelated: {ALONE}: {DOUBLED}"),
        (UNSEEN, looked(Outcome.INCONCLUSIVE, RAW, agreed=OTHER), f"unrelated: {AGREED}: {OTHER}"),
        (LESS, looked(Outcome.PASSED), f"{ALONE} must be inconclusive"),
        (LESS, looked(Outcome.INCONCLUSIVE, RAW, agreed=DOUBLED), f"{AGREED} does not name {OTHER}"),
        (LESS, looked(Outcome.PASSED, agreed=OTHER), f"{ALONE} must be inconclusive"),
    ],
)
def test_more_or_less_than_is_declared_is_wrong(fault: Fault, seen: Looked, said: str) -> None:
    assert said in judge_ordinary(fault, seen).wrong


def test_a_cause_counts_as_named_only_by_its_own_name() -> None:
    def named(fault: Fault, seen: Looked) -> bool:
        return Trial(told=judge(fault, NAMED), ordinary=judge_ordinary(fault, seen), seconds=1.0).named

    assert named(PLAIN, NAMED)
    assert not named(UNSEEN, UNDECIDED)
    assert not named(LESS, looked(Outcome.INCONCLUSIVE, RAW, agreed=OTHER))


def test_what_is_wrong_without_raw_sockets_makes_a_fault_wrong() -> None:
    found = Trial(told=judge(PLAIN, NAMED), ordinary=judge_ordinary(PLAIN, UNDECIDED), seconds=1.0)

    assert found.told.wrong == ""
    assert found.wrong.startswith(
        f"without raw sockets: {ALONE} stays silent\nwithout raw sockets: unrelated: "
    )


def test_a_healthy_set_up_leaves_one_check_undecided_and_no_other() -> None:
    assert unexpected(UNDECIDED) == []
    assert unexpected(looked(Outcome.PASSED)) == [f"without raw sockets: {ALONE}: passed: "]
    assert len(unexpected(looked(Outcome.INCONCLUSIVE, RAW, agreed=OTHER))) == 1
    assert len(unexpected(looked(Outcome.INCONCLUSIVE, "It broke."))) == 1
