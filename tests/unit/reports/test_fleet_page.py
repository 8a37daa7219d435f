"""fleet.json: valid by its schema, the page is made from it again, and what is foreign or broken is refused."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from clusters.checks import Outcome, RunResult
from clusters.checks.run_verdict import Member
from clusters.errors import ExitCode, UsageError
from reports.__main__ import main
from reports.model import FLEET, RESULTS, save
from reports.pages import fleet_page
from tests.unit.reports.past_runs import BEGIN, a_run, at, keep

Break = Callable[[dict[str, Any]], object]


@pytest.fixture
def place(run: RunResult, tmp_path: Path) -> Path:
    """A fleet of two: one cluster's run failed, the other's was killed before it could write anything."""
    members = [
        Member(cluster="lab", directory=tmp_path / "lab", code=1, seconds=250.5),
        Member(
            cluster="far",
            directory=tmp_path / "far",
            code=-9,
            seconds=2,
            trouble="it died by SIGKILL: sweep it",
            words="collecting ...\n",
        ),
    ]
    save(run, tmp_path / "lab" / RESULTS)
    fleet_page.write(members, tmp_path)
    return tmp_path


def data_of(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / FLEET).read_text())
    return found


def test_it_says_how_each_run_ended_and_every_outcome(place: Path, run: RunResult) -> None:
    data = data_of(place)

    assert (data["schema_version"], data["verdict"], data["exit_code"]) == (1, "cleanup-failed", 7)
    lab, far = data["clusters"]
    assert (lab["exit_code"], lab["verdict"], lab["directory"]) == (1, "failed", "lab")
    assert (lab["run"]["id"], lab["reason"]) == (run.run.id, "")
    assert (far["exit_code"], far["run"], far["reason"]) == (-9, None, "it died by SIGKILL: sweep it")
    assert {one["id"]: one["outcomes"] for one in data["checks"]} == {
        one.id: {"lab": str(one.outcome)} for one in run.checks
    }


@pytest.mark.parametrize("named", [".", FLEET])
def test_the_page_is_made_from_it_again(place: Path, capsys: pytest.CaptureFixture[str], named: str) -> None:
    page = place / "report.html"
    before = page.read_text()
    page.unlink()

    assert main(["render", str(place / named)]) == ExitCode.PASSED

    assert capsys.readouterr().out == f"{page}\n"
    assert _undated(page.read_text()) == _undated(before)
    assert "it died by SIGKILL: sweep it" in before


def _undated(page: str) -> str:
    return re.sub(r"Written [^<]*", "", page)


def test_fields_of_a_later_release_are_left_alone(place: Path) -> None:
    data = data_of(place)
    data["weather"] = data["clusters"][0]["weather"] = data["clusters"][0]["run"]["weather"] = "fine"
    (place / FLEET).write_text(json.dumps(data))

    assert [one.member.cluster for one in fleet_page.fleet_from(place / FLEET).columns] == ["lab", "far"]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (
            lambda data: data.update(verdict="green"),
            r"is not a valid fleet\.json: \$\.verdict: 'green' is not",
        ),
        (lambda data: data.update(clusters=[]), r"\$\.clusters: \[\] "),
        (lambda data: data["clusters"][0].pop("directory"), r"\$\.clusters\[0\]: 'directory' is a required"),
        (lambda data: data["clusters"][0]["run"].pop("allow"), r"\$\.clusters\[0\]\.run: 'allow' is"),
        (lambda data: data["checks"][0]["outcomes"].update(lab="red"), r"\.outcomes\.lab: 'red' is not one"),
        (lambda data: data["checks"][0].update(id="No Id"), r"\$\.checks\[0\]\.id: 'No Id' does not match"),
        (lambda data: data.update(schema_version=2), "comes from a newer suite"),
        (lambda data: data.pop("schema_version"), r"is not a fleet\.json of this suite"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], break_it: Break, said: str
) -> None:
    data = data_of(place)
    break_it(data)
    (place / FLEET).write_text(json.dumps(data))

    assert main(["render", str(place)]) == ExitCode.USAGE

    told = capsys.readouterr().err
    assert re.search(said, told)
    assert told.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b'{"schema_version": 1, "clusters": [', b"\xff\xfe\x00"])
def test_a_file_that_is_cut_off_is_refused(place: Path, content: bytes) -> None:
    (place / FLEET).write_bytes(content)

    with pytest.raises(UsageError, match=r"fleet\.json is not JSON, or is cut off"):
        fleet_page.fleet_from(place / FLEET)


def test_results_are_no_fleet_and_one_that_is_not_there_is_named(place: Path) -> None:
    with pytest.raises(UsageError, match=r"results\.json is not a valid fleet\.json: "):
        fleet_page.fleet_from(place / "lab" / RESULTS)
    with pytest.raises(UsageError, match=r"There is no file .*elsewhere/fleet\.json\."):
        fleet_page.fleet_from(place / "elsewhere" / FLEET)


def test_nothing_that_breaks_the_schema_is_written(place: Path, run: RunResult) -> None:
    before = (place / FLEET).read_bytes()
    broken = Member(cluster="", directory=place / "lab", code=0, seconds=1)

    with pytest.raises(jsonschema.ValidationError):
        fleet_page.write([broken], place)
    assert (place / FLEET).read_bytes() == before


def test_what_a_run_leaves_later_is_what_the_page_shows(place: Path, run: RunResult) -> None:
    save(replace(run, run=replace(run.run, metallb_version="0.16.2")), place / "lab" / RESULTS)

    column = fleet_page.fleet_from(place / FLEET).columns[0]

    assert column.result is not None
    assert column.result.run.metallb_version == "0.16.2"


def test_a_page_that_was_sent_alone_says_where_the_others_are(place: Path) -> None:
    page = (place / "report.html").read_text()

    assert f"into <code>{place}</code> on {platform.node()}; links open only where this page lies" in page


def test_a_served_fleet_says_where_it_is_opened(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALLB_CONFORMANCE_REPORT_URL", "https://reports.example/metallb/")

    assert main(["render", str(place / FLEET)]) == ExitCode.PASSED

    link = f"https://reports.example/metallb/{place.name.replace('_', '%5F')}/report.html"
    assert f'<a href="{link}">{link}</a>' in (place / "report.html").read_text()


def test_each_cluster_says_since_when_it_is_validated_over_all_its_runs(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ago = (datetime.now(UTC) - BEGIN) / timedelta(hours=1)
    whole = a_run("weekly", ago - 100, {"health.a": Outcome.PASSED, "failover.a": Outcome.PASSED})
    whole = replace(whole, checks=(whole.checks[0], replace(whole.checks[1], level="disrupt")))
    history = keep(tmp_path / "history.db", whole, a_run("night", ago - 4, {"health.a": Outcome.PASSED}))
    keep(history, a_run("far", ago - 4, {"health.a": Outcome.FAILED}, cluster="far"))
    members = [
        Member(cluster=name, directory=place / name, code=0, seconds=1) for name in ("lab", "far", "new")
    ]

    fleet_page.write(members, place, history=history)

    lab, far, new = data_of(place)["clusters"]
    assert lab["not_validated"] == []
    assert lab["validated_on"][:13] == whole.checks[1].started[:13]
    assert (far["not_validated"], far["validated_on"]) == (["health.a"], None)
    assert "not_validated" not in new
    page = (place / "report.html").read_text()
    assert f"<td>on {lab['validated_on'][:10]}" in page
    assert '1 not validated: <span class="soft">health.a</span>' in page
    assert page.count('<span class="soft">not known</span>') == 1
    command = ["last-validated", "--history", str(history), "--cluster", "lab"]
    assert main([*command, "--stale-after", "36,disrupt=192"]) == ExitCode.PASSED
    said = capsys.readouterr().out
    assert f" UTC, observe {at(ago - 4)[:10]}, disrupt {at(ago - 100)[:10]} (newest run " in said
    assert main(command) == ExitCode.FAILED
    assert main([*command, "--stale-after", "36,nightly=9"]) == ExitCode.USAGE
