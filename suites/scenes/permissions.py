"""What the create and disrupt checks do at the API server, by what their fixtures make; see `uses` of `check`."""

from __future__ import annotations

from clusters.checks.access import Place, may

_ADVERTISED = ("ipaddresspools.metallb.io", "l2advertisements.metallb.io")

#: The run's own namespace with the echo workload in it: fixture `echo`.
WORKLOAD = (
    *may("get create delete", "namespaces", "deployments.apps"),
    *may("list", "pods"),
)
#: Services in front of it, followed as MetalLB gives them addresses or refuses to: fixture `services`.
SERVICES = (
    *WORKLOAD,
    *may("get list watch create delete", "services"),
    *may("list", "events", "namespaces"),
    *may("get list", "ipaddresspools.metallb.io", place=Place.METALLB),
)
#: Who should announce a service, by the election rule and MetalLB's own word: `Announced`.
ANNOUNCED = (
    *SERVICES,
    *may("list", "nodes", "endpointslices.discovery.k8s.io", "servicel2statuses.metallb.io"),
    *may("list", "pods", "l2advertisements.metallb.io", place=Place.METALLB),
    *may("get", "pods/proxy", "pods/portforward", place=Place.METALLB),
    *may("get", "/metrics"),
)
#: Pools of the run's own and their advertisements, in MetalLB's namespace: fixture `own_pools`.
OWN_POOLS = may("get create delete", *_ADVERTISED, place=Place.METALLB)
#: An echo workload scaled away and back: `Echo.scaled`.
SCALED = may("patch", "deployments.apps")

#: MetalLB's pods deleted, and their successors waited for: fixture `disruption`.
METALLB_PODS = (
    *ANNOUNCED,
    *may("get list delete", "pods", place=Place.METALLB),
    *may("list", "deployments.apps", "daemonsets.apps", place=Place.METALLB),
    *may("get", "nodes"),
)
#: A label or a taint of a node, put back afterwards.
NODES = may("get patch", "nodes")
