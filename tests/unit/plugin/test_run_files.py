"""An observation of an earlier run is never judged as this run's."""

from __future__ import annotations

from pathlib import Path

from suites.plugin.run_state import REPOSITORY, SNAPSHOT, remove_old, repository_file_for


def test_what_an_earlier_run_observed_is_removed(tmp_path: Path) -> None:
    (tmp_path / SNAPSHOT).write_text("{}")
    (tmp_path / REPOSITORY).write_text("{}")
    (tmp_path / "results.json").write_text("{}")

    remove_old(tmp_path, judged=None)

    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_what_is_to_be_judged_again_stays(tmp_path: Path) -> None:
    (tmp_path / SNAPSHOT).write_text("{}")

    remove_old(tmp_path, judged=tmp_path / SNAPSHOT)

    assert (tmp_path / SNAPSHOT).exists()


def test_the_repository_is_kept_under_the_name_that_is_removed(tmp_path: Path) -> None:
    assert repository_file_for(tmp_path / SNAPSHOT).name == REPOSITORY
