"""docs/monitoring.md says what is there: its configuration is valid, its tables are complete."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from clusters.lab.parts import system
from reports.publish.prometheus import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/monitoring.md").read_text()
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_its_configuration_is_one_that_prometheus_takes(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    file = tmp_path / "prometheus.yaml"
    file.write_text(text.replace("/etc/prometheus/rules/metallb-conformance.yaml", str(RULES)))

    done = subprocess.run(
        [system.fetch("promtool").path, "check", "config", file],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert str(RULES) in done.stdout


def test_its_promtool_commands_work(tmp_path: Path) -> None:
    commands = re.findall(r"^\$ promtool (.*)$", PAGE, flags=re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        promtool = system.fetch("promtool").path
        done = subprocess.run([promtool, *command.split()], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, command


def test_every_metric_and_every_alert_is_in_its_tables() -> None:
    told = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert set(FAMILIES) <= told
    groups = yaml.safe_load(RULES.read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert set(re.findall(r"^\| `(MetalLB\w+)`", PAGE, flags=re.MULTILINE)) == alerts
