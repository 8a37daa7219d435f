"""pytest-html's page: no row greener than its check, and nothing of the environment, also with workers."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest

from clusters.errors import ExitCode
from tests.unit.plugin.project import Project
from tests.unit.plugin.test_run import PASSING, UNCLEAN, UNDECIDED

ALONE_AND_WITH_WORKERS = pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "workers"])
SECRET = "hunter2hunter2"
SKIPPING = '''
@pytest.fixture
def somebody_elses():
    pytest.skip("there is none here")

@check("health.skips", runbook="1", level=OBSERVE)
def test_skips(somebody_elses):
    """Asks somebody else's fixture."""
'''


def blob(project: Project) -> dict[str, Any]:
    """What pytest-html's page holds; its own script draws the rows from it."""
    page = (project.directory / "pytest-html.html").read_text()
    found = re.search(r'data-jsonblob="([^"]*)"', page)
    assert found is not None
    data: dict[str, Any] = json.loads(unescape(found.group(1)))
    return data


def results(project: Project) -> dict[str, list[str]]:
    """What the rows of each test say, sorted."""
    return {
        name.rpartition("::")[2]: sorted(row["result"] for row in rows)
        for name, rows in blob(project)["tests"].items()
    }


@ALONE_AND_WITH_WORKERS
def test_a_failed_teardown_leaves_no_green_row(project: Project, arguments: tuple[str, ...]) -> None:
    project.checks(PASSING + UNCLEAN)

    assert project.run_apart(*arguments).ret == ExitCode.CLEANUP_FAILED
    assert results(project) == {
        "test_passes": ["Passed"],
        "test_unclean": ["Error", "Failed"],
    }


@ALONE_AND_WITH_WORKERS
def test_what_was_not_decided_is_not_green(project: Project, arguments: tuple[str, ...]) -> None:
    project.checks(PASSING + UNDECIDED)
    project.run_apart(*arguments)

    assert results(project)["test_unsure"] == ["Skipped"]


@ALONE_AND_WITH_WORKERS
def test_no_secret_of_the_environment_or_of_metadata_reaches_a_file(
    project: Project, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("JENKINS_URL", "https://ci.example")
    monkeypatch.setenv("GIT_URL", f"https://bot:{SECRET}@git.example/repository")
    project.checks(PASSING)

    project.run_apart(*arguments, "--metadata", "deploy password", SECRET)

    assert set(blob(project)["environment"]) == {"Python", "Platform", "Packages", "Plugins"}
    files = [path for path in project.directory.rglob("*") if path.is_file()]
    assert len(files) >= 5
    assert [path.name for path in files if SECRET in path.read_text(encoding="utf-8")] == []


@ALONE_AND_WITH_WORKERS
@pytest.mark.parametrize("summary", ["-rs", "-rA"])
def test_the_summary_lists_what_was_skipped_with_its_place_and_reason(
    project: Project, summary: str, arguments: tuple[str, ...]
) -> None:
    project.checks(PASSING + SKIPPING)

    result = project.run_apart(summary, *arguments)

    assert result.ret == ExitCode.INCOMPLETE
    result.stdout.re_match_lines([r"SKIPPED \[1\] suites/test_\w+\.py:\d+: skipped: there is none here"])
