"""Changing a cluster so that it can always be undone; `Changes` is the only door to that."""

from clusters.changes.changes import Changes
from clusters.changes.cleanup import CleanupResult, clean, not_undone
from clusters.changes.object_changes import MANAGER, MANAGER_LABEL, ForeignObject
from clusters.changes.undo import RUN_LABEL, HostUndo

__all__ = [
    "MANAGER",
    "MANAGER_LABEL",
    "RUN_LABEL",
    "Changes",
    "CleanupResult",
    "ForeignObject",
    "HostUndo",
    "clean",
    "not_undone",
]
