"""Before anything is run: every reason why this run could not do its work, all at once.

A refused run has changed nothing and checked nothing. What is looked at grows with the level: reading for
observe, the run's own objects for create, MetalLB's and the nodes for disrupt.
"""

from clusters.preflight.inspection import check, inspect, unopened, versions_of
from clusters.preflight.missing_permissions import Needs, needs_of
from clusters.preflight.other_runs import Turn, left_behind, undo_former_parts
from clusters.preflight.problems import Preflight

__all__ = [
    "Needs",
    "Preflight",
    "Turn",
    "check",
    "inspect",
    "left_behind",
    "needs_of",
    "undo_former_parts",
    "unopened",
    "versions_of",
]
