"""Profiles: clusters/profiles/NAME.yaml in, frozen and validated settings out."""

from clusters.profile.allowances import resolve_level, waiver_of
from clusters.profile.metrics import Metrics
from clusters.profile.models import DISPOSED, GitOps, KindSettings, Profile, Provider
from clusters.profile.profile_file import load, shipped

__all__ = [
    "DISPOSED",
    "GitOps",
    "KindSettings",
    "Metrics",
    "Profile",
    "Provider",
    "load",
    "resolve_level",
    "shipped",
    "waiver_of",
]
