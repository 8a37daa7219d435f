"""maintenance.pool-documented, maintenance.change-plan, postincident.changelog and postincident.service-page."""

from __future__ import annotations

import pytest

from clusters.checks import Finding, NotSupported
from clusters.errors import Inconclusive
from clusters.gitops import history, service_documentation
from clusters.observation.snapshot import Consumer
from tests.unit.gitops.site import LAB_CONFIG, Site
from tests.unit.gitops.test_range_findings import PLAN

RANGE = "172.30.0.200-172.30.0.220"
WIDER = "172.30.0.200-172.30.0.225"
ROW = "| lab | metallb/overlays/lab | 172.30.0.0/24 | 172.30.0.1 | metallb-pool |"


def documented(site: Site) -> list[Finding]:
    return service_documentation.pool_documented(site.repository())


def planned(site: Site) -> list[Finding]:
    return service_documentation.change_plan(site.repository(), site.snapshot())


def logged(site: Site) -> list[Finding]:
    return service_documentation.changelog(site.repository(), site.snapshot())


def paged(site: Site) -> list[Finding]:
    return service_documentation.service_page(site.repository(), site.snapshot())


class TestPoolDocumented:
    def test_the_changes_of_the_example_are_written_down(self, site: Site) -> None:
        assert len([pool for change in site.repository().history.changes for pool in change.pools]) == 2
        assert documented(site) == []

    def test_a_change_without_an_entry_is_named(self, site: Site) -> None:
        site.edit(LAB_CONFIG, RANGE, WIDER)
        site.edit("services/metallb.md", RANGE, WIDER)
        commit = site.commit("Widen it")

        (finding,) = documented(site)

        assert (finding.cause, finding.subject) == ("change-undocumented", "pool metallb-pool")
        assert finding.summary.startswith(f"Commit {commit[:12]} of ")
        assert f"from {RANGE} to {WIDER}" in finding.summary

    def test_an_edit_without_an_entry_is_named_before_it_is_committed(self, site: Site) -> None:
        site.edit(LAB_CONFIG, RANGE, WIDER)
        site.edit("services/metallb.md", RANGE, WIDER)

        (finding,) = documented(site)

        assert finding.summary.startswith("An uncommitted edit changes pool metallb-pool of lab")

    @pytest.mark.parametrize(
        "entry",
        [
            pytest.param(f"- lab: the pool is {WIDER} now.", id="whole-range"),
            pytest.param("- lab now ends at 172.30.0.225; it still begins at 172.30.0.200.", id="both-ends"),
        ],
    )
    def test_an_entry_of_the_range_is_enough(self, site: Site, entry: str) -> None:
        site.edit(LAB_CONFIG, RANGE, WIDER)
        site.edit("services/metallb.md", RANGE, WIDER)
        site.edit("CHANGELOG.md", "## 2026-11-16\n", f"## 2026-11-20\n\n{entry}\n\n## 2026-11-16\n")

        assert documented(site) == []

    def test_an_entry_of_another_cluster_is_not(self, site: Site) -> None:
        site.edit(LAB_CONFIG, RANGE, WIDER)
        site.edit("services/metallb.md", RANGE, WIDER)
        site.edit(
            "CHANGELOG.md", "## 2026-11-16\n", f"## 2026-11-20\n\n- homelab: {WIDER}\n\n## 2026-11-16\n"
        )

        assert [finding.cause for finding in documented(site)] == ["change-undocumented"]

    def test_a_changed_pool_that_the_page_lacks_is_named(self, site: Site) -> None:
        site.edit(LAB_CONFIG, RANGE, WIDER)
        site.edit("CHANGELOG.md", "## 2026-11-16\n", f"## 2026-11-20\n\n- lab: {WIDER}\n\n## 2026-11-16\n")

        (finding,) = documented(site)

        assert finding.cause == "page-outdated"
        assert finding.summary == (
            f"Pool metallb-pool has {WIDER} in metallb/overlays/lab; services/metallb.md says {RANGE}."
        )

    def test_the_same_addresses_spelt_otherwise_are_no_change(self, site: Site) -> None:
        site.edit(LAB_CONFIG, RANGE, "172.30.0.200-172.30.0.209\n    - 172.30.0.210-172.30.0.220")

        assert documented(site) == []

    def test_a_shallow_clone_that_shows_nothing_wrong_stays_open(self, site: Site) -> None:
        clone = site.root.with_name("clone")
        site.git("clone", "--quiet", "--depth=1", f"file://{site.root}", str(clone))
        site.root = clone

        with pytest.raises(Inconclusive, match="is a shallow clone of 1 changes"):
            documented(site)

    def test_a_shallow_clone_that_shows_something_wrong_fails(self, site: Site) -> None:
        clone = site.root.with_name("clone")
        site.git("clone", "--quiet", "--depth=1", f"file://{site.root}", str(clone))
        site.root = clone
        site.edit(LAB_CONFIG, RANGE, WIDER)

        assert {finding.cause for finding in documented(site)} == {"change-undocumented", "page-outdated"}

    def test_a_history_that_is_longer_than_what_is_read_stays_open(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert documented(site) == []  # its healthy twin: read whole

        monkeypatch.setattr(history, "DEPTH", 2)
        site.write("services/other.md", "Read again.\n")

        with pytest.raises(Inconclusive, match=r"Only the last 2 changes under metallb/ were read") as told:
            documented(site)
        assert "gitops.tree" in told.value.remedy

    def test_of_two_pages_the_one_that_the_profile_names_is_judged(self, site: Site) -> None:
        site.edit(LAB_CONFIG, RANGE, WIDER)

        logged_alone = service_documentation.pool_documented(site.repository(service_page=""))
        paged_alone = service_documentation.pool_documented(site.repository(changelog=""))

        assert [finding.cause for finding in logged_alone] == ["change-undocumented"]
        assert [finding.cause for finding in paged_alone] == ["page-outdated"]

    def test_without_either_page_nothing_is_asked_for(self, site: Site) -> None:
        site.edit(LAB_CONFIG, RANGE, WIDER)

        with pytest.raises(NotSupported, match="neither a change log nor a service page"):
            service_documentation.pool_documented(site.repository(service_page="", changelog=""))

    def test_a_missing_change_log_is_said(self, site: Site) -> None:
        site.git("rm", "--quiet", "CHANGELOG.md")

        with pytest.raises(Inconclusive, match=r"change log CHANGELOG\.md does not exist"):
            documented(site)


class TestChangePlan:
    def test_nothing_pending_needs_no_plan(self, site: Site) -> None:
        assert planned(site) == []

    def test_an_edit_without_a_plan_is_named(self, site: Site) -> None:
        site.edit(LAB_CONFIG, RANGE, WIDER)

        (finding,) = planned(site)

        assert (finding.cause, finding.subject) == ("change-unplanned", "pool metallb-pool")
        assert "no plan in metallb/plans/ covers it" in finding.summary

    def test_a_complete_plan_is_enough(self, site: Site) -> None:
        site.edit(LAB_CONFIG, RANGE, WIDER)
        site.write("metallb/plans/lab.yaml", PLAN)

        assert planned(site) == []

    def test_an_expired_plan_is_named(self, site: Site) -> None:
        site.edit(LAB_CONFIG, RANGE, WIDER)
        site.write("metallb/plans/lab.yaml", PLAN.replace("expires: 2026-12-31", "expires: 2026-11-23"))

        (finding,) = planned(site)

        assert finding.evidence == ("metallb/plans/lab.yaml expired on 2026-11-23",)

    def test_a_committed_change_that_is_not_rolled_out_is_pending(self, site: Site) -> None:
        site.edit(LAB_CONFIG, RANGE, WIDER)
        site.commit()

        assert [finding.subject for finding in planned(site)] == ["pool metallb-pool"]

        site.roll_out()

        assert planned(site) == []

    def test_a_pool_changed_by_hand_is_drift_and_not_pending(self, site: Site) -> None:
        site.cluster.objects["IPAddressPool", "metallb-pool"]["spec"]["addresses"] = ["172.30.0.230/32"]

        assert planned(site) == []

    @pytest.mark.parametrize("missing", ["preconditions", "impact_window", "rollback", "validation"])
    def test_a_plan_without_a_part_is_named_with_its_file(self, site: Site, missing: str) -> None:
        lines = [line for line in PLAN.splitlines() if not line.startswith(missing)]
        site.write("metallb/plans/lab.yaml", "\n".join(lines))

        (finding,) = planned(site)

        assert finding.summary == f"metallb/plans/lab.yaml line 1: {missing}: this field is required."


class TestChangelog:
    def test_addresses_as_the_page_names_them_are_in_order(self, site: Site) -> None:
        assert logged(site) == []

    def test_a_moved_address_without_an_entry_is_named(self, site: Site) -> None:
        site.services["traefik/traefik"] = "172.30.0.201"

        (finding,) = logged(site)

        assert (finding.cause, finding.subject) == ("change-undocumented", "service traefik/traefik")
        assert "held 172.30.0.210 before and holds 172.30.0.201 now" in finding.summary

    def test_an_entry_with_the_new_address_is_enough(self, site: Site) -> None:
        site.services["traefik/traefik"] = "172.30.0.201"
        site.edit(
            "CHANGELOG.md",
            "## 2026-11-16\n",
            "## 2026-11-20\n\n- traefik moves to 172.30.0.201.\n\n## 2026-11-16\n",
        )

        assert logged(site) == []

    def test_the_profile_goes_before_the_page(self, site: Site) -> None:
        site.expect(consumers=(Consumer(namespace="traefik", name="traefik", address="172.30.0.205"),))

        assert [finding.subject for finding in logged(site)] == ["service traefik/traefik"]

    def test_an_earlier_observation_is_the_baseline_where_there_is_one(self, site: Site) -> None:
        earlier = site.snapshot()
        site.services |= {"shop/web": "172.30.0.203"}
        with_web = site.snapshot()
        site.services |= {"shop/web": "172.30.0.204"}

        assert service_documentation.changelog(site.repository(), site.snapshot(), earlier=earlier) == []
        found = service_documentation.changelog(site.repository(), site.snapshot(), earlier=with_web)
        assert [finding.subject for finding in found] == ["service shop/web"]

    def test_a_service_without_an_address_did_not_move(self, site: Site) -> None:
        site.services["traefik/traefik"] = ""

        assert logged(site) == []

    def test_without_a_baseline_it_stays_open(self, site: Site) -> None:
        site.write("services/metallb.md", "# MetalLB\n")

        with pytest.raises(Inconclusive, match="Nothing says which addresses services held before"):
            logged(site)


class TestServicePage:
    def test_the_page_of_the_example_says_what_runs(self, site: Site) -> None:
        assert paged(site) == []

    def test_another_range_is_named(self, site: Site) -> None:
        site.edit("services/metallb.md", f"{ROW} {RANGE}", f"{ROW} {WIDER}")

        (finding,) = paged(site)

        assert (finding.cause, finding.subject, finding.root) == ("page-outdated", "pool metallb-pool", "")

    def test_a_cluster_changed_past_page_and_overlay_points_to_the_drift(self, site: Site) -> None:
        site.cluster.objects["IPAddressPool", "metallb-pool"]["spec"]["addresses"] = [WIDER]

        (finding,) = paged(site)

        assert (finding.cause, finding.root) == ("page-outdated", "overlay.intended-config")

    def test_a_cluster_that_the_page_lacks_is_named(self, site: Site) -> None:
        site.edit("services/metallb.md", "| lab | metallb/overlays/lab |", "| attic | metallb/overlays/lab |")

        assert "does not name lab in a table of clusters" in paged(site)[0].summary

    def test_another_version_is_named(self, site: Site) -> None:
        site.edit("services/metallb.md", f"{ROW} {RANGE} | 0.16.2 |", f"{ROW} {RANGE} | v0.14.9 |")

        (finding,) = paged(site)

        assert finding.summary == "MetalLB 0.16.2 runs, and services/metallb.md says 0.14.9 for lab."
