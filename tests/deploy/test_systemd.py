"""The units in deploy/systemd, by systemd's own tools. No systemd needs to run for that."""

from __future__ import annotations

import configparser
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
INSTALLED = "/opt/metallb-conformance"
#: Of ten; systemd itself calls up to 5.2 medium. What is left is the network, which a run is about.
EXPOSED_AT_MOST = 5.3


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units of one cluster, as if the checkout were installed where they say."""
    names = []
    for unit in sorted(UNITS.glob("*@.*")):
        place = tmp_path / unit.name.replace("@", "@homelab")
        here = unit.read_text().replace(f"{INSTALLED}/.venv/bin", str(Path(sys.executable).parent))
        place.write_text(here.replace(INSTALLED, str(ROOT)))
        names.append(str(place))
    assert len(names) == 2
    return names


def tool(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def service() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    text = (UNITS / "metallb-conformance@.service").read_text()
    parser.read_string(text.replace("\\\n", " "))
    return parser


def test_systemd_takes_the_units_without_a_word(units: list[str]) -> None:
    done = tool("systemd-analyze", "verify", "--man=no", *units)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("TimeoutStartSec=3h", "TimeoutStartSec=threehours"), ("OnCalendar=*-*-* 03:00", "OnCalendar=nightly")],
)
def test_a_mistake_in_them_would_be_told(units: list[str], right: str, wrong: str) -> None:
    texts = {Path(name): Path(name).read_text() for name in units}
    assert sum(text.count(right) for text in texts.values()) == 1
    for path, text in texts.items():
        path.write_text(text.replace(right, wrong))

    done = tool("systemd-analyze", "verify", "--man=no", *units)

    assert wrong.partition("=")[2] in done.stderr


def test_the_service_may_do_little(units: list[str]) -> None:
    done = tool(
        *("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSED_AT_MOST * 10:.0f}"), units[0]
    )

    assert done.returncode == 0, done.stdout[-2000:]


def test_the_command_of_the_service_is_one_that_pytest_takes(tmp_path: Path) -> None:
    """Collected, not run; the instance's profile is the example."""
    profile = tmp_path / "homelab.yaml"
    profile.write_text((ROOT / "clusters/profiles/homelab.yaml").read_text())
    line = service()["Service"]["ExecStart"].replace("/etc/metallb-conformance/%i.yaml", str(profile))
    program, *arguments = shlex.split(line.replace("$ARGS", "--textfile-dir /tmp"))
    assert program == f"{INSTALLED}/.venv/bin/pytest"

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "--collect-only", "-q"],
        cwd=ROOT,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "suites/health/test_health.py::" in done.stdout


def test_old_runs_go_and_young_ones_stay(tmp_path: Path) -> None:
    out = tmp_path / "reports" / "out"
    for name, days in (("old", 90), ("young", 3)):
        (out / name).mkdir(parents=True)
        file = out / name / "results.json"
        file.touch()
        for path in (file, file.parent):
            age(path, days=days)
    rules = (UNITS / "metallb-conformance.tmpfiles.conf").read_text()
    mine = rules.replace(INSTALLED, str(tmp_path)).replace("metallb-conformance metallb-conformance", "- -")
    # Times of change cannot be set, so only those of the contents count here.
    (tmp_path / "rules.conf").write_text(mine.replace(" 60d", " mM:60d"))

    done = tool("systemd-tmpfiles", "--clean", tmp_path / "rules.conf")

    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in out.iterdir()] == ["young"]


def age(path: Path, *, days: int) -> None:
    """Let a file have been written that many days ago."""
    then = path.stat().st_mtime - days * 86400
    os.utime(path, (then, then))
