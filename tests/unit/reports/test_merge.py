"""Shards of one run become one run: nothing counted twice, and shards of other runs refused with one sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.checks import CheckResult, Measurement, Outcome, RunResult, Scope, Verdict
from clusters.checks.run_verdict import verdict
from reports.__main__ import main
from reports.model import load, save
from tests.unit.reports.conftest import INFO, result_of
from tests.unit.reports.dom import parsed

RUN = "nightly-0101"


def shard(
    tmp_path: Path, part: str, checks: Sequence[CheckResult], *, left_out: Sequence[str] = (), **run: object
) -> Path:
    """A shard's directory with its results."""
    info = replace(INFO, id=f"{RUN}.{part}", verdict=verdict(checks), scope=Scope.NONE)
    info = replace(info, **run)  # type: ignore[arg-type]  # the fields of a RunInfo
    result = RunResult(
        run=info, checks=tuple(checks), not_tested=tuple((name, "deselected") for name in left_out)
    )
    save(result, tmp_path / part / "results.json")
    return tmp_path / part


def evidence(directory: Path, check: str, text: str) -> str:
    path = directory / "evidence" / check / "events.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return f"evidence/{check}/events.txt"


def merged(tmp_path: Path, *shards: Path) -> RunResult:
    main(["merge", *map(str, shards), "-o", str(tmp_path / "whole")])
    return load(tmp_path / "whole")


def refusal(capsys: pytest.CaptureFixture[str], tmp_path: Path, *shards: Path) -> str:
    assert main(["merge", *map(str, shards), "-o", str(tmp_path / "whole")]) == 4
    assert not (tmp_path / "whole").exists()
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_two_shards_are_one_run(tmp_path: Path) -> None:
    health, failover = result_of("health.a", Outcome.PASSED), result_of("failover.b", Outcome.FAILED, "slow")
    first = shard(tmp_path, "1", [health], left_out=["failover.b", "recovery.c"], allow="observe")
    second = shard(
        tmp_path,
        "2",
        [failover],
        left_out=["health.a", "recovery.c"],
        started="2025-12-31T23:59:00Z",
        finished="2026-01-01T00:10:00Z",
        vantage="netns:other",
    )

    whole = merged(tmp_path, first, second)

    assert {check.id: check.outcome for check in whole.checks} == {
        "health.a": Outcome.PASSED,
        "failover.b": Outcome.FAILED,
    }
    assert whole.not_tested == (("recovery.c", "deselected"),)
    assert whole.run == replace(
        INFO,
        id=RUN,
        started="2025-12-31T23:59:00Z",
        finished="2026-01-01T00:10:00Z",
        allow="disrupt",
        vantage="netns:other, netns:client",
        verdict=Verdict.FAILED,
        scope=Scope.NONE,
    )


def test_the_whole_has_its_page_and_the_exit_code_of_the_whole(tmp_path: Path) -> None:
    first = shard(tmp_path, "1", [result_of("health.a", Outcome.PASSED)])
    second = shard(tmp_path, "2", [result_of("failover.b", Outcome.FAILED, "slow")])

    assert main(["merge", str(first), str(second / "results.json"), "-o", str(tmp_path / "whole")]) == 1

    page = parsed((tmp_path / "whole" / "report.html").read_text())
    assert "1 passed, 1 failed" in page.one("header").text


def test_a_shard_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    slow = Measurement(value=2.0, unit="s", samples=(2.0, 1.0))
    first = shard(tmp_path, "1", [result_of("failover.b", Outcome.PASSED, measurements={"gap": slow})])

    (check,) = merged(tmp_path, first, first / "results.json").checks

    assert check.duration_s == 1.25
    assert check.measurements["gap"].samples == (2.0, 1.0)


