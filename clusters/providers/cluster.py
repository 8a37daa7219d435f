"""An open cluster, the interface that existing, kind and lab clusters all fit; and one that is simply there, opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clusters.api import Api, ApiError
from clusters.api.kubeconfig import holder_of
from clusters.api.resources import NODES
from clusters.errors import ConformanceError
from clusters.profile import Profile

if TYPE_CHECKING:
    from clusters.changes import Changes
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


class Machines(Protocol):
    """A cluster's nodes as machines that can be disturbed from outside.

    Both raise NotSupported where that is not possible from here.
    """

    def kill(self, node: str, program: str) -> None:
        """End every process called `program` on `node` at once. Raises Inconclusive where there is none."""
        ...

    def unplugged(self, changes: Changes, node: str) -> AbstractContextManager[None]:
        """Pull the cable of `node` for the block: it loses its carrier, its programs run on."""
        ...


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """An open cluster. It stays usable until the context manager that gave it ends.

    `kubeconfig` is one file. `kubectl` is the path of a kubectl of about the cluster's version, where there
    is one. `vantage` is None where the profile names none or a pod, or it cannot be had: then `problems` says why.
    `routed` is a second vantage, behind a router, where the profile names one. `metallb` is the version that the
    provider installed, "" where it did not; `releases` are the manifests of those that it can change it to, by version.
    `machines` is None where there is no access to them. `spare_addresses` are ranges on the nodes' network that the
    provider knows nobody to use. `export_logs` keeps the machines' own logs below a folder.
    """

    name: str
    provider: str
    kubeconfig: Path
    context: str
    kubectl: Path | None = None
    disposable: bool = False
    nodes: tuple[NodeHost, ...] = ()
    vantage: Vantage | None = None
    routed: Vantage | None = None
    metallb: str = ""
    releases: Mapping[str, Path] = field(default_factory=dict)
    problems: tuple[ConformanceError, ...] = ()
    machines: Machines | None = None
    spare_addresses: tuple[str, ...] = ()
    export_logs: Callable[[Path], None] | None = None


class Opener(Protocol):
    """What a provider's module offers: the cluster of a profile, made or found, and let go at the end."""

    def __call__(self, profile: Profile) -> AbstractContextManager[Cluster]:
        """Open the profile's cluster. Raises ConformanceError where that is not possible."""
        ...


@contextmanager
def open_existing(profile: Profile) -> Iterator[Cluster]:
    """The cluster of the profile's context, and its vantages. Nothing of it is made or removed.

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
