"""Collecting and keeping: the same judgement from a file, and one sentence for what cannot be collected."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from clusters.errors import Inconclusive, UsageError
from clusters.gitops import drift, example, repository_collection, repository_snapshot
from clusters.gitops.history import read
from clusters.gitops.repository_collection import Tools
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.profile import GitOps
from suites.plugin import kept_repository
from suites.plugin.run_state import repository_file_for
from tests.unit.gitops.site import EXAMPLE, LAYOUT, WRITTEN_FOR, Site


def test_a_kept_repository_is_judged_alike(site: Site) -> None:
    site.cluster.objects["IPAddressPool", "metallb-pool"]["spec"]["addresses"] = ["10.0.0.1/32"]
    found = site.repository()

    kept = RepositorySnapshot.from_json(found.to_json())

    assert kept == found
    assert drift.intended_config(kept, site.snapshot()) == drift.intended_config(found, site.snapshot())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="truncated"),
        pytest.param('{"a": 1}', id="foreign"),
        pytest.param('{"repository_version": 2}', id="newer"),
    ],
)
def test_a_file_that_holds_none_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "snapshot.repository.json"
    path.write_text(text)

    with pytest.raises(UsageError, match="holds no repository observation of version 1") as told:
        kept_repository.read(path)

    assert "\n" not in str(told.value)


def test_an_observation_without_a_repository_beside_it_leaves_it_open(tmp_path: Path) -> None:
    path = repository_file_for(tmp_path / "snapshot.json.gz")

    assert path.name == "snapshot.repository.json"
    with pytest.raises(Inconclusive, match=r"snapshot\.repository\.json does not exist"):
        kept_repository.read(path)


def test_a_kept_file_is_whole_or_not_there(tmp_path: Path, site: Site) -> None:
    kept_repository.keep(site.repository(), tmp_path / "kept.json")

    assert [path.name for path in tmp_path.glob("kept*")] == ["kept.json"]
    assert kept_repository.read(tmp_path / "kept.json") == site.repository()


def test_a_missing_repository_is_said(tmp_path: Path, kubectl: Path) -> None:
    with pytest.raises(Inconclusive, match=r"The GitOps repository .* does not exist"):
        repository_collection.collect(tmp_path / "gone", LAYOUT, Tools(kubectl))


def test_a_missing_kubectl_is_said(tmp_path: Path) -> None:
    with pytest.raises(Inconclusive, match="kubectl was not found"):
        repository_collection.collect(tmp_path, LAYOUT, Tools(None))


def test_without_a_cluster_the_repository_is_collected_alone(site: Site) -> None:
    found = repository_collection.collect(site.root, LAYOUT, Tools(site.kubectl))

    assert found.live is None
    with pytest.raises(Inconclusive, match="The live objects were not read"):
        drift.intended_config(found, site.snapshot())


def test_a_manifest_in_the_working_tree_serves_earlier_revisions(site: Site) -> None:
    text = site.manifests["0.16.2"].read_text() + "# padding\n" * 3000
    site.write("metallb/base/upstream/metallb-native.yaml", text)

    found = repository_collection.collect(site.root, LAYOUT, Tools(site.kubectl))

    assert found.history.dirty == ()
    assert found.previous is not None
    assert found.previous.complete


def test_a_profile_gives_the_layout() -> None:
    gitops = GitOps(
        repository=Path("/x"), overlay="metallb/overlays/lab/", legacy_overlay="metallb/legacy/prod"
    )

    layout = repository_snapshot.layout_of(gitops, version="0.15.2")

    assert (layout.tree, layout.cluster, layout.overlays) == ("metallb", "lab", "metallb/overlays")
    assert (layout.accepted, layout.steps, layout.version) == (
        "metallb/legacy/prod/accepted.yaml",
        "",
        "0.15.2",
    )


class TestExample:
    def test_its_dates_are_those_of_the_day(self, tmp_path: Path) -> None:
        today = WRITTEN_FOR + timedelta(days=400)

        made = example.materialise(EXAMPLE, tmp_path / "made", today=today)

        assert (
            f"| Last validated | {today - timedelta(days=21)} |" in (made / "runbooks/metallb.md").read_text()
        )
        assert (
            (made / "metallb/waivers.yaml").read_text().endswith(f"expires: {today + timedelta(days=94)}\n")
        )

    def test_its_commits_lead_to_its_files_and_the_change_log(self, tmp_path: Path) -> None:
        made = example.materialise(EXAMPLE, tmp_path / "made", today=WRITTEN_FOR)

        found = read(repository_collection.Git(made), "metallb")

        assert found.dirty == ()
        assert [(change.date, len(change.pools)) for change in found.changes] == [
            ("2026-11-16", 1),
            ("2026-11-09", 1),
            ("2026-10-26", 0),
        ]
        assert not (made / example.MARKER).exists()
        for path in sorted(EXAMPLE.glob("metallb/**/config.yaml")):
            assert (made / path.relative_to(EXAMPLE)).read_text() == path.read_text()

    def test_another_repository_is_read_where_it_lies(self, tmp_path: Path) -> None:
        with example.opened(tmp_path) as root:
            assert root == tmp_path

    def test_an_example_is_read_as_a_copy_that_goes_away(self) -> None:
        with example.opened(EXAMPLE) as root:
            assert root != EXAMPLE
            assert (root / ".git").is_dir()

        assert not root.exists()

    def test_a_change_that_does_not_fit_is_said(self, tmp_path: Path) -> None:
        source = tmp_path / "source"
        (source / ".history").mkdir(parents=True)
        (source / ".history/0001-a.patch").write_text("A change\n\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
        (source / example.MARKER).write_text("2026-01-01\n")

        with pytest.raises(Inconclusive, match="The example repository cannot be made: git apply"):
            example.materialise(source, tmp_path / "made", today=date(2026, 1, 2))