def test_a_check_of_two_shards_is_one_check_with_the_worst_outcome(tmp_path: Path) -> None:
    first = shard(tmp_path, "1", [result_of("failover.b", Outcome.FAILED, "slow")])
    second = shard(tmp_path, "2", [result_of("failover.b", Outcome.PASSED)], started="2026-01-01T00:00:05Z")
    for place, outcome, text in ((first, Outcome.FAILED, "one"), (second, Outcome.PASSED, "two")):
        path = evidence(place, "failover.b", text)
        kept = load(place)
        check = replace(kept.checks[0], evidence=(path,))
        assert check.outcome is outcome
        save(replace(kept, checks=(check,)), place / "results.json")

    (check,) = merged(tmp_path, first, second).checks

    assert check.outcome is Outcome.FAILED
    texts = [(tmp_path / "whole" / path).read_text() for path in check.evidence]
    assert texts == ["one", "two"]


def test_what_a_shard_did_not_reach_is_taken_from_the_one_that_did(tmp_path: Path) -> None:
    first = shard(tmp_path, "1", [result_of("health.a", Outcome.SKIPPED, "not reached")])
    second = shard(tmp_path, "2", [result_of("health.a", Outcome.PASSED)])

    whole = merged(tmp_path, first, second)

    assert [(check.id, check.outcome) for check in whole.checks] == [("health.a", Outcome.PASSED)]
    assert whole.run.verdict is Verdict.PASSED


def test_the_evidence_and_the_observation_come_along(tmp_path: Path) -> None:
    first = shard(tmp_path, "1", [result_of("health.a", Outcome.PASSED)])
    second = shard(tmp_path, "2", [result_of("health.b", Outcome.PASSED)])
    evidence(first, "health.a", "kept")
    (second / "snapshot.json").write_text("{}")

    merged(tmp_path, first, second)

    assert (tmp_path / "whole" / "evidence" / "health.a" / "events.txt").read_text() == "kept"
    assert (tmp_path / "whole" / "snapshot.json").exists()


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((Verdict.PASSED, Verdict.CLEANUP_FAILED), Verdict.CLEANUP_FAILED),
        ((Verdict.PASSED, Verdict.REFUSED), Verdict.INCOMPLETE),
    ],
)
def test_a_shard_that_ended_badly_is_never_green(
    tmp_path: Path, verdicts: tuple[Verdict, Verdict], expected: Verdict
) -> None:
    first = shard(tmp_path, "1", [result_of("health.a", Outcome.PASSED)], verdict=verdicts[0])
    second = shard(tmp_path, "2", [], left_out=["health.b"], verdict=verdicts[1])

    assert merged(tmp_path, first, second).run.verdict is expected


def test_a_shard_that_knows_no_versions_does_not_hide_them(tmp_path: Path) -> None:
    unknown = {"context": "", "kubernetes_version": "", "metallb_version": ""}
    first = shard(tmp_path, "1", [], verdict=Verdict.REFUSED, **unknown)
    second = shard(tmp_path, "2", [result_of("health.a", Outcome.PASSED)])

    assert merged(tmp_path, first, second).run.metallb_version == "0.15.2"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("id", "nightly-0102.2", "belongs to run nightly-0101, and"),
        ("cluster", "homelab", "The cluster is 'lab' in"),
        ("metallb_version", "0.16.2", "The MetalLB version is '0.15.2' in"),
        ("suite_version", "9.9", "The suite version is"),
    ],
)
def test_what_is_not_one_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, field: str, value: str, said: str
) -> None:
    first = shard(tmp_path, "1", [result_of("health.a", Outcome.PASSED)])
    second = shard(tmp_path, "2", [result_of("health.b", Outcome.PASSED)], **{field: value})

    line = refusal(capsys, tmp_path, first, second)

    assert said in line
    assert str(second) in line


def test_two_accounts_of_one_shard_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = shard(tmp_path / "a", "1", [result_of("health.a", Outcome.PASSED)])
    again = shard(tmp_path / "b", "1", [result_of("health.a", Outcome.FAILED, "later")])

    assert "are both nightly-0101.1, but differ" in refusal(capsys, tmp_path, first, again)


@pytest.mark.parametrize(
    "content", ["", '{"schema_version": 1', '{"tests": []}', '{"schema_version": 2}', "[]"]
)
def test_foreign_and_broken_files_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    first = shard(tmp_path, "1", [result_of("health.a", Outcome.PASSED)])
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "results.json").write_text(content)

    line = refusal(capsys, tmp_path, first, tmp_path / "2")

    assert str(tmp_path / "2" / "results.json") in line


