"""An upgrade is performed on a lab alone; elsewhere that is said before anything is made for it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.checks import NotSupported
from clusters.profile import Profile, Provider
from clusters.providers import Cluster
from suites.upgrade import conftest

CLUSTER = Cluster(
    name="local", provider="kind", kubeconfig=Path("kubeconfig"), context="kind", disposable=True
)


class Request:
    """pytest's, for a fixture that may ask for the cluster alone."""

    def getfixturevalue(self, name: str) -> Any:
        assert name == "cluster", f"{name} was made"
        return CLUSTER


def test_elsewhere_nothing_is_made_for_an_upgrade_that_somebody_else_performs() -> None:
    upgrade: Any = conftest.upgrade
    run = SimpleNamespace(phase="", profile=Profile(name="local", provider=Provider.KIND))

    with pytest.raises(NotSupported, match="provider kind upgrades nothing itself: run --phase before"):
        upgrade._get_wrapped_function()(Request(), run)
