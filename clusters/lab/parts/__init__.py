"""What the embedded lab is made of: built once from pinned Go modules, kept by content key."""

from __future__ import annotations

from clusters.lab.parts.cache import cache_root
from clusters.lab.parts.errors import PartError
from clusters.lab.parts.making import ensure
from clusters.lab.parts.progress import Progress
from clusters.lab.parts.ready import Parts
from clusters.lab.parts.store import Store
from clusters.lab.parts.table import SUPPORTED_METALLB

__all__ = ["SUPPORTED_METALLB", "PartError", "Parts", "Progress", "Store", "cache_root", "ensure"]
