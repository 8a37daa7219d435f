"""The pages show hostile words as words, and link to nothing but their own parts and files beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.checks import RunResult
from clusters.checks.outcome import is_evidence_path
from clusters.checks.run_verdict import Member
from clusters.commands import Command
from reports.__main__ import main
from reports.model import FLEET, RESULTS, save
from reports.pages import fleet_page, upgrade_decision
from reports.pages.page import page
from tests.unit.reports.conftest import INFO
from tests.unit.reports.dom import Element, parsed

HOSTILE = (
    "</code></pre><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7*7 }} {% raw %}",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "javascript:alert(1)",
    "]]><!--",
    "&lt;script&gt;",
)


def hostile(run: RunResult, text: str) -> RunResult:
    checks = tuple(
        replace(
            check,
            title=text,
            reason=text,
            evidence=(*check.evidence, text),
            findings=tuple(
                replace(
                    one,
                    subject=text,
                    summary=text,
                    remedy=text,
                    evidence=(*one.evidence, text),
                    commands=(Command(text),),
                    ruled_out=(text,),
                )
                for one in check.findings
            ),
            measurements={f"{name}{text}": one for name, one in check.measurements.items()},
        )
        for check in run.checks
    )
    info = replace(run.run, cluster=text, provider=text, context=text, kubernetes_version=text, vantage=text)
    not_tested = tuple((name, text) for name, _ in run.not_tested)
    return RunResult(run=info, checks=checks, not_tested=not_tested)


def nothing_live(found: Element) -> None:
    every = list(found.walk())
    assert {one.tag for one in every} & {"img", "iframe", "object", "embed", "link", "base", "form"} == set()
    assert [name for one in every for name in one.attributes if name.startswith("on")] == []
    links = [one.attributes["href"] for one in found.all("a")]
    assert [
        link for link in links if ":" in link.partition("/")[0].partition("#")[0] or link[:1] == "/"
    ] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_the_page_of_a_run(run: RunResult, tmp_path: Path, text: str) -> None:
    found = parsed(page(hostile(run, text), directory=tmp_path))

    nothing_live(found)
    assert len(found.all("script")) == 1
    assert " ".join(text.split()) in found.by_id("failover.moves").text


@pytest.mark.parametrize("text", HOSTILE)
def test_the_page_of_a_decision(text: str) -> None:
    reason = upgrade_decision.Reason(
        check=text, text=text, stops=True, subject=text, remedy=text, commands=(Command(text),)
    )
    made = upgrade_decision.Decision(
        answer=upgrade_decision.Answer.NO_GO,
        cluster=text,
        current=text,
        target=text,
        run=text,
        finished=INFO.finished,
        reasons=(reason,),
        heed=(upgrade_decision.Heed(text=text, consequence=text, remedy=text),),
    )
    found = parsed(upgrade_decision.html(made))

    nothing_live(found)
    assert found.all("script") == []


@pytest.mark.parametrize("text", HOSTILE)
def test_the_page_of_a_fleet(run: RunResult, tmp_path: Path, text: str) -> None:
    save(hostile(run, text), tmp_path / "lab" / RESULTS)
    members = [Member(cluster=text, directory=tmp_path / "lab", code=1, seconds=1)]
    members += [Member(cluster=text, directory=tmp_path / "far", code=1, seconds=1, trouble=text, words=text)]
    fleet_page.write(members, tmp_path)

    found = parsed((tmp_path / "report.html").read_text())

    nothing_live(found)
    assert found.all("script") == []


def test_a_fleet_of_somebody_else_is_no_address_to_go_to(run: RunResult, tmp_path: Path) -> None:
    save(run, tmp_path / "javascript:alert(1)" / RESULTS)
    fleet_page.write(
        [Member(cluster="lab", directory=tmp_path / "javascript:alert(1)", code=1, seconds=1)], tmp_path
    )
    assert json.loads((tmp_path / FLEET).read_text())["clusters"][0]["directory"] == "javascript:alert(1)"

    main(["render", str(tmp_path / FLEET)])

    nothing_live(parsed((tmp_path / "report.html").read_text()))


@pytest.mark.parametrize(
    ("text", "is_path"),
    [
        ("evidence/health.x/pods.json", True),
        ("evidence/health.x/second/größe.txt", True),
        ("evidence/health.x/../../../etc/passwd", False),
        ("evidence/../x/y", False),
        ("evidence//x/y", False),
        ("evidence/x", False),
        ("evidence/x/", False),
        ("evidence/x/y z", False),
        ("evidence/x/y\nz", False),
        ("evidence/x\\..\\y/z", False),
        ("evidence/x/\x1b]0;y", False),
        ("evidence/x/\u202ey", False),
        ("/evidence/x/y", False),
        ("javascript:evidence/x/y", False),
    ],
)
def test_what_is_taken_for_a_file_of_the_run(text: str, *, is_path: bool) -> None:
    assert is_evidence_path(text) is is_path


def test_a_link_to_a_file_is_a_path_and_nothing_else(run: RunResult, tmp_path: Path) -> None:
    path = "evidence/failover.moves/a?b#c%2e.txt"
    checks = tuple(replace(check, evidence=(path,)) for check in run.checks)

    found = parsed(page(replace(run, checks=checks), directory=tmp_path))

    links = {one.attributes["href"] for one in found.all("a") if one.attributes["href"].startswith("evi")}
    assert links == {"evidence/failover.moves/a%3Fb%23c%252e.txt"}


def test_evidence_that_is_no_file_costs_no_page(run: RunResult, tmp_path: Path) -> None:
    checks = tuple(replace(check, evidence=("evidence/x",)) for check in run.checks)

    assert "evidence/x" in page(replace(run, checks=checks), directory=tmp_path)
