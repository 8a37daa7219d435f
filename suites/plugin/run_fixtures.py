"""What a check may ask for: thin shells over the run, so that nothing is opened that is not asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from clusters.errors import Inconclusive
from suites.plugin.item import STATE, ItemState
from suites.plugin.record import Findings, Record
from suites.plugin.run import RUN
from suites.plugin.settings import Settings

# Imported when first used, as elsewhere in this plugin: it is loaded for the project's own tests as well.
if TYPE_CHECKING:
    from clusters.api import Api
    from clusters.changes import Changes
    from clusters.gitops.repository_snapshot import RepositorySnapshot
    from clusters.observation import Snapshot
    from clusters.providers import Cluster
    from clusters.upgrade.decision import Decision
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
    if run.lease is not None and run.lease.lost:
        raise Inconclusive(run.lease.lost, remedy="Run again when no other run has the cluster.")
    made: Changes = run.changes
    known = len(made.notes)
    try:
        with made.scope():
            yield made
    finally:
        # What the undo left alone, because somebody else has changed it since.
        for note in made.notes[known:]:
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


@pytest.fixture(scope="session")
def repository(request: pytest.FixtureRequest) -> RepositorySnapshot:
    """What the GitOps repository says, and what is live of it."""
    from suites.plugin import kept_repository  # noqa: PLC0415 - see above

    return kept_repository.of_run(request.config.stash[RUN])


@pytest.fixture(scope="session")
def earlier(run: Settings) -> Snapshot | None:
    """The observation beside the results that --baseline names, if there is one."""
    from suites.plugin import kept_repository  # noqa: PLC0415 - see above

    return kept_repository.earlier_observation(run.baseline)


@pytest.fixture
def readiness(request: pytest.FixtureRequest, run: Settings, record: Record, snapshot: Snapshot) -> Decision:
    """The decision about the upgrade to --target-version."""
    from suites.plugin import upgrade_readiness  # noqa: PLC0415 - see above

    try:
        found: RepositorySnapshot | None = request.getfixturevalue("repository")
    except Inconclusive:  # the profile names none, or none was kept
        found = None
    return upgrade_readiness.decided(run, record, snapshot, found)
