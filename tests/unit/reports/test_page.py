"""report.html: the approved page, complete without scripts, with nothing taken for markup, whatever the run was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.checks import Finding, Measurement, Outcome, RunResult, Verdict
from reports.__main__ import main
from reports.history.history_view import HistoryView
from reports.model import load, save
from reports.pages.page import page
from reports.wording import in_a_sentence
from tests.unit.reports.conftest import result_of
from tests.unit.reports.dom import Element, parsed
from tests.unit.reports.kept_pages import APPROVED, approvable, names, unpacked
from tests.unit.reports.pasts import PAST, RUNS
from tests.unit.reports.timelines import timeline


def read(result: RunResult, directory: Path, view: HistoryView | None = None) -> Element:
    return parsed(page(result, directory=directory, view=view))


def headings(of: Element) -> list[str]:
    return [one.text for one in of.walk() if one.tag in {"h1", "h2"}]


def rows_of(table: Element) -> dict[str, dict[str, str]]:
    """The rows of a table by what is in their first cell; each by the heads of its columns."""
    heads = [one.text for one in table.one("thead").all("th")]
    rows = [[one.text for one in row.all("td")] for row in table.all("tr", of_class="row")]
    return {cells[0]: dict(zip(heads, cells, strict=True)) for cells in rows}


def only_the_failover(run: RunResult, **changes: object) -> RunResult:
    """The run with nothing but its failed failover, changed."""
    return replace(run, checks=(replace(run.checks[1], **changes),))  # type: ignore[arg-type]


def test_the_page_is_the_one_that_was_approved(tmp_path: Path) -> None:
    assert approvable(tmp_path).splitlines() == APPROVED.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", names())
def test_a_real_page_is_small_and_says_everything(name: str, tmp_path: Path) -> None:
    directory = unpacked(name, tmp_path)
    result = load(directory)
    text = page(result, directory=directory)

    assert len(text.encode()) < 1_000_000
    says_everything(parsed(text), result)


def says_everything(found: Element, result: RunResult) -> None:
    text = found.without("script", "style", "svg", "head").text
    for check in result.checks:
        assert check.id in text
        for finding in check.findings if check.outcome is Outcome.FAILED else ():
            said = [finding.summary, finding.remedy, *finding.ruled_out]
            said += [] if finding.root else finding.commands
            assert [each for each in said if " ".join(each.split()) not in text] == []
    for pair in result.not_tested:
        assert all(each in text for each in pair)


def test_everything_is_there_without_scripts_styles_and_drawings(run: RunResult, tmp_path: Path) -> None:
    says_everything(read(run, tmp_path), run)


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
    assert len(found.all("script")) == 1  # the texts of a run are none


def test_every_link_within_the_page_arrives(run: RunResult, tmp_path: Path) -> None:
    found = read(run, tmp_path)

    ids = [one.attributes["id"] for one in found.walk() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    targets = {one.attributes["href"][1:] for one in found.all("a") if one.attributes["href"].startswith("#")}
    assert targets <= set(ids)
    assert "failover.moves" in targets


def test_the_band_takes_a_pod_for_no_place_outside(run: RunResult, tmp_path: Path) -> None:
    inside = replace(run, run=replace(run.run, vantage="pod"))

    assert (
        "inside the cluster: nothing was looked at from outside" in read(inside, tmp_path).one("header").text
    )


def test_a_page_that_was_sent_alone_says_where_its_evidence_is(
    run: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = read(run, Path("out/nightly"))

    assert f"Files {tmp_path}/out/nightly on " in found.one("header").text
    (evidence,) = [one for one in found.by_id("failover.moves").all("a") if one.text == "Evidence"]
    assert found.by_id(evidence.attributes["href"][1:]).text == "Files"


def test_a_finding_that_repeats_comes_last_and_leads_to_its_root(run: RunResult, tmp_path: Path) -> None:
    (repeated,) = run.checks[2].findings
    also = replace(run.checks[2], findings=(replace(repeated, commands=("kubectl get pods",)),))

    found = read(replace(run, checks=(also, run.checks[1])), tmp_path)

    articles = [one for one in found.all("article") if "failed" in one.classes]
    assert [one.attributes["id"] for one in articles] == ["failover.moves", "traffic.repeats"]
    assert articles[1].one("a").attributes["href"] == "#failover.moves"
    (folded,) = articles[1].all("details")
    assert "kubectl get pods" in folded.text


def test_a_cause_whose_own_check_was_not_run_is_reported_where_it_is_found(
    run: RunResult, tmp_path: Path
) -> None:
    (repeated,) = run.checks[2].findings
    alone = replace(run.checks[2], findings=(replace(repeated, commands=("kubectl x",)),))

    found = read(replace(run, checks=(alone,)), tmp_path)

    failure = found.by_id("traffic.repeats")
    assert [one.text for of in (found.one("header"), failure) for one in of.all("pre")] == ["kubectl x"] * 2
    assert failure.all("a") == []


def test_many_readings_are_folded(run: RunResult, tmp_path: Path) -> None:
    (finding,) = run.checks[1].findings
    long = replace(finding, evidence=tuple(f"line {number}" for number in range(200)), ruled_out=())

    found = read(only_the_failover(run, findings=(long,)), tmp_path)

    (folded,) = found.by_id("failover.moves").all("details")
    assert "line 199" in folded.text


def test_a_run_that_found_nothing_is_short(run: RunResult, tmp_path: Path) -> None:
    info = replace(run.run, verdict=Verdict.PASSED)
    found = read(replace(run, run=info, checks=(run.checks[0],), not_tested=()), tmp_path)

    assert headings(found)[1:] == ["What changed", "Last validated", "What passed (1)"]
    assert found.one("header").all("ol") == []


def test_a_refused_run_says_so(run: RunResult, tmp_path: Path) -> None:
    info = replace(run.run, verdict=Verdict.REFUSED, kubernetes_version="", metallb_version="", vantage="")
    left_out = (("health.passes", "the run was refused: no cluster"),)

    found = read(replace(run, run=info, checks=(), not_tested=left_out), tmp_path)

    assert headings(found)[0] == "– REFUSED: MetalLB on lab"
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


class TestTimelines:
    @pytest.fixture
    def pictured(self, run: RunResult, tmp_path: Path) -> RunResult:
        """The run with a measured timeline on disk."""
        folder = tmp_path / "evidence" / "failover.moves"
        folder.mkdir(parents=True)
        (folder / "timeline.json").write_text(json.dumps(timeline().to_json()))
        return only_the_failover(run, evidence=("evidence/failover.moves/timeline.json",))

    def test_one_that_passed_is_drawn_folded(self, pictured: RunResult, tmp_path: Path) -> None:
        check = replace(pictured.checks[0], outcome=Outcome.PASSED, reason="", findings=())
        passed = replace(pictured, checks=(check,))

        found = read(passed, tmp_path)

        (fold,) = [one for one in found.all("details", of_class="fold") if one.all("svg", of_class="wide")]
        assert "failover.moves" in fold.text

    @pytest.mark.parametrize("content", ["", "{}", "[]"])
    def test_a_broken_one_is_left_out(self, pictured: RunResult, tmp_path: Path, content: str) -> None:
        (tmp_path / "evidence" / "failover.moves" / "timeline.json").write_text(content)

        assert read(pictured, tmp_path).all("svg", of_class="wide") == []

    def test_no_file_outside_the_evidence_is_read(self, pictured: RunResult, tmp_path: Path) -> None:
        (tmp_path / "timeline.json").write_text(json.dumps(timeline().to_json()))
        check = replace(pictured.checks[0], evidence=("evidence/../timeline.json",))

        assert read(replace(pictured, checks=(check,)), tmp_path).all("svg", of_class="wide") == []


class TestEarlierRuns:
    def test_without_history_the_table_knows_this_run(self, run: RunResult, tmp_path: Path) -> None:
        rows = rows_of(read(run, tmp_path).all("table")[0])

        assert set(rows) == {check.id for check in run.checks}
        assert rows["health.passes"]["Last passed"] == rows["failover.moves"]["Last failed"] != "–"
        assert [rows[name]["State"] for name in ("health.passes", "failover.moves", "health.unsure")] == [
            "✓ passed", "✕ failed", "– never passed",
        ]  # fmt: skip

    def test_that_nothing_changed_is_said(self, run: RunResult, tmp_path: Path) -> None:
        assert PAST.comparison is not None
        kinds = (
            "newly_failing", "failing_differently", "fixed", "newly_untested", "regressions", "moves",
            "reconfigured",
        )  # fmt: skip
        same = replace(PAST.comparison, **dict.fromkeys(kinds, ()))

        found = read(run, tmp_path, replace(PAST, comparison=same))

        assert "Nothing changed since the previous run" in found.one("main").text
        assert found.all("dl", of_class="changes") == []

    def test_a_cluster_that_never_passed_was_never_validated(self, run: RunResult, tmp_path: Path) -> None:
        band = read(run, tmp_path, replace(PAST, runs=RUNS[2:])).one("header")

        assert "never" in [one.text for one in band.all("dd")]

    def test_a_pass_on_other_versions_does_not_count(self, run: RunResult, tmp_path: Path) -> None:
        other = tuple(replace(one, metallb_version="0.16.2") for one in PAST.standings)

        rows = rows_of(read(run, tmp_path, replace(PAST, standings=other)).all("table")[0])

        assert rows["overlay.repository"]["State"] == "– never passed"

    def test_a_strip_shows_the_newest_runs(self, run: RunResult, tmp_path: Path) -> None:
        long = replace(PAST, strips={"health.passes": (Outcome.FAILED,) * 300 + (Outcome.PASSED,) * 30})

        found = read(run, tmp_path, long)

        row = next(one for one in found.all("tr") if one.text.startswith("health.passes"))
        assert row.one("svg").one("title").inside[0] == "last 31 runs: 31 passed"

    def test_a_history_that_cannot_be_trusted_is_reported(self, run: RunResult, tmp_path: Path) -> None:
        problem = "The history reports/history.db is damaged & was kept aside."

        found = read(run, tmp_path, HistoryView(problem=problem))

        assert problem in found.one("p", of_class="warning").text


class TestRender:
    def test_it_makes_the_page_again(
        self, run: RunResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        save(run, tmp_path / "results.json")

        assert main(["render", str(tmp_path)]) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
        assert main(["render", str(tmp_path / "results.json"), "-o", str(tmp_path / "x" / "page.html")]) == 0
        assert (tmp_path / "x" / "page.html").read_text() == (tmp_path / "report.html").read_text()

    def test_it_refuses_a_foreign_file_with_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "results.json").write_text('{"tests": []}')

        assert main(["render", str(tmp_path / "results.json")]) == 4
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert "is not a results.json of this suite" in line


@pytest.mark.parametrize(
    ("summary", "read"),
    [
        ("has been waiting for 33 s: no pool.", "service a/b has been waiting for 33 s: no pool."),
        ("its speaker is down", "service a/b: its speaker is down"),
        ("a/b asks for a pool", "a/b asks for a pool"),
        ("No pool holds 10.0.0.1.", "No pool holds 10.0.0.1."),
    ],
)
def test_what_was_found_says_what_it_is_about(summary: str, read: str) -> None:
    assert in_a_sentence(Finding(cause="x", subject="service a/b", summary=summary)) == read


def test_a_consumer_has_one_row_for_each_check_and_is_no_figure_among_others(
    run: RunResult, tmp_path: Path
) -> None:
    def figure(name: str, value: float, unit: str = "s", budget: float | None = None) -> None:
        figures[name] = Measurement(value=value, unit=unit, budget=budget)

    figures: dict[str, Measurement] = {}
    for consumer, gap in (("traefik/traefik", 4.0), ("shop/web", 0.0)):
        figure(f"gap of consumer {consumer}", gap, budget=2.0)
        figure(f"gaps of consumer {consumer} together", gap)
        figure(f"requests of consumer {consumer} failed", 5 * gap, "requests")
        figure(f"requests of consumer {consumer} cut", 0, "requests")
    figure("gap of consumer old/run", 1.0)  # of a run that kept less
    figure("gap of the service", 0.1)

    found = read(only_the_failover(run, measurements=figures), tmp_path)

    plain, missed = (table for table in found.all("table") if "figures" in table.attributes["class"])
    assert [row.all("td")[1].text for row in plain.all("tr", of_class="row")] == [
        "gap of the service",
        "gap of consumer old/run",
    ]
    rows = [[cell.text for cell in row.all("td")] for row in missed.all("tr", of_class="row")]
    assert [(row[1], row[2], row[3], row[6], row[7], row[8]) for row in rows] == [
        ("traefik/traefik", "4 s over", "2 s", "4 s", "20 requests", "0 requests"),
        ("shop/web", "none", "2 s", "none", "0 requests", "0 requests"),
    ]
