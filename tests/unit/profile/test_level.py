"""How far a run may go."""

from __future__ import annotations

import pytest

from clusters.checks import Level
from clusters.errors import Refused
from clusters.profile import Profile, resolve_level


def profile(**fields: object) -> Profile:
    return Profile.model_validate({"name": "edge", "provider": "lab"} | fields, strict=False)


@pytest.mark.parametrize(
    ("asked", "ceiling", "given"),
    [
        (Level.OBSERVE, Level.DISRUPT, Level.OBSERVE),
        (Level.DISRUPT, Level.OBSERVE, Level.OBSERVE),
        (Level.CREATE, Level.CREATE, Level.CREATE),
        (Level.DISRUPT, Level.CREATE, Level.CREATE),
    ],
)
def test_the_lower_of_command_line_and_profile_holds(asked: Level, ceiling: Level, given: Level) -> None:
    assert resolve_level(profile(allow=ceiling), asked, "", "uid-1") is given


def test_a_disposable_cluster_needs_no_confirmation() -> None:
    assert (
        resolve_level(profile(allow="disrupt", disposable=True), Level.DISRUPT, "", "uid-1") is Level.DISRUPT
    )


def test_disrupting_another_needs_its_uid_and_says_which() -> None:
    with pytest.raises(Refused, match=r"not disposable.* add --confirm-cluster uid-1"):
        resolve_level(profile(allow="disrupt"), Level.DISRUPT, "", "uid-1")


def test_the_uid_of_another_cluster_is_refused() -> None:
    with pytest.raises(Refused, match="uid-2 is not the cluster of profile edge: that is uid-1"):
        resolve_level(profile(allow="disrupt"), Level.DISRUPT, "uid-2", "uid-1")


def test_the_right_uid_is_a_yes() -> None:
    assert resolve_level(profile(allow="disrupt"), Level.DISRUPT, "uid-1", "uid-1") is Level.DISRUPT
