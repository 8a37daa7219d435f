"""How far trouble reaches (one service, one pool, the whole cluster), and where it lies."""

from __future__ import annotations

from collections.abc import Iterable

from clusters.checks import Scope
from clusters.checks.causes import get
from clusters.checks.run_verdict import reach
from clusters.diagnosis.root_cause import RootCause


def where(root: RootCause) -> str:
    """Where one root lies: whose work it is."""
    return str(get(root.cause).layer)


def of_root(root: RootCause) -> Scope:
    """How far one root reaches."""
    return reach(root.cause, root.subject)


def widest(roots: Iterable[RootCause]) -> Scope:
    """How far all of them reach together."""
    order = list(Scope)
    return max((of_root(root) for root in roots), key=order.index, default=Scope.NONE)
