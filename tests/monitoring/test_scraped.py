"""The metrics of runs through the real node exporter, push gateway and Prometheus, to an alert and back."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clusters import wait
from clusters.checks import Outcome, RunResult, Verdict
from reports.publish.delivery import metric_actions
from reports.publish.outlets import Gateway, Outlets
from reports.publish.prometheus import Successes
from tests.monitoring.daemons import ROOT, SEEN, Monitoring, monitoring
from tests.unit.reports.conftest import run
from tests.unit.reports.publish.receivers import Web, web

__all__ = ["run"]
DASHBOARD = ROOT / "deploy" / "grafana" / "metallb-conformance.json"
FAILED = ("MetalLBConformanceFailed", "lab")
HOUR = 3600.0


@pytest.fixture(scope="module")
def alertmanager() -> Iterator[Web]:
    """Hears of alerts as Alertmanager does."""
    with web() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, alertmanager: Web) -> Iterator[Monitoring]:
    with monitoring(tmp_path_factory.mktemp("monitoring"), alertmanager=alertmanager.place) as running:
        yield running


def now(result: RunResult, verdict: Verdict, *, cluster: str = "lab") -> RunResult:
    """The run as if it had just ended; where it passed, with what passed alone."""
    info = replace(result.run, verdict=verdict, cluster=cluster, finished=datetime.now(UTC).isoformat())
    passed = verdict is Verdict.PASSED
    checks = tuple(one if not passed else replace(one, outcome=Outcome.PASSED) for one in result.checks)
    return replace(result, run=info, checks=checks)


def deliver(result: RunResult, outlets: Outlets, successes: Successes | None = None) -> None:
    said = [action() for action in metric_actions(outlets, result, successes or Successes()).values()]
    assert said == [""]


def told_of(receiver: Web, alert: str) -> list[dict[str, Any]]:
    """What Alertmanager was told of an alert, in order."""
    posted = [one for _, _, _, body in list(receiver.requests) for one in json.loads(body)]
    return [one for one in posted if one["labels"]["alertname"] == alert]


def test_a_failed_run_fires_an_alert_and_the_next_good_one_ends_it(
    run: RunResult,
    watched: Monitoring,
    alertmanager: Web,
) -> None:
    asked = Outlets(textfiles=watched.textfiles)
    prometheus = watched.prometheus

    deliver(now(run, Verdict.FAILED), asked, Successes(run=time.time() - 40 * HOUR))

    wait.until("alerts fire", read=prometheus.firing, accept=lambda all_: FAILED in all_, budget=SEEN)
    assert ("MetalLBConformanceStale", "lab") in prometheus.firing()
    assert prometheus.value("node_textfile_scrape_error") == 0
    moved = 'metallb_conformance_measured_seconds{check="failover.moves",figure="moved after"}'
    assert prometheus.value(moved) == 12.5
    since = prometheus.value("metallb_conformance:seconds_since_success")
    assert since == pytest.approx(40 * HOUR, abs=60)
    wait.until(
        "Alertmanager hears of it",
        read=lambda: told_of(alertmanager, FAILED[0]),
        accept=bool,
        budget=SEEN,
    )
    description = told_of(alertmanager, FAILED[0])[0]["annotations"]["description"]
    assert description.startswith("Failing checks: failover.moves traffic.repeats. ")

    deliver(now(run, Verdict.PASSED), asked)

    wait.until("alerts end", read=prometheus.firing, accept=lambda all_: not all_, budget=SEEN)
    wait.until(
        "Alertmanager hears that it ended",
        read=lambda: [datetime.fromisoformat(one["endsAt"]) for one in told_of(alertmanager, FAILED[0])],
        accept=lambda ends: ends[-1] <= datetime.now(UTC),
        budget=SEEN,
    )
    since = prometheus.value("metallb_conformance:seconds_since_success")
    assert since is not None
    assert 0 <= since < HOUR


def test_a_push_replaces_what_the_cluster_said_before(
    run: RunResult,
    watched: Monitoring,
) -> None:
    asked = Outlets(gateway=Gateway(url=watched.gateway))
    outcomes = 'metallb_conformance_check_outcome{cluster="pushed",outcome="passed"}'

    deliver(now(run, Verdict.PASSED, cluster="pushed"), asked)
    wait.until(
        "all checks are there",
        read=lambda: len(watched.prometheus.query(outcomes)),
        accept=lambda count: count == len(run.checks),
        budget=SEEN,
    )
    fewer = replace(run, checks=run.checks[:1])
    deliver(now(fewer, Verdict.PASSED, cluster="pushed"), asked)

    wait.until(
        "only those of the last run are there",
        read=lambda: len(watched.prometheus.query(outcomes)),
        accept=lambda count: count == 1,
        budget=SEEN,
    )


def expressions(dashboard: Any) -> Iterator[tuple[str, str]]:
    """Every query of a dashboard, by its panel's title, with the variables that Grafana would fill in."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$cluster", "lab").replace("$__range", "1h")
            yield panel["title"], text


def test_every_query_of_the_dashboard_has_an_answer(
    run: RunResult,
    watched: Monitoring,
) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    asked = Outlets(textfiles=watched.textfiles)
    deliver(now(run, Verdict.FAILED), asked, Successes(run=1.0, checks={"failover.moves": 1.0}))
    wait.until(
        "scraped and counted",
        read=lambda: watched.prometheus.query(
            'metallb_conformance:check_seconds_since_success{check="failover.moves"} > 86400'
        ),
        accept=bool,
        budget=SEEN,
    )

    queries = list(expressions(dashboard))

    assert len(queries) >= 10
    empty = [(title, text) for title, text in queries if not watched.prometheus.query(text)]
    assert empty == []
    named = {name for _, text in queries for name in re.findall(r"metallb_conformance[\w:]*", text)}
    assert named <= watched.prometheus.series()


def test_the_dashboard_asks_for_its_source_and_cluster() -> None:
    dashboard = json.loads(DASHBOARD.read_text())

    names = {one["name"] for one in dashboard["templating"]["list"]}
    assert names == {"source", "cluster"}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            assert target["datasource"] == {"type": "prometheus", "uid": "${source}"}
            assert 'cluster=~"$cluster"' in target["expr"], panel["title"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_nothing_of_it_listens_beyond_the_loopback(watched: Monitoring, tmp_path: Path) -> None:
    import psutil  # noqa: PLC0415 - this test alone looks at processes

    children = psutil.Process().children(recursive=True)
    places = {
        connection.laddr.ip
        for child in children
        if "prometheus" in child.name()
        for connection in child.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert places == {"127.0.0.1"}
