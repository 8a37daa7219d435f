"""The journal: what a run is about to change, on disk before it is changed, and whose run it is.

It stands on nothing that talks to a cluster, so whoever only looks whether anything was left loads nothing else.
"""

from clusters.journal.journal import (
    STATE_VARIABLE,
    Entry,
    Journal,
    NotJournalled,
    folder_for,
    state_dir,
    trusted,
)

__all__ = [
    "STATE_VARIABLE",
    "Entry",
    "Journal",
    "NotJournalled",
    "folder_for",
    "state_dir",
    "trusted",
]
