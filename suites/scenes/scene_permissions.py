"""What the create and disrupt checks do at the API server, by what their fixtures make; see `uses` of `check`."""

from __future__ import annotations

from clusters.checks.spec import Place, may
from clusters.gitops import repository_collection

_ADVERTISED = ("ipaddresspools.metallb.io", "l2advertisements.metallb.io")

#: The echo workload in the namespace for the run's workloads: fixture `echo`.
WORKLOAD = (
    *may("get create delete", "deployments.apps", place=Place.WORKLOADS),
    *may("list", "pods", place=Place.WORKLOADS),
)
#: Services in front of it, followed as MetalLB gives them addresses or refuses to: fixture `services`.
SERVICES = (
    *WORKLOAD,
    *may("get watch create delete", "services", place=Place.WORKLOADS),
    *may("list", "events", place=Place.WORKLOADS),
    *may("list", "services", "namespaces"),
    *may("get list", "ipaddresspools.metallb.io", place=Place.METALLB),
)
#: Who should announce a service, by the election rule and MetalLB's own word: `Announced`.
ANNOUNCED = (
    *SERVICES,
    *may("list", "nodes", "endpointslices.discovery.k8s.io", "servicel2statuses.metallb.io"),
    *may("list", "pods", "daemonsets.apps", "l2advertisements.metallb.io", place=Place.METALLB),
    *may("get", "pods/proxy", place=Place.METALLB),
)
#: Pools of the run's own and their advertisements, in MetalLB's namespace: fixture `own_pools`.
OWN_POOLS = may("get create delete", *_ADVERTISED, place=Place.METALLB)
#: An echo workload scaled away and back: `Echo.scaled`.
SCALED = may("patch", "deployments.apps", place=Place.WORKLOADS)

#: MetalLB's pods deleted, and their successors waited for: fixture `disruption`.
METALLB_PODS = (
    *ANNOUNCED,
    *may("get list delete", "pods", place=Place.METALLB),
    *may("list", "deployments.apps", "daemonsets.apps", place=Place.METALLB),
    *may("get", "nodes"),
)
#: A label or a taint of a node, put back afterwards.
NODES = may("get patch", "nodes")

_WORKLOADS = ("deployments.apps", "daemonsets.apps")
_WEBHOOKS = "validatingwebhookconfigurations.admissionregistration.k8s.io"
#: Before a drill all that the overlay renders is compared, and pools are changed and put back: fixture `drill`.
DRILL = (
    *METALLB_PODS,
    *repository_collection.READS,
    *may("get patch", "ipaddresspools.metallb.io", place=Place.METALLB),
)
#: Controller, speakers, pools, advertisements and the webhook's configuration, lost and made again.
LOSS = (
    *DRILL,
    *may("get list create delete patch", *_WORKLOADS, *_ADVERTISED, place=Place.METALLB),
    *may("get create delete patch", _WEBHOOKS),
)
#: The same, while services are made to ask for the addresses that they hold.
REBUILD = (*LOSS, *may("get patch", "services"))
#: Everything that MetalLB's manifest makes, of two versions.
UPGRADE = (
    *DRILL,
    *may(
        "get create delete patch",
        *("configmaps", "services", "serviceaccounts", *_WORKLOADS, *_ADVERTISED),
        *("roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io"),
        place=Place.METALLB,
    ),
    *may(
        "get create delete patch",
        *("clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io"),
        *("customresourcedefinitions.apiextensions.k8s.io", _WEBHOOKS),
    ),
    *may("get patch", "namespaces"),
)
