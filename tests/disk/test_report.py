"""A run whose report's disk is full: its verdict is said all the same, and it ends with exit code 3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import ExitCode
from tests.disk.mounting import Disk, disk
from tests.unit.plugin.project import Project

CHECKS = '''
@check("health.passes", runbook="1", level=CREATE)
def test_passes(record, changes):
    """Passes."""
    record.attach("seen.txt", "x")
    record.attach("large.bin", bytes(1_000_000))

@check("health.other", runbook="1", level=OBSERVE)
def test_other():
    """Passes or fails."""
    assert {holds}
'''


def run(project: Project, small: Disk, *options: str, holds: bool = True) -> pytest.RunResult:
    project.checks(CHECKS.format(holds=holds))
    place = ("--report-dir", str(small.folder / "report"), "--history", str(small.folder / "history.db"))
    return project.run_apart(*place, *options)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path / "disk", kib=2048) as mounted:
        yield mounted


@pytest.mark.parametrize("free", [0, 1, 3, 9, 18])
def test_a_passed_run_says_so_and_names_what_could_not_be_written(
    project: Project, small: Disk, free: int
) -> None:
    small.fill(but=free)

    done = run(project, small)

    assert done.ret == ExitCode.INTERNAL_ERROR
    printed = done.stdout.str() + done.stderr.str()
    assert "PASSED on fake (Kubernetes v1.34.4, MetalLB 0.15.2, level disrupt): 2 passed" in printed
    assert "error: " in printed
    assert (
        printed.count("could not be written: No space left on device") + printed.count("cannot be used") > 0
    )
    assert "Traceback" not in printed
    assert "the check itself broke" not in printed


def test_what_failed_is_said_on_a_full_disk_as_well(project: Project, small: Disk) -> None:
    small.fill()

    done = run(project, small, holds=False)

    assert done.ret == ExitCode.INTERNAL_ERROR
    printed = done.stdout.str() + done.stderr.str()
    assert "FAILED  health.other" in printed
    assert "error: The JUnit file could not be written: No space left on device." in printed
    assert "generated xml file" not in printed
    assert "Traceback" not in printed


def test_a_clean_up_that_failed_outranks_a_full_disk(project: Project, small: Disk) -> None:
    project.cluster("undo-fails", "The namespace is still there.")
    small.fill()

    done = run(project, small)

    assert done.ret == ExitCode.CLEANUP_FAILED
    assert "The namespace is still there." in done.stdout.str()


def test_worker_processes_end_a_run_on_a_full_disk_in_the_same_way(project: Project, small: Disk) -> None:
    small.fill()

    done = run(project, small, "-n", "1")

    assert done.ret == ExitCode.INTERNAL_ERROR
    printed = done.stdout.str() + done.stderr.str()
    assert "Traceback" not in printed
    assert "passed" in printed


def test_evidence_that_has_no_room_changes_no_outcome(project: Project, small: Disk) -> None:
    small.fill(but=60)

    done = run(project, small)

    assert done.ret == ExitCode.PASSED
    (check,) = [one for one in results(small)["checks"] if one["id"] == "health.passes"]
    assert check["outcome"] == "passed"
    assert list((small.folder / "report" / "evidence").rglob("large.bin")) == []


def results(small: Disk) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((small.folder / "report" / "results.json").read_text())
    return found
