"""Fixtures that the create and disrupt checks share."""

from suites.scenes.fixtures import (
    addresses,
    announced,
    disruption,
    echo,
    echoes,
    own_pools,
    profile,
    services,
    wire,
)

__all__ = [
    "addresses",
    "announced",
    "disruption",
    "echo",
    "echoes",
    "own_pools",
    "profile",
    "services",
    "wire",
]
