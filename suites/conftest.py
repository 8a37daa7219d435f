"""Fixtures that the create and disrupt checks share, and how their trouble is explained."""

from suites.scenes import explaining as _explaining
from suites.scenes.fixtures import (
    addresses,
    announced,
    disruption,
    drill,
    echo,
    echoes,
    insiders,
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
    "insiders",
    "overlay",
    "own_pools",
    "profile",
    "rebuild",
    "services",
    "wire",
]
