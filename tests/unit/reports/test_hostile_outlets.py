"""Hostile names through every outlet: what a cluster is called, and what it says, is shown and never acts.

The way is that of a real run: results.json, as anybody may have written it, is loaded, and everything is made of it.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from clusters.checks import RunResult, Verdict
from clusters.checks.run_verdict import Member
from clusters.checks.serialise import run_to_dict
from reports.__main__ import main
from reports.history import standings
from reports.history.history_view import view_of
from reports.history.opening import opened
from reports.model import RESULTS, load, save
from reports.pages import fleet_page, upgrade_decision
from reports.pages.page import page
from reports.publish import prometheus, summary
from reports.publish.digest import body, changes_since, reminder, reminder_title, title
from tests.unit.reports.dom import parsed
from tests.unit.reports.past_runs import keep
from tests.unit.reports.test_hostile_pages import hostile, nothing_live

NAMES = {
    "markup": "</td></code><script>alert(1)</script><img src=x onerror=alert(1)>",
    "right to left": "safe\u202egnp.exe\u2066x\u2069",
    "terminal": "a\x1b]0;owned\x07b\x1b[2Jc\x9b31m",
    "lines": "one\r\ntwo\u2028three\x85four\x0bfive\x00six",
    "invisible": "pass\u200b\u200c\u2060\ufeffed",
    "markdown": "[x](https://evil.example) ![y](https://evil.example/y) | `z` @everyone <!channel>",
    "long": "x" * 60_000,
    "wide": "語" * 3_000,
}
#: What turns the reading direction, or acts on a terminal; line ends and tabs are ours.
ACTS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


@pytest.fixture(params=list(NAMES.values()), ids=list(NAMES))
def found(request: pytest.FixtureRequest, run: RunResult, tmp_path: Path) -> RunResult:
    """A run of a hostile cluster, as it is loaded from a file that nothing was taken out of."""
    made = hostile(run, request.param)
    made = replace(made, run=replace(made.run, maintenance=request.param))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / RESULTS).write_text(json.dumps(run_to_dict(made)))
    return load(tmp_path / "run")


def outlets(found: RunResult, place: Path) -> Iterator[tuple[str, str]]:
    """Everything that is said of a run, by the name of the outlet."""
    history = keep(
        place / "history.db", replace(found, run=replace(found.run, id="a", started="2025-01-01T00:00:00Z"))
    )
    keep(history, found)
    view = view_of(history, found, directory=place / "run")
    yield "report.html", page(found, directory=place / "run", view=view)
    members = [Member(cluster=found.run.cluster, directory=place / "run", code=1, seconds=1)]
    fleet_page.write(members, place, history=history)
    yield "fleet.html", (place / "report.html").read_text()
    yield "fleet.json", (place / "fleet.json").read_text()
    yield "fleet's lines", "\n".join(fleet_page.lines(fleet_page.fleet_of(members)))
    decision = upgrade_decision.decision_of(found, directory=place / "run", target="0.16.2")
    for name, write in upgrade_decision.writers(decision, place):
        write()
        yield name, (place / name).read_text()
    yield "decision's lines", "\n".join(upgrade_decision.brief(decision))
    yield "summary.md", summary.markdown(found, view)
    yield "terminal", "\n".join([*summary.lines(found), *summary.since_previous(found, view)])
    yield "ConfigMap", json.dumps(summary.data_of(found), ensure_ascii=False)
    yield "metrics.prom", prometheus.metrics(found)
    changes = changes_since(found, None, stale_after=view.stale_after)
    with opened(history) as connection:
        rows = standings(connection)
    yield "message", f"{title(found)}\n{body(found, changes, report='here')}"
    yield "reminder", f"{reminder_title(found)}\n{reminder(found, rows, last=None, report='here')}"
    save(found, place / RESULTS)
    yield RESULTS, (place / RESULTS).read_text()
    yield from printed_of(place, history)


def printed_of(place: Path, history: Path) -> Iterator[tuple[str, str]]:
    """What the commands print."""
    known = ["--history", str(history)]
    prune = ["prune", "--out", str(place), "--keep", "0", "--older-than", "0", *known]
    compare = ["compare", str(place / "run"), str(place / "run"), *known]
    asked = {
        **{
            f"last-validated {form}": ["last-validated", "--format", form, *known]
            for form in ("table", "md", "json")
        },
        **{f"compare {form}": [*compare, "--format", form] for form in ("md", "json")},
        "prune": prune,
        "prune json": [*prune, "--format", "json"],
    }
    for name, command in asked.items():
        printed = io.StringIO()
        with redirect_stdout(printed):
            main(command)
        yield name, printed.getvalue()


def test_nothing_of_it_acts_anywhere(found: RunResult, tmp_path: Path) -> None:
    assert found.run.verdict is Verdict.FAILED
    seen = dict(outlets(found, tmp_path))

    assert len(seen) >= 20
    for name, text in seen.items():
        acting = ACTS.search(text.replace("\n", "").replace("\t", ""))
        assert acting is None, (
            f"{name}: {acting and text[max(acting.start() - 300, 0) : acting.end() + 60]!r}"
        )
    for name in ("report.html", "fleet.html", "decision.html"):
        nothing_live(parsed(seen[name]))
    for name in ("message", "reminder"):
        assert not re.search(r"@everyone|<!channel|\]\(|https?://", seen[name]), name
    for name, text in seen.items():
        if name.endswith("json") or name == "ConfigMap":
            json.loads(text)


def test_a_message_stays_one_that_a_phone_shows(run: RunResult) -> None:
    endless = hostile(run, NAMES["long"])
    changes = changes_since(endless, None, stale_after=timedelta(hours=36))

    assert len(body(endless, changes, report="here")) < 20_000
