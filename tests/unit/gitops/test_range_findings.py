"""overlay.ranges-valid, overlay.recent-change and maintenance.single-address-pools."""

from __future__ import annotations

import pytest

from clusters.checks import Finding
from clusters.errors import Inconclusive
from clusters.gitops import range_findings
from clusters.gitops.documents import FileError
from tests.unit.gitops.site import LAB_CONFIG, Site

POOL = ("IPAddressPool", "metallb-pool")
HOMELAB = "metallb/overlays/homelab/config.yaml"


def sound(site: Site) -> list[Finding]:
    return range_findings.ranges_valid(site.repository(), site.snapshot())


def taken(site: Site) -> list[Finding]:
    return range_findings.recent_change(site.repository(), site.snapshot())


def single(site: Site) -> list[Finding]:
    return range_findings.single_address_pools(site.repository(), site.snapshot())


class TestRangesValid:
    def test_the_example_is_sound(self, site: Site) -> None:
        assert sound(site) == []

    @pytest.mark.parametrize(
        ("path", "new", "cause"),
        [
            pytest.param(LAB_CONFIG, "172.30.0.10-172.30.0.20", "pool-holds-node-address", id="a-node"),
            pytest.param(LAB_CONFIG, "172.30.0.1-172.30.0.5", "pool-holds-gateway-address", id="the-gateway"),
            pytest.param(LAB_CONFIG, "172.30.0.250-172.30.0.255", "pool-range-invalid", id="the-broadcast"),
            pytest.param(HOMELAB, "192.168.1.240-192.168.1.300", "pool-range-invalid", id="malformed"),
            pytest.param(HOMELAB, "192.168.1.250-192.168.1.240", "pool-range-invalid", id="backwards"),
            pytest.param(HOMELAB, "192.168.1.0/28", "pool-range-invalid", id="the-network-address"),
        ],
    )
    def test_an_unsound_range_in_an_overlay_is_named(
        self, site: Site, path: str, new: str, cause: str
    ) -> None:
        old = "172.30.0.200-172.30.0.220" if path == LAB_CONFIG else "192.168.1.240-192.168.1.250"
        site.edit(path, old, new)

        causes = {finding.cause for finding in sound(site)}

        assert cause in causes

    def test_overlapping_ranges_are_named_with_where_they_are(self, site: Site) -> None:
        site.edit(
            HOMELAB, "- 192.168.1.240-192.168.1.250", "- 192.168.1.240-192.168.1.250\n    - 192.168.1.250/32"
        )

        (finding,) = sound(site)

        assert finding.cause == "pool-overlap"
        assert finding.evidence == ("so in metallb/overlays/homelab",)

    def test_a_fault_of_overlay_and_cluster_is_one_finding(self, site: Site) -> None:
        site.edit(LAB_CONFIG, "172.30.0.200-172.30.0.220", "172.30.0.11-172.30.0.11")
        site.roll_out()

        (finding,) = sound(site)

        assert finding.evidence == ("so in the cluster, metallb/overlays/lab",)

    def test_a_live_range_counts_too(self, site: Site) -> None:
        site.cluster.objects[POOL]["spec"]["addresses"].append("172.30.0.13/32")

        (finding,) = sound(site)

        assert finding.cause == "pool-holds-node-address"
        assert "node n3" in finding.summary