def test_a_place_that_holds_something_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = shard(tmp_path, "1", [result_of("health.a", Outcome.PASSED)])
    before = json.loads((first / "results.json").read_text())

    assert main(["merge", str(first), "-o", str(first)]) == 4
    assert "is not empty" in capsys.readouterr().err
    assert json.loads((first / "results.json").read_text()) == before


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of whoever merges, beside the shards of somebody else."""
    path = tmp_path / "secret"
    path.write_text("secret")
    return path


@pytest.mark.parametrize(
    ("name", "target"),
    [
        pytest.param("evidence/health.a/link", "../../../secret", id="file"),
        pytest.param("evidence/health.a/link", "{secret}", id="absolute"),
        pytest.param("evidence/health.a/more", "../../..", id="folder"),
        pytest.param("evidence/health.a", "../../", id="the-check-s-folder"),
        pytest.param("evidence", "..", id="the-evidence"),
        pytest.param("snapshot.json", "../secret", id="observation"),
        pytest.param("evidence/health.a/gone", "nowhere", id="dangling"),
        pytest.param("evidence/health.a/circle", "circle", id="circle"),
    ],
)
def test_links_in_evidence_lead_to_nothing_of_ours(
    tmp_path: Path, secret: Path, capsys: pytest.CaptureFixture[str], *, name: str, target: str
) -> None:
    first = shard(tmp_path, "1", [result_of("health.a", Outcome.PASSED)])
    second = shard(tmp_path, "2", [result_of("health.b", Outcome.PASSED)])
    evidence(second, "health.b", "kept")
    (first / name).parent.mkdir(parents=True, exist_ok=True)
    (first / name).symlink_to(target.format(secret=secret))

    merged(tmp_path, first, second)

    whole = tmp_path / "whole"
    files = [path for path in whole.rglob("*") if path.is_file()]
    assert not [path for path in files if path.read_bytes() == b"secret"]
    assert not [path for path in whole.rglob("*") if path.is_symlink()]
    assert (whole / "evidence/health.b/events.txt").read_text() == "kept"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"left out: {name}")


def test_pipes_and_endless_files_in_evidence_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = shard(tmp_path, "1", [result_of("health.a", Outcome.PASSED)])
    evidence(first, "health.a", "kept")
    os.mkfifo(first / "evidence/health.a/pipe")
    with (first / "evidence/health.a/endless").open("wb") as file:
        file.truncate(1 << 40)

    merged(tmp_path, first)

    assert [path.name for path in (tmp_path / "whole/evidence/health.a").iterdir()] == ["events.txt"]
    left_out = capsys.readouterr().err.splitlines()
    assert left_out == [
        "left out: evidence/health.a/endless is larger than 256 MiB, the most that is read of one file.",
        "left out: evidence/health.a/pipe is neither a file nor a folder.",
    ]


def test_a_shard_s_name_is_no_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    health = result_of("health.a", Outcome.PASSED)
    first, second = (
        shard(tmp_path, part, [health], id=f"{RUN}.{name}")
        for part, name in (("1", "1"), ("2", "../../../../outside"))
    )
    evidence(second, "health.a", "out")
    before = sorted(tmp_path.rglob("*"))

    merged(tmp_path, first, second)

    made = set(tmp_path.rglob("*")) - set(before)
    assert all(path.is_relative_to(tmp_path / "whole") for path in made)
    assert "health.a/../../../../outside" in capsys.readouterr().err


def test_evidence_is_copied_through_links_within_the_run(tmp_path: Path) -> None:
    first = shard(tmp_path, "1", [result_of("health.a", Outcome.PASSED)])
    evidence(first, "health.a", "kept")
    (first / "evidence/health.a/again.txt").symlink_to("events.txt")

    merged(tmp_path, first)

    assert (tmp_path / "whole/evidence/health.a/again.txt").read_text() == "kept"
