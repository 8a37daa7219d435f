"""results.json has the paths of the services that were in trouble, whoever looked: one process or several."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.errors import ExitCode
from tests.unit.plugin.project import Project

OBSERVATIONS = Path(__file__).parents[1] / "diagnosis" / "observations"
CHECK = '''
from clusters.diagnosis.answers import trigger

@check("trigger.waits", runbook="Trigger", level=OBSERVE, causes=("pool-exhausted",))
def test_waits(observed):
    """Holds."""
    observed.expect(trigger.pending_services)
'''


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "workers"])
def test_the_paths_of_a_service_in_trouble_stand_in_the_results(
    project: Project, arguments: tuple[str, ...]
) -> None:
    project.checks(CHECK)

    result = project.pytest_apart(
        "suites", "--snapshot", str(OBSERVATIONS / "pool-exhausted.json.gz"), *arguments
    )

    assert result.ret == ExitCode.FAILED
    (path,) = project.results["paths"]
    assert (path["service"], path["path"], path["address"]) == ("shop/late", "assignment", "")
    broken = [(one["link"], one["cause"]) for one in path["links"] if one["reading"] == "broken"]
    assert broken == [("free", "pool-exhausted")]


def test_where_nothing_is_in_trouble_there_are_no_paths(project: Project) -> None:
    project.checks(CHECK)

    result = project.pytest("suites", "--snapshot", str(OBSERVATIONS / "healthy.json.gz"))

    assert result.ret == ExitCode.PASSED
    assert "paths" not in project.results
