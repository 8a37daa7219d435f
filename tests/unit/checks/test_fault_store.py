"""A run of the catalogue that was ended goes on where it was: what was right is not made again."""

from __future__ import annotations

from pathlib import Path

from tests.faults.catalogue import FAULTS
from tests.faults.catalogue_trial import Told, Trial
from tests.faults.report_page import Quiet
from tests.faults.report_store import Store

FAULT = next(fault for fault in FAULTS if fault.less and fault.less.shows)


def trial(*, missed: tuple[str, ...] = ()) -> Trial:
    told = Told(
        fault=FAULT, missed=missed, named=frozenset({FAULT.cause}), declared=frozenset({"overlay-drift"})
    )
    return Trial(told=told, ordinary=Told(fault=FAULT), seconds=3.5, again=1.5, combination="B")


def test_what_was_right_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "results"
    first = Store.of(path)
    first.add_trial(trial())
    first.add_quiet(Quiet("calm", (), 2.0, "D"))

    again = Store.of(path)

    assert (again.trials, again.quiet) == ([trial()], [Quiet("calm", (), 2.0, "D")])
    assert again.has(FAULT.name, "B")
    assert again.has("calm", "D")
    assert not again.has(FAULT.name, "C")


def test_what_was_wrong_is_made_again_until_it_is_right(tmp_path: Path) -> None:
    path = tmp_path / "results"
    first = Store.of(path)
    first.add_trial(trial(missed=tuple(FAULT.shows)))
    first.add_quiet(Quiet("loud", ("something",), 2.0, "D"))
    second = Store.of(path)
    assert not second.has(FAULT.name, "B")
    assert not second.has("loud", "D")

    second.add_trial(trial())

    assert Store.of(path).has(FAULT.name, "B")


def test_a_fault_that_is_no_more_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_text(
        '{"name": "gone", "combination": "A", "seconds": 1, "again": 0, "told": {}, "ordinary": null}\n'
    )

    assert Store.of(path).trials == []


def test_without_a_file_nothing_is_kept() -> None:
    store = Store.of(None)
    store.add_trial(trial())

    assert store.trials == [trial()]
    assert Store.of(None).trials == []
