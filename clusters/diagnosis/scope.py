"""How far trouble reaches (one service, one pool, the whole cluster), and where it lies."""

from __future__ import annotations

from collections.abc import Iterable

from clusters.checks import Scope
from clusters.checks.judgement import reach
from clusters.diagnosis.roots import Root

#: Causes that lie in nodes and network.
NODES_AND_NETWORK = frozenset(
    {
        "node-not-ready",
        "node-network-unavailable",
        "api-unreachable",
        "memberlist-partition",
        "wrong-segment",
        "foreign-responder",
        "nobody-answers",
        "duplicate-announcer",
        "owner-disagreement",
        "kube-proxy-stale",
    }
)
#: Causes that lie in what MetalLB runs as: its pods, their rights, their secrets, their versions.
METALLB_ITSELF = frozenset(
    {
        "controller-down",
        "controller-crashing",
        "controller-cpu-bound",
        "speaker-down",
        "speaker-crashing",
        "speaker-unschedulable",
        "memberlist-key-mismatch",
        "memberlist-secret-missing",
        "webhook-unreachable",
        "permission-missing",
        "version-skew",
        "crd-outdated",
    }
)
#: Causes that lie in the workloads behind services.
CONSUMERS = frozenset({"no-endpoints", "endpoints-unready", "backend-refuses"})
#: Causes that lie in where it was looked from.
VANTAGE = frozenset({"vantage-not-on-segment"})


def where(root: Root) -> str:
    """Where one root lies; what is nowhere else lies in what was configured."""
    places = {
        "nodes and network": NODES_AND_NETWORK,
        "MetalLB itself": METALLB_ITSELF,
        "consumers' workloads": CONSUMERS,
        "the vantage": VANTAGE,
    }
    return next((place for place, causes in places.items() if root.cause in causes), "configuration")


def of_root(root: Root) -> Scope:
    """How far one root reaches."""
    return reach(root.cause, root.subject)


def widest(roots: Iterable[Root]) -> Scope:
    """How far all of them reach together."""
    order = list(Scope)
    return max((of_root(root) for root in roots), key=order.index, default=Scope.NONE)
