"""The project to run the plugin in."""

from __future__ import annotations

from pathlib import Path

import pytest

from suites.plugin import declare, failure_evidence, phase_outcome
from tests.unit.plugin.project import Project


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where processes that tests start keep their compiled modules: each would else compile all of them anew."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, compiled: Path) -> Project:
    """A project of its own, with no check registered before."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(compiled))
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[3]}:{pytester.path}")
    monkeypatch.setattr(declare, "_REGISTRY", {})
    monkeypatch.setattr(phase_outcome, "_EXPLAINERS", [])
    monkeypatch.setattr(failure_evidence, "_COLLECTORS", list(failure_evidence._COLLECTORS))
    return Project(pytester)
