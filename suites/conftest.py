"""Fixtures that the create and disrupt checks share, and how a promise that is broken is explained."""

from suites.scenes import promise_explainer as _explaining
from suites.scenes.scene_fixtures import (
    addresses,
    announced,
    disruption,
    drill,
    echo,
    echoes,
    in_cluster_probes,
    overlay,
    own_pools,
    profile,
    rebuild,
    services,
    wire,
)

_ = _explaining  # importing it registers it

__all__ = [
    "addresses",
    "announced",
    "disruption",
    "drill",
    "echo",
    "echoes",
    "in_cluster_probes",
    "overlay",
    "own_pools",
    "profile",
    "rebuild",
    "services",
    "wire",
]
