"""The clock here against the cluster's: times of events, logs and probes are compared with each other."""

from __future__ import annotations

from clusters import budgets
from clusters.api import Api, ApiError
from clusters.preflight.found import Problem, problem_of


def skew(api: Api) -> list[Problem]:
    """A problem where the API server's clock is further from this machine's than the budget `clock_skew`."""
    try:
        ahead = api.clock_ahead()
    except ApiError as error:
        return [problem_of(error)]
    limit = budgets.get("clock_skew").within
    if abs(ahead) <= limit:
        return []
    which = "behind" if ahead > 0 else "ahead of"
    return [
        Problem(
            sentence=f"This machine's clock is {abs(ahead):.0f} s {which} the API server's; "
            f"{limit:g} s are allowed.",
            remedy="Set it, best by NTP.",
        )
    ]
