"""The observation of a run as fixtures: looked at once, kept beside the results, asked by every observe check.

With --snapshot nothing is looked at: the kept observation is judged again, and no cluster is needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clusters import budgets, files
from suites.plugin.item import STATE
from suites.plugin.record import Record
from suites.plugin.run import RUN, Run
from suites.plugin.run_files import SNAPSHOT, SNAPSHOT_LOCK

# Imported when first used, as elsewhere in this plugin: it is loaded for the project's own tests as well.
if TYPE_CHECKING:
    from clusters.diagnosis import Diagnosis
    from clusters.diagnosis.answer import Question
    from clusters.observation import Snapshot


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
    from clusters.observation.collecting import collect  # noqa: PLC0415 - see above

    settings = run.settings

    def look() -> Snapshot:
        return collect(
            run.api,
            namespace=settings.profile.namespace,
            vantage=run.cluster.vantage,
            routed=run.cluster.routed,
            profile=settings.profile,
            upgrade=bool(settings.target_version),
        )

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
