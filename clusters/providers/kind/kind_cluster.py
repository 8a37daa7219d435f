"""kind as a cluster: made for the run and removed after it, or one that is there already and is left alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from clusters.api import Api
from clusters.api.resources import NODES
from clusters.profile import Profile
from clusters.providers.cluster import Cluster
from clusters.providers.kind import containers, creation, folder_of, is_archive, metallb_install, unique_name
from clusters.providers.kind.containers import Containers
from clusters.providers.kind.creation import Made, Wanted
from clusters.providers.kind.programs import Program, ProgramFailed, find
from clusters.vantage import AgentVantage, Vantage, open_vantage
from clusters.vantage.launch import Launch

#: The vantage that is a container on the nodes' network: for machines that cannot reach that network themselves.
CONTAINER = "container"


@contextmanager
def open_kind(profile: Profile) -> Iterator[Cluster]:
    """The profile's kind cluster, with MetalLB where this call made it.

    With a `kubeconfig` and no cluster's name in the profile: the cluster that it leads to, as it is. Raises Refused
    with the words of kind or Docker where it cannot be made, and CleanupFailed where it cannot be removed.
    """
    docker = find("docker")
    kubectl = find("kubectl", profile.kind.kubectl)
    if profile.kubeconfig is not None and not profile.kind.cluster:
        api = Api.connect(profile.kubeconfig, profile.context or None)
        names = [node["metadata"]["name"] for node in api.list(NODES)]
        found = _cluster(profile, docker, names, kubeconfig=profile.kubeconfig, context=api.context)
        with _seen(profile, docker, replace(found, kubectl=kubectl.path)) as cluster:
            yield cluster
        return

    def furnish(made: Made) -> None:
        metallb_install.install(made.wanted.kubeconfig, made.context, profile=profile)

    kind = find("kind", profile.kind.binary)
    with creation.running(wanted(profile), kind=kind, kubectl=kubectl, furnish=furnish) as made:
        found = _cluster(profile, docker, made.nodes, kubeconfig=made.wanted.kubeconfig, context=made.context)
        found = replace(found, kubectl=kubectl.path, export_logs=made.export_logs)
        with _seen(profile, docker, found) as cluster:
            yield cluster


def wanted(profile: Profile) -> Wanted:
    """What the profile, and the options that were laid over it, ask for."""
    settings = profile.kind
    name = settings.cluster or unique_name(profile.name)
    return Wanted(
        name=name,
        kubeconfig=profile.kubeconfig or folder_of(name) / "kubeconfig",
        config=settings.config,
        image=settings.image,
        images=[_image(profile, image) for image in settings.images],
        keep=settings.keep,
        logs=settings.logs,
    )


def _image(profile: Profile, text: str) -> str:
    """A reference as it is; an archive's path from the profile's own folder."""
    return str(profile.source.parent / Path(text).expanduser()) if is_archive(text) else text


def _cluster(
    profile: Profile, docker: Program, nodes: list[str], *, kubeconfig: Path, context: str
) -> Cluster:
    return Cluster(
        name=profile.name,
        provider=str(profile.provider),
        kubeconfig=kubeconfig,
        context=context,
        disposable=profile.disposable,
        nodes=containers.nodes(docker, nodes),
        spare_addresses=(containers.room(containers.network_seen(docker)).spare,),
        machines=Containers(docker),
    )


@contextmanager
def _seen(profile: Profile, docker: Program, cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with its vantages."""
    with ExitStack() as stack:
        if profile.outside:
            cluster = replace(cluster, vantage=stack.enter_context(_vantage(profile, docker)))
        if profile.routed_vantage:
            cluster = replace(cluster, routed=stack.enter_context(open_vantage(profile.routed_vantage)))
        yield cluster


def _vantage(profile: Profile, docker: Program) -> AbstractContextManager[Vantage]:
    """The host where it is on the nodes' network, as on Linux; else a container that is."""
    if profile.vantage != CONTAINER and (profile.vantage != "host" or sys.platform == "linux"):
        return open_vantage(profile.vantage)
    image = profile.kind.vantage_image
    try:
        docker.run("image", "inspect", image, doing=f"find the image {image}")
    except ProgramFailed:
        docker.run("pull", image, doing=f"pull the image {image}")
    return AgentVantage(CONTAINER, CONTAINER, Launch(python=inside(docker, image)))


def inside(docker: Program, image: str) -> tuple[str, ...]:
    """The command that gives a Python in a container on the nodes' network; it may send frames of its own."""
    settings = ("--rm", "--interactive", "--network", containers.network_name(), "--cap-add", "NET_RAW")
    return (str(docker.path), "run", *settings, "--entrypoint", "python3", image)
