"""What `reports prune` lets go: old runs, and none that a validation or a failure rests on."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clusters.checks import Outcome
from reports.__main__ import main
from reports.history import opened, standings
from reports.history.recording import enter, writing
from reports.history.stored_runs import runs
from reports.model import FLEET, save, validator
from tests.unit.reports.past_runs import BEGIN, a_run, keep

P, F = Outcome.PASSED, Outcome.FAILED
#: Now, in hours after the first run of every test here.
NOW = (datetime.now(UTC) - BEGIN) / timedelta(hours=1)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Ninety nights of two checks, a folder each: the second one failed fifty nights ago, and is not run any more."""
    history = tmp_path / "history.db"
    keep(history)
    for night in range(90, 0, -1):
        outcomes = {"health.a": P}
        if night >= 50:
            outcomes["health.b"] = F if night == 50 else P
        result = a_run(f"night-{night:02}", NOW - 24 * night, outcomes)
        folder = tmp_path / "out" / f"night-{night:02}"
        save(result, folder / "results.json")
        (folder / "evidence").write_text("x" * 1000)
        with writing(history) as connection:
            enter(connection, result, directory=folder)
    (tmp_path / "out" / "latest").symlink_to("night-01")
    return tmp_path


def prune(place: Path, *arguments: str) -> int:
    return main(["prune", "--history", str(place / "history.db"), "--out", str(place / "out"), *arguments])


def folders(place: Path) -> set[str]:
    return {one.name for one in (place / "out").iterdir()} - {"latest"}


def known(place: Path) -> set[str]:
    with opened(place / "history.db") as connection:
        return {one.id for one in runs(connection)}


def test_nothing_goes_unless_it_is_asked_for(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = folders(place)

    assert prune(place, "--older-than", "30", "--keep", "5") == 0

    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith("may go: night-89 on lab, ")
    assert "stays: 29 of 90 runs: younger than asked for" in said
    assert said.endswith(" Nothing was deleted: add --delete.\n")
    assert folders(place) == before == known(place)


def test_what_goes_leaves_every_answer_as_it_was(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(place / "history.db") as connection:
        before = standings(connection)

    assert prune(place, "--older-than", "10", "--keep", "20", "--delete") == 0

    with opened(place / "history.db") as connection:
        assert standings(connection) == before
    # The newest twenty, the last pass of a check that is not run any more and its failure, since when the others pass.
    expected = {f"night-{night:02}" for night in range(1, 21)} | {"night-50", "night-51", "night-90"}
    assert folders(place) == known(place) == expected
    assert "67 runs deleted, " in capsys.readouterr().out
    assert prune(place, "--older-than", "10", "--keep", "20") == 0
    assert capsys.readouterr().out.endswith("No run may go.\n")


def test_the_newest_failure_stays_though_nothing_in_the_history_rests_on_it(place: Path) -> None:
    with writing(place / "history.db") as connection:
        fixed = a_run("fixed", NOW - 24 * 45, {"health.b": P, "health.c": F})
        enter(connection, fixed, directory=place)
        enter(connection, a_run("since", NOW - 24 * 44, {"health.c": P}), directory=place)
        connection.execute("DELETE FROM standings")  # nothing rests on anything any more

    prune(place, "--older-than", "1", "--keep", "1", "--delete")

    assert known(place) == {"night-01", "fixed"}


def test_the_newest_of_each_cluster_stay_whatever_their_age(place: Path) -> None:
    old = [a_run(f"old-{number}", 100 + number, {}, cluster="old") for number in range(4)]
    keep(place / "history.db", *old)

    prune(place, "--older-than", "1", "--keep", "2", "--delete")

    assert {name for name in known(place) if name.startswith("old")} == {"old-2", "old-3"}


def test_what_is_no_folder_of_a_run_is_left_alone(place: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    old = a_run("unknown", 100, {"health.a": P})
    save(old, elsewhere / "results.json")
    (place / "out" / "link").symlink_to(elsewhere)
    (place / "out" / "mine").mkdir()
    (place / "out" / "mine" / "results.json").write_text("{}")
    (place / "out" / "file").touch()
    save(old, place / "out" / "unknown" / "results.json")

    prune(place, "--older-than", "1", "--keep", "1", "--delete")

    assert {"link", "mine", "file"} <= folders(place)
    assert "unknown" not in folders(place)  # a run that the history does not know goes by its age
    assert (elsewhere / "results.json").exists()


def test_a_copy_of_a_run_does_not_free_the_run(place: Path) -> None:
    shutil.copytree(place / "out" / "night-50", place / "out" / "a-copy")

    prune(place, "--older-than", "10", "--keep", "1", "--delete")

    assert {"a-copy", "night-50"} <= folders(place)


def test_a_fleet_goes_with_the_last_of_its_runs(place: Path) -> None:
    fleets = {"gone": NOW - 24 * 80, "half": NOW - 24 * 70}
    for name, hours in fleets.items():
        for cluster in ("far", "near"):
            began = hours if (name, cluster) != ("half", "near") else NOW - 1
            folder = place / "out" / name / cluster
            save(a_run(f"{name}-{cluster}", began, {}, cluster=cluster), folder / "results.json")
        (place / "out" / name / FLEET).touch()

    prune(place, "--older-than", "30", "--keep", "1", "--delete")

    assert "gone" not in folders(place)
    assert [one.name for one in (place / "out" / "half").iterdir() if one.is_dir()] == ["near"]


def test_the_list_for_machines(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prune(place, "--older-than", "80", "--keep", "1", "--format", "json") == 0

    found = json.loads(capsys.readouterr().out)
    assert list(validator("prune").iter_errors(found)) == []
    assert list(validator("prune").iter_errors({**found, "runs": [{"run": "night-90"}]}))
    assert (found["schema_version"], found["deleted"], len(found["runs"])) == (1, False, 90)
    first, second = found["runs"][:2]
    assert (first["run"], first["because"]) == ("night-90", "a last validation or failure rests on it")
    assert second == {
        "run": "night-89",
        "cluster": "lab",
        "started": second["started"],
        "folder": "night-89",
        "bytes": second["bytes"],
        "because": None,
    }
    assert second["bytes"] > 1000


def test_without_a_history_nothing_is_known_to_be_of_no_use(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "history.db").unlink()

    assert prune(place, "--older-than", "1", "--delete") == 4
    assert "There is no history" in capsys.readouterr().err
    assert len(folders(place)) == 90


def test_numbers_that_are_none_are_refused(place: Path) -> None:
    assert prune(place, "--keep", "-1") == 4
