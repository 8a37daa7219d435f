"""The summary that a ConfigMap holds: whole where it fits, and saying so where it does not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from clusters.checks import RunResult
from clusters.checks.serialise import run_from_dict
from clusters.errors import UsageError
from reports.publish.summary import configmap_of, data_of


def test_it_holds_the_verdict_the_summary_and_the_results(run: RunResult) -> None:
    data = data_of(run)

    assert data["verdict"] == "failed"
    assert data["summary.md"].startswith("# FAILED on lab")
    assert run_from_dict(json.loads(data["results.json"])) == run
    assert data["left-out"] is None


def test_what_is_too_long_is_left_out_and_told(run: RunResult) -> None:
    long = tuple(replace(run.checks[1], id=f"a.c{number}", reason="long " * 400) for number in range(600))

    data = data_of(replace(run, checks=long))

    assert data["results.json"] is None
    assert "too long" in data["left-out"]
    assert data["summary.md"].endswith("(cut here)\n")
    assert len(json.dumps(data).encode()) < 1_000_000


@pytest.mark.parametrize(
    ("given", "said"),
    [("only-a-name", "is not NAMESPACE/NAME"), ("a/b", "works only for a run in a pod")],
)
def test_what_cannot_be_written_to_is_refused(given: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(UsageError, match=said):
        configmap_of(given)
    assert configmap_of(None) is None
