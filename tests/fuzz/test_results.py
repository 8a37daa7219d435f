"""Results and histories that no release wrote: pages, comparisons and files all the same, or a sentence."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.checks.run_verdict import Member
from clusters.errors import ConformanceError
from reports.history import opened, shape, stored_runs
from reports.history.comparison import compared, side_of
from reports.history.history_view import known_before, view_of
from reports.history.recording import enter
from reports.history.validation import validation
from reports.model import FLEET, RESULTS, load
from reports.pages import fleet_page, upgrade_decision
from reports.pages.page import page
from reports.publish import prometheus, summary
from reports.publish.last_validated import as_json
from reports.publish.merge import Shard, joined
from reports.publish.stamp import validating
from suites.plugin.sharding import recorded
from tests.fuzz import mutator
from tests.fuzz.tally import judged

RUNS = Path(__file__).parents[1] / "unit" / "reports" / "runs"
NAMES = tuple(sorted(path.name for path in RUNS.iterdir()))
_NOW = datetime(2026, 11, 30, tzinfo=UTC)


@cache
def text(name: str) -> bytes:
    """A run's results.json."""
    return gzip.decompress((RUNS / name / f"{RESULTS}.gz").read_bytes())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's directory, with an earlier run beside it that nobody has touched."""
    folder = tmp_path_factory.mktemp("results") / "run"
    (folder.parent / "earlier").mkdir()
    (folder.parent / "earlier" / RESULTS).write_bytes(text(NAMES[0]))
    folder.mkdir()
    return folder


def _read(folder: Path, data: bytes) -> str:
    """Everything that is ever made of a results.json."""
    (folder / RESULTS).write_bytes(data)
    recorded(folder / RESULTS)
    result = load(folder)
    earlier = load(folder.parent / "earlier")
    both = compared(side_of(earlier), side_of(result), against="earlier")
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        shape.make(connection)
        connection.execute("BEGIN")
        for each in (earlier, result):
            enter(connection, each, directory=folder)
        connection.execute("COMMIT")
        validation(connection, result.run.cluster, now=_NOW, budget=timedelta(hours=36))
    page(result, directory=folder)
    prometheus.metrics(result)
    summary.markdown(result)
    summary.lines(result)
    upgrade_decision.html(upgrade_decision.decision_of(result, directory=folder, target="0.16.2"))
    joined([Shard(path=folder / RESULTS, result=result)])
    return "compared" if not both.nothing else "the same"


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Results with a few changes anywhere."""
    return mutator.as_json(draw(mutator.mutations(json.loads(text(draw(st.sampled_from(NAMES)))))))


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """The text of results, spoilt."""
    return draw(mutator.spoilt_texts(text(draw(st.sampled_from(NAMES)))))


@given(data=mutated())
def test_changed_results_are_reported_or_one_sentence(run: Path, data: bytes) -> None:
    judged("results", lambda: _read(run, data))


@given(data=spoilt())
def test_spoilt_results_are_reported_or_one_sentence(run: Path, data: bytes) -> None:
    judged("results, as text", lambda: _read(run, data))


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of a fleet of two clusters, one of which left no results."""
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "edge").mkdir()
    (folder / "edge" / RESULTS).write_bytes(text(NAMES[0]))
    members = [
        Member(cluster=name, directory=folder / name, code=code, seconds=60.5, words="it said this")
        for name, code in (("edge", 1), ("lost", -9))
    ]
    fleet_page.write(members, folder)
    (folder / "whole.json").write_bytes((folder / FLEET).read_bytes())
    return folder


def _together(folder: Path, data: bytes) -> str:
    (folder / FLEET).write_bytes(data)
    found = fleet_page.fleet_from(folder / FLEET)
    fleet_page.page(found, folder)
    fleet_page.lines(found)
    return "reported"


@given(data=st.data())
def test_a_changed_fleet_is_reported_or_one_sentence(several: Path, data: st.DataObject) -> None:
    whole = (several / "whole.json").read_bytes()
    tree = data.draw(mutator.mutations(json.loads(whole)))
    judged("fleets", lambda: _together(several, mutator.as_json(tree)))


_COLUMNS = (
    (
        "runs",
        ("id", "cluster", "started", "finished", "allow", "verdict", "scope", "directory", "host", "pid"),
    ),
    ("outcomes", ("outcome", "at", "duration_s", "reason", "causes", "blamed")),
    (
        "standings",
        ("last_outcome", "decided", "decided_at", "passed_at", "validated_at", "failures", "since"),
    ),
    ("checks", ("title", "runbook", "level")),
)
_WORDS: tuple[Any, ...] = (
    "degraded", "", "PASSED", "yesterday", "0000-01-01T00:00:00Z", "2027-02-30T00:00:00.000000Z", "[", "{}", "5", 5, -1,
    1e300, b"\x00\xff", "[[1]]", '[["a"]]', "[" * 3000, "\x00", "é" * 3000, 2**62, "create", "\u202e",
)  # fmt: skip


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of two runs on two days."""
    made = tmp_path_factory.mktemp("history") / "whole.db"
    with closing(sqlite3.connect(made, isolation_level=None)) as connection:
        shape.make(connection)
        connection.execute("BEGIN")
        for days, name in enumerate((*NAMES, NAMES[0])):
            result = _of_day(name, days)
            enter(connection, result, directory=made.parent)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = DELETE")
    return made


def _of_day(name: str, days: int) -> Any:
    from clusters.checks.serialise import run_from_dict  # noqa: PLC0415 - only here

    result = run_from_dict(json.loads(text(name)))
    began = datetime(2026, 11, 20, 3, tzinfo=UTC) + timedelta(days=days)
    times = {
        "started": f"{began:%Y-%m-%dT%H:%M:%SZ}",
        "finished": f"{began + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
    }
    return replace(result, run=replace(result.run, id=f"night-{days}", cluster="edge", **times))


def _reported(path: Path) -> str:
    """Everything that a night makes of a history, whose report it may never cost; who asks it may get a sentence."""
    result = _of_day(NAMES[0], 5)
    try:
        known_before(path, result)
        past = view_of(path, result, directory=path.parent)
        page(result, directory=path.parent, view=past)
        summary.markdown(result, past)
        summary.since_previous(result, past)
    except ConformanceError as error:
        raise AssertionError(f"a history cost the night's report: {error}") from error
    with opened(path) as connection:
        names = stored_runs.clusters(connection)
        found = [validation(connection, str(name), now=_NOW, budget=timedelta(hours=36)) for name in names]
        as_json(found, stored_runs.notes(connection), now=_NOW, budget=timedelta(hours=36))
        validating(connection, "", frozenset(), page=path)
    return "reported, with a word" if past.problem else "reported"


@given(data=st.data())
def test_a_history_with_any_words_in_it_is_reported_or_one_sentence(
    history: Path, data: st.DataObject
) -> None:
    spoilt_one = history.with_name("spoilt.db")
    shutil.copyfile(history, spoilt_one)
    with closing(sqlite3.connect(spoilt_one, isolation_level=None)) as connection:
        for _ in range(data.draw(st.integers(1, 4))):
            table, columns = data.draw(st.sampled_from(_COLUMNS))
            column, word = data.draw(st.sampled_from(columns)), data.draw(st.sampled_from(_WORDS))
            connection.execute(f"UPDATE OR IGNORE {table} SET {column} = ?", (word,))
    judged("histories", lambda: _reported(spoilt_one))
