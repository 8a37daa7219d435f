"""A cluster of kind that is like the lab: the same addresses, MetalLB as the lab's overlay has it, the same consumers.

So what is written for the lab counts there as it is. The process that opens it has to be in Docker's network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import yaml

from clusters import providers
from clusters.api import Api
from clusters.gitops import release_manifests
from clusters.gitops.kustomize import Kustomize
from clusters.profile import Profile
from clusters.profile.profile_file import SHIPPED
from clusters.providers import Cluster
from clusters.providers.kind import containers, metallb_install
from clusters.providers.kind.programs import find
from tests.kind.stage import Stage

#: The cluster's name, and that of the Docker network that is made for it.
NAME = "alike"
SUBNET, GATEWAY = "172.30.0.0/24", "172.30.0.1"


def settings(stage: Stage) -> dict[str, Any]:
    """The shipped profile of the lab, for this cluster."""
    found: dict[str, Any] = yaml.safe_load((SHIPPED / "lab.yaml").read_text(encoding="utf-8"))
    del found["lab"]
    found["gitops"]["repository"] = str(metallb_install.EXAMPLES)
    kind = {"cluster": NAME, "image": stage.node_image, "images": list(stage.images)}
    return {**found, "name": NAME, "provider": "kind", "vantage": "host", "kind": kind}


def environment(stage: Stage) -> Mapping[str, str]:
    """What the process that opens the cluster needs, and every run on it."""
    return {**stage.environment, containers.NETWORK_VARIABLE: NAME}


@contextmanager
def opened(profile: Profile) -> Iterator[Cluster]:
    """The cluster, made for the block; its network goes with it."""
    with _docker_network(), providers.open_cluster(profile) as cluster:
        assert cluster.kubectl is not None
        api = Api.connect(cluster.kubeconfig, cluster.context)
        (addresses,) = profile.pools[0].addresses
        metallb_install.apply(api, metallb_install.rendered(profile, kubectl=cluster.kubectl, pool=addresses))
        render = Kustomize(cluster.kubectl, release_manifests.of_lab_parts()).render
        for thing in sorted(
            render(metallb_install.EXAMPLES, "consumers/lab").objects,
            key=lambda one: one["kind"] != "Namespace",
        ):
            api.apply(thing)
        yield cluster


@contextmanager
def _docker_network() -> Iterator[None]:
    docker = find("docker")
    addresses = ("--subnet", SUBNET, "--gateway", GATEWAY)
    docker.run("network", "create", NAME, *addresses, doing=f"make the network {NAME}")
    try:
        yield
    finally:
        docker.run("network", "rm", NAME, doing=f"remove the network {NAME}")
