"""Writing a run's files: one that cannot be made keeps no other from being made, and nothing is silent."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.checks import RunResult
from reports.history import Recorder
from reports.model import NotWritten, load
from reports.pages import page_templates
from reports.publish import report_files
from reports.publish.report_files import Files


@pytest.fixture
def config(tmp_path: Path) -> Any:
    """What the writer uses of pytest's config; `summaries` are what it registers."""
    summaries: list[Any] = []
    manager = SimpleNamespace(register=lambda plugin, _name: summaries.append(plugin))
    return SimpleNamespace(rootpath=tmp_path / "root", pluginmanager=manager, summaries=summaries)


def writer_of(config: Any, directory: Path) -> Files:
    recorder = Recorder(directory.parent / "history.db", directory=directory)
    return Files(config, directory, recorder)


def test_a_page_that_breaks_leaves_the_results(
    run: RunResult, tmp_path: Path, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> str:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(report_files, "page", breaks)

    with pytest.raises(NotWritten, match=r"report\.html could not be made: ZeroDivisionError: oops"):
        writer_of(config, tmp_path / "run").pytest_conformance_finished(run)

    assert load(tmp_path / "run") == run
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "results.json",
        "metrics.prom",
        "summary.md",
    }
    assert len(config.summaries) == 1


def test_a_full_disk_ends_no_check_in_its_middle(run: RunResult, tmp_path: Path, config: Any) -> None:
    (tmp_path / "run").write_text("a file where the directory should be")
    writer = writer_of(config, tmp_path / "run")

    writer.pytest_conformance_progress(run)

    with pytest.raises(NotWritten, match=r"results\.json could not be written"):
        writer.pytest_conformance_finished(run)


def test_writing_that_takes_long_rests(
    run: RunResult, tmp_path: Path, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 5.0, 22.0, 22.01])
    monkeypatch.setattr(report_files, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    written: list[Path] = []
    monkeypatch.setattr(report_files, "save", lambda _result, path: written.append(path))
    writer = writer_of(config, tmp_path)

    writer.pytest_conformance_progress(run)
    writer.pytest_conformance_progress(run)
    assert len(written) == 1

    writer.pytest_conformance_progress(run)
    assert len(written) == 2


def test_a_page_finds_its_templates_ready_where_the_run_has_waited(
    run: RunResult, tmp_path: Path, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writer_of(config, tmp_path / "run")
    page_templates._environment.cache_clear()
    writer.pytest_conformance_waiting()
    environment = page_templates._environment()
    compiled: list[str] = []
    compiling = environment.compile

    def noted(source: Any, name: str | None = None, *rest: Any, **more: Any) -> Any:
        compiled.append(name or "")
        return compiling(source, name, *rest, **more)

    monkeypatch.setattr(environment, "compile", noted)

    writer.pytest_conformance_finished(run)

    assert (tmp_path / "run" / "report.html").is_file()
    assert set(compiled) <= {"report.css"}
