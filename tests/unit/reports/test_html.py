"""report.html: complete without scripts, in the order that a reader needs, with nothing taken for markup."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.checks import Measurement, Outcome, RunResult, Verdict
from reports.__main__ import main
from reports.model import save
from reports.pages.page import page
from tests.unit.reports.conftest import result_of
from tests.unit.reports.dom import Element, parsed
from tests.unit.reports.timelines import timeline


def read(result: RunResult, directory: Path) -> Element:
    return parsed(page(result, directory=directory))


def headings(of: Element) -> list[str]:
    return [one.text for one in of.walk() if one.tag in {"h1", "h2"}]


def test_the_page_goes_from_the_verdict_to_what_passed(run: RunResult, tmp_path: Path) -> None:
    assert headings(read(run, tmp_path)) == [
        "✕ FAILED: MetalLB on lab",
        "What changed",
        "What failed (2)",
        "What could not be decided (1)",
        "What was not tested",
        "Last validated",
        "What was measured",
        "What passed (1)",
    ]


def test_the_band_says_what_where_and_how_far(run: RunResult, tmp_path: Path) -> None:
    band = read(run, tmp_path).one("header")

    said = dict(zip([one.text for one in band.all("dt")], [one.text for one in band.all("dd")], strict=True))
    assert said == {
        "Cluster": "lab (lab, context lab)",
        "Versions": "MetalLB 0.15.2, Kubernetes v1.34.4, suite 0.1.0",
        "Vantage": "netns:client, level disrupt",
        "Scope": "the whole cluster",
        "Validated": "never, as far as is known",
        "Run": "20260101-000000-ab12 2026-01-01 00:00 UTC, 4 min",
        "Files": f"{tmp_path} on {platform.node()}; links to evidence open only where this page lies beside them",
    }


def test_the_band_takes_a_pod_for_no_place_outside(run: RunResult, tmp_path: Path) -> None:
    inside = replace(run, run=replace(run.run, vantage="pod"))

    band = read(inside, tmp_path).one("header").text

    assert "pod, inside the cluster: nothing was looked at from outside, level disrupt" in band


def test_the_band_says_each_cause_once_and_what_to_type_first(run: RunResult, tmp_path: Path) -> None:
    band = read(run, tmp_path).one("header")

    (cause,) = band.one("ol").all("li")
    assert "speaker-down, node w1; 2 checks fail by it" in cause.text
    assert cause.one("a").attributes["href"] == "#failover.moves"
    assert [one.text for one in cause.all("pre")] == [
        "kubectl get pods -o wide | grep -v '<none>'",
        "kubectl delete pod speaker-x",
    ]


def test_everything_is_there_without_scripts_styles_and_drawings(run: RunResult, tmp_path: Path) -> None:
    text = read(run, tmp_path).without("script", "style", "svg", "head").text

    for check in run.checks:
        assert check.id in text
        for finding in check.findings:
            assert finding.remedy in text
            assert all(command in text for command in finding.commands)
            assert all(one in text for one in finding.ruled_out)
    for name, reason in run.not_tested:
        assert name in text
        assert reason in text


def test_nothing_is_fetched_and_only_our_own_script_may_run(run: RunResult, tmp_path: Path) -> None:
    found = read(run, tmp_path)

    places = [
        one.attributes[name]
        for one in found.walk()
        for name in ("href", "src", "action")
        if name in one.attributes
    ]
    assert [place for place in places if not place.startswith(("evidence/", "#"))] == []
    assert found.all("img") + found.all("link") + found.all("iframe") == []
    policy = next(one.attributes["content"] for one in found.all("meta") if "http-equiv" in one.attributes)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    assert [name for one in found.walk() for name in one.attributes if name.startswith("on")] == []


def test_every_link_within_the_page_arrives(run: RunResult, tmp_path: Path) -> None:
    found = read(run, tmp_path)

    ids = [one.attributes["id"] for one in found.walk() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    targets = {one.attributes["href"][1:] for one in found.all("a") if one.attributes["href"].startswith("#")}
    assert targets <= set(ids)
    assert "failover.moves" in targets


def test_texts_are_never_markup(run: RunResult, tmp_path: Path) -> None:
    found = read(run, tmp_path)

    assert len(found.all("script")) == 1
    assert 'its speaker says "<script>alert(1)</script>"' in found.by_id("failover.moves").text


def test_a_page_that_was_sent_alone_says_where_its_evidence_is(
    run: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = read(run, Path("out/nightly"))

    header = found.one("header").text
    assert (
        f"Files {tmp_path}/out/nightly on {platform.node()}; links to evidence open only where this" in header
    )
    assert found.by_id("files").text == "Files"
    (evidence,) = [one for one in found.by_id("failover.moves").all("a") if one.text == "Evidence"]
    assert evidence.attributes["href"] == "#files"


def test_a_failure_has_its_cause_readings_remedy_commands_and_evidence(
    run: RunResult, tmp_path: Path
) -> None:
    failure = read(run, tmp_path).by_id("failover.moves")

    assert "Cause speaker-down of node w1" in failure.text
    assert "Remedy: Delete the pod & wait." in failure.text
    assert [one.text for one in failure.all("pre")] == [
        "kubectl get pods -o wide | grep -v '<none>'",
        "kubectl delete pod speaker-x",
        "w1: not ready",
    ]
    assert "moved after : 12.5 s, and at most 10 s is allowed (200 ms, 12.5 s)" in failure.text
    assert "announcements : 1 frames, and at least 2 frames is allowed" in failure.text
    assert [one.attributes["href"] for one in failure.all("a")] == [
        "#files",
        "evidence/failover.moves/speaker.log",
    ]


def test_a_finding_that_repeats_comes_last_and_leads_to_its_root(run: RunResult, tmp_path: Path) -> None:
    (repeated,) = run.checks[2].findings
    also = replace(run.checks[2], findings=(replace(repeated, commands=("kubectl get pods",)),))
    turned = replace(run, checks=(also, run.checks[1]))

    articles = [one for one in read(turned, tmp_path).all("article") if "failed" in one.classes]

    assert [one.attributes["id"] for one in articles] == ["failover.moves", "traffic.repeats"]
    assert articles[1].one("a").attributes["href"] == "#failover.moves"
    (folded,) = articles[1].all("details")
    assert folded.text == "Type kubectl get pods"


def test_a_cause_whose_own_check_was_not_run_is_told_where_it_is_found(
    run: RunResult, tmp_path: Path
) -> None:
    (repeated,) = run.checks[2].findings
    lonely = replace(
        run, checks=(replace(run.checks[2], findings=(replace(repeated, commands=("kubectl x",)),)),)
    )

    found = read(lonely, tmp_path)

    assert found.one("header").one("pre").text == "kubectl x"
    failure = found.by_id("traffic.repeats")
    assert [one.text for one in failure.all("pre")] == ["kubectl x"]
    assert failure.all("a") == []


def test_many_readings_are_folded_and_few_are_not(run: RunResult, tmp_path: Path) -> None:
    (finding,) = run.checks[1].findings
    long = replace(finding, evidence=tuple(f"line {number}" for number in range(200)), ruled_out=())
    failure = read(replace(run, checks=(replace(run.checks[1], findings=(long,)),)), tmp_path).by_id(
        "failover.moves"
    )

    (folded,) = failure.all("details")
    assert folded.text.startswith("What was read line 0 line 1 ")
    assert "line 199" in folded.text


def test_a_figure_is_set_against_its_budget_in_words(run: RunResult, tmp_path: Path) -> None:
    rows = read(run, tmp_path).all("table")[1].all("tr")

    assert [one.text for one in rows[1:]] == [
        "failover.moves moved after 12.5 s over 10 s 125 % – 200 ms, 12.5 s",
        "failover.moves gap 120 ms 2 s 6 % – 1",
        "failover.moves announcements 1 frames over at least 2 frames missed – 1",
        "failover.moves answers 120 frames – – – 1",
    ]


def test_without_history_the_table_knows_this_run(run: RunResult, tmp_path: Path) -> None:
    table = read(run, tmp_path).all("table")[0]

    rows = {one.all("td")[0].text: one for one in table.all("tr", of_class="row")}
    assert set(rows) == {check.id for check in run.checks}
    assert rows["health.passes"].text == "health.passes ✓ passed 2026-01-01 00:04 UTC –"
    assert rows["failover.moves"].text == "failover.moves ✕ failed – 2026-01-01 00:04 UTC"
    assert rows["health.unsure"].text == "health.unsure – never passed – –"
    assert rows["health.passes"].one("svg").one("title").inside[0] == "no earlier run is known"
    assert table.one("tr", of_class="group").text == "2.1 Stuck in Pending"


def test_a_run_that_found_nothing_is_short(run: RunResult, tmp_path: Path) -> None:
    passed = replace(
        run, run=replace(run.run, verdict=Verdict.PASSED), checks=(run.checks[0],), not_tested=()
    )

    found = read(passed, tmp_path)

    assert headings(found) == [
        "✓ PASSED: MetalLB on lab",
        "What changed",
        "Last validated",
        "What passed (1)",
    ]
    assert found.one("header").all("ol") == []
    assert "now" in [one.text for one in found.one("header").all("dd")]


def test_a_refused_run_says_so(run: RunResult, tmp_path: Path) -> None:
    refused = replace(
        run,
        run=replace(run.run, verdict=Verdict.REFUSED, kubernetes_version="", metallb_version="", vantage=""),
        checks=(),
        not_tested=(("health.passes", "the run was refused: no cluster"),),
    )

    found = read(refused, tmp_path)

    assert headings(found) == [
        "– REFUSED: MetalLB on lab",
        "What changed",
        "What was not tested",
        "Last validated",
    ]
    assert "MetalLB unknown, Kubernetes unknown" in found.one("header").text
    assert "none: nothing was looked at from outside" in found.one("header").text


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.PASSED])
def test_two_thousand_checks_stay_small(run: RunResult, tmp_path: Path, outcome: Outcome) -> None:
    many = [
        result_of(
            f"health.c{number}",
            outcome,
            "x" * 80 if outcome is Outcome.FAILED else "",
            findings=run.checks[1].findings if outcome is Outcome.FAILED else (),
            measurements={"gap": Measurement(value=0.1, unit="s", budget=1.0, samples=(0.1, 0.05, 0.07))},
            evidence=tuple(f"evidence/health.c{number}/{name}" for name in ("events.txt", "objects.json")),
        )
        for number in range(2000)
    ]

    assert len(page(replace(run, checks=tuple(many)), directory=tmp_path).encode()) < 5_000_000


@pytest.fixture
def pictured(run: RunResult, tmp_path: Path) -> RunResult:
    """The run with a measured timeline on disk."""
    folder = tmp_path / "evidence" / "failover.moves"
    folder.mkdir(parents=True)
    (folder / "timeline.json").write_text(json.dumps(timeline().to_json()))
    check = replace(run.checks[1], evidence=("evidence/failover.moves/timeline.json",))
    return replace(run, checks=(check,))


def test_a_failed_failover_is_drawn_where_it_is_told(pictured: RunResult, tmp_path: Path) -> None:
    failure = read(pictured, tmp_path).by_id("failover.moves")

    drawn = failure.one("svg", of_class="wide")
    assert len(drawn.all("rect", of_class="outage")) == 1
    assert [one.attributes["fill"] for one in drawn.all("rect", of_class="owner")] == ["url(#p0)", "url(#p1)"]
    assert len(drawn.all("line", of_class="mark")) == 2
    assert len(drawn.all("rect", of_class="overlap")) == 1
    assert len(drawn.all("path", of_class="arp")) == 1
    assert drawn.all("title")[0].inside[0] in failure.one("figcaption").text
    moments = [one.text for one in failure.one("figure").one("tbody").all("tr")]
    assert moments[0] == "-1.99 s 02:00:00:00:00:01 answers for the address"


def test_a_failover_that_passed_is_drawn_folded(pictured: RunResult, tmp_path: Path) -> None:
    check = replace(pictured.checks[0], outcome=Outcome.PASSED, reason="", findings=())

    found = read(replace(pictured, checks=(check,)), tmp_path)

    (fold,) = [one for one in found.all("details", of_class="fold") if one.all("svg", of_class="wide")]
    assert fold.text.startswith("What happened on the wire in the other checks (1) failover.moves")


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_a_broken_timeline_is_left_out(pictured: RunResult, tmp_path: Path, content: str) -> None:
    (tmp_path / "evidence" / "failover.moves" / "timeline.json").write_text(content)

    assert read(pictured, tmp_path).all("svg", of_class="wide") == []


def test_no_file_outside_the_evidence_is_read(pictured: RunResult, tmp_path: Path) -> None:
    outside = tmp_path / "timeline.json"
    outside.write_text(json.dumps(timeline().to_json()))
    check = replace(pictured.checks[0], evidence=("evidence/../timeline.json",))

    assert read(replace(pictured, checks=(check,)), tmp_path).all("svg", of_class="wide") == []


def test_render_makes_the_page_again(
    run: RunResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(run, tmp_path / "results.json")

    assert main(["render", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    assert main(["render", str(tmp_path / "results.json"), "-o", str(tmp_path / "x" / "page.html")]) == 0
    assert (tmp_path / "x" / "page.html").read_text() == (tmp_path / "report.html").read_text()


def test_render_refuses_a_foreign_file_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.json").write_text('{"tests": []}')

    assert main(["render", str(tmp_path / "results.json")]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "is not a results.json of this suite" in line
