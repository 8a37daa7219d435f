"""docs/faults.md says of every fault what came of it, and what came of it without raw sockets."""

from __future__ import annotations

from tests.faults.catalogue_fault import Fault, Less
from tests.faults.catalogue_trial import ALONE, Told, Trial
from tests.faults.report_page import Conditions, Quiet, page

CONDITIONS = Conditions(
    processors=2, memory=24.0, kernel="6.18", cgroups="v1", nodes=3, kubernetes="v1.34.4", metallb="0.15.2", load=1.0
)  # fmt: skip
LESS = Less(why="A kernel knows one.", cause="owner-disagreement", shows={"traffic.owner-agreed": ".*"})


def fault(name: str, less: Less | None = None) -> Fault:
    return Fault(name=name, cause="duplicate-announcer", shows={ALONE: ".*"}, less=less)


def trial(made: Fault, ordinary: Told) -> Trial:
    return Trial(told=Told(fault=made), ordinary=ordinary, seconds=20.0, again=4.0)


SAME, SEEN, UNSEEN, WRONG = (fault(name, LESS) for name in ("same", "seen", "unseen", "wrong"))
TRIALS = (
    trial(SAME, Told(fault=SAME)),
    trial(
        SEEN,
        Told(fault=Fault(name="seen", cause="owner-disagreement", shows=LESS.shows)),
    ),
    trial(UNSEEN, Told(fault=Fault(name="unseen", cause="duplicate-announcer", shows={}))),
    trial(WRONG, Told(fault=WRONG, missed=(ALONE,), unrelated=("pool | other",))),
)


def rows(*, trials: tuple[Trial, ...] = TRIALS) -> list[list[str]]:
    quiet = (Quiet("calm", (), 5.0), Quiet("loud", ("something",), 5.0))
    text = page(trials, quiet, CONDITIONS.ended(60.0, labs=2))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines()]


def test_every_fault_has_a_row_with_what_came_of_it() -> None:
    told = {row[1]: row[3:5] for row in rows() if row[0] == "duplicate-announcer" and len(row) == 6}

    assert told == {
        "same": ["right", "the same"],
        "seen": ["right", "as `owner-disagreement`"],
        "unseen": ["right", "not seen, and inconclusive"],
        "wrong": ["right", f"{ALONE} stays silent; unrelated: pool \\| other"],
    }


def test_the_totals_count_what_is_detected_with_the_right_cause_and_what_is_not() -> None:
    told = dict(row[:2] for row in rows() if len(row) == 2)

    assert (told["detected"], told["right cause"], told["unrelated findings"]) == ("4 of 4", "4 of 4", "0")
    assert told["without raw sockets: detected"] == "2 of 4"
    assert told["without raw sockets: right cause"] == "1 of 4"
    assert told["without raw sockets: as declared"] == "3 of 4"
    assert told["without raw sockets: unrelated findings"] == "1"
    assert told["healthy set-ups silent"] == "1 of 2"


def test_what_is_not_always_seen_is_listed_with_its_reason() -> None:
    listed = [row for row in rows() if row[-1] == "A kernel knows one."]

    assert [row[1] for row in listed] == ["same", "seen", "unseen", "wrong"]
    assert all(row[2] == "`owner-disagreement`, by `traffic.owner-agreed`" for row in listed)
    assert all(row[3] == f"`{ALONE}`" for row in listed)
