"""What a run puts on a cluster to test with: an echo workload, services before it, pools of its own."""

from clusters.workloads.builders import (
    HTTP_PORT,
    UDP_PORT,
    address_pool,
    echo_deployment,
    l2_advertisement,
    load_balancer,
    probe_deployment,
)

__all__ = [
    "HTTP_PORT",
    "UDP_PORT",
    "address_pool",
    "echo_deployment",
    "l2_advertisement",
    "load_balancer",
    "probe_deployment",
]
