"""What the embedded lab is made of: built once from pinned Go modules, kept by content key."""

from __future__ import annotations

from clusters.lab.parts.cache import cache_root
from clusters.lab.parts.part_table import SUPPORTED_METALLB
from clusters.lab.parts.provisioning import ensure
from clusters.lab.parts.ready import Parts

__all__ = ["SUPPORTED_METALLB", "Parts", "cache_root", "ensure"]
