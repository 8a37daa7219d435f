"""How far one run may go: what was asked for, what the profile allows, and a yes where it takes one."""

from __future__ import annotations

from clusters.checks import Level
from clusters.commands import command
from clusters.errors import Refused
from clusters.profile.models import Profile


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
