"""Which namespace a run makes its workloads in: one that an administrator made for that, or one of the run's own.

Who may create workloads in a namespace may run them as any service account and read any secret that is there. So the
fixed namespace holds nothing else, and a login that needs no other right to create is enough for level create.
"""

from __future__ import annotations

import re

from clusters.api import Api, ApiError
from clusters.checks.spec import may

#: The namespace that deploy/rbac makes.
WORKLOADS = "metallb-conformance-workloads"
#: What a run needs besides where it makes the namespace itself.
MAKING_ONE = may("get create delete", "namespaces")
_LONGEST = 63


def fixed(api: Api, named: str) -> str:
    """The fixed namespace, "" where the run makes one of its own: where none is named and this login may.

    `named` is what the profile names.
    """
    if named:
        return named
    try:
        return "" if api.can_i("create", "namespaces") else WORKLOADS
    except ApiError:
        return WORKLOADS


def own_name(run_id: str) -> str:
    """The name of a namespace that a run makes for itself; in a fixed one its objects carry it in theirs."""
    return f"mlc-{re.sub(r'[^a-z0-9-]+', '-', run_id.lower())}"[:_LONGEST].rstrip("-")


def unique_name(word: str, number: int, *, run_id: str, shared: bool) -> str:
    """A name of one object of a run, in a namespace that is `shared` by all runs or its own."""
    if not shared:
        return f"{word}-{number}"
    end = f"-{number}-{own_name(run_id)}"
    return word[: _LONGEST - len(end)].rstrip("-") + end
