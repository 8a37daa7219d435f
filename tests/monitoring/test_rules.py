"""The rules in deploy/, by Prometheus' own tool."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.checks import RunResult
from clusters.lab.parts import system
from reports.publish.prometheus import Successes, metrics
from tests.monitoring.daemons import RULES
from tests.unit.reports.conftest import run

__all__ = ["run"]
TESTS = RULES.with_name("rules.test.yaml")
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = [rule["alert"] for group in GROUPS for rule in group["rules"] if "alert" in rule]


def promtool(*arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [system.fetch("promtool").path, *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_rules_are_valid_and_keep_what_their_tests_say() -> None:
    for command in (("check", "rules", RULES), ("test", "rules", TESTS)):
        done = promtool(*command)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested(alert: str, tmp_path: Path) -> None:
    """Without the alert its tests fail, so they do test it."""
    groups = [
        {**group, "rules": [rule for rule in group["rules"] if rule.get("alert") != alert]}
        for group in GROUPS
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    (tmp_path / "rules.test.yaml").write_text(TESTS.read_text())

    done = promtool("test", "rules", tmp_path / "rules.test.yaml")

    assert done.returncode != 0
    assert alert in done.stdout + done.stderr


def test_the_metrics_are_named_as_prometheus_wants_them(run: RunResult) -> None:
    done = promtool("check", "metrics", given=metrics(run, Successes(run=1.0)))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
