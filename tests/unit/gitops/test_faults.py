"""The faults of the repository, each judged by the whole observe suite: the repository real, the cluster as observed.

`make faults` makes the same faults in front of a running lab.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clusters.observation import load
from tests.faults.catalogue import IN_THE_REPOSITORY, edited
from tests.faults.catalogue_clone import Clone
from tests.faults.catalogue_fault import Fault
from tests.faults.catalogue_judging import Looked, judged
from tests.unit.gitops import manifest
from tests.unit.gitops.site import WRITTEN_FOR, Site

OBSERVED = load(Path(__file__).with_name("healthy.json.gz"))


def look(site: Site) -> Looked:
    """What all checks say of the lab as it was observed in good health, and of the repository as it is now."""
    found = replace(site, unchanged=None).repository()
    # The observation is older than the example's last day: what counts in days is the repository's matter.
    return judged(OBSERVED, found)


def test_without_a_fault_all_is_silent(site: Site) -> None:
    assert look(site).trouble == []


@pytest.mark.parametrize("fault", IN_THE_REPOSITORY, ids=lambda fault: fault.name)
def test_a_fault_of_the_repository_is_named_and_nothing_else(
    site: Site, tmp_path: Path, fault: Fault
) -> None:
    # One fault pins the other version that a lab has at hand.
    other = tmp_path / "metallb-native.yaml"
    other.write_text(manifest.text("0.15.2"), encoding="utf-8")
    site = replace(site, manifests={**site.manifests, "0.15.2": other})

    tried = edited(Clone.at(site.root, today=WRITTEN_FOR), fault, lambda: look(site))

    assert tried.wrong == ""
