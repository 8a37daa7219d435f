"""The checks that judge a cluster alone where there is no repository, and a repository alone without a cluster."""

from __future__ import annotations

import pytest

from clusters.cause_ids import CauseId
from clusters.checks import NotSupported
from clusters.gitops import (
    range_findings,
    repository_collection,
    revisions,
    service_documentation,
    version_skew,
)
from clusters.gitops.repository_collection import Tools
from clusters.gitops.repository_snapshot import RepositorySnapshot
from tests.unit.gitops.site import LAB_CONFIG, LAYOUT, WRITTEN_FOR, Json, Site

POOL = ("IPAddressPool", "metallb-pool")


def spec(site: Site) -> Json:
    found: Json = site.cluster.objects[POOL]["spec"]
    return found


class TestRanges:
    def test_a_sound_range_is_left_alone(self, site: Site) -> None:
        assert range_findings.ranges_valid(None, site.snapshot()) == []

    @pytest.mark.parametrize(
        ("addresses", "cause"),
        [
            ("172.30.0.10-172.30.0.20", CauseId.POOL_HOLDS_NODE_ADDRESS),
            ("172.30.0.220-172.30.0.200", CauseId.POOL_RANGE_INVALID),
        ],
    )
    def test_a_live_range_that_is_wrong_is_found(self, site: Site, addresses: str, cause: CauseId) -> None:
        spec(site)["addresses"] = [addresses]

        found = range_findings.ranges_valid(None, site.snapshot())

        assert {each.cause for each in found} == {cause}
        assert {command for each in found for command in each.commands} == {
            "kubectl get ipaddresspools -A -o yaml"
        }


class TestSingleAddresses:
    def test_a_pool_of_many_addresses_is_left_alone(self, site: Site) -> None:
        assert range_findings.single_address_pools(None, site.snapshot()) == []

    def test_the_intended_address_is_left_alone_and_another_one_found(self, site: Site) -> None:
        site.expect(pools={"metallb-pool": ("172.30.0.210/32",)}, single_address_pools=("metallb-pool",))
        spec(site)["addresses"] = ["172.30.0.210-172.30.0.210"]
        assert range_findings.single_address_pools(None, site.snapshot()) == []

        spec(site)["addresses"] = ["172.30.0.211/32"]
        (finding,) = range_findings.single_address_pools(None, site.snapshot())

        assert (finding.cause, finding.root) == (CauseId.ADDRESS_NOT_INTENDED, "")
        assert "holds 172.30.0.211" in finding.summary

    def test_where_nobody_says_which_is_intended_there_is_nothing_to_judge(self, site: Site) -> None:
        spec(site)["addresses"] = ["172.30.0.211/32"]

        with pytest.raises(NotSupported, match="the profile names none under pools"):
            range_findings.single_address_pools(None, site.snapshot())


class TestVersions:
    def test_parts_of_one_version_are_left_alone(self, site: Site) -> None:
        assert version_skew.version_skew(None, site.snapshot()) == []

    def test_pods_of_two_versions_are_found(self, site: Site) -> None:
        template = site.cluster.objects["DaemonSet", "speaker"]["spec"]["template"]
        template["spec"]["containers"][0]["image"] = "quay.io/metallb/speaker:v0.15.2"

        found = version_skew.version_skew(None, site.snapshot())

        assert [each.cause for each in found] == [CauseId.VERSION_SKEW]

    def test_a_definition_that_the_running_version_lacks_is_found(self, site: Site) -> None:
        del site.cluster.objects["CustomResourceDefinition", "configurationstates.metallb.io"]

        found = version_skew.version_skew(None, site.snapshot())

        assert [each.cause for each in found] == [CauseId.CRD_OUTDATED]


class TestWithoutACluster:
    """And those that judge the repository alone, for a pull request."""

    def alone(self, site: Site) -> RepositorySnapshot:
        tools = Tools(kubectl=site.kubectl, manifests=site.manifests)
        found = repository_collection.collect(site.root, LAYOUT, tools)
        return found.model_copy(update={"taken_at": f"{WRITTEN_FOR.isoformat()}T12:00:00Z"})

    def test_all_is_silent_on_the_example(self, site: Site) -> None:
        found = self.alone(site)

        assert range_findings.ranges_valid(found, None) == []
        assert service_documentation.change_plan(found, None) == []
        assert revisions.previous_renders(found) == []

    def test_a_range_of_any_overlay_that_is_wrong_is_found(self, site: Site) -> None:
        site.edit("metallb/overlays/jls/config.yaml", "203.0.113.10", "203.0.113.12-203.0.113.10")

        found = range_findings.ranges_valid(self.alone(site), None)

        assert {each.cause for each in found} == {CauseId.POOL_RANGE_INVALID}

    def test_an_edit_without_a_plan_is_found(self, site: Site) -> None:
        site.edit(LAB_CONFIG, "172.30.0.220", "172.30.0.219")

        found = service_documentation.change_plan(self.alone(site), None)

        assert [each.cause for each in found] == [CauseId.CHANGE_UNPLANNED]

    def test_a_previous_revision_that_was_not_valid_is_found(self, site: Site) -> None:
        site.edit(LAB_CONFIG, "  addresses:", "  addressses: [a]\n  addresses:")
        site.commit("Misspell a field")
        site.edit(LAB_CONFIG, "  addressses: [a]\n", "")
        site.commit("Spell it as it is")

        found = revisions.previous_renders(self.alone(site))

        assert {each.cause for each in found} == {CauseId.OVERLAY_INVALID}
        assert "addressses" in found[0].summary
