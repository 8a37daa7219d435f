"""Getting at a cluster: `open_cluster(profile)` for every provider, each loaded only when it is used."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager, nullcontext
from typing import cast

from clusters import extras
from clusters.profile import Profile
from clusters.providers.cluster import Cluster, NodeHost, Opener

_OPENERS = {
    "existing": ("clusters.providers.cluster", "open_existing"),
    "kind": ("clusters.providers.kind.kind_cluster", "open_kind"),
    "lab": ("clusters.providers.lab_cluster", "open_lab"),
}


def open_cluster(profile: Profile) -> AbstractContextManager[Cluster]:
    """The profile's cluster, found or made, for the length of a `with` block.

    Raises UsageError where what its provider needs is not installed, else what the provider raises.
    """
    name, function = _OPENERS[profile.provider]
    about = f"Provider {profile.provider} of profile {profile.name}"
    with extras.needed(profile.provider, about) if profile.provider in extras.NAMES else nullcontext():
        module = importlib.import_module(name)
    return cast("Opener", getattr(module, function))(profile)


__all__ = ["Cluster", "NodeHost", "open_cluster"]
