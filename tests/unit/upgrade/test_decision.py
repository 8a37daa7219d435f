"""Which versions there are, how far the table reaches, and what the decision is as a whole."""

from __future__ import annotations

import json

import pytest
from packaging.version import Version

from clusters.errors import UsageError
from clusters.gitops.kustomize import Render
from clusters.gitops.repository_snapshot import Layout, RepositorySnapshot
from clusters.metallb.versions import NEWEST, RELEASES, target_of
from clusters.observation.snapshot import Json
from clusters.upgrade.decision import Result, Verdict
from tests.unit.upgrade.scenes import RELEASE, decided, edited, healthy, release, results, running


@pytest.mark.parametrize(
    ("text", "version"), [("0.16.2", "0.16.2"), ("v0.15.3", "0.15.3"), ("0.17.0", "0.17.0")]
)
def test_a_release_or_a_newer_one_is_taken(text: str, version: str) -> None:
    assert target_of(text) == Version(version)


@pytest.mark.parametrize("text", ["latest", "0.13.8", "0.15.4", "0.9.6", "16", "0.16.2-rc.1"])
def test_what_is_no_release_is_refused_with_those_that_are(text: str) -> None:
    known = rf"{NEWEST}, .*0\.16\.1, .* 0\.13\.2\.$"
    with pytest.raises(UsageError, match=rf"is no release of MetalLB\. Known are {known}"):
        target_of(text)


def test_the_newest_release_is_known() -> None:
    assert max(RELEASES) == NEWEST >= Version("0.16.2")
    assert sorted(set(RELEASES)) == list(RELEASES)


def test_a_version_beyond_the_table_is_undecided_and_never_go() -> None:
    found = decided(healthy(), "0.99.0")

    assert found.verdict is Verdict.UNDECIDED
    assert (
        found.unknown[0]
        == f"MetalLB 0.99.0 is newer than the newest release that this suite knows, {NEWEST}."
    )


def test_the_way_down_is_undecided() -> None:
    found = decided(edited(running("0.16.2")), "0.15.2")

    assert found.verdict is Verdict.UNDECIDED
    assert "nothing is known about a downgrade to 0.15.2" in found.unknown[0]


def test_images_without_a_version_leave_it_undecided() -> None:
    found = decided(edited(running("main")), "0.16.2")

    assert found.situation.current is None
    assert found.verdict is Verdict.UNDECIDED
    assert found.unknown[0].startswith("The running MetalLB's images name no version")
    assert results(found)["memberlist-key-hashed"] is Result.UNKNOWN


def test_a_release_that_is_not_at_hand_leaves_it_undecided() -> None:
    found = decided(healthy(), manifest=None)

    assert found.verdict is Verdict.UNDECIDED
    assert {name for name, one in results(found).items() if one is Result.UNKNOWN} == {
        "objects-valid",
        "stored-versions",
    }
    assert "The release manifest of MetalLB 0.16.2 is not at hand" in found.unknown[0]
    assert len(found.unknown) == 1


def test_what_stops_it_outranks_what_is_not_known() -> None:
    found = decided(healthy(), "0.16.0", manifest=None)

    assert found.verdict is Verdict.NO_GO
    (finding,) = found.findings
    assert (finding.cause, finding.subject) == ("target-unsafe", "cluster")
    assert finding.remedy == "Upgrade to 0.16.1 or newer instead."


def test_the_decision_as_data_has_every_rule_with_its_reasons() -> None:
    told = json.loads(json.dumps(decided(healthy()).record.as_json()))

    assert (told["verdict"], told["current"], told["target"]) == ("GO", "0.15.2", "0.16.2")
    rules = {each["id"]: each for each in told["rules"]}
    assert rules["metrics-port"]["result"] == "heed"
    assert (rules["metrics-port"]["from"], rules["metrics-port"]["to"]) == ("<0.16.0", ">=0.16.0")
    assert rules["metrics-port"]["seen"][0]["summary"] == "Metrics are served on port 7472."
    assert rules["exclude-label"]["result"] == "not about this upgrade"


ROLE: Json = {
    "kind": "ClusterRole",
    "metadata": {"name": "metallb-system:speaker"},
    "rules": [{"apiGroups": ["metallb.io"], "resources": ["configurationstates"], "verbs": ["create"]}],
}
STATES: Json = {
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "configurationstates.metallb.io"},
    "spec": {"group": "metallb.io", "names": {"kind": "ConfigurationState"}, "versions": []},
}


def repository(*objects: Json, version: str = "0.16.2", problem: str = "") -> RepositorySnapshot:
    """A repository whose overlay renders these objects, of that version."""
    render = Render(overlay="metallb/overlays/lab", objects=objects, version=version, problem=problem)
    return RepositorySnapshot(
        taken_at="2026-01-01T00:00:00Z", root="/src", layout=Layout(overlay="metallb/overlays/lab"), intended=render,
        renders={render.overlay: render}, previous=Render(overlay=render.overlay, version="0.15.2"),
    )  # fmt: skip


def test_an_overlay_that_brings_what_the_target_needs_is_clear() -> None:
    found = decided(healthy(), repository=repository(*RELEASE, STATES, ROLE))

    assert results(found)["definitions"] is Result.CLEAR
    assert results(found)["roles"] is Result.CLEAR
    assert results(found)["way-back"] is Result.CLEAR


def test_an_overlay_with_new_images_and_old_definitions_stops() -> None:
    found = decided(healthy(), repository=repository(*RELEASE))

    assert {finding.cause for finding in found.findings} == {"crd-outdated", "role-outdated"}
    assert {finding.subject for finding in found.findings} == {"overlay metallb/overlays/lab"}


def test_an_overlay_that_renders_the_target_is_its_release() -> None:
    found = decided(healthy(), manifest=None, repository=repository(*RELEASE, STATES, ROLE))

    assert found.verdict is Verdict.GO


def test_an_overlay_that_does_not_render_is_no_way_back() -> None:
    found = decided(healthy(), repository=repository(version="0.15.2", problem="config.yaml is not YAML."))

    assert results(found)["way-back"] is Result.UNKNOWN
    assert "config.yaml is not YAML." in " ".join(found.unknown)


def test_a_previous_revision_that_is_not_valid_is_no_way_back() -> None:
    changed = repository(*RELEASE, STATES, ROLE)
    broken = changed.model_copy(
        update={"previous": Render(overlay="metallb/overlays/lab", problem="base is missing.")}
    )

    found = decided(healthy(), repository=broken)

    (finding,) = found.findings
    assert finding.cause == "no-way-back"
    assert "base is missing." in finding.summary


@pytest.mark.parametrize("version", ["0.15.2", "0.16.2"])
def test_the_lab_is_valid_by_the_release_itself(version: str) -> None:
    manifest = release(version)
    if manifest is None:
        pytest.skip("the lab's parts are not built here: make setup")

    found = decided(healthy(), version, manifest=manifest)

    assert results(found)["objects-valid"] is Result.CLEAR
    assert results(found)["stored-versions"] is Result.CLEAR
    assert found.verdict is Verdict.GO
