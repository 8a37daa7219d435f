"""Looking at a cluster once: `collect` reads what a judgement needs, `save` and `load` keep it in a file."""

from clusters.observation.limits import Limits
from clusters.observation.snapshot import SNAPSHOT_VERSION, Objects, Part, Snapshot, Status
from clusters.observation.store import load, save

__all__ = ["SNAPSHOT_VERSION", "Limits", "Objects", "Part", "Snapshot", "Status", "load", "save"]
