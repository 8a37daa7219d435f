"""What a profile allows: how far one run may go, and which failures are accepted, until when."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from fnmatch import fnmatchcase

from clusters.checks import Level
from clusters.commands import command
from clusters.errors import Refused
from clusters.profile.models import Profile, Waiver

_WILD = frozenset("*?[")


def resolve_level(profile: Profile, requested: Level, confirm_uid: str, actual_uid: str) -> Level:
    """The lower one of --allow and the profile's ceiling.

    For `disrupt` on a cluster that is not disposable the user must also name it by the UID of its kube-system
    namespace (`actual_uid`), so that a wrong context cannot be disrupted. Raises Refused where it differs.
    """
    level = min(requested, profile.allow, key=lambda each: each.rank)
    if level is not Level.DISRUPT or profile.disposable:
        return level
    if not confirm_uid:
        raise Refused(
            f"The cluster of profile {profile.name} is not disposable, and --allow disrupt would disturb it.",
            remedy="To allow that, add " + command("--confirm-cluster {uid}", uid=actual_uid),
        )
    if confirm_uid != actual_uid:
        raise Refused(
            f"--confirm-cluster {confirm_uid} is not the cluster of profile {profile.name}: "
            f"that is {actual_uid}.",
            remedy="Check which cluster the profile's context leads to.",
        )
    return level


def waiver_of(profile: Profile, check: str) -> Waiver | None:
    """The waiver that covers a check: of several the one that expires last, of equals the one that names it."""
    found = [one for one in profile.waivers if fnmatchcase(check, one.check)]
    return max(found, key=lambda one: (one.expires, one.check == check), default=None)


def without_check(waiver: Waiver, checks: Collection[str]) -> str:
    """What is wrong where a waiver covers none of the checks that there are; an empty text where it covers one."""
    if any(fnmatchcase(check, waiver.check) for check in checks):
        return ""
    wild = bool(_WILD & set(waiver.check))
    if wild:
        # Of a pattern the nearest section says more than the nearest check.
        section = waiver.check.partition(".")[0]
        close = difflib.get_close_matches(section, {check.partition(".")[0] for check in checks}, n=1)
        hint = f"; did you mean {close[0]}.*?" if close else ""
    else:
        close = difflib.get_close_matches(waiver.check, checks, n=1, cutoff=0.4)
        hint = f"; did you mean {close[0]}?" if close else ""
    return f"no check fits {waiver.check!r}{hint}" if wild else f"there is no check {waiver.check!r}{hint}"
