"""docs/faults.md says of every fault what came of it, and what came of it without raw sockets."""

from __future__ import annotations

from tests.faults.catalogue_fault import Fault, Less
from tests.faults.catalogue_trial import ALONE, Told, Trial
from tests.faults.report_page import Conditions, Quiet, page

CONDITIONS = Conditions(
    processors=2, memory=24.0, kernel="6.18", cgroups="v1", nodes=3, kubernetes="v1.35.4", load=1.0
)  # fmt: skip
LESS = Less(why="A kernel knows one.", cause="owner-disagreement", shows={"traffic.owner-agreed": ".*"})


def fault(name: str, less: Less | None = None) -> Fault:
    return Fault(name=name, cause="duplicate-announcer", shows={ALONE: ".*"}, less=less)


def trial(made: Fault, ordinary: Told) -> Trial:
    told = Told(fault=made, named=frozenset({made.cause}))
    return Trial(told=told, ordinary=ordinary, seconds=20.0, again=4.0, combination="B")


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
    quiet = (
        Quiet("calm", (), 5.0, "A"),
        Quiet("calm", (), 7.0, "B"),
        Quiet("loud", ("something",), 5.0, "A"),
        Quiet("loud", (), 4.0),
    )
    text = page(trials, quiet, CONDITIONS.ended(60.0, labs=2))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines()]


def test_every_fault_has_a_row_with_what_came_of_it() -> None:
    told = {row[1]: row[4:6] for row in rows() if row[0] == "duplicate-announcer" and len(row) == 7}

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
    assert told["healthy set-ups silent"] == "3 of 4"
    assert told["off the diagonal of the confusion table"] == "0"


def test_what_is_not_always_seen_is_listed_with_its_reason() -> None:
    listed = [row for row in rows() if row[-1] == "A kernel knows one."]

    assert [row[1] for row in listed] == ["same", "seen", "unseen", "wrong"]
    assert all(row[2] == "`owner-disagreement`, by `traffic.owner-agreed`" for row in listed)
    assert all(row[3] == f"`{ALONE}`" for row in listed)


def test_each_kind_of_cluster_has_a_row_with_what_it_is_and_how_many_faults_were_made_there() -> None:
    kinds = {row[0]: row[1:] for row in rows() if row[0] in {"A", "B", "C", "D", "E", "F", "T"}}

    assert len(kinds) == 7
    assert kinds["B"] == ["0.15.2", "bearer token", "IPv4 and IPv6", "one", "iptables", "4"]
    assert {row[-1] for key, row in kinds.items() if key != "B"} == {"0"}


def test_a_healthy_set_up_has_one_row_with_where_it_was_made_and_what_was_said() -> None:
    told = {row[0]: row[1:] for row in rows() if row[0] in {"calm", "loud"}}

    assert told == {
        "calm": ["A, B", "silent", "7.0"],
        "loud": ["a lab of its own, A", "A: something", "5.0"],
    }


def test_the_confusion_table_counts_what_was_named() -> None:
    assert ["1", "`duplicate-announcer`", "4", "4"] in rows()
