"""The embedded lab as a cluster: a running one is used and left running, else one is booted and removed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from clusters import budgets, wait
from clusters.api import Api, ApiError
from clusters.api.resources import POD_METRICS
from clusters.changes import Changes
from clusters.checks import NotSupported
from clusters.faults import lab_hosts
from clusters.gitops import release_manifests
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import Host, LabOptions
from clusters.profile import Profile
from clusters.providers.cluster import Cluster, NodeHost
from clusters.vantage import Vantage, open_vantage


@contextmanager
def open_lab(profile: Profile) -> Iterator[Cluster]:
    """The lab that is called as the profile is. Raises the lab's own errors where it does not come up."""
    wanted = profile.lab
    options = LabOptions(name=profile.name)
    if wanted is not None:
        options = LabOptions(
            name=profile.name,
            nodes=wanted.nodes,
            families=wanted.families,
            nics=wanted.nics,
            proxy=wanted.proxy,
            metallb=wanted.metallb,
            install=wanted.install,
            overlay=str(wanted.overlay or ""),
            consumer=wanted.consumer,
        )
    found = life.healthy(profile.name)
    lab = found or life.up(options)
    try:
        if found is None:
            metrics_answer(lab, profile.namespace, pods=len(lab.nodes))
        with (
            _vantage(profile, lab) as vantage,
            open_vantage(profile.routed_vantage or f"netns:{lab.remote.netns}") as routed,
        ):
            yield Cluster(
                name=profile.name,
                provider=str(profile.provider),
                kubeconfig=lab.kubeconfig,
                context=lab.name,
                kubectl=lab.kubectl,
                disposable=profile.disposable,
                nodes=tuple(_node(host) for host in lab.nodes),
                vantage=vantage,
                routed=routed,
                metallb=lab.state.options.metallb,
                releases=release_manifests.of_lab_parts(),
                machines=LabMachines(lab),
            )
    finally:
        if found is None:
            life.down(profile.name)


def _vantage(profile: Profile, lab: Lab) -> AbstractContextManager[Vantage | None]:
    """The profile's place outside, else the lab's client host; none where the profile wants a pod."""
    if profile.inside:
        return nullcontext()
    return open_vantage(profile.outside or f"netns:{lab.client.netns}")


def metrics_answer(lab: Lab, namespace: str, *, pods: int) -> None:
    """Wait until the metrics API knows `pods` pods of `namespace`: a lab serves before its first measurement."""
    api = Api.connect(lab.kubeconfig, lab.name)
    wait.until(
        f"the metrics API of lab {lab.name} answers",
        read=lambda: len(api.list(POD_METRICS, namespace)),
        accept=lambda known: known >= pods,
        budget=budgets.get(budgets.METRICS_ANSWERED),
        tolerate=(ApiError,),
    )


def _node(host: Host) -> NodeHost:
    return NodeHost(
        name=host.name,
        addresses=host.addresses,
        macs=tuple(interface.mac for interface in host.interfaces),
        netns=host.netns,
    )


@dataclass(frozen=True)
class LabMachines:
    """The lab's nodes as machines that can be disturbed: each a network namespace with a cable to the lab's bridge."""

    lab: Lab

    def kill(self, node: str, program: str) -> None:
        """End every process called `program` on `node` at once. Raises Inconclusive where there is none."""
        netns = next((host.netns for host in self.lab.nodes if host.name == node), "")
        if not netns:
            raise NotSupported(f"the lab has no node {node}")
        lab_hosts.kill(netns, program)

    def unplugged(self, changes: Changes, node: str) -> AbstractContextManager[None]:
        """Pull the cable of `node` for the block: it loses its carrier, its programs run on."""
        return lab_hosts.unplugged(changes, self.lab, node)
