"""Looking at a cluster once: `collect` reads what a judgement needs, `save` and `load` keep it in a file."""

from clusters.observation.snapshot import Objects, Snapshot, Status
from clusters.observation.store import load, save

__all__ = ["Objects", "Snapshot", "Status", "load", "save"]
