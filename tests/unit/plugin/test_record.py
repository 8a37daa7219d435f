"""What a check notes down: figures by their worst sample, and files without secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusters.checks import CheckFailed, Finding
from suites.plugin.record import Findings, OverBudget, Record


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path, "evidence/health.x")


def test_the_worst_sample_is_judged_and_all_are_kept(record: Record) -> None:
    assert record.measure("moved after", 0.2, budget=1.0) == 0.2
    record.measure("moved after", 1.5, budget=1.0)
    record.measure("moved after", 0.1, budget=1.0)

    figure = record.measurements["moved after"]
    assert (figure.value, figure.samples) == (1.5, (0.2, 1.5, 0.1))
    with pytest.raises(OverBudget, match=r"moved after: 1\.5 s, where the budget is at most 1 s"):
        record.require_budgets()


def test_a_figure_that_must_be_reached_is_judged_by_its_lowest_sample(record: Record) -> None:
    record.measure("announcements", 3, unit="frames", budget=2, worst="lowest")
    record.measure("announcements", 1, unit="frames", budget=2, worst="lowest")

    with pytest.raises(OverBudget, match="announcements: 1 frames, where the budget is at least 2 frames"):
        record.require_budgets()


def test_figures_within_their_budget_and_without_one_pass(record: Record) -> None:
    record.measure("gap", 1.0, budget=1.0)
    record.measure("overlap", 99.0)

    record.require_budgets()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_never_happened_is_no_measurement(record: Record, value: float) -> None:
    with pytest.raises(ValueError, match="'gap' was not measured"):
        record.measure("gap", value)


def test_attached_files_do_not_overwrite_each_other(record: Record, tmp_path: Path) -> None:
    paths = [record.attach("wire/the log.txt", "a"), record.attach("wire/the log.txt", b"b")]

    assert paths == ["evidence/health.x/wire-the-log.txt", "evidence/health.x/wire-the-log-2.txt"]
    assert [(tmp_path / path).read_bytes() for path in paths] == [b"a", b"b"]
    assert record.evidence == paths


def test_a_file_is_copied(record: Record, tmp_path: Path) -> None:
    (tmp_path / "capture.pcap").write_bytes(b"\x00\xff")

    assert (tmp_path / record.attach("capture.pcap", tmp_path / "capture.pcap")).read_bytes() == b"\x00\xff"


def test_no_secret_is_kept(record: Record, tmp_path: Path) -> None:
    secret = {"kind": "Secret", "metadata": {"name": "memberlist"}, "data": {"secretkey": "aHVudGVyMg=="}}
    record.attach("objects.json", {"items": [secret, {"kind": "Pod", "data": {"a": "b"}}]})
    record.attach("log.txt", "Authorization: Bearer abcdefghijklmnop")
    record.note("password=hunter2")

    kept = json.loads((tmp_path / "evidence/health.x/objects.json").read_text())
    assert kept["items"] == [
        {"kind": "Secret", "metadata": {"name": "memberlist"}},
        {"kind": "Pod", "data": {"a": "b"}},
    ]
    text = "".join(path.read_text() for path in (tmp_path / "evidence").rglob("*.*") if path.is_file())
    assert "abcdefghijklmnop" not in text
    assert "hunter2" not in str(record.evidence)


def test_any_finding_fails() -> None:
    findings = Findings()
    findings.require_none()
    findings.extend([Finding(cause="speaker-down", subject="node w1", summary="it is down")])

    with pytest.raises(CheckFailed, match="speaker-down: node w1: it is down"):
        findings.require_none()
