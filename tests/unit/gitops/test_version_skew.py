"""overlay.version-skew, overlay.legacy-divergence, maintenance.legacy-version and postincident.skew-follow-up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusters.checks import Finding, NotSupported
from clusters.errors import Inconclusive
from clusters.gitops import version_skew
from clusters.observation.snapshot import LogTail
from tests.unit.gitops.site import Site

PROD = "metallb/legacy/prod/kustomization.yaml"
LAB = "metallb/overlays/lab/kustomization.yaml"


def mixed(site: Site, **layout: str) -> list[Finding]:
    return version_skew.version_skew(site.repository(**layout), site.snapshot())


def set_image(site: Site, kind: str, name: str, version: str) -> None:
    spec = site.cluster.objects[kind, name]["spec"]["template"]["spec"]
    spec["containers"][0]["image"] = f"quay.io/metallb/{name}:v{version}"


class TestVersionSkew:
    def test_one_version_is_in_order(self, site: Site) -> None:
        assert mixed(site) == []

    def test_a_speaker_of_another_version_is_named(self, site: Site) -> None:
        set_image(site, "DaemonSet", "speaker", "0.14.9")

        (finding,) = mixed(site)

        assert finding.cause == "version-skew"
        assert finding.evidence == ("pod controller-1 runs 0.16.2", "pod speaker-1 runs 0.14.9")

    def test_a_pod_that_never_started_runs_nothing(self, site: Site) -> None:
        set_image(site, "Deployment", "controller", "9.9.9")
        seen = site.snapshot()
        pods = tuple(
            {**pod, "status": {"phase": "Pending"}} if "controller" in pod["metadata"]["name"] else pod
            for pod in seen.pods.items
        )

        found = version_skew.version_skew(
            site.repository(), replace(seen, pods=replace(seen.pods, items=pods))
        )

        assert found == []

    @pytest.mark.parametrize(("kind", "name"), [("DaemonSet", "speaker"), ("Deployment", "controller")])
    def test_a_rollout_that_stands_still_is_named(self, site: Site, kind: str, name: str) -> None:
        """Of all its pods none is of the version that the workload asks for, as with OnDelete."""
        seen = site.snapshot()
        set_image(site, kind, name, "9.9.9")
        asked = site.snapshot()

        (finding,) = version_skew.version_skew(site.repository(), replace(asked, pods=seen.pods))

        assert (finding.cause, finding.subject) == ("version-skew", f"{kind.lower()} {name}")
        assert finding.summary == (
            f"{kind} {name} asks for MetalLB 9.9.9, and none of its pods runs it: they run 0.16.2."
        )

    def test_another_registry_in_the_pods_alone_is_in_order(self, site: Site) -> None:
        seen = site.snapshot()
        spec = site.cluster.objects["DaemonSet", "speaker"]["spec"]["template"]["spec"]
        spec["containers"][0]["image"] = "registry.example.org:5000/metallb/speaker:v0.16.2"

        assert version_skew.version_skew(site.repository(), replace(site.snapshot(), pods=seen.pods)) == []

    def test_another_version_than_the_overlay_is_named(self, site: Site) -> None:
        set_image(site, "DaemonSet", "speaker", "0.14.9")
        set_image(site, "Deployment", "controller", "0.14.9")

        (finding,) = mixed(site)

        assert finding.summary == "MetalLB 0.14.9 runs, but metallb/overlays/lab has 0.16.2."

    def test_images_by_digest_are_not_two_versions(self, site: Site) -> None:
        for kind, name in (("DaemonSet", "speaker"), ("Deployment", "controller")):
            spec = site.cluster.objects[kind, name]["spec"]["template"]["spec"]
            spec["containers"][0]["image"] = f"quay.io/metallb/{name}@sha256:{name[0] * 64}"

        with pytest.raises(Inconclusive, match="by digest, and no log says"):
            mixed(site)

        said = tuple(
            LogTail(pod=f"{name}-1", container=name, lines=(f"MetalLB {name} starting version 0.16.2 (x)",))
            for name in ("controller", "speaker")
        )
        assert version_skew.version_skew(site.repository(), replace(site.snapshot(), logs=said)) == []

    def test_a_missing_definition_is_named(self, site: Site) -> None:
        del site.cluster.objects["CustomResourceDefinition", "servicebgpstatuses.metallb.io"]

        (finding,) = mixed(site)

        assert finding.cause == "crd-outdated"
        assert finding.evidence == ("servicebgpstatuses.metallb.io is not installed",)

    def test_an_outdated_definition_is_named(self, site: Site) -> None:
        crd = site.cluster.objects["CustomResourceDefinition", "l2advertisements.metallb.io"]
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        schema["properties"]["spec"]["properties"] = {}

        (finding,) = mixed(site)

        assert finding.cause == "crd-outdated"
        assert "l2advertisements.metallb.io" in finding.summary

    def test_an_overlay_behind_the_base_is_named(self, site: Site) -> None:
        site.edit("metallb/overlays/homelab/kustomization.yaml", "v0.16.2", "v0.17.0")
        site.commit()

        (finding,) = mixed(site)

        assert finding.subject == "overlay metallb/overlays/lab"
        assert "has MetalLB 0.16.2, but the shared base has 0.17.0" in finding.summary

    def test_a_cluster_that_was_asked_for_another_version_is_not_compared_with_the_base(
        self, site: Site
    ) -> None:
        for kind, name in (("DaemonSet", "speaker"), ("Deployment", "controller")):
            set_image(site, kind, name, "0.15.1")
        site.manifests = {}

        assert mixed(site, version="0.15.1") == []

    def test_the_legacy_cluster_may_keep_its_accepted_distance(self, site: Site) -> None:
        for kind, name in (("DaemonSet", "speaker"), ("Deployment", "controller")):
            set_image(site, kind, name, "0.14.9")

        assert mixed(site, overlay="metallb/legacy/prod") == []

    def test_the_legacy_cluster_may_not_fall_further_behind(self, site: Site) -> None:
        for kind, name in (("DaemonSet", "speaker"), ("Deployment", "controller")):
            set_image(site, kind, name, "0.14.9")
        site.edit("metallb/base/kustomization.yaml", "resources:", f"{PINNED}resources:")
        site.commit()

        (finding,) = mixed(site, overlay="metallb/legacy/prod")

        assert (
            "but the shared base has 0.17.0; metallb/legacy/prod/accepted.yaml allows 0.14.9 beside 0.16.2"
            in finding.summary
        )

    def test_without_pods_there_is_nothing_to_compare(self, site: Site) -> None:
        del site.cluster.objects["DaemonSet", "speaker"]
        del site.cluster.objects["Deployment", "controller"]

        with pytest.raises(Inconclusive, match="No pod of MetalLB's"):
            mixed(site)


class TestLegacyDivergence:
    def test_the_accepted_differences_are_silent(self, site: Site) -> None:
        assert version_skew.legacy_divergence(site.repository()) == []

    def test_another_object_is_named(self, site: Site) -> None:
        site.edit("metallb/legacy/prod/config.yaml", "kind: L2Advertisement", f"{POOL}kind: L2Advertisement")

        (finding,) = version_skew.legacy_divergence(site.repository())

        assert finding.cause == "legacy-diverged"
        assert "IPAddressPool metallb-system/another" in finding.summary

    def test_another_patch_is_named(self, site: Site) -> None:
        site.write(
            "metallb/legacy/prod/more.yaml", "- {op: remove, path: /spec/template/spec/containers/0/args}\n"
        )
        site.edit(PROD, "patches:", "patches:\n  - {path: more.yaml, target: {kind: Deployment}}")

        (finding,) = version_skew.legacy_divergence(site.repository())

        assert "patch more.yaml" in finding.summary

    def test_without_a_baseline_every_difference_counts(self, site: Site) -> None:
        site.git("rm", "--quiet", "metallb/legacy/prod/accepted.yaml")

        assert len(version_skew.legacy_divergence(site.repository())) == 3

    def test_it_is_not_supported_without_a_legacy_overlay(self, site: Site) -> None:
        with pytest.raises(NotSupported, match="legacy_overlay"):
            version_skew.legacy_divergence(site.repository(legacy=""))

    def test_whole_renders_are_compared_where_both_are_at_hand(self, site: Site) -> None:
        site.edit(
            "metallb/base/kustomization.yaml", "resources:", f"{PINNED.replace('0.17.0', '0.16.2')}resources:"
        )
        site.manifests = {"0.16.2": site.manifests["0.16.2"], "0.14.9": site.manifests["0.16.2"]}
        assert version_skew.legacy_divergence(site.repository()) == []

        site.edit(PROD, "patches:", "namePrefix: old-\npatches:")

        found = " ".join(finding.summary for finding in version_skew.legacy_divergence(site.repository()))
        assert "Secret metallb-system/old-webhook" in found


class TestLegacyVersion:
    def test_an_unexpired_waiver_is_enough(self, site: Site) -> None:
        assert version_skew.legacy_version(site.repository()) == []

    def test_the_base_version_needs_no_waiver(self, site: Site) -> None:
        site.edit(PROD, "v0.14.9", "v0.16.2")
        site.write("metallb/waivers.yaml", "waivers: []\n")

        assert version_skew.legacy_version(site.repository()) == []

    def test_an_expired_waiver_is_named(self, site: Site) -> None:
        site.edit("metallb/waivers.yaml", "2027-02-26", "2026-11-23")

        (finding,) = version_skew.legacy_version(site.repository())

        assert finding.cause == "version-skew"
        assert "has MetalLB 0.14.9, but the shared base has 0.16.2" in finding.summary
        assert "expired on 2026-11-23" in finding.evidence[0]

    def test_a_waiver_of_another_check_does_not_count(self, site: Site) -> None:
        site.edit("metallb/waivers.yaml", "maintenance.legacy-version", "overlay.version-skew")

        (finding,) = version_skew.legacy_version(site.repository())

        assert finding.evidence == ("metallb/waivers.yaml has no waiver for it",)

    def test_an_unknown_version_stays_open(self, site: Site) -> None:
        site.edit(PROD, "v0.14.9", "main")

        with pytest.raises(Inconclusive, match="Nothing in metallb/legacy/prod says which MetalLB"):
            version_skew.legacy_version(site.repository())


class TestFollowUp:
    def test_a_written_follow_up_is_enough(self, site: Site) -> None:
        assert version_skew.skew_follow_up(site.repository()) == []

    def test_a_missing_follow_up_is_named(self, site: Site) -> None:
        site.write("follow-ups.md", "# Follow-ups\n\nNothing.\n")

        (finding,) = version_skew.skew_follow_up(site.repository())

        assert finding.cause == "follow-up-missing"
        assert "no follow-up in follow-ups.md names it" in finding.summary

    def test_a_section_of_the_runbook_counts_as_well(self, site: Site) -> None:
        site.write("follow-ups.md", "# Follow-ups\n")
        site.edit(
            "runbooks/metallb.md",
            "## 7. After",
            "## Follow-up\n\n- upgrade legacy/prod\n- upgrade prod\n\n## 7. After",
        )

        assert version_skew.skew_follow_up(site.repository()) == []

    def test_without_skew_none_is_needed(self, site: Site) -> None:
        site.edit(PROD, "v0.14.9", "v0.16.2")
        site.write("follow-ups.md", "")

        assert version_skew.skew_follow_up(site.repository()) == []


PINNED = """\
images:
  - {name: quay.io/metallb/controller, newTag: v0.17.0}
"""
POOL = """\
kind: IPAddressPool
metadata: {name: another, namespace: metallb-system}
spec: {addresses: [198.51.100.40/32]}
---
apiVersion: metallb.io/v1beta1
"""
