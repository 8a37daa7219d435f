"""A failed check says its causes for a person."""

from __future__ import annotations

import pytest

from clusters.checks import CheckFailed, Finding

FINDING = Finding(
    cause="speaker-down",
    subject="node w1",
    summary="its speaker is not ready",
    evidence=("pod speaker-x\nready: false", "evidence/health.x/pods.json"),
    ruled_out=("memberlist: all agree",),
    remedy="Delete the pod.",
    commands=("kubectl get pods",),
)


def test_the_text_says_what_was_seen_and_what_to_do() -> None:
    assert str(CheckFailed(FINDING)).splitlines() == [
        "speaker-down: node w1: its speaker is not ready",
        "  seen: pod speaker-x",
        "  seen: ready: false",
        "  ruled out: memberlist: all agree",
        "  remedy: Delete the pod.",
        "  $ kubectl get pods",
    ]


def test_several_findings_are_kept_in_their_order() -> None:
    other = Finding(cause="pool-missing", subject="cluster", summary="none")

    assert CheckFailed([FINDING, other]).findings == (FINDING, other)


def test_a_failure_without_a_finding_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one finding"):
        CheckFailed([])