class TestRecentChange:
    def test_a_change_that_only_adds_takes_nothing(self, site: Site) -> None:
        assert taken(site) == []

    def test_a_committed_change_that_takes_an_address_is_named(self, site: Site) -> None:
        site.edit(LAB_CONFIG, "172.30.0.200-172.30.0.220", "172.30.0.211-172.30.0.220")
        commit = site.commit("Shrink the pool")

        (finding,) = taken(site)

        assert (finding.cause, finding.subject) == ("change-unplanned", "service traefik/traefik")
        assert f"{commit[:12]} (Shrink the pool), removes 172.30.0.210 from the pools" in finding.summary

    def test_a_later_commit_elsewhere_does_not_hide_it(self, site: Site) -> None:
        site.edit(LAB_CONFIG, "172.30.0.200-172.30.0.220", "172.30.0.211-172.30.0.220")
        site.commit("Shrink the pool")
        site.edit("CHANGELOG.md", "# Changelog", "# Change log")
        site.commit("Correct a heading")

        assert [finding.subject for finding in taken(site)] == ["service traefik/traefik"]

    def test_an_edit_that_is_not_committed_is_the_last_change(self, site: Site) -> None:
        site.edit(LAB_CONFIG, "172.30.0.200-172.30.0.220", "172.30.0.211-172.30.0.220")

        (finding,) = taken(site)

        assert "(not committed), removes 172.30.0.210 from the pools" in finding.summary

    def test_an_address_that_was_in_no_pool_before_is_not_taken(self, site: Site) -> None:
        site.services["shop/web"] = "10.1.1.1"
        site.edit(LAB_CONFIG, "172.30.0.200-172.30.0.220", "172.30.0.210-172.30.0.220")

        assert taken(site) == []

    def test_a_planned_move_is_no_finding(self, site: Site) -> None:
        site.edit(LAB_CONFIG, "172.30.0.200-172.30.0.220", "172.30.0.211-172.30.0.220")
        site.write("metallb/plans/move.yaml", PLAN)

        assert taken(site) == []

    def test_an_expired_plan_does_not_count(self, site: Site) -> None:
        site.edit(LAB_CONFIG, "172.30.0.200-172.30.0.220", "172.30.0.211-172.30.0.220")
        site.write("metallb/plans/move.yaml", PLAN.replace("2026-12-31", "2026-11-01"))

        assert len(taken(site)) == 1

    def test_a_broken_plan_is_one_sentence_with_its_line(self, site: Site) -> None:
        site.write("metallb/plans/move.yaml", PLAN.replace("owner: me", "ownr: me"))

        with pytest.raises(
            FileError, match=r"plans/move.yaml line 4: ownr: there is no such field, and 1 more"
        ):
            taken(site)

    def test_the_first_commit_has_nothing_before_it(self, site: Site) -> None:
        site.git("checkout", "--quiet", "--orphan", "fresh")
        site.commit("Begin")

        with pytest.raises(Inconclusive, match="is the first commit under metallb/"):
            taken(site)

    def test_a_shallow_clone_that_ends_too_early_is_said(self, site: Site) -> None:
        clone = site.root.with_name("clone")
        site.git("clone", "--quiet", "--depth=1", f"file://{site.root}", str(clone))
        site.root = clone

        with pytest.raises(Inconclusive, match="shallow clone that ends before the last change") as told:
            taken(site)

        assert "git fetch --unshallow" in told.value.remedy

    def test_a_folder_without_git_is_said(self, site: Site) -> None:
        site.git("status")
        (site.root / ".git").rename(site.root.with_name("away"))

        with pytest.raises(Inconclusive, match="is not in a git repository"):
            taken(site)


class TestSingleAddressPools:
    def test_pools_of_more_addresses_are_not_looked_at(self, site: Site) -> None:
        assert single(site) == []

    def test_the_intended_address_is_in_order(self, site: Site) -> None:
        narrow(site, "172.30.0.210/32")
        site.expect(pools={"metallb-pool": ("172.30.0.210",)})

        assert single(site) == []

    def test_another_address_than_the_profile_says_is_named(self, site: Site) -> None:
        narrow(site, "172.30.0.211/32")
        site.expect(pools={"metallb-pool": ("172.30.0.210/32",)})

        causes = [(finding.cause, finding.summary) for finding in single(site)]

        assert causes == [
            (
                "address-not-intended",
                f"Pool metallb-pool holds 172.30.0.211/32 in {place}; intended is 172.30.0.210/32.",
            )
            for place in ("the cluster", "metallb/overlays/lab")
        ]

    def test_an_address_changed_past_the_overlay_points_to_the_drift(self, site: Site) -> None:
        narrow(site, "172.30.0.210/32")
        site.commit()
        site.cluster.objects[POOL]["spec"]["addresses"] = ["172.30.0.211/32"]
        site.expect(pools={"metallb-pool": ("172.30.0.210/32",)})

        assert [finding.root for finding in single(site)] == ["overlay.intended-config"]

    def test_a_pool_that_grew_is_named(self, site: Site) -> None:
        site.expect(pools={"metallb-pool": ("172.30.0.210/32",)}, single_address_pools=("metallb-pool",))

        assert {finding.cause for finding in single(site)} == {"address-not-intended"}

    def test_the_service_page_says_what_is_intended_where_the_profile_does_not(self, site: Site) -> None:
        narrow(site, "172.30.0.211/32")

        assert {finding.cause for finding in single(site)} == {"address-not-intended"}

    def test_without_either_it_stays_open(self, site: Site) -> None:
        narrow(site, "172.30.0.211/32")
        site.write("services/metallb.md", "# MetalLB\n")

        with pytest.raises(Inconclusive, match="nothing says which one is intended"):
            single(site)


def narrow(site: Site, text: str) -> None:
    site.edit(LAB_CONFIG, "172.30.0.200-172.30.0.220", text)
    site.roll_out()


PLAN = """\
id: move
overlay: metallb/overlays/lab
pools: [metallb-pool]
owner: me
preconditions: [the lab]
impact_window: {start: 2026-12-01T10:00:00Z, end: 2026-12-01T11:00:00Z, impact: none}
rollback: [revert]
validation: [look]
expires: 2026-12-31
services:
  - {service: traefik/traefik, address: 172.30.0.211}
"""
