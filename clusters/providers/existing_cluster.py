"""A cluster that is simply there: a kubeconfig and a context. Nothing of it is made or removed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clusters.api import Api, ApiError
from clusters.api.kubeconfig import holder_of
from clusters.api.resources import NODES
from clusters.errors import ConformanceError
from clusters.profile import Profile
from clusters.providers.cluster import Cluster, NodeHost

if TYPE_CHECKING:
    from clusters.vantage import Vantage


@contextmanager
def open_existing(profile: Profile) -> Iterator[Cluster]:
    """The cluster of the profile's context, and its vantages.

    Raises KubeconfigInvalid where there is no such context. A cluster that cannot be reached, or that does not
    let its nodes be listed, is one without nodes, and a vantage that cannot be had is one of its `problems`:
    preflight tells all of that at once.
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
    with ExitStack() as stack:
        places: dict[str, Vantage] = {}
        problems: list[ConformanceError] = []
        for field, spec in (("vantage", profile.outside), ("routed", profile.routed_vantage)):
            try:
                if spec:
                    places[field] = stack.enter_context(_opened(spec))
            except ConformanceError as error:
                problems.append(error)
        yield replace(
            cluster,
            vantage=places.get("vantage"),
            routed=places.get("routed"),
            problems=tuple(problems),
        )


def _opened(spec: str) -> AbstractContextManager[Vantage]:
    from clusters.vantage import open_vantage  # noqa: PLC0415 - brings the packet library, which is slow to load

    return open_vantage(spec)


def _nodes(api: Api) -> tuple[NodeHost, ...]:
    try:
        found = api.list(NODES)
    except ApiError:
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
