"""Fixtures of the create and disrupt checks: each makes one thing of `suites.scenes` and takes it away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from clusters.api import Api
from clusters.api.resources import NODES
from clusters.changes import Changes
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.profile import Profile
from clusters.providers import Cluster
from clusters.vantage.base import Vantage
from clusters.vantage.mac_table import MacTable
from clusters.workloads import builders
from clusters.workloads.metallb_control import MetalLB
from suites.plugin.kept_repository import to_apply
from suites.plugin.record import Record
from suites.plugin.run import RUN
from suites.plugin.settings import Settings
from suites.scenes.announced import Announced, Wire
from suites.scenes.asked_consumers import Consumers
from suites.scenes.committed_overlay import Overlay
from suites.scenes.disruption import Disruption
from suites.scenes.drill import Drill
from suites.scenes.free_addresses import Addresses, OwnPools
from suites.scenes.own_pods import Echoes, InClusterProbes, ready
from suites.scenes.own_services import Services
from suites.scenes.rebuild import Rebuild
from suites.scenes.suspension import suspended

ECHO = "echo"


@pytest.fixture(scope="session")
def profile(run: Settings) -> Profile:
    """The profile of the run."""
    return run.profile


@pytest.fixture(scope="session")
def echo(request: pytest.FixtureRequest, api: Api, profile: Profile) -> Iterator[str]:
    """The echo workload of the run, ready on several nodes: the value of its `app` label."""
    changes = request.config.stash[RUN].changes
    namespace = changes.namespace()
    name = changes.name(ECHO)
    made = builders.echo_deployment(name, namespace=namespace, image=profile.image)
    with changes.created(made):
        ready(api, namespace, name)
        yield name


@pytest.fixture
def echoes(api: Api, changes: Changes, profile: Profile) -> Iterator[Echoes]:
    """Makes echo workloads for this check alone."""
    with ExitStack() as stack:
        yield Echoes(api, changes, image=profile.image, stack=stack)


@pytest.fixture
def in_cluster_probes(api: Api, changes: Changes, profile: Profile) -> Iterator[InClusterProbes]:
    """Makes probe pods for this check alone."""
    with ExitStack() as stack:
        yield InClusterProbes(api, changes, image=profile.image, stack=stack)


@pytest.fixture
def services(api: Api, changes: Changes, profile: Profile, echo: str) -> Iterator[Services]:
    """Makes services in front of the echo workload; all are gone after the check."""
    with ExitStack() as stack:
        yield Services(api, changes, app=echo, stack=stack, metallb_namespace=profile.namespace)


@pytest.fixture
def addresses(api: Api, profile: Profile, cluster: Cluster) -> Addresses:
    """The addresses of the cluster's pools."""
    return Addresses(api, profile, cluster.vantage, profile.namespace, cluster.spare_addresses)


@pytest.fixture
def own_pools(changes: Changes, addresses: Addresses) -> Iterator[OwnPools]:
    """Makes pools of the run's own; all are gone after the check."""
    with ExitStack() as stack:
        yield OwnPools(changes, addresses, stack)


@pytest.fixture(scope="session")
def wire(cluster: Cluster, vantage: Vantage, profile: Profile, api: Api) -> Wire:
    """The segment as the vantage sees it, with the nodes' MACs learnt."""
    own = {node.name: node.addresses[:1] for node in cluster.nodes}
    static = {mac: node.name for node in cluster.nodes for mac in node.macs}
    static |= {mac: node for node, macs in profile.macs.items() for mac in macs}
    macs = MacTable.learn(vantage, own, static=static)
    neighbours = tuple(str(one[0]) for one in own.values() if one)
    consumers = Consumers(api, profile, vantage)
    return Wire(vantage, macs, neighbours, profile.namespace, profile.scraping, consumers)


@pytest.fixture
def announced(services: Services, addresses: Addresses, wire: Wire, cluster: Cluster, api: Api) -> Announced:
    """A new service, answered by one node and serving; losing its announcer does not lose the API server."""
    workers, names = _workers(api), [node.name for node in cluster.nodes]
    address = addresses.free(announced_by=workers or names, among=names)
    service = services.create("announced", address=address)
    found = Announced(service, service.assigned(), wire)
    found.announcer()
    found.served()
    return found


@pytest.fixture
def disruption(
    api: Api, changes: Changes, cluster: Cluster, profile: Profile, wire: Wire, addresses: Addresses
) -> Iterator[Disruption]:
    """Disturbs MetalLB and nodes of the cluster; the next check begins only when all of it is well again."""
    made = Disruption(cluster, MetalLB(api, changes, profile.namespace))
    before, foreign = made.undecided(wire), addresses.foreign()
    yield made
    made.recovered(wire, but=before, foreign=foreign)


@pytest.fixture
def overlay(
    request: pytest.FixtureRequest, repository: RepositorySnapshot, api: Api, changes: Changes
) -> Overlay:
    """The overlay that the profile names, as it was committed."""
    return Overlay.of(to_apply(request.config.stash[RUN], repository), api, changes)


@pytest.fixture
def drill(
    disruption: Disruption,
    overlay: Overlay,
    repository: RepositorySnapshot,
    profile: Profile,
    wire: Wire,
    record: Record,
) -> Iterator[Drill]:
    """A drill on the cluster, which nothing else brings back; when it ends every service holds what it held before."""
    with suspended(overlay.api, overlay.changes, repository, profile, record) as suspension:
        made = Drill(disruption, overlay, repository, profile, wire, record, suspension)
        before = made.state()
        yield made
        made.restored(before)


@pytest.fixture
def rebuild(drill: Drill, cluster: Cluster, services: Services, addresses: Addresses) -> Rebuild:
    """The rebuild of the cluster's MetalLB in stages, with a consumer of the run's own at the end."""
    return Rebuild(drill, cluster, services, address=addresses.free())


def _workers(api: Api) -> list[str]:
    """The nodes that can be lost without losing the API server."""
    label = "node-role.kubernetes.io/control-plane"
    return [
        raw["metadata"]["name"] for raw in api.list(NODES) if label not in raw["metadata"].get("labels", {})
    ]
