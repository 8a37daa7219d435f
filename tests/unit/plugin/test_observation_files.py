"""An observation of an earlier run is never judged as this run's."""

from __future__ import annotations

from pathlib import Path

from suites import repository
from suites.plugin.observation import FILE, REPOSITORY_FILE, forget


def test_what_an_earlier_run_observed_is_removed(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{}")
    (tmp_path / REPOSITORY_FILE).write_text("{}")
    (tmp_path / "results.json").write_text("{}")

    forget(tmp_path, judged=None)

    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_what_is_to_be_judged_again_stays(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{}")

    forget(tmp_path, judged=tmp_path / FILE)

    assert (tmp_path / FILE).exists()


def test_the_repository_is_kept_under_the_name_that_is_removed(tmp_path: Path) -> None:
    assert repository.beside(tmp_path / FILE).name == REPOSITORY_FILE
