"""To which of MetalLB's releases an upgrade may be asked for."""

from __future__ import annotations

from packaging.version import Version

from clusters.errors import UsageError
from clusters.metallb import versions
from clusters.metallb.versions import NEWEST, RELEASES


def target_of(text: str) -> Version:
    """The version that an upgrade is to go to. One that is newer than the table is taken, and known as such.

    Raises UsageError, with the versions that are known, for anything else that is not one of them.
    """
    found = versions.parse(text)
    if found is None or (found not in RELEASES and found <= NEWEST):
        known = ", ".join(str(each) for each in reversed(RELEASES))
        raise UsageError(f"--target-version {text} is no release of MetalLB.", remedy=f"Known are {known}.")
    return found
