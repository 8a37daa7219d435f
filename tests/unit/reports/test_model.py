"""results.json: what is written is read back, and what is foreign or broken is refused with one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from clusters.checks import Candidate, LinkReading, Outcome, Reading, RunResult, ServicePath
from clusters.checks.outcome import is_evidence_path
from clusters.checks.path_links import Link
from clusters.checks.path_links import Path as ServiceRoute
from clusters.commands import Command
from clusters.errors import ExitCode, UsageError
from reports.model import NotWritten, load, save, write_text

Break = Callable[[dict[str, Any]], object]


def test_a_run_is_read_back_as_it_was(run: RunResult, tmp_path: Path) -> None:
    save(run, tmp_path / "results.json")

    assert load(tmp_path / "results.json") == run
    assert load(tmp_path) == run


def test_paths_are_read_back_and_a_broken_link_needs_its_cause(run: RunResult, tmp_path: Path) -> None:
    candidate = Candidate(cause="kube-proxy-stale", command=Command("kubectl get pods"))
    links = (
        LinkReading(link=Link.ROUTE, reading=Reading.OK, proof=("on the segment",)),
        LinkReading(link=Link.NODE, reading=Reading.UNKNOWN, candidates=(candidate,)),
        LinkReading(
            link=Link.BACKEND_PATH, reading=Reading.BROKEN, proof=("7 of 20",), cause="backend-refuses"
        ),
    )
    told = ServicePath(
        service="shop/web", address="172.30.0.200", port=80, path=ServiceRoute.TRAFFIC, links=links
    )
    save(replace(run, paths=(told,)), tmp_path / "results.json")

    assert load(tmp_path).paths == (told,)
    data = json.loads((tmp_path / "results.json").read_text())
    del data["paths"][0]["links"][2]["cause"]
    (tmp_path / "results.json").write_text(json.dumps(data))
    with pytest.raises(UsageError, match=r"\$\.paths\[0\]\.links\[2\]"):
        load(tmp_path)


def test_what_somebody_else_wrote_is_read_without_secrets_and_what_acts(
    run: RunResult, tmp_path: Path
) -> None:
    one = replace(run.checks[0], outcome=Outcome.FAILED, reason="token=hunter2 \x1b]0;\u202e")
    save(replace(run, checks=(one, *run.checks[1:])), tmp_path / "results.json")

    assert load(tmp_path / "results.json").checks[0].reason == "token=<redacted> \\x1b]0;\\u202e"


def test_the_shape_is_the_public_one(run: RunResult, tmp_path: Path) -> None:
    save(run, tmp_path / "results.json")

    data = json.loads((tmp_path / "results.json").read_text())
    assert data["schema_version"] == 1
    assert data["run"]["verdict"] == "failed"
    assert data["not_tested"][0] == {"id": "recovery.reapply", "reason": "needs --allow disrupt"}
    failed = data["checks"][1]
    assert failed["measurements"]["moved after"]["value"] == 12.5
    assert failed["findings"][0]["commands"][1] == "kubectl delete pod speaker-x"
    assert "reason" not in data["checks"][0]


def test_fields_of_a_later_release_are_left_alone(run: RunResult, tmp_path: Path) -> None:
    save(run, tmp_path / "results.json")
    data = json.loads((tmp_path / "results.json").read_text())
    data["run"]["weather"] = data["checks"][0]["weather"] = "fine"
    (tmp_path / "results.json").write_text(json.dumps(data))

    assert load(tmp_path) == run


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda data: data["run"].update(verdict="green"), r"\$\.run\.verdict: 'green' is not one of"),
        (lambda data: data["checks"][0].update(id="No Id"), r"\$\.checks\[0\]\.id: "),
        (lambda data: data["checks"][1].pop("reason"), r"\$\.checks\[1\]: 'reason' is a required property"),
        (lambda data: data["checks"][0].update(reason="so"), r"\$\.checks\[0\]: "),
        (lambda data: data["checks"][1]["measurements"]["gap"].update(value="1 s"), r"\.value: '1 s' is not"),
        (
            lambda data: data["run"].update(started="yesterday"),
            r"\$\.run\.started: 'yesterday' does not match",
        ),
        (lambda data: data.update(schema_version=2), "comes from a newer suite"),
        (lambda data: data.update(schema_version="1"), "has schema version '1'"),
        (lambda data: data.pop("schema_version"), "it has no schema_version"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(
    run: RunResult, tmp_path: Path, break_it: Break, said: str
) -> None:
    save(run, tmp_path / "results.json")
    data = json.loads((tmp_path / "results.json").read_text())
    break_it(data)
    (tmp_path / "results.json").write_text(json.dumps(data))

    with pytest.raises(UsageError, match=said):
        load(tmp_path / "results.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON, or is cut off"),
        (b'{"schema_version": 1, "run": {', "is not JSON, or is cut off"),
        (b"\xff\xfe\x00", "is not JSON, or is cut off"),
        (b"[1, 2]", "is not a results.json of this suite"),
    ],
)
def test_what_is_no_results_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "results.json").write_bytes(content)

    with pytest.raises(UsageError, match=said):
        load(tmp_path / "results.json")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no file .*missing\.json\."):
        load(tmp_path / "missing.json")


def test_nothing_that_breaks_the_schema_is_written(run: RunResult, tmp_path: Path) -> None:
    broken = replace(run.checks[0], outcome=Outcome.FAILED)

    with pytest.raises(jsonschema.ValidationError):
        save(replace(run, checks=(broken,)), tmp_path / "results.json")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    before = (tmp_path / "a.txt").stat().st_ino

    write_text(tmp_path / "a.txt", "new")

    assert (tmp_path / "a.txt").read_text() == "new"
    assert (tmp_path / "a.txt").stat().st_ino != before
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(NotWritten, match=r"/file/a\.txt could not be written: File exists\.") as caught:
        write_text(tmp_path / "file" / "a.txt", "x")
    assert caught.value.exit_code == ExitCode.INTERNAL_ERROR


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (
            lambda data: data["run"].update(started="0000-01-01T00:00:00Z"),
            r"\$\.run\.started: .* is not a time of this century",
        ),
        (
            lambda data: data["run"].update(finished="2026-02-30T00:00:00Z"),
            r"\$\.run\.finished: .* is not a time of this",
        ),
        (
            lambda data: data["checks"][0].update(started="9999-01-01T00:00:00Z"),
            r"\$\.checks\[0\]\.started: .* is not a time",
        ),
        (
            lambda data: data["checks"][0].update(duration_s=1e300),
            r"duration_s: 1e\+300 seconds is not a plausible duration",
        ),
        (
            lambda data: data["checks"][1]["measurements"]["gap"].update(value=1e300),
            r"measurements\.gap: a figure is beyond 1e\+15",
        ),
        (
            lambda data: data["checks"][1]["measurements"]["gap"].update(samples=[1, -1e300]),
            r"measurements\.gap: a figure is beyond 1e\+15",
        ),
        (lambda data: data.update(schema_version=True), "has schema version 'True'"),
        (lambda data: data["checks"].append(data["checks"][0]), r"\$\.checks\[\d+\]\.id: .* appears twice"),
    ],
)
def test_times_that_never_were_and_figures_beyond_reckoning_are_refused(
    run: RunResult, tmp_path: Path, break_it: Break, said: str
) -> None:
    save(run, tmp_path / "results.json")
    data = json.loads((tmp_path / "results.json").read_text())
    break_it(data)
    (tmp_path / "results.json").write_text(json.dumps(data))

    with pytest.raises(UsageError, match=said):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"schema_version": ' + "[" * 5000, "is not JSON, or is cut off: it is nested more than 200 deep"),
        ('{"schema_version": ' + "1" * 5000 + "}", "is not JSON, or is cut off: number out of range"),
        ('{"schema_version": 1, "run": NaN}', "is not JSON, or is cut off"),
        ('{"schema_version": 1, "schema_version": 1}', "the name 'schema_version' stands twice"),
    ],
)
def test_json_that_nobody_should_read_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "results.json").write_text(text)

    with pytest.raises(UsageError, match=said) as raised:
        load(tmp_path)

    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("path", ["a\x00b", "x" * 5000])
def test_a_name_that_no_file_can_have_is_one_sentence(path: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be read|There is no file"):
        load(Path(path))


@pytest.mark.parametrize(
    ("text", "is_path"),
    [
        ("evidence/health.a/log.txt", True),
        ("evidence/x", False),
        ("evidence//x", False),
        ("evidence/health.a/", False),
        ("evidence/health.a/a b", False),
        ("evidence/health.a/\x1b[2J", False),
        ("seen: evidence/health.a/x", False),
    ],
)
def test_only_a_file_in_a_checks_folder_is_a_path_of_evidence(text: str, *, is_path: bool) -> None:
    assert is_evidence_path(text) is is_path
