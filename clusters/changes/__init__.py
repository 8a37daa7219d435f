"""Changing a cluster so that it can always be undone; `Changes` is the only door to that."""

from clusters.changes.cleaning import Cleaned, clean, not_undone
from clusters.changes.door import Changes
from clusters.changes.making import MANAGER, MANAGER_LABEL, ForeignObject
from clusters.changes.undoing import RUN_LABEL, HostUndo

__all__ = [
    "MANAGER",
    "MANAGER_LABEL",
    "RUN_LABEL",
    "Changes",
    "Cleaned",
    "ForeignObject",
    "HostUndo",
    "clean",
    "not_undone",
]
