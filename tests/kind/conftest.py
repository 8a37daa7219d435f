"""One machine with kind for all tests, and one run of the suites on kind and on the lab to compare."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import ConformanceError, Refused
from tests.kind.stage import Stage, staged

#: The repository, which runs are started in.
HERE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Finished:
    """A run of the suites that has ended."""

    code: int
    said: str
    directory: Path

    @property
    def results(self) -> dict[str, Any]:
        """Its results.json."""
        found: dict[str, Any] = json.loads((self.directory / "results.json").read_text(encoding="utf-8"))
        return found

    @property
    def outcomes(self) -> dict[str, str]:
        """Outcomes by check id."""
        return {check["id"]: check["outcome"] for check in self.results["checks"]}

    @property
    def reasons(self) -> dict[str, str]:
        """Why a check has not passed, by its id; of what was not tested as well."""
        told = (*self.results["checks"], *self.results["not_tested"])
        return {one["id"]: one.get("reason", "") for one in told}


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """A machine with kind, on a Docker of its own."""
    try:
        with staged() as made:
            yield made
    except Refused as refused:
        pytest.exit(str(refused), returncode=int(refused.exit_code))
    except ConformanceError as error:
        pytest.fail(str(error))


@pytest.fixture
def profile(stage: Stage, tmp_path: Path) -> Path:
    """The profile `local`, with the images that a machine without a registry needs."""
    return stage.profile(tmp_path)


def run(
    stage: Stage, cluster: Path, directory: Path, *arguments: str | Path, path: Path | None = None
) -> Finished:
    """The suites against kind, in a process where Docker's network is; `path` is a folder with plugins."""
    given = ("suites", "--cluster", cluster, "--report-dir", directory, *arguments)
    environment = dict(stage.environment) | ({"PYTHONPATH": str(path)} if path else {})
    done = subprocess.run(
        stage.pytest(*given), env=environment, cwd=HERE, capture_output=True, text=True, check=False
    )
    return Finished(done.returncode, done.stdout + done.stderr, directory)


@pytest.fixture(scope="session")
def on_kind(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Every suite that kind allows, on three nodes that the provider made."""
    folder = tmp_path_factory.mktemp("kind")
    return run(stage, stage.profile(folder), folder / "run", "--allow", "disrupt")


@pytest.fixture(scope="session")
def on_the_lab(tmp_path_factory: pytest.TempPathFactory, on_kind: Finished) -> Finished:
    """The same suites on the lab, after kind's run so that neither blurs the other's measurements."""
    folder = tmp_path_factory.mktemp("lab") / "run"
    command = [sys.executable, "-m", "pytest", "suites", "--cluster", "lab", "--allow", "disrupt"]
    done = subprocess.run(
        [*command, "--report-dir", str(folder)], cwd=HERE, capture_output=True, text=True, check=False
    )
    return Finished(done.returncode, done.stdout + done.stderr, folder)
