"""Profiles: clusters/profiles/NAME.yaml in, frozen and validated settings out."""

from clusters.profile.allowances import resolve_level, waiver_of
from clusters.profile.metrics import Metrics
from clusters.profile.models import (
    DISPOSED,
    Announcers,
    Consumer,
    GitOps,
    KindSettings,
    LabSettings,
    PoolExpectation,
    Probe,
    Profile,
    Provider,
    Waiver,
)
from clusters.profile.profile_file import load, shipped

__all__ = [
    "DISPOSED",
    "Announcers",
    "Consumer",
    "GitOps",
    "KindSettings",
    "LabSettings",
    "Metrics",
    "PoolExpectation",
    "Probe",
    "Profile",
    "Provider",
    "Waiver",
    "load",
    "resolve_level",
    "shipped",
    "waiver_of",
]
