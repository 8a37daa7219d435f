"""A cluster that is simply there: a kubeconfig and a context. Nothing of it is made or removed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from clusters.api import Api, Forbidden
from clusters.api.kubeconfig import holder_of
from clusters.api.resources import NODES
from clusters.profile import Profile
from clusters.providers.base import Cluster, NodeHost


@contextmanager
def open_existing(profile: Profile) -> Iterator[Cluster]:
    """The cluster of the profile's context, and its vantage.

    Raises the errors of `clusters.api` where it cannot be reached or does not know the login. A login that
    may not list nodes still gives a cluster, without them; checks that need them then say so.
    """
    kubeconfig = holder_of(profile.kubeconfig, profile.context)
    found = shutil.which("kubectl")
    cluster = Cluster(
        name=profile.name,
        provider=str(profile.provider),
        kubeconfig=kubeconfig,
        context=profile.context,
        kubectl=Path(found) if found else None,
        disposable=profile.disposable,
        nodes=_nodes(Api.connect(kubeconfig, profile.context)),
    )
    if not profile.vantage:
        yield cluster
        return
    from clusters.vantage import open_vantage  # noqa: PLC0415 - brings the packet library, which is slow to load

    with open_vantage(profile.vantage) as vantage:
        yield replace(cluster, vantage=vantage)


def _nodes(api: Api) -> tuple[NodeHost, ...]:
    try:
        found = api.list(NODES)
    except Forbidden:
        return ()
    return tuple(
        NodeHost(
            name=node["metadata"]["name"],
            addresses=tuple(
                entry["address"]
                for entry in node.get("status", {}).get("addresses", [])
                if entry["type"] == "InternalIP"
            ),
        )
        for node in found
    )
