"""Clusters of kind: made with pytest-kind, on Docker's own network, with MetalLB from the overlay `local`.

pytest-kind is licensed under the GPL and is an extra, so only `clusters.providers.kind.creation` imports it, and only
`clusters.providers.kind.kind_cluster` imports that. Here are the clusters' names, which need neither.
"""

from __future__ import annotations

import os
from pathlib import Path

from clusters.journal import state_dir

_LONGEST = 50  # what kind accepts
_ARCHIVES = (".tar", ".tar.gz", ".tgz")


def unique_name(profile: str, run: str = "") -> str:
    """A cluster's name that no other run has: it ends with the run's id, or with this process's."""
    tail = run or f"{os.getpid()}-{os.urandom(2).hex()}"
    return f"{profile[: _LONGEST - 1 - len(tail)].rstrip('.-')}-{tail}"


def folder_of(name: str) -> Path:
    """Where a cluster's kubeconfig lies; outside the checkout, and gone with the cluster."""
    return state_dir() / "kind" / name


def is_archive(image: str) -> bool:
    """Whether the text names an image's archive, not an image that Docker has."""
    return image.endswith(_ARCHIVES)
