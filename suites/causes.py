"""Causes that several observe checks may name: where one fault shows in many checks, they all name its root."""

from __future__ import annotations

#: What keeps the controller from working.
CONTROLLER = (
    "controller-down",
    "controller-crashing",
    "controller-cpu-bound",
    "node-not-ready",
    "api-unreachable",
)
#: What keeps a speaker from working.
SPEAKER = (
    "speaker-down",
    "speaker-crashing",
    "speaker-unschedulable",
    "speaker-missing-on-node",
    "memberlist-secret-missing",
    "node-not-ready",
    "node-network-unavailable",
    "api-unreachable",
)
#: What makes MetalLB refuse its configuration.
REFUSED = ("config-rejected", "pool-overlap", "pool-range-invalid")
#: What a service asks for in vain.
REQUESTED = (
    "requested-outside-pools",
    "requested-taken",
    "requested-twice",
    "requested-wrong-pool",
    "family-unavailable",
    "sharing-refused",
    "class-mismatch",
)
#: What the pools do not give.
POOLS = ("pool-exhausted", "pool-missing", "pool-autoassign-off", "pool-restricted")
#: Whatever keeps a service without an address.
PENDING = tuple(
    dict.fromkeys((*POOLS, *REQUESTED, *REFUSED, *CONTROLLER, "permission-missing", "rival-controller"))
)
#: What keeps every node from announcing an address.
UNANNOUNCED = (
    "pool-not-advertised",
    "advertisement-unknown-pool",
    "advertisement-selects-nothing",
    "node-excluded",
    "requested-outside-pools",
    "sharing-refused",
    *SPEAKER,
)
#: What is wrong behind an address.
BACKENDS = ("no-endpoints", "endpoints-unready", "local-policy-no-endpoint-on-announcer", "backend-refuses")
#: What makes two sides announce one address.
SPLIT = ("memberlist-partition", "memberlist-key-mismatch", "api-unreachable", "strict-arp-off")
#: Whatever keeps an address from being answered for by one node.
ODD = tuple(
    dict.fromkeys(
        (
            *UNANNOUNCED,
            *BACKENDS,
            *SPLIT,
            *REFUSED,
            "advertisement-interface-missing",
            "rival-controller",
            "foreign-responder",
            "duplicate-announcer",
            "nobody-answers",
        )
    )
)
#: Whatever keeps a service from being reached.
UNREACHED = (*ODD, "kube-proxy-stale", "source-not-allowed", "wrong-segment", "vantage-not-on-segment")
