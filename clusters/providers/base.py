"""What every way to a cluster has in common: one interface that existing, kind and lab clusters all fit."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clusters.errors import ConformanceError
from clusters.profile import Profile

if TYPE_CHECKING:  # the lab and the vantage stand on the providers, and most commands need neither
    from clusters.lab.lab import Lab
    from clusters.vantage import Vantage


@dataclass(frozen=True, kw_only=True)
class NodeHost:
    """One node as a machine on a network. `netns` is set where that is a namespace of this machine.

    Addresses and MAC addresses are text in their usual notation (MACs in lower case with colons).
    """

    name: str
    addresses: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    netns: str = ""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """An open cluster. It stays usable until the context manager that gave it ends.

    `kubeconfig` is one file. `kubectl` is the path of a kubectl of about the cluster's version, where there
    is one. `vantage` is None where the profile names none, or it cannot be had: then `problems` says why.
    `lab` is set for provider lab alone.
    """

    name: str
    provider: str
    kubeconfig: Path
    context: str
    kubectl: Path | None = None
    disposable: bool = False
    nodes: tuple[NodeHost, ...] = ()
    vantage: Vantage | None = None
    lab: Lab | None = None
    problems: tuple[ConformanceError, ...] = ()


class Opener(Protocol):
    """What a provider's module offers: the cluster of a profile, made or found, and let go at the end."""

    def __call__(self, profile: Profile) -> AbstractContextManager[Cluster]:
        """Open the profile's cluster. Raises ConformanceError where that is not possible."""
        ...
