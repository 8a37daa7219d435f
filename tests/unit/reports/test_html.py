"""report.html: complete without scripts, in the order that a reader needs, with nothing taken for markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from clusters.checks import Outcome, RunResult, Verdict
from clusters.vantage import Timeline
from reports.__main__ import main
from reports.html import page
from reports.model import save
from tests.unit.reports.conftest import result_of

_VOID = {"meta", "br", "link"}


class Reader(HTMLParser):
    """The page as its tags and texts; fails where tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.headings: list[str] = []
        self.codes: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in {"href", "src"}]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in {"h1", "h2"}:
            self.headings.append(data)
        if self._open and self._open[-1] == "pre":
            self.codes.append(data)


def test_the_page_goes_from_the_verdict_to_what_passed(run: RunResult, tmp_path: Path) -> None:
    read = Reader(page(run, directory=tmp_path))

    assert read.headings == [
        "FAILED: MetalLB on lab",
        "What failed (2)",
        "What could not be decided (1)",
        "Waived or not supported (2)",
        "What was not tested",
        "What was measured",
        "What passed (1)",
    ]


def test_everything_is_there_without_scripts_and_nothing_is_fetched(run: RunResult, tmp_path: Path) -> None:
    text = page(run, directory=tmp_path)
    read = Reader(text)

    assert "script" not in read.tags
    assert not [link for link in read.links if not link.startswith(("evidence/", "#"))]
    for check in run.checks:
        assert check.id in text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert len(text) < 100_000


def test_texts_are_never_markup(run: RunResult, tmp_path: Path) -> None:
    text = page(run, directory=tmp_path)

    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "kubectl get pods -o wide | grep -v '<none>'\nkubectl delete pod speaker-x" in Reader(text).codes


def test_a_finding_that_repeats_leads_to_its_root(run: RunResult, tmp_path: Path) -> None:
    read = Reader(page(run, directory=tmp_path))

    assert "#failover.moves" in read.links
    assert "evidence/failover.moves/speaker.log" in read.links


def test_a_figure_over_its_budget_is_said_in_words(run: RunResult, tmp_path: Path) -> None:
    rows = re.findall(r"<tr><td>.*?</tr>", page(run, directory=tmp_path), re.DOTALL)

    said = {re.sub(r"<[^>]+>|\s+", " ", row).strip() for row in rows}
    assert "failover.moves moved after 12.5 s over 10 s 200 ms, 12.5 s" in {
        " ".join(one.split()) for one in said
    }
    assert "failover.moves gap 120 ms 2 s 1" in {" ".join(one.split()) for one in said}


def test_a_run_that_found_nothing_is_short(run: RunResult, tmp_path: Path) -> None:
    passed = replace(
        run, run=replace(run.run, verdict=Verdict.PASSED), checks=(run.checks[0],), not_tested=()
    )

    read = Reader(page(passed, directory=tmp_path))

    assert read.headings == ["PASSED: MetalLB on lab", "What passed (1)"]


def test_two_thousand_checks_stay_small(run: RunResult, tmp_path: Path) -> None:
    failing = [
        result_of(f"health.c{number}", Outcome.FAILED, "x" * 80, findings=run.checks[1].findings)
        for number in range(2000)
    ]

    assert len(page(replace(run, checks=tuple(failing)), directory=tmp_path)) < 5_000_000


def timeline() -> Timeline:
    """A failover as it was measured: the owner changes, some requests fail, two nodes answer for a while."""
    first, second = "02:00:00:00:00:01", "02:00:00:00:00:02"
    data = {
        "vantage": "netns:client",
        "address": "172.30.0.10",
        "port": 80,
        "protocol": "http",
        "began_ns": 1,
        "ended": 10.0,
        "every": 0.5,
        "arp_every": 1.0,
        "attempts": [{"t": 0.5 * number, "ok": not 4 <= number < 8, "latency": 0.01} for number in range(20)],
        "requests": [float(number) for number in range(10)],
        "answers": [
            {"t": number + 0.01, "mac": first if number < 4 else second, "round": number}
            for number in range(10)
        ]
        + [{"t": 4.02, "mac": first, "round": 4}],
        "gratuitous": [{"t": 4.0, "mac": second, "kind": "reply"}],
        "learned": [],
        "marks": [{"t": 2.0, "name": "fault"}, {"t": 8.0, "name": "restored"}],
        "slips": [],
        "control": {"ok": True, "reason": "the neighbours answered"},
    }
    return Timeline.from_json(data)


@pytest.fixture
def pictured(run: RunResult, tmp_path: Path) -> RunResult:
    """The run with a measured timeline on disk."""
    folder = tmp_path / "evidence" / "failover.moves"
    folder.mkdir(parents=True)
    (folder / "timeline.json").write_text(json.dumps(timeline().to_json()))
    check = replace(run.checks[1], evidence=("evidence/failover.moves/timeline.json",))
    return replace(run, checks=(check,))


def test_a_failover_is_drawn_and_told_in_words(pictured: RunResult, tmp_path: Path) -> None:
    text = page(pictured, directory=tmp_path)

    read = Reader(text)
    assert "What happened on the wire" in read.headings
    assert read.tags.count("svg") == 1
    assert text.count('class="outage"') == 1
    assert "owner-0" in text.split("<svg")[1]
    assert "owner-1" in text.split("<svg")[1]
    assert text.count('class="mark"') == 2
    assert text.count('class="overlap"') == 1
    assert "The service was not served 1 time" in text
    assert "Marks: fault at 2.00 s, restored at 8.00 s." in text


@pytest.mark.parametrize("content", ["", "{}", "[]"])
def test_a_broken_timeline_is_left_out(pictured: RunResult, tmp_path: Path, content: str) -> None:
    (tmp_path / "evidence" / "failover.moves" / "timeline.json").write_text(content)

    assert "<svg" not in page(pictured, directory=tmp_path)


def test_no_file_outside_the_evidence_is_read(pictured: RunResult, tmp_path: Path) -> None:
    outside = tmp_path / "timeline.json"
    outside.write_text(json.dumps(timeline().to_json()))
    check = replace(pictured.checks[0], evidence=("evidence/../timeline.json",))

    assert "<svg" not in page(replace(pictured, checks=(check,)), directory=tmp_path)


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
