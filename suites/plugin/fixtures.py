"""What a check may ask for: thin shells over the run, so that nothing is opened that is not asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from clusters.errors import Inconclusive
from suites.plugin.judging import STATE, ItemState
from suites.plugin.record import Findings, Record
from suites.plugin.running import RUN
from suites.plugin.settings import Settings

if TYPE_CHECKING:
    from clusters.api import Api
    from clusters.changes import Changes
    from clusters.providers import Cluster
    from clusters.vantage import Vantage


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Settings:
    """What this run was asked to do."""
    return request.config.stash[RUN].settings


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """The cluster under test."""
    return request.config.stash[RUN].cluster


@pytest.fixture(scope="session")
def api(request: pytest.FixtureRequest) -> Api:
    """The door to the cluster's API server."""
    return request.config.stash[RUN].api


@pytest.fixture
def changes(request: pytest.FixtureRequest, record: Record) -> Iterator[Changes]:
    """The only way to change the cluster; what a check leaves changed is undone at its end."""
    run = request.config.stash[RUN]
    if run.hold is not None and run.hold.lost:
        raise Inconclusive(run.hold.lost, remedy="Run again when no other run has the cluster.")
    made: Changes = run.changes
    told = len(made.notes)
    try:
        with made.scope():
            yield made
    finally:
        # What the undo left alone, because somebody else has changed it since.
        for note in made.notes[told:]:
            record.note(note)


@pytest.fixture(scope="session")
def vantage(cluster: Cluster, run: Settings) -> Vantage:
    """Where the addresses are probed from. A check that asks for it says needs={"wire"}."""
    if cluster.vantage is None:
        raise Inconclusive(f"There is no vantage on the addresses' network: {run.profile.unseen}.")
    return cluster.vantage


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Where a check keeps its figures, notes and files."""
    state: ItemState = request.node.stash[STATE]
    return state.record


@pytest.fixture
def findings(request: pytest.FixtureRequest) -> Findings:
    """Where a check that looks at many things keeps what it found; any finding fails it at its end."""
    state: ItemState = request.node.stash[STATE]
    return state.findings
