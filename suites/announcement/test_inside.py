"""What the cluster's own pods reach. Apart from the rest of the area, because it says nothing about the wire."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from suites.causes import BACKENDS, PENDING, SPEAKER
from suites.plugin import BEYOND, CREATE, Record, check
from suites.scenes import scene_permissions
from suites.scenes.free_addresses import Addresses
from suites.scenes.own_pods import Echoes, InClusterProbes
from suites.scenes.own_services import Services


@check(
    "announcement.inside",
    runbook=BEYOND,
    level=CREATE,
    needs={"pod"},
    causes=(*PENDING, *BACKENDS, *SPEAKER, CauseId.ADDRESS_NOT_FORWARDED),
    commands=(
        "kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy",
        "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={service}",
        "kubectl -n {namespace} get svc {service} -o wide",
    ),
    uses=scene_permissions.SERVICES,
)
def test_the_clusters_own_pods_reach_a_new_service(
    services: Services,
    addresses: Addresses,
    echoes: Echoes,
    in_cluster_probes: InClusterProbes,
    record: Record,
) -> None:
    """The cluster's own pods reach a new service by its cluster IP and its address; no proof for users outside.

    kube-proxy answers a pod for any address that a service holds, whether or not anybody announces it. So a failure
    is kube-proxy's or the workload's, and where it passes only a vantage outside tells what users reach.
    """
    backend = echoes.create("backend", replicas=1)
    service = services.create("inside", address=addresses.free(), app=backend.app)

    nodes = in_cluster_probes.reach(service, backend)

    record.note(f"pods on {', '.join(sorted(nodes))} reach it; that proves nothing about outside")
