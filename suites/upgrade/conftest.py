"""Fixtures of the checks around an upgrade: the lab performs one, elsewhere somebody else does."""

from __future__ import annotations

import pytest

from clusters.api import Api
from clusters.profile import Profile
from clusters.providers import Cluster
from suites.plugin.record import Record
from suites.plugin.run import RUN
from suites.plugin.settings import DURING, Settings
from suites.scenes.announced import Wire
from suites.scenes.promise_explainer import FailureAttribution
from suites.scenes.upgrading import BeforeAndAfter, LabUpgrade, WhileUpgraded, performed_here


@pytest.fixture
def before_and_after(
    request: pytest.FixtureRequest, run: Settings, api: Api, profile: Profile, wire: Wire, record: Record
) -> BeforeAndAfter:
    """An upgrade that somebody else performs."""
    found = request.config.stash[RUN].found
    attribution = FailureAttribution(api, profile, wire.vantage)
    return BeforeAndAfter(
        api, wire, attribution, record, run.phase_file, (found.kubernetes_version, found.metallb_version)
    )


@pytest.fixture
def upgrade(request: pytest.FixtureRequest, run: Settings) -> LabUpgrade | BeforeAndAfter | WhileUpgraded:
    """The upgrade: the one of the phase that the run is for, or one that is performed here."""
    # Only what is needed is made: a run in a phase may not create anything.
    if run.phase:
        found: BeforeAndAfter = request.getfixturevalue("before_and_after")
        return WhileUpgraded(found) if run.phase == DURING else found
    cluster: Cluster = request.getfixturevalue("cluster")
    performed_here(cluster, run.profile)
    drill, announced = map(request.getfixturevalue, ("drill", "announced"))
    return LabUpgrade(drill, cluster, announced, run.target_version)
