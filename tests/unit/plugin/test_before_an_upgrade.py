"""--target-version: checks about an upgrade run with it alone, and the decision lies beside the other files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusters.errors import ExitCode
from tests.unit.plugin.project import Project
from tests.unit.plugin.test_run import FAILING, PASSING

READINESS = '''
@check("upgrade.readiness", runbook="pre-upgrade", level=OBSERVE, needs={"target"})
def test_ready():
    """Nothing is known to break."""
'''


def test_a_check_about_an_upgrade_runs_only_where_one_is_asked_about(project: Project) -> None:
    project.checks(PASSING + READINESS)

    assert project.run().ret == ExitCode.PASSED
    assert project.outcomes == {"health.passes": "passed"}
    assert project.not_tested == {"upgrade.readiness": "needs --target-version"}
    assert not (project.directory / "decision.html").exists()

    result = project.run("--target-version", "v0.16.2")
    assert result.ret == ExitCode.PASSED
    assert project.outcomes == {"health.passes": "passed", "upgrade.readiness": "passed"}
    result.stdout.fnmatch_lines(["GO: MetalLB on fake from 0.15.2 to *0.16.2 (no reason against it)"])
    assert json.loads((project.directory / "decision.json").read_text())["verdict"] == "GO"


def test_what_fails_besides_stops_the_upgrade(project: Project) -> None:
    project.checks(FAILING + READINESS)

    result = project.run("--target-version", "0.16.2")

    assert result.ret == ExitCode.FAILED
    result.stdout.fnmatch_lines(
        ["NO-GO: MetalLB on fake *", "  node w1: its speaker is not ready", "decision: *"]
    )
    assert "its speaker is not ready" in (project.directory / "decision.md").read_text()


@pytest.mark.parametrize("what", ["refuses", "boot-fails"])
def test_a_refused_run_decides_nothing(project: Project, what: str) -> None:
    project.checks(PASSING + READINESS)
    project.cluster(what, "The API server at 10.0.0.1 does not answer.")

    assert project.run("--target-version", "0.16.2").ret == ExitCode.REFUSED
    assert json.loads((project.directory / "decision.json").read_text())["verdict"] == "UNDECIDED"


def test_a_later_run_into_the_same_place_leaves_no_old_decision(project: Project) -> None:
    project.checks(PASSING + READINESS)
    project.run("--target-version", "0.16.2", "--report-dir", "here")
    project.run("--report-dir", "here")

    assert not (project.path / "here" / "decision.html").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--target-version", "0.15.9"),
            "--target-version 0.15.9 is no release of MetalLB. Known are 0.*, 0.13.2*",
        ),
        (("--target-version", "unnamed"), "--target-version unnamed is no release of MetalLB. Known are *"),
        (
            ("--target-version", "0.16.2", "--helm-values", "none.yaml"),
            "--helm-values none.yaml cannot be read: *",
        ),
        (
            ("--target-version", "0.16.2", "--helm-values", "list.yaml"),
            "--helm-values list.yaml holds no values.",
        ),
        (
            ("--target-version", "0.16.2", "--helm-values", "bad.yaml"),
            "--helm-values bad.yaml is not YAML that can be read: *",
        ),
    ],
)
def test_what_cannot_be_asked_about_is_wrong_usage(
    project: Project, arguments: tuple[str, ...], said: str
) -> None:
    project.checks(PASSING)
    Path("list.yaml").write_text("- a\n")
    Path("bad.yaml").write_text("a: [\n")

    result = project.pytest_apart(*project.arguments(arguments, "observe"))

    assert result.ret == ExitCode.USAGE
    result.stderr.fnmatch_lines([f"ERROR: {said}"])
