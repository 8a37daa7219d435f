"""What a check may ask for: thin shells over the run, so that nothing is opened that is not asked for.

Every observe check asks the one observation of the run: looked at once, kept beside the results. With --snapshot
nothing is looked at: the kept observation is judged again, and no cluster is needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clusters import budgets, files
from clusters.errors import Inconclusive
from suites.plugin.item_outcome import STATE, ItemState
from suites.plugin.record import Findings, Record
from suites.plugin.run import RUN, Run
from suites.plugin.run_state import SNAPSHOT, SNAPSHOT_LOCK
from suites.plugin.selection import repository_at_hand
from suites.plugin.settings import Settings

# Imported when first used, as elsewhere in this plugin: it is loaded for the project's own tests as well.
if TYPE_CHECKING:
    from clusters.api import Api
    from clusters.changes import Changes
    from clusters.diagnosis import Diagnosis
    from clusters.diagnosis.answer import Question
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
def any_repository(request: pytest.FixtureRequest, run: Settings) -> RepositorySnapshot | None:
    """The same where there is a repository, None where the profile names none and none was kept."""
    if not repository_at_hand(run):
        return None
    found: RepositorySnapshot = request.getfixturevalue("repository")
    return found


@pytest.fixture(scope="session")
def any_snapshot(request: pytest.FixtureRequest, run: Settings) -> Snapshot | None:
    """What was observed, None where a repository alone is judged."""
    if run.repository_alone:
        return None
    found: Snapshot = request.getfixturevalue("snapshot")
    return found


@pytest.fixture(scope="session")
def earlier(run: Settings) -> Snapshot | None:
    """The observation beside the results that --baseline names, if there is one."""
    from suites.plugin import kept_repository  # noqa: PLC0415 - see above

    return kept_repository.earlier_observation(run.baseline)


@pytest.fixture
def readiness(request: pytest.FixtureRequest, run: Settings, record: Record, snapshot: Snapshot) -> Decision:
    """The decision about the upgrade to --target-version."""
    from suites.plugin import upgrade_state  # noqa: PLC0415 - see above

    try:
        found: RepositorySnapshot | None = request.getfixturevalue("repository")
    except Inconclusive:  # the profile names none, or none was kept
        found = None
    return upgrade_state.readiness(
        run.target_version, run.helm_values, record, snapshot, found, named=run.manifest
    )


@dataclass(frozen=True)
class Observed:
    """The diagnosis of the run's observation, and where one check notes what it saw in it."""

    check: str
    diagnosis: Diagnosis
    record: Record

    def expect(self, question: Question) -> None:
        """Ask the diagnosis for this check: notes and figures are kept, and whatever is not a pass is raised."""
        from clusters.diagnosis import answer  # noqa: PLC0415 - see above

        found = answer.ask(question, self.diagnosis)
        for note in found.notes:
            self.record.note(note)
        for name, figure in found.figures.items():
            self.record.measure(name, figure.value, unit=figure.unit, budget=figure.budget)
        answer.conclude(self.check, found, self.diagnosis)


@pytest.fixture(scope="session")
def diagnosis(request: pytest.FixtureRequest) -> Diagnosis:
    """What is wrong by what the cluster looked like when the run began, or by the observation that --snapshot names.

    The paths of the services in trouble go into the run's results.
    """
    from clusters.diagnosis import paths  # noqa: PLC0415 - see above

    run = request.config.stash[RUN]
    if "observation" in run.ahead:
        request.config.hook.pytest_conformance_waiting(config=request.config)
    found = _diagnosed(run)
    run.state.paths = paths.in_trouble(found)
    return found


def _diagnosed(run: Run) -> Diagnosis:
    from clusters.diagnosis import Diagnosis  # noqa: PLC0415 - see above
    from clusters.observation import save  # noqa: PLC0415 - see above

    if run.settings.snapshot is not None:
        return Diagnosis(run.saved)
    found = _observed_once(run, run.settings.directory / SNAPSHOT)
    if run.settings.save_snapshot is not None:
        with _lost_is_noted(run, run.settings.save_snapshot):
            save(found.snapshot, run.settings.save_snapshot)
    return found


@pytest.fixture(scope="session")
def snapshot(diagnosis: Diagnosis) -> Snapshot:
    """The observation that the run's diagnosis judges."""
    return diagnosis.snapshot


@pytest.fixture
def observed(request: pytest.FixtureRequest, diagnosis: Diagnosis) -> Observed:
    """The run's observation, as one check asks it."""
    state = request.node.stash[STATE]
    return Observed(state.spec.id, diagnosis, state.record)


def _observed_once(run: Run, kept: Path) -> Diagnosis:
    """One observation for all processes of a run: the first one looks, the others read what it kept."""
    from filelock import FileLock  # noqa: PLC0415 - see above

    from clusters.diagnosis import Diagnosis, observed  # noqa: PLC0415 - see above
    from clusters.observation import load, save  # noqa: PLC0415 - see above

    def look() -> Snapshot:
        begun = run.ahead.pop("observation", None)
        found: Snapshot = begun.result() if begun else run.look()
        return found

    with contextlib.ExitStack() as stack:
        with _lost_is_noted(run, kept):
            files.private_directory(kept.parent)
            stack.enter_context(
                FileLock(
                    kept.with_name(SNAPSHOT_LOCK),
                    timeout=budgets.seconds(budgets.PROCESS_COLLECTED),
                    mode=files.PRIVATE,
                )
            )
        if kept.exists():
            return Diagnosis(load(kept))
        found = observed(look)
        with _lost_is_noted(run, kept):
            save(found.snapshot, kept)
    return found


@contextlib.contextmanager
def _lost_is_noted(run: Run, path: Path) -> Iterator[None]:
    """What was observed is judged also where there is no room to keep it; the run says so, and ends with 3."""
    try:
        yield
    except OSError as error:
        fault = f"{path} could not be written: {error.strerror or error}."
        run.unkept += [] if fault in run.unkept else [fault]
