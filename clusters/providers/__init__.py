"""Getting at a cluster: `open_cluster(profile)` for every provider, each loaded only when it is used."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from typing import cast

from clusters.errors import UsageError
from clusters.profile import Profile, Provider
from clusters.providers.cluster import Cluster, Machines, NodeHost, Opener

_OPENERS = {
    "existing": ("clusters.providers.cluster", "open_existing"),
    "kind": ("clusters.providers.kind.kind_cluster", "open_kind"),
    "lab": ("clusters.providers.lab_cluster", "open_lab"),
}

#: What comes with the extra: pytest-kind, and what it imports.
_OF_KIND = ("pytest_kind", "pykube", "requests")


def open_cluster(profile: Profile) -> AbstractContextManager[Cluster]:
    """The profile's cluster, found or made, for the length of a `with` block.

    Raises UsageError where what its provider needs is not installed, else what the provider raises.
    """
    name, function = _OPENERS[profile.provider]
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if profile.provider is not Provider.KIND or str(error.name).partition(".")[0] not in _OF_KIND:
            raise  # only kind needs what may not be installed
        raise UsageError(
            f"Provider kind of profile {profile.name} needs the extra [kind], which is not installed.",
            remedy="Install it: pip install --require-hashes -r requirements/kind.txt",
        ) from error
    return cast("Opener", getattr(module, function))(profile)


__all__ = ["Cluster", "Machines", "NodeHost", "Opener", "open_cluster"]
