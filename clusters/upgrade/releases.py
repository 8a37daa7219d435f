"""Which MetalLB versions there are to upgrade to.

Source: the headings of MetalLB's release notes (website/content/release-notes/_index.md of 0.16.2). 0.13.8, 0.14.0
and 0.14.1 were never released.
"""

from __future__ import annotations

from packaging.version import Version

from clusters.errors import UsageError
from clusters.metallb import versions

RELEASES: tuple[Version, ...] = tuple(
    Version(f"0.{minor}.{patch}")
    for minor, patches in (
        (13, (2, 3, 4, 5, 6, 7, 9, 10, 11, 12)),
        (14, range(2, 10)),
        (15, range(4)),
        (16, range(3)),
    )
    for patch in patches
)
NEWEST = RELEASES[-1]


def target_of(text: str) -> Version:
    """The version that an upgrade is to go to. One that is newer than the table is taken, and known as such.

    Raises UsageError, with the versions that are known, for anything else that is not one of them.
    """
    found = versions.parse(text)
    if found is None or (found not in RELEASES and found <= NEWEST):
        known = ", ".join(str(each) for each in reversed(RELEASES))
        raise UsageError(f"--target-version {text} is no release of MetalLB.", remedy=f"Known are {known}.")
    return found
