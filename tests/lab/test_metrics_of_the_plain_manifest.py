"""Metrics of speakers that may not check tokens: what nobody reads is no denial. Apart, so that its lab is alone."""

from __future__ import annotations

from pathlib import Path

from clusters.observation import Status
from tests.lab.test_metrics import booted, held_by_one_more, looked_at


def test_with_the_plain_manifest_nobody_reads_them_and_nothing_is_made_of_that(
    as_root: None, tmp_path: Path
) -> None:
    with booted(tmp_path, "manifest") as lab:
        well = looked_at(lab)
        with held_by_one_more(lab):
            ill = looked_at(lab).root_causes

    assert {page.status for page in well.snapshot.metrics} == {Status.FAILED}
    assert all("may create tokenreviews" in page.detail for page in well.snapshot.metrics)
    assert not well.root_causes
    assert [root.cause for root in ill] == ["duplicate-announcer"]
    assert "The cause cannot be determined" in ill[0].summary
