"""How far trouble reaches: one service, one pool, the whole cluster; configuration alone, or nodes and network too."""

from __future__ import annotations

from collections.abc import Iterable

from clusters.checks import Scope
from clusters.checks.causes import get
from clusters.diagnosis.roots import Root

#: Causes that lie in nodes and network rather than in what was configured.
NODES_AND_NETWORK = frozenset(
    {
        "node-not-ready",
        "node-network-unavailable",
        "api-unreachable",
        "memberlist-partition",
        "wrong-segment",
        "foreign-responder",
        "nobody-answers",
    }
)
_BY_SUBJECT = {"service": Scope.SERVICE, "pool": Scope.POOL, "advertisement": Scope.POOL}


def of_root(root: Root) -> Scope:
    """How far one root reaches, by its subject, else by the nature of its cause."""
    return _BY_SUBJECT.get(root.subject.split(" ", 1)[0], get(root.cause).scope)


def widest(roots: Iterable[Root]) -> Scope:
    """How far all of them reach together."""
    order = list(Scope)
    return max((of_root(root) for root in roots), key=order.index, default=Scope.NONE)
